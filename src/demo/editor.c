/* The input line. One stash, like the CLI: a second one replaces the first. */
#include "editor.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "utf8.h"
#include "xmalloc.h"

enum { HISTORY_MAX = 100, LINE_MAX_BYTES = 32 << 20 };

struct editor {
	struct buf text;
	size_t cursor;
	char *stash; /* NULL: none */
	size_t stash_cursor;
	char *history[HISTORY_MAX];
	size_t history_len;
	size_t recalled; /* index in history; history_len: the line itself */
	char *draft;     /* the line, while history is shown */
};

struct editor *
editor_new(void)
{
	return xcalloc(1, sizeof(struct editor));
}

void
editor_free(struct editor *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->history_len; i++)
		free(e->history[i]);
	buf_free(&e->text);
	free(e->stash);
	free(e->draft);
	free(e);
}

const char *
editor_text(const struct editor *e, size_t *len, size_t *cursor)
{
	*len = e->text.len;
	*cursor = e->cursor;
	return buf_str(&e->text);
}

bool
editor_empty(const struct editor *e)
{
	return e->text.len == 0;
}

void
editor_set(struct editor *e, const char *text)
{
	buf_clear(&e->text);
	buf_adds(&e->text, text);
	e->cursor = e->text.len;
}

/* ---- moving: combining characters go with the one before them ---- */

static bool
is_continuation(const struct editor *e, size_t at)
{
	uint32_t scalar;

	if (at == 0 || at >= e->text.len)
		return false;
	int step = utf8_next(e->text.data + at, e->text.len - at, &scalar);
	return step < 0 ||
	       (scalar >= 0x300 && utf8_width(e->text.data + at, (size_t)step) == 0);
}

static size_t
before(const struct editor *e, size_t at)
{
	do {
		if (at > 0)
			at--;
	} while (is_continuation(e, at));
	return at;
}

static size_t
after(const struct editor *e, size_t at)
{
	do {
		if (at < e->text.len)
			at++;
	} while (is_continuation(e, at));
	return at;
}

static size_t
line_start(const struct editor *e)
{
	size_t at = e->cursor;

	while (at > 0 && e->text.data[at - 1] != '\n')
		at--;
	return at;
}

static size_t
line_end(const struct editor *e)
{
	size_t at = e->cursor;

	while (at < e->text.len && e->text.data[at] != '\n')
		at++;
	return at;
}

static size_t
word_start(const struct editor *e)
{
	size_t at = e->cursor;

	while (at > 0 && strchr(" \n", e->text.data[at - 1]) != NULL)
		at--;
	while (at > 0 && strchr(" \n", e->text.data[at - 1]) == NULL)
		at--;
	return at;
}

/* ---- changing ---- */

static void
insert(struct editor *e, const char *text, size_t len)
{
	if (e->text.len + len > LINE_MAX_BYTES)
		return;
	buf_reserve(&e->text, len);
	char *at = e->text.data + e->cursor;
	memmove(at + len, at, e->text.len - e->cursor + 1);
	memcpy(at, text, len);
	e->text.len += len;
	e->cursor += len;
}

static void
delete_between(struct editor *e, size_t a, size_t b)
{
	size_t from = a < b ? a : b, to = a < b ? b : a;

	if (from == to)
		return;
	memmove(e->text.data + from, e->text.data + to, e->text.len - to + 1);
	e->text.len -= to - from;
	e->cursor = from;
}

/* ---- history ---- */

void
editor_remember(struct editor *e, const char *text)
{
	if (e->history_len > 0 && strcmp(e->history[e->history_len - 1], text) == 0) {
		e->recalled = e->history_len;
		return;
	}
	if (e->history_len == HISTORY_MAX) {
		free(e->history[0]);
		e->history_len--;
		memmove(
		    e->history, e->history + 1, e->history_len * sizeof(e->history[0]));
	}
	e->history[e->history_len++] = xstrdup(text);
	e->recalled = e->history_len;
}

static void
recall(struct editor *e, size_t index)
{
	if (e->recalled == e->history_len) {
		free(e->draft);
		e->draft = xstrdup(buf_str(&e->text));
	}
	e->recalled = index;
	editor_set(e, index < e->history_len ? e->history[index] : e->draft);
}

/* Within several lines Up and Down move between them; beyond, through history. */
static size_t
column_in(const struct editor *e, size_t start, size_t column)
{
	size_t at = start;

	while (column-- > 0 && at < e->text.len && e->text.data[at] != '\n')
		at = after(e, at);
	return at;
}

static size_t
column_of(const struct editor *e)
{
	size_t column = 0;

	for (size_t at = line_start(e); at < e->cursor; at = after(e, at))
		column++;
	return column;
}

static void
move_up(struct editor *e)
{
	size_t start = line_start(e), column = column_of(e);

	if (start > 0) {
		e->cursor = start - 1;
		e->cursor = column_in(e, line_start(e), column);
	} else if (e->recalled > 0) {
		recall(e, e->recalled - 1);
	}
}

static void
move_down(struct editor *e)
{
	size_t end = line_end(e), column = column_of(e);

	if (end < e->text.len)
		e->cursor = column_in(e, end + 1, column);
	else if (e->recalled < e->history_len)
		recall(e, e->recalled + 1);
}

/* ---- keys ---- */

static void
key_text(struct editor *e, const struct key *key)
{
	insert(e, key->text, key->len);
}

static void
key_newline(struct editor *e, const struct key *key)
{
	(void)key;
	insert(e, "\n", 1);
}

static size_t
left(const struct editor *e)
{
	return before(e, e->cursor);
}

static size_t
right(const struct editor *e)
{
	return after(e, e->cursor);
}

/* A key inserts, moves the cursor, deletes from there to where it would move, or jumps
 * between lines. */
static const struct {
	void (*insert)(struct editor *e, const struct key *key);
	size_t (*move)(const struct editor *e);
	size_t (*delete_to)(const struct editor *e);
	void (*jump)(struct editor *e);
} edits[KEY_TYPES] = {
    [KEY_TEXT] = {.insert = key_text},
    [KEY_PASTE] = {.insert = key_text},
    [KEY_NEWLINE] = {.insert = key_newline},
    [KEY_LEFT] = {.move = left},
    [KEY_RIGHT] = {.move = right},
    [KEY_HOME] = {.move = line_start},
    [KEY_END] = {.move = line_end},
    [KEY_BACKSPACE] = {.delete_to = left},
    [KEY_DELETE] = {.delete_to = right},
    [KEY_KILL_START] = {.delete_to = line_start},
    [KEY_KILL_END] = {.delete_to = line_end},
    [KEY_KILL_WORD] = {.delete_to = word_start},
    [KEY_UP] = {.jump = move_up},
    [KEY_DOWN] = {.jump = move_down},
};

bool
editor_key(struct editor *e, const struct key *key)
{
	if (edits[key->type].insert != NULL)
		edits[key->type].insert(e, key);
	else if (edits[key->type].move != NULL)
		e->cursor = edits[key->type].move(e);
	else if (edits[key->type].delete_to != NULL)
		delete_between(e, e->cursor, edits[key->type].delete_to(e));
	else if (edits[key->type].jump != NULL)
		edits[key->type].jump(e);
	else
		return false;
	return true;
}

void
editor_stash(struct editor *e)
{
	if (e->text.len > 0) {
		free(e->stash);
		e->stash_cursor = e->cursor;
		e->stash = buf_take(&e->text);
		e->cursor = 0;
	} else if (e->stash != NULL) {
		editor_set(e, e->stash);
		e->cursor = e->stash_cursor;
		free(e->stash);
		e->stash = NULL;
	}
}

static size_t
trimmed(const struct buf *text)
{
	size_t len = text->len;

	while (len > 0 && strchr(" \n", text->data[len - 1]) != NULL)
		len--;
	return len;
}

char *
editor_submit(struct editor *e)
{
	if (e->cursor > 0 && e->text.data[e->cursor - 1] == '\\') {
		e->text.data[e->cursor - 1] = '\n';
		return NULL;
	}
	size_t len = trimmed(&e->text);
	if (len == 0)
		return NULL;
	char *text = xstrndup(e->text.data, len);
	editor_set(e, "");
	e->recalled = e->history_len;
	editor_stash(e);
	return text;
}
