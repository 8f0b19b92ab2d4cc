/* Texts from anybody, on a terminal. Widths are columns (utf8_width). */
#ifndef TEXT_H
#define TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum text_how {
	TEXT_LINES, /* newlines and tabs stay */
	TEXT_LINE   /* white space, newlines too, becomes single spaces */
};

/* Does a terminal act on it, or does it show nothing and change how others show? */
bool text_hidden(uint32_t scalar);
/* Appends text so that nothing in it can act on a terminal or mislead its reader:
 * controls (C0, DEL, C1), bidirectional and invisible format characters are spelled out
 * (\x1b, \u202e), invalid bytes become U+FFFD. NULL is "". */
void text_clean(struct buf *out, const char *text, enum text_how how);
/* The same, malloc'd. */
char *text_cleaned(const char *text, enum text_how how);

/* Appends clean one-line text in at most `width` columns; "…" ends it if something was
 * left out. */
void text_fit(struct buf *out, const char *text, int width);
/* The same, but the beginning is left out. */
void text_fit_tail(struct buf *out, const char *text, int width);
int text_width(const char *text);

/* Appends clean text as lines that begin with `indent` spaces and end at `width` columns
 * (0: no limit). Words are kept whole where they can be; lines of code (in ``` fences, or
 * indented by four) and addresses are never broken. The last line gets its newline. */
void text_wrap(struct buf *out, const char *text, int width, int indent);
#endif
