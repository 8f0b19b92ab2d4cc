/*
 * What can be told from a pane's picture (capture-pane -e -p): is the prompt there, and
 * is the line after it empty? Only for that; an agent's state never comes from its
 * screen.
 */
#ifndef SCREEN_H
#define SCREEN_H
#include <stdbool.h>

enum screen_prompt {
	SCREEN_NO_PROMPT, /* the cursor is in no prompt: a menu, another view, output */
	SCREEN_EMPTY,     /* prompt with nothing typed; dim text is a hint, not a draft */
	SCREEN_DRAFT,     /* somebody's half-typed text */
};

/* rows: the visible screen, rows separated by '\n', with SGR sequences; the cursor's
 * place in cells, from 0. glyph: what the prompt's row begins with. */
enum screen_prompt screen_prompt(
    const char *rows, int cursor_x, int cursor_y, const char *glyph);

/* Where the prompt that the cursor is in begins, in rows; NULL if it is in none. */
const char *screen_prompt_rows(const char *rows, int cursor_y, const char *glyph);

/* The text of the last row that isn't blank, without trailing blanks; rows have no SGR
 * sequences here. "" if all are blank. The caller frees it. */
char *screen_last_row(const char *rows);

/* Is this text anywhere on the screen, SGR sequences left out? */
bool screen_shows(const char *rows, const char *text);
#endif
