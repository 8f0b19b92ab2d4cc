/*
 * Cleaning, cutting and wrapping of texts. What must stay true: what text_clean() returns
 * is valid UTF-8, and its only control characters are newlines and tabs.
 */
#include "text.h"

#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "utf8.h"
#include "xmalloc.h"

enum { TAB_SPACES = 4, CODE_INDENT = 4, NARROWEST = 20 };

/* Characters that show nothing and change how others show, or end a line. ZWJ and ZWNJ
 * stay: emoji and scripts need them. */
static const struct {
	uint32_t first, last;
} hidden[] = {
    {0x00, 0x1f},
    {0x7f, 0x9f},
    {0x061c, 0x061c},
    {0x180e, 0x180e},
    {0x200b, 0x200b},
    {0x200e, 0x200f},
    {0x2028, 0x202e},
    {0x2060, 0x206f},
    {0xfeff, 0xfeff},
    {0xfff9, 0xfffb},
    {0xe0000, 0xe007f},
};

bool
text_hidden(uint32_t scalar)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (scalar >= hidden[i].first && scalar <= hidden[i].last)
			return true;
	return false;
}

static bool
is_blank(uint32_t scalar)
{
	return scalar == ' ' || scalar == '\t' || scalar == '\n' || scalar == '\r';
}

static void
spell_out(struct buf *out, uint32_t scalar)
{
	if (scalar < 0x80)
		buf_addf(out, "\\x%02x", scalar);
	else if (scalar < 0x10000)
		buf_addf(out, "\\u%04x", scalar);
	else
		buf_addf(out, "\\U%08x", scalar);
}

/* One blank for a run of them; none at the beginning. */
static void
add_blank(struct buf *out, size_t start)
{
	if (out->len > start && out->data[out->len - 1] != ' ')
		buf_addc(out, ' ');
}

static void
clean_one(struct buf *out, const char *at, size_t len, uint32_t scalar, enum text_how how)
{
	if (how == TEXT_LINES && (scalar == '\n' || scalar == '\t'))
		buf_addc(out, (char)scalar);
	else if (text_hidden(scalar))
		spell_out(out, scalar);
	else
		buf_add(out, at, len);
}

void
text_clean(struct buf *out, const char *text, enum text_how how)
{
	size_t left = text == NULL ? 0 : strlen(text), start = out->len;
	uint32_t scalar;

	while (left > 0) {
		int step = utf8_next(text, left, &scalar);
		if (step < 0) {
			buf_adds(out, "\xef\xbf\xbd");
			step = 1;
		} else if (how == TEXT_LINE && is_blank(scalar)) {
			add_blank(out, start);
		} else if (scalar != '\r' || left == 1 || text[1] != '\n') {
			clean_one(out, text, (size_t)step, scalar, how);
		}
		text += step;
		left -= (size_t)step;
	}
	if (how == TEXT_LINE && out->len > start && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
}

char *
text_cleaned(const char *text, enum text_how how)
{
	struct buf b = BUF_INIT;

	text_clean(&b, text, how);
	buf_adds(&b, "");
	return buf_take(&b);
}

int
text_width(const char *text)
{
	return utf8_width(text, strlen(text));
}

/* The bytes at text that fit into `width` columns, with the marks that combine with the
 * last. */
static size_t
prefix_of(const char *text, size_t len, int width)
{
	size_t done = 0;
	uint32_t scalar;

	while (done < len) {
		int step = utf8_next(text + done, len - done, &scalar);
		step = step < 0 ? 1 : step;
		int columns = utf8_width(text + done, (size_t)step);
		if (columns > width)
			break;
		width -= columns;
		done += (size_t)step;
	}
	return done;
}

void
text_fit(struct buf *out, const char *text, int width)
{
	size_t len = strlen(text);

	if (utf8_width(text, len) <= width) {
		buf_add(out, text, len);
		return;
	}
	if (width < 1)
		return;
	len = prefix_of(text, len, width - 1);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	buf_add(out, text, len);
	buf_adds(out, "…");
}

void
text_fit_tail(struct buf *out, const char *text, int width)
{
	size_t len = strlen(text);
	int over = utf8_width(text, len) - width;
	uint32_t scalar;

	if (over > 0)
		over++; /* the dots need one */
	if (over > 0 && width > 0)
		buf_adds(out, "…");
	while (len > 0 && over > 0) {
		int step = utf8_next(text, len, &scalar);
		step = step < 0 ? 1 : step;
		over -= utf8_width(text, (size_t)step);
		text += step;
		len -= (size_t)step;
	}
	buf_add(out, text, len);
}

/* ---- wrapping ---- */

static void
add_spaces(struct buf *out, int count)
{
	while (count-- > 0)
		buf_addc(out, ' ');
}

struct wrap {
	struct buf *out;
	int width, indent;
	int column; /* of the line that is being written, behind its indent; -1: not begun
		     */
	int hang;   /* more indent for the lines that go on */
};

static void
wrap_newline(struct wrap *w)
{
	buf_addc(w->out, '\n');
	w->column = -1;
}

static void
wrap_begin(struct wrap *w, int more)
{
	add_spaces(w->out, w->indent + more);
	w->column = more;
}

static void
wrap_add(struct wrap *w, const char *text, size_t len)
{
	buf_add(w->out, text, len);
	w->column += utf8_width(text, len);
}

/* A word that is longer than a line: in pieces, unless it is an address, which has to
 * stay whole to be of use. */
static void
wrap_long_word(struct wrap *w, const char *word, size_t len, int columns)
{
	bool address = memmem(word, len, "://", 3) != NULL;

	while (!address && columns > w->width - w->column) {
		size_t piece = prefix_of(word, len, w->width - w->column);
		if (piece == 0)
			break;
		columns -= utf8_width(word, piece);
		wrap_add(w, word, piece);
		word += piece;
		len -= piece;
		wrap_newline(w);
		wrap_begin(w, w->hang);
	}
	wrap_add(w, word, len);
}

static void
wrap_word(struct wrap *w, const char *word, size_t len, size_t blanks)
{
	int columns = utf8_width(word, len);

	if (w->column > w->hang && w->column + (int)blanks + columns > w->width) {
		wrap_newline(w);
		wrap_begin(w, w->hang);
	} else {
		add_spaces(w->out, (int)blanks);
		w->column += (int)blanks;
	}
	if (w->column + columns > w->width)
		wrap_long_word(w, word, len, columns);
	else
		wrap_add(w, word, len);
}

/* Where the text of a list item begins ("- ", "* ", "12. "), for the lines under it. */
static int
list_hang(const char *line, size_t len)
{
	size_t at = 0;

	if (len > 1 && (line[0] == '-' || line[0] == '*') && line[1] == ' ')
		return 2;
	while (at < len && at < 3 && line[at] >= '0' && line[at] <= '9')
		at++;
	return at > 0 && at + 1 < len && line[at] == '.' && line[at + 1] == ' '
		   ? (int)at + 2
		   : 0;
}

static void
wrap_line(struct wrap *w, const char *line, size_t len)
{
	size_t lead = 0, at;

	while (lead < len && line[lead] == ' ')
		lead++;
	wrap_begin(w, (int)lead);
	w->hang = (int)lead + list_hang(line + lead, len - lead);
	for (at = lead; at < len;) {
		size_t blanks = 0, word = 0;
		while (at + blanks < len && line[at + blanks] == ' ')
			blanks++;
		at += blanks;
		while (at + word < len && line[at + word] != ' ')
			word++;
		if (word > 0)
			wrap_word(w, line + at, word, blanks);
		at += word;
	}
}

/* A line that is kept as it is. */
static void
wrap_code(struct wrap *w, const char *line, size_t len)
{
	wrap_begin(w, 0);
	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\t')
			add_spaces(w->out, TAB_SPACES);
		else
			buf_addc(w->out, line[i]);
	}
}

static bool
is_fence(const char *line, size_t len)
{
	size_t lead = 0;

	while (lead < len && line[lead] == ' ')
		lead++;
	return len - lead >= 3 && strncmp(line + lead, "```", 3) == 0;
}

static bool
is_code(const char *line, size_t len)
{
	return memchr(line, '\t', len) != NULL ||
	       (len > CODE_INDENT && strncmp(line, "    ", CODE_INDENT) == 0);
}

void
text_wrap(struct buf *out, const char *text, int width, int indent)
{
	struct wrap w = {.out = out, .indent = indent, .width = width - indent};
	size_t left = strlen(text);
	bool fenced = false;

	if (width != 0 && w.width < NARROWEST)
		w.width = NARROWEST;
	while (left > 0) {
		const char *end = memchr(text, '\n', left);
		size_t len = end == NULL ? left : (size_t)(end - text);
		bool fence = is_fence(text, len);
		if (width == 0 || fenced || fence || is_code(text, len)) {
			if (len > 0)
				wrap_code(&w, text, len);
		} else if (len > 0) {
			wrap_line(&w, text, len);
		}
		wrap_newline(&w);
		fenced = fenced != fence;
		text += len + (end != NULL);
		left -= len + (end != NULL);
	}
}
