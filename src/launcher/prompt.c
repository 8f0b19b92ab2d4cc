/*
 * Cleaning and heading what agents are told. The rules (which characters go, and why) are
 * facts about terminals and about the CLIs' editors: a C0 or C1 control acts as a key,
 * ESC [ 2 0 1 ~ ends a paste, a leading ! or / is a command, CR submits, Tab completes.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "buf.h"
#include "clock.h"
#include "prompt.h"
#include "utf8.h"

enum { FIELD_MAX = 64, TAB_WIDTH = 4 };

static const char mark[] = "[berth";

/* Brackets that a reader takes for ours. */
static const struct {
	uint32_t open, close;
} brackets[] = {
    {'[', ']'},
    {0x2045, 0x2046},
    {0x2772, 0x2773},
    {0x27e6, 0x27e7},
    {0x3010, 0x3011},
    {0x3014, 0x3015},
    {0x3016, 0x3017},
    {0x3018, 0x3019},
    {0x301a, 0x301b},
    {0xfe5d, 0xfe5e},
    {0xff3b, 0xff3d},
};

static bool
invisible(uint32_t c)
{
	return c == 0xfeff || c == 0x00ad || c == 0x061c || c == 0x180e ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

static bool
blank(uint32_t c)
{
	return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool
control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

/* ZWJ and ZWNJ shape emoji and whole scripts; after a character that they can shape they
 * stay. */
static bool
joiner(uint32_t c)
{
	return c == 0x200c || c == 0x200d;
}

static bool
shown(uint32_t c, uint32_t before)
{
	if (joiner(c))
		return before > 0xa0 && !joiner(before) && !blank(before);
	return !invisible(c);
}

/* Appends one scalar, or what stands for it; the last scalar that was appended. */
static uint32_t
add_scalar(struct buf *out, const char *bytes, int len, uint32_t c, uint32_t before)
{
	if (c == '\t') {
		buf_addf(out, "%*s", TAB_WIDTH, "");
		return ' ';
	}
	if (c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029) {
		buf_addc(out, '\n');
		return '\n';
	}
	if (control(c) || !shown(c, before))
		return before;
	buf_add(out, bytes, (size_t)len);
	return c;
}

/* The scalar that ends before `end`: its first byte. The text is valid UTF-8. */
static const char *
last_scalar(const char *start, const char *end, uint32_t *c)
{
	const char *p = end - 1;

	while (p > start && ((unsigned char)*p & 0xc0) == 0x80)
		p--;
	utf8_next(p, (size_t)(end - p), c);
	return p;
}

static void
trim_end(struct buf *out, size_t from)
{
	uint32_t c;

	while (out->len > from) {
		const char *p = last_scalar(out->data + from, out->data + out->len, &c);

		if (c != '\n' && !blank(c))
			break;
		out->len = (size_t)(p - out->data);
	}
	if (out->data != NULL)
		out->data[out->len] = '\0';
}

/* What a reader takes a scalar for, as far as it could write our mark. */
static uint32_t
reads_as(uint32_t c)
{
	static const struct {
		uint32_t c;
		char as;
	} alike[] = {{0x0435, 'e'}, {0x0415, 'e'}, {0x0433, 'r'}, {0x0442, 't'},
	    {0x0422, 't'}, {0x04bb, 'h'}, {0x041d, 'h'}, {0x044c, 'b'}, {0x0412, 'b'}};

	for (size_t i = 0; i < sizeof(brackets) / sizeof(brackets[0]); i++)
		if (c == brackets[i].open)
			return '[';
	for (size_t i = 0; i < sizeof(alike) / sizeof(alike[0]); i++)
		if (c == alike[i].c)
			return (uint32_t)alike[i].as;
	if (c > 0xff00 && c < 0xff5f)
		c -= 0xff00 - 0x20;
	return c < 0x80 ? (uint32_t)tolower((int)c) : c;
}

/* Does this line begin with our mark, or with what a reader takes for it? *first gets
 * where. */
static bool
like_mark(const char *line, const char *end, const char **first)
{
	const char *want = mark;
	uint32_t c;

	for (const char *p = line; p < end;) {
		int n = utf8_next(p, (size_t)(end - p), &c);

		if (!blank(c) && !joiner(c)) {
			if (reads_as(c) != (unsigned char)*want)
				return false;
			if (want == mark)
				*first = p;
			if (*++want == '\0')
				return true;
		}
		p += n;
	}
	return false;
}

/* Lines that begin like a header get a backslash. */
static void
disarm(struct buf *out, const char *text, size_t len)
{
	const char *line = text, *stop = text + len, *end, *first = text;

	for (; line < stop; line = end) {
		end = memchr(line, '\n', (size_t)(stop - line));
		end = end != NULL ? end + 1 : stop;
		if (like_mark(line, end, &first)) {
			buf_add(out, line, (size_t)(first - line));
			buf_addc(out, '\\');
			line = first;
		}
		buf_add(out, line, (size_t)(end - line));
	}
}

void
prompt_clean(struct buf *out, const char *text)
{
	struct buf repaired = BUF_INIT, flat = BUF_INIT;
	uint32_t c, before = '\n';

	utf8_repair(&repaired, text, strlen(text));
	for (size_t at = 0; at < repaired.len;) {
		const char *p = repaired.data + at;
		int n = utf8_next(p, repaired.len - at, &c);

		if (c == '\r')
			c = p[1] == '\n' ? 0 : '\n'; /* CR LF is one */
		before = add_scalar(&flat, p, n, c, before);
		at += (size_t)n;
	}
	trim_end(&flat, 0);
	disarm(out, buf_str(&flat), flat.len);
	buf_free(&repaired);
	buf_free(&flat);
}

/* ---- headers ---- */

static bool
bracket(uint32_t c)
{
	for (size_t i = 0; i < sizeof(brackets) / sizeof(brackets[0]); i++)
		if (c == brackets[i].open || c == brackets[i].close)
			return true;
	return false;
}

/* A header's field: one line, no brackets, nothing that begins another field, not too
 * long. */
static void
add_field(struct buf *out, const char *label, const char *text)
{
	struct buf repaired = BUF_INIT, clean = BUF_INIT;
	uint32_t c, before = ' ';
	size_t taken = 0;

	if (text == NULL)
		return;
	utf8_repair(&repaired, text, strlen(text));
	for (size_t at = 0; at < repaired.len && taken < FIELD_MAX;) {
		const char *p = repaired.data + at;
		int n = utf8_next(p, repaired.len - at, &c);
		bool gap = control(c) || blank(c) || bracket(c) || c == ',';

		at += (size_t)n;
		if (gap ? clean.len == 0 : !shown(c, before))
			continue; /* nor does it begin with a gap */
		buf_add(&clean, gap ? " " : p, gap ? 1 : (size_t)n);
		before = gap ? ' ' : c;
		taken++;
	}
	trim_end(&clean, 0);
	if (clean.len > 0)
		buf_addf(out, "%s%s", label, buf_str(&clean));
	buf_free(&repaired);
	buf_free(&clean);
}

void
prompt_add(struct buf *out, const struct prompt_part *part)
{
	time_t seconds = (time_t)(part->at / 1000);
	struct tm tm;
	char hm[8];

	if (out->len > 0)
		buf_adds(out, "\n\n");
	localtime_r(&seconds, &tm);
	strftime(hm, sizeof(hm), "%H:%M", &tm);
	buf_addf(out, "%s %s %s", mark, part->id, hm);
	add_field(out, " ", part->channel);
	add_field(out, " from ", part->sender);
	add_field(out, ", thread ", part->thread);
	buf_adds(out, "] ");
	prompt_clean(out, part->text);
}

bool
prompt_carries(const char *reported, const char *id)
{
	const char *p = reported;

	if (reported == NULL || id == NULL)
		return false;
	while ((p = strstr(p, mark)) != NULL) {
		p += sizeof(mark) - 1;
		if (p[0] == ' ' && strncmp(p + 1, id, ULID_LEN) == 0)
			return true;
	}
	return false;
}
