/* See dirs.h. Owner and mode are set through a descriptor that was opened without
 * following. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dirs.h"
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
