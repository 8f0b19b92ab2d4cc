/* See dirs.h. Owner and mode are set through a descriptor that was opened without
 * following. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dirs.h"
#include "log.h"
#include "users.h"
#include "xmalloc.h"

int
dir_ensure(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;
	int fd, rc = -1, saved;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1) {
		if (errno == ELOOP)
			errno = ENOTDIR;
		return -1;
	}
	if (fstat(fd, &st) == 0 &&
	    (st.st_uid == uid && st.st_gid == gid ? 0 : fchown(fd, uid, gid)) == 0 &&
	    ((st.st_mode & 07777) == mode ? 0 : fchmod(fd, mode)) == 0)
		rc = 0;
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static bool
another_owns(int dir, const char *const *names, uid_t uid)
{
	struct stat st;

	for (; *names != NULL; names++)
		if (fstatat(dir, *names, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_uid != uid)
			return true;
	return false;
}

/* Only what an agent's user owned: root's own files may lie there by a hard link. */
static bool
give_file(int dir, const char *name, uid_t uid, gid_t gid)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool given;

	if (fd == -1)
		return errno == ENOENT;
	given = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
		users_id_allowed(st.st_uid) &&
		fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0;
	close(fd);
	return given;
}

/* Root's meanwhile, so that nobody changes what is being looked at. */
static int
give_all(int dir, uid_t uid, gid_t gid, const char *const *keep, const char *const *drop)
{
	if (fchown(dir, 0, 0) == -1 || fchmod(dir, 0700) == -1)
		return -1;
	for (; *drop != NULL; drop++)
		unlinkat(dir, *drop, 0);
	for (; *keep != NULL; keep++)
		if (!give_file(dir, *keep, uid, gid)) {
			log_warnx("%s was no file of its agent: removed", *keep);
			unlinkat(dir, *keep, 0);
		}
	return fchown(dir, uid, gid);
}

int
dir_hand_over(const char *path, uid_t uid, gid_t gid, const char *const *keep,
    const char *const *drop)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc = -1,
	    saved;
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (st.st_uid != uid || another_owns(fd, keep, uid) ||
		    another_owns(fd, drop, uid))
			rc = give_all(fd, uid, gid, keep, drop);
		else
			rc = st.st_gid == gid ? 0 : fchown(fd, uid, gid);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int
write_whole(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
file_replace(
    const char *path, const void *data, size_t len, mode_t mode, uid_t uid, gid_t gid)
{
	char *beside = xasprintf("%s.new", path);
	int fd, rc = -1, saved;

	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd != -1) {
		if (write_whole(fd, data, len) == 0 && fchown(fd, uid, gid) == 0 &&
		    fchmod(fd, mode) == 0 && fsync(fd) == 0)
			rc = 0;
		saved = errno;
		if (close(fd) == -1)
			rc = -1;
		errno = saved;
		if (rc == 0)
			rc = rename(beside, path);
		if (rc == -1) {
			saved = errno;
			unlink(beside);
			errno = saved;
		}
	}
	free(beside);
	return rc;
}
