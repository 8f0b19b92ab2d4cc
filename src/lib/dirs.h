/* Directories and files that root makes for others, without following anybody's link. */
#ifndef DIRS_H
#define DIRS_H
#include <stddef.h>
#include <sys/types.h>

/* Makes the last part of path (its parents exist and are root's) and sets owner and mode,
 * also of one that was there. A link or a file in its place is an error: ENOTDIR. 0, or
 * -1 with errno. */
int dir_ensure(const char *path, mode_t mode, uid_t uid, gid_t gid);
/* Whole file anew: written beside, synced, renamed. 0, or -1 with errno. */
int file_replace(
    const char *path, const void *data, size_t len, mode_t mode, uid_t uid, gid_t gid);
#endif
