/*
 * The terminal: raw, bracketed paste on, main screen. What was said scrolls by as plain
 * lines; below it is one live region (what waits or is asked, then the input line, "❯ "
 * at column 0) that is wiped and drawn again. Nothing that is printed can act on the
 * terminal: control characters are dropped.
 */
#ifndef DEMO_SCREEN_H
#define DEMO_SCREEN_H
#include <stdbool.h>
#include <stddef.h>

struct screen;

enum screen_style { SCREEN_PLAIN, SCREEN_BOLD, SCREEN_DIM, SCREEN_STYLES };

struct screen_view {
	const char *above; /* lines over the input line, each ends with \n; may be NULL */
	bool input;        /* false: no input line (a dialog is open) */
	const char *text;  /* the input line, */
	size_t len, cursor;      /* its length and where the cursor is in it */
	const char *placeholder; /* shown dim while it is empty */
};

/* in and out are the terminal's; -1 with errno if in is no terminal (NULL). */
struct screen *screen_new(int in, int out);
void screen_free(struct screen *s);    /* wipes the live region, restores the terminal */
void screen_resized(struct screen *s); /* SIGWINCH; draw afterwards */

/* Lines for the scrolling part; shown by the next screen_draw(). */
void screen_print(
    struct screen *s, enum screen_style style, const char *text, size_t len);
void screen_printf(struct screen *s, enum screen_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void screen_draw(struct screen *s, const struct screen_view *view);
#endif
