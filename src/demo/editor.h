/*
 * The input line: text with a cursor, a stash for what was half typed, and what was sent
 * before. Positions are bytes, always between characters.
 */
#ifndef DEMO_EDITOR_H
#define DEMO_EDITOR_H
#include <stdbool.h>
#include <stddef.h>

#include "keys.h"

struct editor;
struct editor *editor_new(void);
void editor_free(struct editor *e);

/* Text, paste and editing keys change the line; false for keys that are none of the
 * line's business. */
bool editor_key(struct editor *e, const struct key *key);
const char *editor_text(const struct editor *e, size_t *len, size_t *cursor);
bool editor_empty(const struct editor *e);
void editor_set(struct editor *e, const char *text); /* cursor at the end */

/* Enter, or the chord. NULL if there is nothing to send (white space only), or the cursor
 * stood behind a backslash, which became a newline. Else the text without trailing white
 * space, which the caller frees: the line is empty then, or holds what was stashed. */
char *editor_submit(struct editor *e);
/* Ctrl-S: takes the line away until the next submit; on an empty line, gives it back. */
void editor_stash(struct editor *e);
/* For Up: the newest last; a repeat of the newest is not kept twice. */
void editor_remember(struct editor *e, const char *text);
#endif
