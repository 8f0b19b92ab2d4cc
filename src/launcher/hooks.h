/* What the CLI's hooks say, turned into turns, states and approvals. */
#ifndef HOOKS_H
#define HOOKS_H
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

struct agent;

struct hook {
	yyjson_val *json; /* what the CLI gave its hook; hook_event_name names it */
	const char *instance;
	int64_t seq, at; /* at: when it ran, Unix ms */
	bool ask;        /* it waits for a decision */
	bool old; /* of an earlier life: it tells of turns and messages, and nothing of
		     the process that runs now */
};

/* Unknown events are ignored. Runs inside the caller's transaction. */
void hooks_apply(struct agent *a, const struct hook *h);
/* A new conversation of the agent, with a row; driver_id may be a->driver_id. */
void session_new(struct agent *a, const char *driver_id);
#endif
