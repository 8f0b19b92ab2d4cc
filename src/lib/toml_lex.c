/*
 * The cursor of the TOML parser, and what is made of characters: space, comments,
 * strings, keys. toml_check_bytes() has run before anything else here, so the text is
 * UTF-8 without stray control characters, and a '\r' is always followed by '\n'. Columns
 * count characters, not bytes.
 */
#include "toml_lex.h"
#include "arena.h"
#include "utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { QUOTE_SHOWN = 40 }; /* bytes of the text that an error repeats */

const char *
toml_quote(char out[static TOML_QUOTE_MAX], const char *text, size_t len)
{
	size_t used = 0;
	size_t i = 0;

	out[used++] = '"';
	while (i < len && used < QUOTE_SHOWN) {
		uint32_t scalar;
		int size = utf8_next(text + i, len - i, &scalar);

		if (size < 1 || scalar < 0x20 || (scalar >= 0x7f && scalar < 0xa0)) {
			size = size < 1 ? 1 : size;
			used += (size_t)snprintf(out + used, 8, "\\u%04X",
			    (unsigned)(size > 1 ? scalar : (unsigned char)text[i]));
		} else {
			memcpy(out + used, text + i, (size_t)size);
			used += (size_t)size;
		}
		i += (size_t)size;
	}
	snprintf(out + used, TOML_QUOTE_MAX - used, "%s\"", i < len ? "..." : "");
	return out;
}

bool
toml_fail(struct toml_lex *lex, struct toml_pos at, const char *format, ...)
{
	struct toml_error *e = lex->error;
	va_list ap;
	int used;

	e->line = at.line;
	e->column = at.column;
	used = snprintf(
	    e->text, sizeof(e->text), "%.100s:%u:%u: ", lex->name, at.line, at.column);
	va_start(ap, format);
	vsnprintf(e->text + used, sizeof(e->text) - (size_t)used, format, ap);
	va_end(ap);
	return false;
}

int
toml_peek(const struct toml_lex *lex)
{
	if (lex->p == lex->end)
		return -1;
	return *lex->p == '\r' ? '\n' : (unsigned char)*lex->p;
}

bool
toml_ahead(const struct toml_lex *lex, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(lex->end - lex->p) >= len && memcmp(lex->p, text, len) == 0;
}

void
toml_step(struct toml_lex *lex)
{
	unsigned char c = (unsigned char)*lex->p++;

	if (c == '\r')
		c = (unsigned char)*lex->p++;
	if (c == '\n') {
		lex->at.line++;
		lex->at.column = 1;
	} else if ((c & 0xc0) != 0x80) { /* the first byte of a character */
		lex->at.column++;
	}
}

bool
toml_take(struct toml_lex *lex, char c)
{
	if (toml_peek(lex) != (unsigned char)c)
		return false;
	toml_step(lex);
	return true;
}

void
toml_skip_space(struct toml_lex *lex)
{
	while (toml_peek(lex) == ' ' || toml_peek(lex) == '\t')
		toml_step(lex);
}

static void
skip_comment(struct toml_lex *lex)
{
	if (toml_peek(lex) != '#')
		return;
	while (toml_peek(lex) != -1 && toml_peek(lex) != '\n')
		toml_step(lex);
}

void
toml_skip_lines(struct toml_lex *lex)
{
	do {
		toml_skip_space(lex);
		skip_comment(lex);
	} while (toml_take(lex, '\n'));
}

bool
toml_end_of_line(struct toml_lex *lex, const char *after)
{
	toml_skip_space(lex);
	skip_comment(lex);
	if (toml_peek(lex) == -1 || toml_take(lex, '\n'))
		return true;
	return toml_fail(lex, lex->at, "expected the end of the line after %s", after);
}

static bool
fail_byte(struct toml_lex *lex)
{
	unsigned char c = (unsigned char)*lex->p;

	if (c >= 0x80)
		return toml_fail(
		    lex, lex->at, "expected UTF-8 text, found the byte 0x%02X", c);
	if (c == '\r')
		return toml_fail(lex, lex->at,
		    "a carriage return must be followed by a newline (in a string, write "
		    "\\r)");
	return toml_fail(lex, lex->at,
	    "the control character 0x%02X is not allowed (in a string, write \\u%04X)", c,
	    c);
}

bool
toml_check_bytes(struct toml_lex *lex)
{
	struct toml_lex start;

	if (toml_ahead(lex, "\xef\xbb\xbf")) /* a byte order mark is no text */
		lex->p += 3;
	start = *lex;
	while (lex->p < lex->end) {
		uint32_t scalar;
		size_t left = (size_t)(lex->end - lex->p);
		int size = utf8_next(lex->p, left, &scalar);
		bool newline = toml_ahead(lex, "\n") || toml_ahead(lex, "\r\n");

		if (size < 1 || (scalar < 0x20 && scalar != '\t' && !newline) ||
		    scalar == 0x7f)
			return fail_byte(lex);
		do
			toml_step(lex);
		while (--size > 0);
	}
	lex->p = start.p;
	lex->at = start.at;
	return true;
}

static bool
store(struct toml_lex *lex, const char *data, size_t len, struct toml_text *out)
{
	char *copy = arena_alloc(lex->arena, len + 1);

	if (len > 0)
		memcpy(copy, data, len);
	out->data = copy;
	out->len = len;
	return true;
}

static void
add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_addc(out, (char)(0xe0 | c >> 12));
		} else {
			buf_addc(out, (char)(0xf0 | c >> 18));
			buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_addc(out, (char)(0x80 | (c & 0x3f)));
}

static int
hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The digits of \uXXXX and \UXXXXXXXX; `at` is where the backslash stands. */
static bool
read_unicode(struct toml_lex *lex, struct toml_pos at, int digits)
{
	uint32_t scalar = 0;

	for (int i = 0; i < digits; i++) {
		int value = hex_digit(toml_peek(lex));

		if (value < 0)
			return toml_fail(lex, at, "\\%c needs %d hexadecimal digits",
			    digits == 4 ? 'u' : 'U', digits);
		scalar = scalar << 4 | (uint32_t)value;
		toml_step(lex);
	}
	if (scalar > 0x10ffff || (scalar >= 0xd800 && scalar <= 0xdfff))
		return toml_fail(lex, at, "U+%04X is not a Unicode character", scalar);
	add_utf8(&lex->scratch, scalar);
	return true;
}

/* A backslash at the end of a line in """ """: it and all space up to the next text
 * vanish. */
static bool
join_lines(struct toml_lex *lex)
{
	const struct toml_lex before = *lex;

	toml_skip_space(lex);
	if (toml_peek(lex) != '\n') {
		lex->p = before.p;
		lex->at = before.at;
		return false;
	}
	while (toml_take(lex, '\n'))
		toml_skip_space(lex);
	return true;
}

static bool
read_escape(struct toml_lex *lex, bool lines)
{
	static const char names[] = "btnfr\"\\";
	static const char values[] = "\b\t\n\f\r\"\\";
	struct toml_pos at = lex->at;
	const char *found;
	int c;

	toml_step(lex);
	if (lines && join_lines(lex))
		return true;
	c = toml_peek(lex);
	if (c != -1 && c != '\n')
		toml_step(lex);
	if (c == 'u' || c == 'U')
		return read_unicode(lex, at, c == 'u' ? 4 : 8);
	found = c > 0 ? strchr(names, c) : NULL;
	if (found == NULL)
		return toml_fail(lex, at,
		    "unknown escape after \\ (known: \\b \\t \\n \\f \\r \\\" \\\\ "
		    "\\uXXXX \\UXXXXXXXX; "
		    "for a backslash write \\\\, or use single quotes)");
	buf_addc(&lex->scratch, values[found - names]);
	return true;
}

static void
copy_char(struct toml_lex *lex)
{
	buf_addc(&lex->scratch, (char)toml_peek(lex));
	toml_step(lex);
}

/* "..." and '...' */
static bool
read_line_string(struct toml_lex *lex, char quote)
{
	struct toml_pos begin = lex->at;

	toml_step(lex);
	while (!toml_take(lex, quote)) {
		int c = toml_peek(lex);

		if (c == -1 || c == '\n')
			return toml_fail(
			    lex, begin, "expected a closing %c on the same line", quote);
		if (c != '\\' || quote != '"')
			copy_char(lex);
		else if (!read_escape(lex, false))
			return false;
	}
	return true;
}

/* At a quote inside """ """ or ''' ''': true if the string ends here. Up to two quotes
 * may stand right before the closing three, and belong to the text. */
static bool
close_lines(struct toml_lex *lex, char quote)
{
	int count = 0;

	while (count < 5 && toml_take(lex, quote))
		count++;
	for (int i = 0; i < (count < 3 ? count : count - 3); i++)
		buf_addc(&lex->scratch, quote);
	return count >= 3;
}

/* """...""" and '''...'''; a newline in it is one '\n', also where the file has CRLF. */
static bool
read_lines_string(struct toml_lex *lex, char quote)
{
	struct toml_pos begin = lex->at;

	for (int i = 0; i < 3; i++)
		toml_step(lex);
	toml_take(lex, '\n'); /* right after the opening it is not part of the text */
	for (;;) {
		int c = toml_peek(lex);

		if (c == -1)
			return toml_fail(
			    lex, begin, "expected a closing %c%c%c", quote, quote, quote);
		if (c == (unsigned char)quote) {
			if (close_lines(lex, quote))
				return true;
		} else if (c != '\\' || quote != '"') {
			copy_char(lex);
		} else if (!read_escape(lex, true)) {
			return false;
		}
	}
}

bool
toml_read_string(struct toml_lex *lex, struct toml_text *out)
{
	char quote = (char)toml_peek(lex);
	bool lines = toml_ahead(lex, quote == '"' ? "\"\"\"" : "'''");

	buf_clear(&lex->scratch);
	if (!(lines ? read_lines_string : read_line_string)(lex, quote))
		return false;
	return store(lex, buf_str(&lex->scratch), lex->scratch.len, out);
}

static bool
is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool
fail_key(struct toml_lex *lex)
{
	char quoted[TOML_QUOTE_MAX];
	struct toml_text c = {lex->p, 1};
	uint32_t scalar;

	if (toml_peek(lex) == -1 || toml_peek(lex) == '\n')
		return toml_fail(
		    lex, lex->at, "expected a key before the end of the line");
	c.len = (size_t)utf8_next(lex->p, (size_t)(lex->end - lex->p), &scalar);
	return toml_fail(lex, lex->at,
	    "expected a key, found %s (a key of other characters than A-Z a-z 0-9 _ - "
	    "needs quotes)",
	    toml_quote(quoted, c.data, c.len));
}

bool
toml_read_key(struct toml_lex *lex, struct toml_text *out)
{
	const char *begin = lex->p;
	int c = toml_peek(lex);

	if (c == '"' || c == '\'') {
		buf_clear(&lex->scratch);
		return read_line_string(lex, (char)c) &&
		       store(lex, buf_str(&lex->scratch), lex->scratch.len, out);
	}
	while (is_bare(toml_peek(lex)))
		toml_step(lex);
	if (lex->p == begin)
		return fail_key(lex);
	return store(lex, begin, (size_t)(lex->p - begin), out);
}
