/*
 * See screen.h. A prompt may be several rows high: the glyph stands on its first row, and
 * the rows after it, up to a ruler or the screen's end, belong to it. Hints are dim (SGR
 * 2) or grey and vanish when somebody types, so only text that is neither counts.
 */
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "screen.h"
#include "xmalloc.h"

static const char ruler[] =
    "\xe2\x94\x80"; /* U+2500, as the CLIs draw below their prompt */

/* What the running SGR state says of the next character. */
struct style {
	bool dim, reverse;
};

/* One row: its text, and what of it somebody typed. */
struct row {
	struct buf text, typed;
};

static void
set_style(struct style *s, long code)
{
	if (code == 0)
		*s = (struct style){0};
	else if (code == 2)
		s->dim = true;
	else if (code == 22)
		s->dim = false;
	else if (code == 7)
		s->reverse = true;
	else if (code == 27)
		s->reverse = false;
}

/* Past one code of an SGR sequence; a colour's own numbers (38;5;n, 48;2;r;g;b) are no
 * codes. */
static const char *
next_code(const char *p, struct style *s)
{
	char *after;
	long code = strtol(p, &after, 10);
	int numbers = 0;

	if ((code == 38 || code == 48) && *after == ';')
		numbers = strtol(after + 1, NULL, 10) == 5 ? 2 : 4;
	else
		set_style(s, code);
	p = after > p ? after : p + 1;
	if (*p == ':') /* its own kind: 4:3 is a curly line */
		p += strspn(p, ":0123456789");
	while (numbers-- > 0 && *p == ';')
		p += 1 + strspn(p + 1, "0123456789");
	return *p == ';' ? p + 1 : p;
}

/* Past one escape sequence, from its ESC on. */
static const char *
escape(const char *p, struct style *s)
{
	const char *q;

	if (p[1] == ']') { /* OSC, up to ST or BEL */
		for (p += 2; *p != '\0' && *p != '\a' && *p != '\033'; p++)
			;
		return *p == '\a' ? p + 1 : *p == '\033' && p[1] == '\\' ? p + 2 : p;
	}
	if (p[1] != '[')
		return p[1] != '\0' ? p + 2 : p + 1;
	for (q = p + 2; *q != '\0' && !(*q >= 0x40 && *q <= 0x7e); q++)
		;
	if (*q == 'm' && q == p + 2)
		set_style(s, 0);
	for (p += 2; *q == 'm' && p < q;)
		p = next_code(p, s);
	return *q != '\0' ? q + 1 : q;
}

/*
 * Reads one row from p on. Dim text is a hint. A reversed character is the editor's own
 * cursor: it belongs to the hint if there is one, else somebody typed it. Returns where
 * the row ends.
 */
static const char *
read_row(const char *p, struct row *row, struct style *s)
{
	struct buf reversed = BUF_INIT;
	bool hint = false;

	buf_clear(&row->text);
	buf_clear(&row->typed);
	while (*p != '\0' && *p != '\n') {
		if (*p == '\033') {
			p = escape(p, s);
			continue;
		}
		buf_addc(&row->text, *p);
		hint |= s->dim;
		if (!s->dim)
			buf_addc(s->reverse ? &reversed : &row->typed, *p);
		p++;
	}
	if (!hint)
		buf_add(&row->typed, buf_str(&reversed), reversed.len);
	buf_free(&reversed);
	return p;
}

static void
row_free(struct row *row)
{
	buf_free(&row->text);
	buf_free(&row->typed);
}

static bool
blank(const char *p)
{
	for (; *p != '\0'; p++) {
		if ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] == 0xa0)
			p++; /* no-break space */
		else if (*p != ' ')
			return false;
	}
	return true;
}

static bool
begins(const struct buf *text, const char *with)
{
	return strncmp(buf_str(text), with, strlen(with)) == 0;
}

/* The cursor stands on the prompt's own row: is there nothing on it, and nothing of a
 * draft below? */
static enum screen_prompt
first_row(const struct row *at, const struct row *below, int cursor_x, const char *glyph)
{
	const char *typed = buf_str(&at->typed);

	if (begins(&at->typed, glyph))
		typed += strlen(glyph);
	if (cursor_x == 2 && blank(typed) &&
	    (blank(buf_str(&below->typed)) || begins(&below->text, ruler)))
		return SCREEN_EMPTY;
	return SCREEN_DRAFT;
}

/* Rows are read from the top: the style runs on from row to row, and a draft's further
 * rows are indented below the one with the glyph, or empty. */
enum screen_prompt
screen_prompt(const char *rows, int cursor_x, int cursor_y, const char *glyph)
{
	struct row row = {BUF_INIT, BUF_INIT}, below = {BUF_INIT, BUF_INIT};
	struct style s = {0};
	enum screen_prompt result = SCREEN_NO_PROMPT;
	const char *p = rows;
	bool inside = false; /* a prompt began above, and its rows go on */

	for (int y = 0; y <= cursor_y; y++) {
		p = read_row(p, &row, &s);
		if (begins(&row.text, glyph))
			inside = true;
		else if (!begins(&row.text, "  ") && !blank(buf_str(&row.text)))
			inside = false;
		if (*p == '\0' && y < cursor_y) {
			inside = false;
			break;
		}
		if (y < cursor_y)
			p++;
	}
	if (inside && begins(&row.text, glyph)) {
		if (*p == '\n')
			read_row(p + 1, &below, &s);
		result = first_row(&row, &below, cursor_x, glyph);
	} else if (inside)
		result = SCREEN_DRAFT;
	row_free(&row);
	row_free(&below);
	return result;
}

const char *
screen_prompt_rows(const char *rows, int cursor_y, const char *glyph)
{
	struct row row = {BUF_INIT, BUF_INIT};
	struct style s = {0};
	const char *p = rows, *found = NULL;

	for (int y = 0; y <= cursor_y; y++) {
		const char *start = p;

		p = read_row(p, &row, &s);
		if (begins(&row.text, glyph))
			found = start;
		if (*p == '\0')
			break;
		p++;
	}
	row_free(&row);
	return found;
}

char *
screen_last_row(const char *rows)
{
	size_t end = strlen(rows), begin;

	while (end > 0 && (rows[end - 1] == '\n' || rows[end - 1] == ' '))
		end--;
	for (begin = end; begin > 0 && rows[begin - 1] != '\n'; begin--)
		;
	return xstrndup(rows + begin, end - begin);
}

bool
screen_shows(const char *rows, const char *text)
{
	struct buf all = BUF_INIT;
	struct row row = {BUF_INIT, BUF_INIT};
	struct style s = {0};
	bool found;

	for (const char *p = rows;; p++) {
		p = read_row(p, &row, &s);
		buf_addf(&all, "%s\n", buf_str(&row.text));
		if (*p == '\0')
			break;
	}
	found = strstr(buf_str(&all), text) != NULL;
	buf_free(&all);
	row_free(&row);
	return found;
}
