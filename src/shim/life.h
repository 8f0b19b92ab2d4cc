/*
 * The agent's process from start to end, and the shim's own end after it:
 *   waiting -> running -> (the agent ended) draining -> exited is told -> gone
 */
#ifndef LIFE_H
#define LIFE_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <yyjson.h>

struct shim;
struct life;

struct life_report { /* what the launcher is told */
	pid_t pid;   /* of the agent; 0: not started */
	bool resumed;
	const char *domain, *warning, *error;
	int status, signal; /* when it ended */
};

struct life *life_new(struct shim *s);     /* watches the signals */
bool life_wants_run(const struct life *l); /* nothing was started, nothing ended */
void life_run(struct life *l, yyjson_val *run);
/* It can't be started at all; ends the shim with `status`. */
void life_fail(struct life *l, int status, const char *error);
void life_stop(struct life *l, int64_t grace_ms);
bool life_ours(const struct life *l, pid_t pid);    /* a process of the agent's? */
bool life_started(const struct life *l, pid_t pid); /* by the agent itself? */
const struct life_report *life_report(const struct life *l);
void life_check(struct life *l); /* something was acknowledged, or a hook has left */
void life_told(struct life *l);  /* `exited` is acknowledged */
/* Ends this process the way the agent ended; after loop_run(). */
void life_die(struct life *l) __attribute__((noreturn));
#endif
