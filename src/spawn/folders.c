/*
 * An agent's folders in /run/berth/shim and /data/spool belong to its user, and so do
 * the files in them. Its user may be another one than at its last start.
 */
#include <stdio.h>
#include "dirs.h"
#include "paths.h"
#include "spawn.h"

int
folders_give(const struct spawn_msg *m)
{
	/* Hooks that the launcher hasn't had yet. */
	static const char *const kept[] = {"hooks.jsonl", NULL}, *const none[] = {NULL};
	static const char *const dropped[] = {"lock", "hook.sock", NULL};
	char shim[sizeof(SHIM_DIR) + SPAWN_NAME_MAX + 8],
	    spool[sizeof(SPOOL_DIR) + SPAWN_NAME_MAX + 8];

	snprintf(shim, sizeof(shim), SHIM_DIR "/%s", m->agent);
	snprintf(spool, sizeof(spool), SPOOL_DIR "/%s", m->agent);
	if (dir_hand_over(shim, m->uid, m->gid, none, dropped) == -1)
		return -1;
	return dir_hand_over(spool, m->uid, m->gid, kept, none);
}
