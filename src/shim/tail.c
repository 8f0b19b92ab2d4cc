/*
 * Places, all offsets in the file: `acked` <= `reported` <= `done` <= base + buf.len.
 * Everything before `acked` is with the launcher; before `reported` it has been sent;
 * `done` is where the first line begins that hasn't been looked at. buf holds the file
 * from `base` on; `used` bytes of it are looked at, and `scanned` more hold no newline.
 * While a line that is too long is skipped, `done` stays at its beginning.
 */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "dirwatch.h"
#include "ensure.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

enum { CHUNK = 64 << 10, TURN_BYTES = 4 << 20 };

struct flight {
	uint64_t id;
	int64_t next;
	size_t bytes;
	bool eof, reset, acked;
};

struct tail {
	struct loop *loop;
	tail_send_cb *send;
	void *ctx;
	struct timer *progress, *more;
	char *path, **match; /* path NULL: nothing is followed */
	size_t match_count;
	struct dirwatch *watch;
	int fd;
	dev_t dev;
	ino_t ino;
	bool complained, replaced;

	struct buf buf;
	size_t used, scanned;
	int64_t base, done, reported, acked;
	bool skipping, at_end;
	bool eof_due, reset_due; /* still to be said, and acknowledged */
	bool eof_sent, reset_sent;

	bool offline, draining;
	uint64_t last_id;
	struct flight flights[TAIL_WINDOW + 2]; /* two more for eof and reset */
	size_t flight_count, flight_bytes;
};

static void pump(struct tail *t);

/* ---- the window ---- */

static bool
window_open(const struct tail *t)
{
	return !t->offline &&
	       (t->flight_count == 0 || (t->flight_count < TAIL_WINDOW &&
					    t->flight_bytes < TAIL_WINDOW_BYTES));
}

static bool
emit(struct tail *t, const struct tail_line *line)
{
	if (!t->send(line, t->last_id + 1, t->ctx)) {
		t->offline = true;
		return false;
	}
	t->flights[t->flight_count++] = (struct flight){.id = ++t->last_id,
	    .next = line->next,
	    .bytes = line->len,
	    .eof = line->eof,
	    .reset = line->reset};
	t->flight_bytes += line->len;
	t->reported = line->next;
	timer_cancel(t->progress);
	return true;
}

static bool
emit_progress(struct tail *t, bool eof)
{
	return emit(
	    t, &(struct tail_line){
		   .path = t->path, .from = t->reported, .next = t->done, .eof = eof});
}

void
tail_acked(struct tail *t, uint64_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < t->flight_count; i++)
		if (t->flights[i].id == id)
			t->flights[i].acked = true;
	for (; n < t->flight_count && t->flights[n].acked; n++) {
		t->acked = t->flights[n].next;
		t->flight_bytes -= t->flights[n].bytes;
		t->reset_due &= !t->flights[n].reset;
		t->eof_due &= !t->flights[n].eof;
	}
	t->flight_count -= n;
	memmove(t->flights, t->flights + n, t->flight_count * sizeof(t->flights[0]));
	if (n > 0)
		pump(t);
}

/* ---- the file ---- */

static void
go_to(struct tail *t, int64_t offset)
{
	buf_free(&t->buf);
	t->used = t->scanned = 0;
	t->base = t->done = t->reported = t->acked = offset;
	t->skipping = t->at_end = false;
	t->eof_sent = t->reset_sent = false;
	t->flight_count = t->flight_bytes = 0;
	timer_cancel(t->progress);
}

static void
close_file(struct tail *t)
{
	if (t->fd != -1)
		close(t->fd);
	t->fd = -1;
}

static void
begin_anew(struct tail *t, const char *why)
{
	log_info("%s: %s, read from its beginning", t->path, why);
	go_to(t, 0);
	t->reset_due = true;
}

static bool
open_file(struct tail *t)
{
	struct stat st;

	t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (t->fd == -1) {
		if (errno != ENOENT && !t->complained)
			log_warn("cannot follow %s", t->path);
		t->complained = errno != ENOENT;
		return false;
	}
	if (fstat(t->fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		if (!t->complained)
			log_warnx("cannot follow %s: not a regular file", t->path);
		t->complained = true;
		close_file(t);
		return false;
	}
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	return true;
}

/* The file as it is now: opened, or opened anew if it was replaced. One that is gone is
 * closed: else it would keep its directory alive, and we would not hear that this is gone
 * too. */
static bool
check_file(struct tail *t)
{
	struct stat st;

	if (t->fd != -1 &&
	    (lstat(t->path, &st) == -1 || st.st_dev != t->dev || st.st_ino != t->ino)) {
		close_file(t);
		t->replaced = true;
	}
	if (t->fd == -1 && !open_file(t))
		return false;
	if (t->replaced)
		begin_anew(t, "replaced by another file");
	else if (fstat(t->fd, &st) == 0 && st.st_size < t->base + (int64_t)t->buf.len)
		begin_anew(t, "it became shorter");
	t->replaced = false;
	return true;
}

/* More bytes into buf; false at the end. */
static bool
fill(struct tail *t)
{
	ssize_t got;

	if (t->used > 0) {
		buf_cut_front(&t->buf, t->used);
		t->base += (int64_t)t->used;
		t->used = 0;
	}
	buf_reserve(&t->buf, CHUNK);
	got = t->fd == -1 ? 0
			  : pread(t->fd, t->buf.data + t->buf.len, CHUNK,
				t->base + (off_t)t->buf.len);
	if (got == -1)
		log_warn("read %s", t->path);
	t->at_end = got <= 0;
	if (t->at_end)
		return false;
	t->buf.len += (size_t)got;
	t->buf.data[t->buf.len] = '\0';
	return true;
}

/* ---- lines ---- */

static bool
matches(const struct tail *t, const char *text, size_t len)
{
	for (size_t i = 0; i < t->match_count; i++)
		if (memmem(text, len, t->match[i], strlen(t->match[i])) != NULL)
			return true;
	return t->match == NULL;
}

static void
skip_what_is_here(struct tail *t)
{
	if (!t->skipping)
		log_warnx("%s: a line over %d bytes is skipped at=%lld", t->path,
		    TAIL_LINE_MAX, (long long)t->done);
	t->skipping = true;
	t->used = t->buf.len;
	t->scanned = 0;
}

/* The line that ends at `newline` in buf; false: it could not be sent, and stays. */
static bool
take_line(struct tail *t, const char *newline)
{
	const char *text = t->buf.data + t->used;
	size_t len = (size_t)(newline - text);
	int64_t next = t->base + (newline - t->buf.data) + 1;

	if (!t->skipping && len <= TAIL_LINE_MAX && matches(t, text, len) &&
	    !emit(t, &(struct tail_line){.path = t->path,
			 .from = t->done,
			 .next = next,
			 .text = text,
			 .len = len}))
		return false;
	if (!t->skipping && len > TAIL_LINE_MAX)
		skip_what_is_here(t);
	t->skipping = false;
	t->done = next;
	t->used = (size_t)(next - t->base);
	t->scanned = 0;
	return true;
}

static const char *
find_newline(struct tail *t)
{
	size_t from = t->used + t->scanned;

	if (t->buf.data == NULL)
		return NULL;
	return memchr(t->buf.data + from, '\n', t->buf.len - from);
}

/* One line, or more bytes; false: no more now. */
static bool
step(struct tail *t)
{
	const char *newline = find_newline(t);

	if (newline != NULL)
		return take_line(t, newline) &&
		       (t->done - t->reported < TAIL_PROGRESS_BYTES ||
			   emit_progress(t, false));
	t->scanned = t->buf.len - t->used;
	if (t->skipping || t->scanned > TAIL_LINE_MAX)
		skip_what_is_here(t);
	return fill(t);
}

/* What is to be said beside lines. */
static void
say_reset(struct tail *t)
{
	if (t->reset_due && !t->reset_sent)
		t->reset_sent =
		    emit(t, &(struct tail_line){.path = t->path, .reset = true});
}

static void
say_progress(struct tail *t)
{
	if (t->offline || !t->at_end)
		return;
	if (t->eof_due && !t->eof_sent)
		t->eof_sent = emit_progress(t, true);
	else if (t->done > t->reported && !timer_armed(t->progress))
		timer_in(t->progress, t->draining ? 0 : TAIL_PROGRESS_MS);
}

static void
pump(struct tail *t)
{
	int64_t until;

	if (t->path == NULL || t->offline)
		return;
	t->at_end = !check_file(t); /* no file: that is its end */
	say_reset(t);
	until = t->done + TURN_BYTES;
	while (!t->at_end && window_open(t) && step(t))
		if (t->done > until) { /* others' turn */
			timer_in(t->more, 0);
			return;
		}
	say_progress(t);
}

/* ---- wake-ups ---- */

static void
changed(void *arg)
{
	pump(arg);
}

static void
progress_due(void *arg)
{
	struct tail *t = arg;

	if (t->path != NULL && !t->offline && t->done > t->reported &&
	    t->flight_count < TAIL_WINDOW)
		emit_progress(t, false);
}

void
tail_rewind(struct tail *t)
{
	t->offline = false;
	if (t->path == NULL)
		return;
	go_to(t, t->acked);
	pump(t);
}

void
tail_stop(struct tail *t)
{
	t->offline = true;
	timer_cancel(t->progress);
}

void
tail_drain(struct tail *t)
{
	t->draining = true;
	pump(t);
	progress_due(t);
}

bool
tail_idle(const struct tail *t)
{
	return t->path == NULL || t->fd == -1 ||
	       (t->at_end && t->flight_count == 0 && t->done == t->reported);
}

/* ---- from the outside ---- */

static void
forget_file(struct tail *t)
{
	dirwatch_free(t->watch);
	t->watch = NULL;
	close_file(t);
	for (size_t i = 0; i < t->match_count; i++)
		free(t->match[i]);
	free(t->match);
	free(t->path);
	t->match = NULL;
	t->path = NULL;
	t->match_count = 0;
}

static void
watch_directory(struct tail *t)
{
	char *slash = strrchr(t->path, '/');

	*slash = '\0';
	if (ensure_dir(t->path) == -1)
		log_warn("make %s", t->path);
	t->watch = dirwatch_new(t->loop, t->path, slash + 1, changed, t);
	*slash = '/';
}

void
tail_follow(struct tail *t, const char *path, int64_t from, const char *const *match,
    size_t count)
{
	forget_file(t);
	if (path[0] != '/' || strrchr(path, '/') == path || from < 0) {
		log_warnx("cannot follow %s: not an absolute path", path);
		t->send(&(struct tail_line){.path = path,
			    .from = from > 0 ? from : 0,
			    .next = from > 0 ? from : 0,
			    .eof = true},
		    0, t->ctx);
		return;
	}
	t->path = xstrdup(path);
	t->match_count = match == NULL ? 0 : count;
	t->match = match == NULL ? NULL : xcalloc(count + 1, sizeof(*t->match));
	for (size_t i = 0; i < t->match_count; i++)
		t->match[i] = xstrdup(match[i]);
	t->offline = t->complained = t->replaced = t->reset_due = false;
	t->eof_due = true;
	go_to(t, from);
	watch_directory(t);
	pump(t);
}

struct tail *
tail_new(struct loop *loop, tail_send_cb *send, void *ctx)
{
	struct tail *t = xcalloc(1, sizeof(*t));

	t->loop = loop;
	t->send = send;
	t->ctx = ctx;
	t->fd = -1;
	t->offline = true;
	t->progress = timer_new(loop, progress_due, t);
	t->more = timer_new(loop, changed, t);
	return t;
}

void
tail_free(struct tail *t)
{
	if (t == NULL)
		return;
	forget_file(t);
	timer_free(t->progress);
	timer_free(t->more);
	buf_free(&t->buf);
	free(t);
}
