/*
 * See home.h. Names are looked up in directories that are held open, one part at a time,
 * without following; owners are set on what was opened, never by name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "clock.h"
#include "home.h"
#include "log.h"
#include "users.h"

/* Two descriptors a level. */
enum { DEPTH_MAX = 200, SAY_EVERY_MS = 10000 };

/* include/uapi/linux/openat2.h; the same number on every architecture. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
enum { STAY_ON_MOUNT = 0x01 };
struct how {
	uint64_t flags, mode, resolve;
};

struct move {
	uid_t uid, old_uid;
	gid_t gid, old_gid;
	dev_t dev;
	int64_t say_at;
	long long moved, linked, deep, failed;
};

static void move_inside(struct move *m, int dir, int depth);

/* EXDEV: something is mounted there. */
static int
open_one(int dir, const char *name)
{
	struct how how = {
	    .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = STAY_ON_MOUNT};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	if (fd == -1 &&
	    (errno == ENOSYS || errno == EPERM)) /* or an old seccomp filter */
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

static void
say_progress(struct move *m)
{
	if (mono_ms() < m->say_at)
		return;
	log_info("the agents' user is %u now, was %u: %lld files done", m->uid,
	    m->old_uid, m->moved);
	m->say_at = mono_ms() + SAY_EVERY_MS;
}

static void
give(struct move *m, int fd, const struct stat *st)
{
	gid_t gid = st->st_gid == m->old_gid ? m->gid : (gid_t)-1;

	if (st->st_uid == m->uid || !users_id_allowed(st->st_uid))
		return;
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		m->linked++;
	else if (fchownat(fd, "", m->uid, gid, AT_EMPTY_PATH) == -1)
		m->failed++;
	else
		m->moved++;
	say_progress(m);
}

static void
move_one(struct move *m, int dir, const char *name, int depth)
{
	struct stat st;
	int fd = open_one(dir, name);

	if (fd == -1) {
		m->failed += errno != ENOENT && errno != EXDEV;
		return;
	}
	if (fstat(fd, &st) == 0 && st.st_dev == m->dev) {
		if (S_ISDIR(st.st_mode))
			move_inside(m, fd, depth);
		give(m, fd, &st);
	}
	close(fd);
}

static void
move_inside(struct move *m, int dir, int depth)
{
	int fd =
	    depth < DEPTH_MAX ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		*(depth < DEPTH_MAX ? &m->failed : &m->deep) += 1;
		if (fd != -1)
			close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			move_one(m, fd, entry->d_name, depth + 1);
	closedir(d);
}

static void
sum_up(const struct move *m, const char *path)
{
	log_info("%s belongs to uid %u now, was %u: %lld files", path, m->uid, m->old_uid,
	    m->moved);
	if (m->linked > 0)
		log_warnx("%s: %lld files with several names are left to uid %u", path,
		    m->linked, m->old_uid);
	if (m->deep > 0)
		log_warnx("%s: %lld folders deeper than %d are left to uid %u", path,
		    m->deep, DEPTH_MAX, m->old_uid);
	if (m->failed > 0)
		log_warnx("%s: %lld files could not be given to uid %u", path, m->failed,
		    m->uid);
}

void
home_take_over(const char *path, uid_t uid, gid_t gid)
{
	struct move m = {.uid = uid, .gid = gid, .say_at = mono_ms() + SAY_EVERY_MS};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && st.st_uid != uid && users_id_allowed(st.st_uid)) {
		m.old_uid = st.st_uid;
		m.old_gid = st.st_gid;
		m.dev = st.st_dev;
		move_inside(&m, fd, 0);
		if (fchown(fd, uid, gid) == -1)
			log_warn("%s", path);
		sum_up(&m, path);
	}
	close(fd);
}
