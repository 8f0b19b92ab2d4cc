/*
 * One conversation: takes prompts, runs turns, keeps what comes meanwhile in a queue,
 * tells the hooks, the transcript and the registry. It is the demo's only state machine.
 */
#ifndef DEMO_SESSION_H
#define DEMO_SESSION_H
#include <stdbool.h>

struct buf;
struct loop;
struct session;
struct ui;

enum { SESSION_HUP = 129, SESSION_TERM = 143 }; /* exit statuses: 128 + the signal */

struct session_options {
	const char *home, *cwd;
	const char *id;   /* a UUID */
	const char *hook; /* program, NULL: none */
	bool resume;
	bool ledger;
};

/* NULL with a sentence on stderr if the session is there already, or, to resume, is not.
 * Prints nothing on the terminal; session_start() does, and runs SessionStart. */
struct session *session_new(struct loop *loop, const struct session_options *o);
void session_start(struct session *s, struct ui *ui);
void session_free(struct session *s); /* removes the registry's file */

void session_submit(struct session *s, const char *text);
bool session_interrupt(struct session *s);          /* false: nothing was running */
void session_answer(struct session *s, bool allow); /* the open dialog */
char *session_unqueue(
    struct session *s); /* takes back all that waits, as one text, or NULL */
/* SessionEnd, then the loop stops with status. Once: a terminal that goes away is told by
 * a signal and by the read that fails, and the hook must live through both. */
void session_end(struct session *s, const char *reason, int status);

bool session_asking(const struct session *s); /* a dialog is open */
bool session_queued(const struct session *s);
void session_describe(
    const struct session *s, struct buf *out); /* lines over the input line */
#endif
