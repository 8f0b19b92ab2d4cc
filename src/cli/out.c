/* Printing: colours, width, JSON. JSON keeps every character, but C1 controls and DEL are
 * written as \u00XX in it, for some terminals act on those too. */
#include "out.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "text.h"
#include "utf8.h"

static const char *const style_codes[] = {
    [STYLE_PLAIN] = "\033[0m",
    [STYLE_BOLD] = "\033[1m",
    [STYLE_DIM] = "\033[2m",
    [STYLE_RED] = "\033[31m",
    [STYLE_GREEN] = "\033[32m",
    [STYLE_YELLOW] = "\033[33m",
    [STYLE_CYAN] = "\033[36m",
};

static bool
terminal_has_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return (no == NULL || *no == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

/* COLUMNS, if it is set: it is also how a pipe gets a width. */
void
out_measure(struct out *o)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int width = columns == NULL ? 0 : atoi(columns);

	if (width <= 0 && o->tty && ioctl(fileno(o->file), TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	o->width = width <= 0 ? 0 : width < 20 ? 20 : width;
}

void
out_init(struct out *o, FILE *file)
{
	o->file = file;
	o->tty = isatty(fileno(file)) == 1;
	o->colour = o->tty && terminal_has_colour();
	out_measure(o);
}

void
out_style(struct out *o, enum style style)
{
	if (o->colour)
		fputs(style_codes[style], o->file);
}

void
out_printf(struct out *o, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(o->file, format, ap);
	va_end(ap);
}

void
out_puts(struct out *o, const char *text)
{
	fputs(text, o->file);
}

void
out_styled(struct out *o, enum style style, const char *text)
{
	if (style != STYLE_PLAIN)
		out_style(o, style);
	fputs(text, o->file);
	if (style != STYLE_PLAIN)
		out_style(o, STYLE_PLAIN);
}

void
out_text(struct out *o, const char *text, int indent)
{
	struct buf clean = BUF_INIT, lines = BUF_INIT;

	text_clean(&clean, text, TEXT_LINES);
	text_wrap(&lines, buf_str(&clean), o->width, indent);
	fputs(buf_str(&lines), o->file);
	buf_free(&clean);
	buf_free(&lines);
}

void
out_line(struct out *o, const char *text)
{
	char *clean = text_cleaned(text, TEXT_LINE);

	fprintf(o->file, "%s\n", clean);
	free(clean);
}

/* A character of JSON text, escaped if a terminal would act on it; they stand in strings
 * only. */
static void
json_put(struct out *o, const char *at, size_t len, uint32_t scalar)
{
	if (len == 1 && scalar != 0x7f) /* yyjson escapes those below 0x20 in strings */
		putc(*at, o->file);
	else if (!text_hidden(scalar))
		fwrite(at, 1, len, o->file);
	else if (scalar < 0x10000)
		fprintf(o->file, "\\u%04X", scalar);
	else
		fprintf(o->file, "\\u%04X\\u%04X", 0xd7c0 + (scalar >> 10),
		    0xdc00 + (scalar & 0x3ff));
}

static void
json_out(struct out *o, yyjson_mut_doc *doc, yyjson_write_flag flags)
{
	size_t len;
	uint32_t scalar;
	char *text = yyjson_mut_write(doc, flags, &len);

	if (text == NULL)
		fatalx(EXIT_BUG, "JSON cannot be written");
	for (const char *p = text; len > 0;) {
		int step = utf8_next(p, len, &scalar);
		if (step < 0)
			fatalx(EXIT_BUG, "JSON that is not UTF-8");
		json_put(o, p, (size_t)step, scalar);
		p += step;
		len -= (size_t)step;
	}
	putc('\n', o->file);
	free(text);
	yyjson_mut_doc_free(doc);
}

void
out_json(struct out *o, yyjson_mut_doc *doc)
{
	json_out(o, doc, o->tty ? YYJSON_WRITE_PRETTY_TWO_SPACES : YYJSON_WRITE_NOFLAG);
}

void
out_json_line(struct out *o, yyjson_mut_doc *doc)
{
	json_out(o, doc, YYJSON_WRITE_NOFLAG);
	fflush(o->file);
}

static yyjson_mut_doc *
value_copy(yyjson_val *value)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy = yyjson_val_mut_copy(doc, value);

	if (copy == NULL)
		fatalx(EXIT_SYSTEM, "out of memory: JSON");
	yyjson_mut_obj_remove_key(copy, "req");
	yyjson_mut_obj_remove_key(copy, "ok");
	yyjson_mut_doc_set_root(doc, copy);
	return doc;
}

void
out_value(struct out *o, yyjson_val *value)
{
	out_json(o, value_copy(value));
}

void
out_value_line(struct out *o, yyjson_val *value)
{
	out_json_line(o, value_copy(value));
}
