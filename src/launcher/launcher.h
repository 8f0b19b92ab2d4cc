/* What the launcher's modules share: one struct, made in main.c and passed on. */
#ifndef LAUNCHER_H
#define LAUNCHER_H
#include <stdbool.h>
#include <stdint.h>
#include "list.h"

struct agent;
struct db;
struct ipc_req;
struct ipc_server;
struct loop;
struct spawner;
struct timer;
struct tmux;

struct settings {
	int64_t human_idle_ms; /* a person's keyboard must have been quiet for so long */
	int64_t confirm_timeout_ms; /* between submit and proof */
	int64_t backoff_min_ms, backoff_max_ms, stable_after_ms;
	int64_t expire_ms; /* 0: messages never expire */
	int64_t keep_ms;   /* what is over; 0: for ever */
	int64_t max_queue; /* per agent */
	int64_t max_crashes;
	bool limits_continue;
};

struct launcher {
	struct loop *loop;
	struct db *db;
	struct tmux *tmux;
	struct spawner *spawner;
	struct ipc_server *control;
	struct list agents; /* struct agent */
	struct settings settings;
	struct timer *expiry; /* messages that expire, approvals that time out */
	struct timer *checkpoint;
	struct timer *last_words; /* NULL until it ends */
	char boot_id[80];   /* of this kernel and this container: pids mean nothing in
			       another */
	int64_t started;    /* monotonic */
	int64_t clocks;     /* the wall clock before the monotonic one; 0: not yet seen */
	bool closing;       /* the appliance is stopping: nothing new begins */
	bool leftovers;     /* of agents that were removed unseen, processes still run */
	int64_t refused_at; /* Unix ms: when a FIFO's line was refused last; 0: never */
	char refused[256];  /* of which, and why */
	void *watchers;     /* ops.c: who waits for messages and events */
};

/* Something that others may wait for was committed: wakes `wait` and `subscribe`. */
void launcher_changed(struct launcher *l);
/* While closing: ends the loop once no agent is left. */
void launcher_closed(struct launcher *l);
struct agent *launcher_agent(
    struct launcher *l, const char *name); /* NULL if there is none */
#endif
