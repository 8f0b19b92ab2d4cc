/* The home of the agents' default user, after PUID has changed. */
#ifndef HOME_H
#define HOME_H
#include <sys/types.h>

/*
 * What in `path` belongs to an agent's user of before goes to uid and gid; `path` itself
 * last, so that what a crash cut short is done again. Nothing happens if `path` isn't
 * there, or belongs to uid already. Only at boot, while no agent runs; safe all the same
 * against one that moves things meanwhile. Left alone: what is root's or berth's, what
 * is mounted there, and files with several names, one of which may be elsewhere.
 */
void home_take_over(const char *path, uid_t uid, gid_t gid);
#endif
