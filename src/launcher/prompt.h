/*
 * What an agent is given for its messages: docs/protocols.md, "A message's header".
 * Nothing in a prompt made here can act as a key, a shell line, a command or an exit, and
 * no text can forge a header.
 */
#ifndef PROMPT_H
#define PROMPT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct prompt_part {
	const char *id;                        /* ULID */
	int64_t at;                            /* Unix ms: shown as local HH:MM */
	const char *channel, *sender, *thread; /* sender and thread may be NULL */
	const char *text;                      /* UTF-8 or not; NUL-terminated */
};

/* Appends one part, after an empty line if out isn't empty. */
void prompt_add(struct buf *out, const struct prompt_part *part);

/* Text as the agent gets it, without a header. */
void prompt_clean(struct buf *out, const char *text);

/* Does a prompt that an agent reports carry the message's header? */
bool prompt_carries(const char *reported, const char *id);
#endif
