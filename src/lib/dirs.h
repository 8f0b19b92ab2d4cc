/* Directories and files that root makes for others, without following anybody's link. */
#ifndef DIRS_H
#define DIRS_H
#include <stddef.h>
#include <sys/types.h>

/* Makes the last part of path (its parents exist and are root's) and sets owner and mode,
 * also of one that was there. A link or a file in its place is an error: ENOTDIR. 0, or
 * -1 with errno. */
int dir_ensure(const char *path, mode_t mode, uid_t uid, gid_t gid);
/* The directory, which is there, goes to its owner, and so do those of the files `keep`
 * in it that are regular and have one name; if anything was another's, the files `drop`
 * are removed, and what of `keep` can't be given. Both lists end with NULL. Whoever owned
 * the directory until now can't put anything else under these names meanwhile. 0, or -1
 * with errno. */
int dir_hand_over(const char *path, uid_t uid, gid_t gid, const char *const *keep,
    const char *const *drop);
/* Whole file anew: written beside, synced, renamed. 0, or -1 with errno. */
int file_replace(
    const char *path, const void *data, size_t len, mode_t mode, uid_t uid, gid_t gid);
#endif
