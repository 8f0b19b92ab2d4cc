/*
 * One turn: does what the prompt's script says, prints the answer as it comes and writes
 * it into the transcript. Everything happens from the loop, so a turn can be ended
 * between any two steps.
 */
#ifndef DEMO_TURN_H
#define DEMO_TURN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct screen;
struct transcript;
struct turn;

struct turn_result {
	const char *error; /* NULL, or as in StopFailure: rate_limit,
			      authentication_failed, unknown */
	const char *text;  /* the last thing it said */
	bool no_hook;
	int64_t duration_ms;
};

struct turn_host {
	struct loop *loop;
	struct screen *screen;
	struct transcript *transcript;
	/* May this tool be used? Answered by turn_answer(), never from inside of ask().
	 */
	void (*ask)(const char *tool, const char *input, void *arg);
	char *(*absorb)(
	    void *arg); /* what was queued, as one prompt (the turn frees it), or NULL */
	void (*deaf)(int64_t ms, void *arg);
	void (*exit)(int status, void *arg); /* ends the program; may free the turn */
	void (*draw)(void *arg);             /* show what was printed: now */
	/* The turn is over: turn_free() it. The result is borrowed until done() returns.
	 */
	void (*done)(const struct turn_result *result, void *arg);
	void *arg;
};

struct turn *turn_start(
    const struct turn_host *host, const char *prompt); /* host is borrowed */
void turn_free(struct turn *t);
/* text: the tool's input if it was allowed, else why not (may be NULL). */
void turn_answer(struct turn *t, bool allowed, const char *text);
void turn_interrupt(struct turn *t); /* what was said so far is kept; turn_free() it */

/* "You've hit your 5-hour limit · resets 5:51pm (UTC)": as the CLI words it, in whole
 * minutes. */
enum { LIMIT_TEXT_MAX = 96 };
const char *turn_limit_text(
    int64_t resets_at, int64_t now, char out[static LIMIT_TEXT_MAX]);
#endif
