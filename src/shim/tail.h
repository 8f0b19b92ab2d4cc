/*
 * Follows one file that grows by whole lines (a transcript) and hands out the lines that
 * contain one of some strings, with their places; of the others only how far it has come.
 * What is not acknowledged is handed out again after tail_rewind(), or by a new
 * tail_follow(). A file that shrank or was replaced is read from its beginning, and
 * `reset` says so; one that isn't there yet is waited for.
 */
#ifndef TAIL_H
#define TAIL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TAIL_LINE_MAX = 8 << 20, /* longer lines are skipped */
	TAIL_WINDOW = 64,        /* lines in flight ... */
	TAIL_WINDOW_BYTES = 2 << 20,
	TAIL_PROGRESS_BYTES = 256
			      << 10, /* the launcher hears of progress this often ... */
	TAIL_PROGRESS_MS = 1000      /* ... and at least so often */
};

struct loop;
struct tail;

struct tail_line {
	const char *path;
	int64_t from, next; /* offsets of its first byte, and of the line after it */
	const char *text; /* NULL: nothing that matched between from and next; borrowed */
	size_t len;
	bool eof;   /* the end has been reached for the first time after tail_follow() */
	bool reset; /* the file began anew: from and next are 0 */
};
/* false when there is no launcher. */
typedef bool tail_send_cb(const struct tail_line *line, uint64_t id, void *ctx);

struct tail *tail_new(struct loop *loop, tail_send_cb *send, void *ctx);
void tail_free(struct tail *t);
/* From `from` on, lines that contain one of match[]; replaces what was followed before.
 * What is no absolute path has an end, and nothing before it. */
void tail_follow(struct tail *t, const char *path, int64_t from, const char *const *match,
    size_t count);
void tail_acked(struct tail *t, uint64_t id);
void tail_rewind(struct tail *t);     /* hands out again what is unacknowledged */
void tail_stop(struct tail *t);       /* the launcher is gone: until tail_follow() */
void tail_drain(struct tail *t);      /* read what is there now, and say how far */
bool tail_idle(const struct tail *t); /* nothing unread, unsaid or unacknowledged */
#endif
