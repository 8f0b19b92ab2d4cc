/*
 * Runs the hook program as the CLI does: the event's JSON on standard input (a socket,
 * closed after it), an answer in JSON on standard output, standard error thrown away.
 * Hooks run one after the other, in the order asked for; only hooks_beside() does not
 * wait for its turn. A hook that takes too long is killed and counts as one without an
 * answer, so nothing hangs for good.
 */
#ifndef DEMO_HOOKS_H
#define DEMO_HOOKS_H
#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

struct hooks;
struct loop;

enum hook_event {
	HOOK_SESSION_START,
	HOOK_USER_PROMPT_SUBMIT,
	HOOK_PERMISSION_REQUEST,
	HOOK_STOP,
	HOOK_STOP_FAILURE,
	HOOK_PRE_COMPACT,
	HOOK_POST_COMPACT,
	HOOK_SESSION_END,
	HOOK_EVENTS
};

enum hook_decision { HOOK_NONE, HOOK_ALLOW, HOOK_DENY };

/* What a hook said; strings are borrowed until the callback returns. */
struct hook_answer {
	bool failed; /* could not be run, was killed, or exited with neither 0 nor 2 */
	bool block;  /* {"decision":"block"}, or exit status 2 */
	const char *reason;          /* why it blocks, or what went wrong; may be NULL */
	enum hook_decision decision; /* hookSpecificOutput.decision.behavior */
	const char *message;         /* its message; may be NULL */
	bool interrupt;              /* a denial that ends the turn */
	yyjson_val *updated_input;   /* may be NULL */
};
typedef void hook_done(const struct hook_answer *answer, void *arg);

/* program NULL: no hooks; each counts as run at once, without an answer. */
struct hooks *hooks_new(struct loop *loop, const char *program, const char *session,
    const char *transcript_path, const char *cwd);
/* What is running is left alone, and nobody is told what it says. */
void hooks_free(struct hooks *h);
void hooks_prompt(
    struct hooks *h, const char *prompt_id); /* copied into the hooks that follow */

/* The event with the members every hook of its kind has; the caller adds the rest. */
yyjson_mut_doc *hooks_input(struct hooks *h, enum hook_event event);
/* Frees doc. done (may be NULL) is called from the loop, never from inside. */
void hooks_run(struct hooks *h, enum hook_event event, yyjson_mut_doc *doc,
    hook_done *done, void *arg);
void hooks_beside(struct hooks *h, enum hook_event event, yyjson_mut_doc *doc,
    hook_done *done, void *arg);
/* Nobody wants to know any more: running hooks go on, but no `done` of what was asked so
 * far is called; what waited for its turn is dropped, and the next hook need not wait for
 * a running one. */
void hooks_forget(struct hooks *h);
/* The same for what was asked by hooks_beside(). */
void hooks_forget_beside(struct hooks *h);

/* Reads what a hook printed (pieces of *doc, which the caller frees); status as of
 * waitpid. */
struct hook_answer hook_answer_parse(
    const char *text, size_t len, int status, yyjson_doc **doc);
#endif
