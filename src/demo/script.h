/*
 * What a prompt asks the demo to do. A prompt is one text, or several messages that each
 * start with
 * "[berth <id> ...] "; of each, the [[...]] in it are done in order, or, if it has none,
 * it is answered with "You said: " and its text. What looks like a command and isn't well
 * formed is answered with why.
 */
#ifndef DEMO_SCRIPT_H
#define DEMO_SCRIPT_H
#include <stddef.h>
#include <stdint.h>

struct buf;

enum step_type {
	STEP_SAY,    /* text */
	STEP_SLEEP,  /* n[0] ms */
	STEP_STREAM, /* n[0] lines, one every n[1] ms */
	STEP_FILL,   /* an answer of n[0] bytes */
	STEP_TOOL,   /* text: the tool's name, input: JSON */
	STEP_USAGE,  /* n[0] in, n[1] out, n[2] and n[3] read and written by the cache */
	STEP_LIMIT,  /* n[0] seconds until the limit is reset */
	STEP_AUTH,
	STEP_ERROR,  /* text */
	STEP_ABSORB, /* takes what is queued into this turn */
	STEP_DEAF,   /* does not read the terminal for n[0] ms; the turn goes on */
	STEP_SPAM,   /* n[0] bytes of noise on the screen */
	STEP_NOHOOK, /* no Stop hook at the end of this turn */
	STEP_CRASH,  /* SIGKILL */
	STEP_ABORT,  /* SIGABRT */
	STEP_EXIT,   /* ends in order, with status n[0] */
	STEPS
};

struct step {
	enum step_type type;
	char *text;
	char *input;
	int64_t n[4];
};

struct script {
	struct step *steps;
	size_t count;
};

void script_parse(struct script *s, const char *prompt);
void script_clear(struct script *s);
/* One line about each command: for /help. */
void script_help(struct buf *out);
#endif
