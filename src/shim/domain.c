/*
 * The kernel's interface is written out here, because its header is newer than some
 * systems we build on. Rules can only open: so every directory is opened but those that
 * lead to a closed one, which are looked into instead. Names may be listed everywhere
 * (`ls /`), contents not.
 */
#include "domain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* The same numbers on every architecture (but alpha). */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

/* include/uapi/linux/landlock.h */
struct ruleset_attr {
	uint64_t handled_fs, handled_net, scoped;
};
struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

enum { VERSION = 1, PATH_BENEATH = 1 };

#define FS_EXECUTE      (1ull << 0)
#define FS_WRITE_FILE   (1ull << 1)
#define FS_READ_FILE    (1ull << 2)
#define FS_READ_DIR     (1ull << 3)
#define FS_ABI1         ((1ull << 13) - 1)
#define FS_REFER        (1ull << 13) /* ABI 2 */
#define FS_TRUNCATE     (1ull << 14) /* 3 */
#define FS_IOCTL_DEV    (1ull << 15) /* 5 */
#define FS_RESOLVE_UNIX (1ull << 16) /* 9 */
#define SCOPE_ALL       3ull         /* 6: abstract sockets, signals */
/* What a rule for something else than a directory may hold. */
#define FS_OF_FILES                                                                      \
	(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV |        \
	    FS_RESOLVE_UNIX)

struct rules {
	int fd;
	uint64_t all;
	const struct domain_spec *spec;
};

static int
abi(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION);

	return version < 0 ? 0 : (int)version;
}

static uint64_t
rights_of(int version)
{
	uint64_t rights = FS_ABI1;

	if (version >= 2)
		rights |= FS_REFER;
	if (version >= 3)
		rights |= FS_TRUNCATE;
	if (version >= 5)
		rights |= FS_IOCTL_DEV;
	if (version >= 9)
		rights |= FS_RESOLVE_UNIX;
	return rights;
}

/* Is what was opened where the path says, without a link, "..", or "//" on the way? The
 * kernel's own word for where it is, so nothing can change between question and answer.
 */
static bool
is_at(int fd, const char *path)
{
	char self[64], where[PATH_MAX];
	ssize_t len;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	len = readlink(self, where, sizeof(where));
	return len > 0 && (size_t)len == strlen(path) &&
	       memcmp(where, path, (size_t)len) == 0;
}

static void
allow(const struct rules *r, const char *path, uint64_t rights)
{
	struct path_attr rule = {.fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW)};
	struct stat st;

	if (rule.fd == -1)
		return; /* gone, or not ours to reach anyway */
	if (!is_at(rule.fd, path))
		log_warnx("%s leads elsewhere: closed to the agent", path);
	else if (fstat(rule.fd, &st) == 0 && !S_ISLNK(st.st_mode)) {
		rule.allowed =
		    rights & (S_ISDIR(st.st_mode) ? r->all : r->all & FS_OF_FILES);
		if (rule.allowed != 0 &&
		    syscall(SYS_landlock_add_rule, r->fd, PATH_BENEATH, &rule, 0) == -1)
			log_warn("landlock rule for %s", path);
	}
	close(rule.fd);
}

/* Is `path` a closed directory, or does it lead to one? */
static bool
is_closed(const struct rules *r, const char *path, bool *leads)
{
	size_t len = strlen(path);
	bool closed = false;

	*leads = false;
	for (const char *const *c = r->spec->closed; *c != NULL; c++) {
		closed |= strcmp(*c, path) == 0;
		*leads |= strncmp(*c, path, len) == 0 && (*c)[len] == '/';
	}
	return closed;
}

static void
allow_around(const struct rules *r, const char *dir)
{
	DIR *d = opendir(*dir == '\0' ? "/" : dir);
	struct dirent *entry;
	char path[PATH_MAX];
	bool leads;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >=
			PATH_MAX ||
		    is_closed(r, path, &leads))
			continue;
		if (leads)
			allow_around(r, path);
		else
			allow(r, path, r->all);
	}
	if (d != NULL)
		closedir(d);
}

static void
add_rules(const struct rules *r)
{
	allow(r, "/", FS_READ_DIR);
	allow_around(r, "");
	for (const char *const *p = r->spec->open; *p != NULL; p++)
		allow(r, *p, r->all);
	for (const char *const *p = r->spec->reach; *p != NULL; p++)
		allow(r, *p, FS_RESOLVE_UNIX);
}

void
domain_prepare(struct domain *d, const struct domain_spec *spec)
{
	int version = abi();
	bool files = spec->want == DOMAIN_FULL && version >= 2;
	bool scoped = spec->want != DOMAIN_NONE && version >= 6;
	struct ruleset_attr attr = {.handled_fs = files ? rights_of(version) : 0,
	    .scoped = scoped ? SCOPE_ALL : 0};
	struct rules r = {.all = attr.handled_fs, .spec = spec};

	*d = (struct domain){.fd = -1, .name = "none"};
	if (!files && !scoped)
		return;
	/* An older kernel takes the longer struct if the rest is 0. */
	r.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (r.fd == -1) {
		log_warn("landlock");
		return;
	}
	if (files)
		add_rules(&r);
	d->fd = r.fd;
	d->name = files && scoped ? "scoped+files" : files ? "files" : "scoped";
}

int
domain_enter(const struct domain *d)
{
	return d->fd == -1 ? 0 : (int)syscall(SYS_landlock_restrict_self, d->fd, 0);
}

void
domain_close(struct domain *d)
{
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}
