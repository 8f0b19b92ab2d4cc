/*
 * What spawn remembers: the terminals that panes gave it and the shims it started. All of
 * it is lost with the process, and none of it is needed to start again: panes register
 * again, and the launcher holds a pidfd of every shim.
 */
#ifndef SPAWN_H
#define SPAWN_H
#include <stdbool.h>
#include <sys/types.h>
#include "spawnmsg.h"

enum { SPAWN_MAX = 256, SPAWN_MAX_LAUNCHERS = 4 };

struct pane {
	int conn; /* -1: free slot */
	int tty;  /* -1 until it registered */
	char agent[SPAWN_NAME_MAX + 8];
};

struct shim {
	pid_t pid; /* 0: free slot */
	int tty;   /* a duplicate, to take the terminal back when the shim is gone */
	char agent[SPAWN_NAME_MAX + 8];
};

struct spawn {
	int launcher_listen, pane_listen, signals;
	int launchers[SPAWN_MAX_LAUNCHERS]; /* -1: free slot */
	struct pane panes[SPAWN_MAX];
	struct shim shims[SPAWN_MAX];
};

/* agent.c: each fills `m` with the answer and returns a descriptor to send along, or -1.
 */
int agent_listen(struct spawn_msg *m);
int agent_start(struct spawn *s, struct spawn_msg *m, int *release);
void agent_kill(struct spawn *s, struct spawn_msg *m);
/* May an agent have this uid and gid, and is the name one? */
bool agent_allowed(const struct spawn_msg *m);
/* Takes the terminal back after its agent: nobody's until the next start. */
void agent_take_back(int tty);

/* folders.c: what is the agent's is its user's now. -1 with errno. Only while nothing of
 * it runs. */
int folders_give(const struct spawn_msg *m);

/* typing.c: for good, also for what this process starts. Needs no_new_privs. */
void typing_forbid(void);
#endif
