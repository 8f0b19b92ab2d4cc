/*
 * Where a command prints to. Colours only on a terminal (NO_COLOR and TERM=dumb are
 * respected). What comes from agents or messages goes through text_clean() before it gets
 * here, or out_text().
 */
#ifndef OUT_H
#define OUT_H
#include <stdbool.h>
#include <stdio.h>
#include <yyjson.h>

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_RED,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_CYAN
};

struct out {
	FILE *file;
	bool tty, colour;
	int width; /* columns; 0: as long as it needs */
};

void out_init(struct out *o, FILE *file);
void out_measure(struct out *o); /* width again, after the terminal was resized */
void out_style(struct out *o, enum style style); /* from here on; STYLE_PLAIN ends it */
void out_printf(struct out *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void out_puts(struct out *o, const char *text);
void out_styled(struct out *o, enum style style, const char *text);
/* Any text, cleaned, wrapped into the width behind `indent` spaces; ends its last line.
 */
void out_text(struct out *o, const char *text, int indent);
/* Any text on one line, whatever its length: what people search for. */
void out_line(struct out *o, const char *text);
/* One JSON value and a newline, indented on a terminal; frees doc. */
void out_json(struct out *o, yyjson_mut_doc *doc);
void out_json_line(
    struct out *o, yyjson_mut_doc *doc); /* always on one line; frees doc */
/* A value from the launcher, without what belongs to the wire ("req", "ok"). */
void out_value(struct out *o, yyjson_val *value);
void out_value_line(struct out *o, yyjson_val *value);
#endif
