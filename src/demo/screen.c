/*
 * Drawing. The region's rows are broken by us, one column before the terminal would, so
 * that its height is known whatever the terminal thinks of a character's width; the
 * cursor is put where the terminal itself was after the text before it (save, restore),
 * for the same reason.
 */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "buf.h"
#include "utf8.h"
#include "xmalloc.h"

#define PROMPT      "\xe2\x9d\xaf "
#define PASTE_ON    "\033[?2004h"
#define PASTE_OFF   "\033[?2004l"
#define WIPE_BELOW  "\r\033[J"
#define SAVE_CURSOR "\0337"
#define BACK_TO_IT  "\0338"

enum { PROMPT_WIDTH = 2, MIN_COLS = 8, MAX_ROWS = 1000 };

static const char *const styles[SCREEN_STYLES] = {
    [SCREEN_PLAIN] = "",
    [SCREEN_BOLD] = "\033[1m",
    [SCREEN_DIM] = "\033[2m",
};

/* One row of the region: bytes [start, end) of the text it shows. */
struct row {
	size_t start, end;
};

struct screen {
	int in, out;
	struct termios before;
	int cols, rows;
	struct buf lines; /* to be printed above the region */
	int *widths; /* of the region's rows as drawn, for when the terminal is resized */
	size_t drawn; /* how many */
	size_t cursor_row;
};

static void
measure(struct screen *s)
{
	struct winsize size = {0};

	if (ioctl(s->out, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	s->cols = size.ws_col < MIN_COLS ? MIN_COLS : size.ws_col;
	s->rows = size.ws_row > MAX_ROWS ? MAX_ROWS : size.ws_row;
}

/* A terminal that is gone is noticed by who reads it. */
static void
write_all(struct screen *s, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(s->out, bytes, len);
		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = s->out, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
}

struct screen *
screen_new(int in, int out)
{
	struct termios raw;

	if (tcgetattr(in, &raw) != 0)
		return NULL;
	struct screen *s = xcalloc(1, sizeof(*s));
	s->in = in;
	s->out = out;
	s->before = raw;
	cfmakeraw(&raw);
	tcsetattr(in, TCSADRAIN, &raw);
	measure(s);
	write_all(s, PASTE_ON, sizeof(PASTE_ON) - 1);
	return s;
}

/* ---- plain lines ---- */

static void
add_clean(struct buf *out, const char *text, size_t len)
{
	uint32_t scalar;

	for (size_t i = 0; i < len;) {
		int step = utf8_next(text + i, len - i, &scalar);
		if (step < 0)
			buf_adds(out, "\xef\xbf\xbd");
		else if (text[i] == '\t')
			buf_adds(out, "    ");
		else if (text[i] == '\n')
			buf_adds(out, "\r\n");
		else if (scalar >= 0x20 && (scalar < 0x7f || scalar >= 0xa0))
			buf_add(out, text + i, (size_t)step);
		i += step < 0 ? 1 : (size_t)step;
	}
}

void
screen_print(struct screen *s, enum screen_style style, const char *text, size_t len)
{
	buf_adds(&s->lines, styles[style]);
	add_clean(&s->lines, text, len);
	if (style != SCREEN_PLAIN)
		buf_adds(&s->lines, "\033[0m");
	buf_adds(&s->lines, "\r\n");
}

void
screen_printf(struct screen *s, enum screen_style style, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *text = xvasprintf(format, ap);
	va_end(ap);
	screen_print(s, style, text, strlen(text));
	free(text);
}

/* ---- the region ---- */

/* Where the row that starts at `at` ends, and where the next one starts. */
static size_t
row_end(const char *text, size_t len, size_t at, int cols, size_t *next)
{
	uint32_t scalar;
	int width = 0;

	while (at < len && text[at] != '\n') {
		int step = utf8_next(text + at, len - at, &scalar);
		size_t bytes = step < 0 ? 1 : (size_t)step;
		width += utf8_width(text + at, bytes);
		if (width > cols)
			break;
		at += bytes;
	}
	*next = at < len && text[at] == '\n' ? at + 1 : at;
	return at;
}

/* All rows of a text; a text that ends with \n has an empty row at its end. Caller frees.
 */
static struct row *
break_rows(const char *text, size_t len, int cols, size_t *count)
{
	struct row *rows = NULL;
	size_t at = 0, next = 0, room = 0;

	*count = 0;
	do {
		at = next;
		size_t end = row_end(text, len, at, cols, &next);
		if (*count == room) {
			room = room == 0 ? 16 : room * 2;
			rows = xreallocarray(rows, room, sizeof(*rows));
		}
		rows[(*count)++] = (struct row){at, end};
	} while (next < len || (next > 0 && next > rows[*count - 1].end));
	return rows;
}

static size_t
row_of(const struct row *rows, size_t count, size_t cursor)
{
	size_t row = count - 1;

	while (row > 0 && rows[row].start > cursor)
		row--;
	return row;
}

static void
row_begin(struct screen *s, struct buf *out)
{
	if (s->drawn > 0)
		buf_adds(out, "\r\n");
	s->widths = xreallocarray(s->widths, s->drawn + 1, sizeof(*s->widths));
	s->widths[s->drawn++] = 0;
}

static void
row_add(struct screen *s, struct buf *out, const char *text, size_t len)
{
	add_clean(out, text, len);
	s->widths[s->drawn - 1] += utf8_width(text, len);
}

/* Lines over the input, each cut to one row, at most `room` of them: the last ones. */
static void
draw_above(struct screen *s, struct buf *out, const char *text, size_t room)
{
	size_t len = text == NULL ? 0 : strlen(text), lines = 0, next;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end == NULL ? len : (size_t)(end - text);
		if (lines-- <= room) {
			row_begin(s, out);
			buf_adds(out, styles[SCREEN_DIM]);
			row_add(s, out, text, row_end(text, line, 0, s->cols - 1, &next));
			buf_adds(out, "\033[0m");
		}
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
}

static void
draw_row(struct screen *s, struct buf *out, const struct screen_view *view,
    struct row row, bool first, bool cursor)
{
	row_begin(s, out);
	row_add(s, out, first ? PROMPT : "  ", first ? sizeof(PROMPT) - 1 : 2);
	if (!cursor) {
		row_add(s, out, view->text + row.start, row.end - row.start);
		return;
	}
	row_add(s, out, view->text + row.start, view->cursor - row.start);
	buf_adds(out, SAVE_CURSOR);
	s->cursor_row = s->drawn - 1;
	row_add(s, out, view->text + view->cursor, row.end - view->cursor);
}

static void
draw_placeholder(struct screen *s, struct buf *out, const char *text)
{
	size_t next,
	    len = row_end(text, strlen(text), 0, s->cols - PROMPT_WIDTH - 1, &next);

	buf_adds(out, styles[SCREEN_DIM]);
	row_add(s, out, text, len);
	buf_adds(out, "\033[0m");
}

/* As many rows of the input as there is room for, the cursor's among them. */
static void
draw_input(struct screen *s, struct buf *out, const struct screen_view *view, size_t room)
{
	size_t count;
	struct row *rows =
	    break_rows(view->text, view->len, s->cols - PROMPT_WIDTH - 1, &count);
	size_t cursor = row_of(rows, count, view->cursor);
	size_t from = cursor + 1 > room ? cursor + 1 - room : 0;

	for (size_t i = from; i < count && i < from + room; i++)
		draw_row(s, out, view, rows[i], i == from, i == cursor);
	if (view->len == 0 && view->placeholder != NULL)
		draw_placeholder(s, out, view->placeholder);
	free(rows);
}

/* The rows are made first, so that nothing scrolls between saving the cursor and going
 * back. */
static void
draw_region(struct screen *s, struct buf *out, const struct screen_view *view)
{
	struct buf region = BUF_INIT;
	size_t above = (size_t)s->rows > 4 ? (size_t)s->rows - 4 : 1;

	s->drawn = s->cursor_row = 0;
	draw_above(s, &region, view->above, above);
	if (view->input)
		draw_input(s, &region, view,
		    (size_t)s->rows > s->drawn + 2 ? (size_t)s->rows - s->drawn - 1 : 1);
	else if (s->drawn > 0)
		s->cursor_row = s->drawn - 1;
	for (size_t i = 1; i < s->drawn; i++)
		buf_adds(out, "\r\n");
	if (s->drawn > 1)
		buf_addf(out, "\033[%zuA", s->drawn - 1);
	buf_add(out, buf_str(&region), region.len);
	if (view->input)
		buf_adds(out, BACK_TO_IT);
	buf_free(&region);
}

static void
wipe_region(struct screen *s, struct buf *out)
{
	if (s->cursor_row > 0)
		buf_addf(out, "\033[%zuA", s->cursor_row);
	buf_adds(out, WIPE_BELOW);
}

void
screen_draw(struct screen *s, const struct screen_view *view)
{
	struct buf out = BUF_INIT;

	wipe_region(s, &out);
	buf_add(&out, buf_str(&s->lines), s->lines.len);
	buf_free(&s->lines);
	draw_region(s, &out, view);
	write_all(s, out.data, out.len);
	buf_free(&out);
}

/* A narrower terminal has broken the rows above the cursor once more: find the region's
 * top again. */
void
screen_resized(struct screen *s)
{
	size_t up = 0;

	measure(s);
	for (size_t i = 0; i < s->cursor_row && i < s->drawn; i++)
		up += s->widths[i] > s->cols
			  ? (size_t)((s->widths[i] + s->cols - 1) / s->cols)
			  : 1;
	s->cursor_row = up;
}

void
screen_free(struct screen *s)
{
	struct buf out = BUF_INIT;

	if (s == NULL)
		return;
	wipe_region(s, &out);
	buf_add(&out, buf_str(&s->lines), s->lines.len);
	buf_adds(&out, PASTE_OFF);
	write_all(s, out.data, out.len);
	tcsetattr(s->in, TCSADRAIN, &s->before);
	buf_free(&out);
	buf_free(&s->lines);
	free(s->widths);
	free(s);
}
