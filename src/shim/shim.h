/*
 * One shim: what its parts share. main.c makes it, link.c speaks with the launcher,
 * life.c with the agent's process; spool, hooks, registry, folder, tail and notes know
 * nothing of each other.
 */
#ifndef SHIM_H
#define SHIM_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "clock.h"

struct shim {
	struct loop *loop;
	const char *name;
	char instance[ULID_LEN + 1];
	char *shim_dir, *agent_dir;
	int lock_fd;
	bool unable; /* locked out, or no spool: only says so, and ends */

	struct link *link;
	struct notes *notes;
	struct spool *spool;
	struct hooks *hooks;
	struct tail *tail;
	struct registry *registry; /* NULL before the start, or if there is none */
	struct folder *folder;     /* NULL before the start */
	struct life *life;
};
#endif
