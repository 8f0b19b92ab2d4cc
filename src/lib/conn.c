/*
 * Lines over a stream. What must stay true:
 * - gone() comes from the loop, by the timer `later`, never from inside a call of the
 * owner's.
 * - Handlers may free the conn: while one runs, conn_free() closes everything but leaves
 * the struct and the input (the line handed out lies in it) to deliver(), which frees
 * them on its way out.
 * - The other side may shut down its writing half and still read: on its EOF what is
 * queued is flushed first. The reverse too: when writing fails, what it sent before is
 * still delivered.
 */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

enum {
	CHUNK = 65536,
	KEEP = 4096, /* an idle conn holds no larger buffers than this */
	LINGER_MS = 2000,
	MAX_LINE = (1 << 20) + (1 << 16),
	MAX_QUEUE = 8 << 20,
};

enum state {
	OPEN,
	DRAINING, /* no more input; ended once the queue is flushed, or after LINGER_MS */
	ENDED,    /* gone() is to be called */
	GONE,     /* gone() has been called */
};

struct conn {
	struct conn_handlers handlers;
	void *arg;
	int in, out;
	struct watch *reads, *writes;
	struct timer *later;
	enum state state;
	enum conn_why why;
	struct buf input;
	size_t taken;   /* input before it has been delivered */
	size_t scanned; /* input before it holds no newline; >= taken */
	struct buf output;
	size_t sent; /* output before it has been written */
	size_t max_line, max_queue;
	bool cuts;
	bool paused, deaf; /* deaf: the other side reads no more */
	bool busy, freed;  /* busy: in deliver() */
};

static size_t
queued(const struct conn *c)
{
	return c->output.len - c->sent;
}

static void
set_watches(struct conn *c)
{
	watch_set(c->reads, c->state == OPEN && !c->paused ? LOOP_READ : 0);
	watch_set(c->writes, c->state < ENDED && queued(c) > 0 ? LOOP_WRITE : 0);
}

static void
end(struct conn *c, enum conn_why why)
{
	if (c->state >= ENDED)
		return;
	c->state = ENDED;
	c->why = why;
	set_watches(c);
	timer_in(c->later, 0);
}

static void
drain(struct conn *c)
{
	if (c->state != OPEN)
		return;
	c->state = DRAINING;
	if (queued(c) == 0) {
		end(c, CONN_EOF);
		return;
	}
	set_watches(c);
	timer_in(c->later, LINGER_MS);
}

/* ---- output ---- */

static void
forget_sent(struct conn *c)
{
	if (queued(c) == 0) {
		c->sent = 0;
		if (c->output.cap > KEEP)
			buf_free(&c->output);
		else
			buf_clear(&c->output);
	} else if (c->sent > c->output.len / 2) {
		buf_cut_front(&c->output, c->sent);
		c->sent = 0;
	}
}

static void
write_failed(struct conn *c)
{
	bool left = errno == EPIPE || errno == ECONNRESET;

	buf_free(&c->output);
	c->sent = 0;
	c->deaf = true;
	/* A socket whose peer left will tell EOF when its input is read; of a second
	 * descriptor nobody knows, and a peer that is there (ENOBUFS) would wait for
	 * ever. */
	if (!left || c->in != c->out || c->state == DRAINING)
		end(c, left ? CONN_EOF : CONN_ERROR);
}

static void
flush(struct conn *c)
{
	while (queued(c) > 0) {
		ssize_t done = write(c->out, c->output.data + c->sent, queued(c));
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			break;
		if (done < 0) {
			write_failed(c);
			break;
		}
		c->sent += (size_t)done;
	}
	forget_sent(c);
	if (queued(c) == 0 && c->state == DRAINING)
		end(c, CONN_EOF);
	else if (queued(c) > c->max_queue)
		end(c, CONN_SLOW);
	else
		set_watches(c);
}

static void
on_writable(int fd, int what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

void
conn_send(struct conn *c, const char *bytes, size_t len)
{
	if (c->freed || c->state != OPEN || c->deaf || len == 0)
		return;
	bool waiting = queued(c) > 0;
	buf_add(&c->output, bytes, len);
	if (!waiting || queued(c) > c->max_queue)
		flush(c);
}

/* ---- input ---- */

/* Forgets what is beyond the longest line, up to stop; its new stop. */
static size_t
cut_line(struct conn *c, size_t stop)
{
	size_t keep = c->taken + c->max_line;

	memmove(c->input.data + keep, c->input.data + stop, c->input.len - stop);
	c->input.len -= stop - keep;
	return keep;
}

/* Hands out the next line, if there is one; false if there is none or the conn ends. */
static bool
deliver_line(struct conn *c)
{
	char *from = c->input.data + c->scanned;
	char *newline = memchr(from, '\n', c->input.len - c->scanned);
	size_t stop = newline == NULL ? c->input.len : (size_t)(newline - c->input.data);
	size_t start = c->taken;

	if (memchr(from, '\0', stop - c->scanned) != NULL) {
		end(c, CONN_NUL);
		return false;
	}
	if (stop - start > c->max_line && !c->cuts) {
		end(c, CONN_LONG);
		return false;
	}
	if (stop - start > c->max_line)
		stop = cut_line(c, stop);
	c->scanned = stop;
	if (newline == NULL)
		return false;
	c->input.data[stop] = '\0';
	c->scanned = c->taken = stop + 1;
	c->handlers.line(c, c->input.data + start, stop - start, c->arg);
	return true;
}

static void
forget_taken(struct conn *c)
{
	if (c->taken == c->input.len) {
		if (c->input.cap > KEEP)
			buf_free(&c->input);
		else
			buf_clear(&c->input);
	} else {
		buf_cut_front(&c->input, c->taken);
	}
	c->scanned -= c->taken;
	c->taken = 0;
}

static void
destroy(struct conn *c)
{
	buf_free(&c->input);
	buf_free(&c->output);
	free(c);
}

static void
deliver(struct conn *c)
{
	c->busy = true;
	while (!c->freed && c->state == OPEN && !c->paused && c->taken < c->input.len &&
	       deliver_line(c))
		continue;
	c->busy = false;
	if (c->freed) {
		destroy(c);
		return;
	}
	forget_taken(c);
	set_watches(c);
}

static void
on_readable(int fd, int what, void *arg)
{
	/* One for all: an idle conn has no buffer of its own. Never used across a
	 * callback. */
	static char chunk[CHUNK];
	struct conn *c = arg;

	(void)what;
	ssize_t got = read(fd, chunk, sizeof(chunk));
	if (got > 0) {
		buf_add(&c->input, chunk, (size_t)got);
		deliver(c);
	} else if (got == 0 || errno == ECONNRESET) {
		drain(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		end(c, CONN_ERROR);
	}
}

/* ---- the rest ---- */

static void
on_later(void *arg)
{
	struct conn *c = arg;

	if (c->state == OPEN) {
		deliver(c);
		return;
	}
	if (c->state == DRAINING)
		end(c, CONN_SLOW);
	timer_cancel(c->later);
	c->state = GONE;
	c->handlers.gone(c, c->why, c->arg);
}

static void
set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		fatal(EXIT_BUG, "conn_new: descriptor %d", fd);
}

struct conn *
conn_new(struct loop *loop, int in, int out, const struct conn_handlers *h, void *arg)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	set_flags(in);
	set_flags(out);
	c->handlers = *h;
	c->arg = arg;
	c->in = in;
	c->out = out;
	c->max_line = MAX_LINE;
	c->max_queue = MAX_QUEUE;
	c->later = timer_new(loop, on_later, c);
	c->reads = watch_new(loop, in, LOOP_READ, on_readable, c);
	c->writes = watch_new(loop, out, 0, on_writable, c);
	return c;
}

void
conn_limits(struct conn *c, size_t max_line, size_t max_queue)
{
	c->max_line = max_line;
	c->max_queue = max_queue;
}

void
conn_cut_lines(struct conn *c)
{
	c->cuts = true;
}

void
conn_finish(struct conn *c)
{
	if (!c->freed)
		drain(c);
}

void
conn_pause(struct conn *c, bool paused)
{
	if (c->freed || c->state != OPEN || c->paused == paused)
		return;
	c->paused = paused;
	set_watches(c);
	/* Lines that came before the pause are already here. */
	if (!paused && !c->busy && c->taken < c->input.len)
		timer_in(c->later, 0);
	else if (paused)
		timer_cancel(c->later);
}

void
conn_free(struct conn *c)
{
	if (c == NULL || c->freed)
		return;
	c->freed = true;
	watch_free(c->reads);
	watch_free(c->writes);
	timer_free(c->later);
	close(c->in);
	if (c->out != c->in)
		close(c->out);
	if (!c->busy)
		destroy(c);
}

int
conn_fd(const struct conn *c)
{
	return c->in;
}

const char *
conn_why_text(enum conn_why why)
{
	static const char *const texts[] = {
	    [CONN_EOF] = "the other side closed the connection",
	    [CONN_ERROR] = "reading or writing failed",
	    [CONN_LONG] = "a line was too long",
	    [CONN_NUL] = "a line held a NUL byte",
	    [CONN_SLOW] = "the other side did not read what was sent",
	};

	return texts[why];
}
