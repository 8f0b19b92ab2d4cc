/*
 * What an earlier shim of this agent, killed before it could, left running: processes of
 * the agent that moved into sessions of their own and still hold its lock.
 */
#ifndef ORPHANS_H
#define ORPHANS_H
#include <stdbool.h>

/* SIGKILLs each process that holds the file behind lock_fd open, but us and what descends
 * from a living shim. true if there was any: the lock may be free in a moment. */
bool orphans_kill(int lock_fd);
#endif
