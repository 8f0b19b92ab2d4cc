/*
 * A stream socket (or a pair of pipes) that carries lines: '\n' ends one, NUL bytes and
 * lines over max_line end the connection. Output is queued; a peer that lets more than
 * max_queue bytes pile up is cut off, so that a slow reader costs only itself. What
 * follows the last '\n' is dropped. A side that only shuts down its writing half still
 * gets what was queued for it.
 */
#ifndef CONN_H
#define CONN_H
#include <stddef.h>
#include <stdbool.h>

struct conn;
struct loop;

enum conn_why { CONN_EOF, CONN_ERROR, CONN_LONG, CONN_NUL, CONN_SLOW };

struct conn_handlers {
	/* One line without its '\n'; NUL-terminated and writable, borrowed until it
	 * returns. */
	void (*line)(struct conn *c, char *line, size_t len, void *arg);
	/* Called once, from the loop, when the other side is gone or was cut off. The
	 * callee must call conn_free(). Not called after conn_free(). */
	void (*gone)(struct conn *c, enum conn_why why, void *arg);
};

/* in and out may be the same descriptor; both become the conn's, non-blocking and
 * close-on-exec. */
struct conn *conn_new(
    struct loop *loop, int in, int out, const struct conn_handlers *h, void *arg);
/* Default: 1 MiB + 64 KiB, 8 MiB. */
void conn_limits(struct conn *c, size_t max_line, size_t max_queue);
/* From now on a longer line is handed out cut to max_line, and ends nothing. */
void conn_cut_lines(struct conn *c);
/* Queued whole; may flush at once. */
void conn_send(struct conn *c, const char *bytes, size_t len);
/* No line is read any more; closes once the queue is flushed, then gone(CONN_EOF), or
 * after 2 s gone(CONN_SLOW). */
void conn_finish(struct conn *c);
/* Stop reading lines for now; nor is an end noticed. */
void conn_pause(struct conn *c, bool paused);
void conn_free(struct conn *c);    /* may be called from its own handlers; NULL is fine */
int conn_fd(const struct conn *c); /* the reading descriptor */
const char *conn_why_text(enum conn_why why);
#endif
