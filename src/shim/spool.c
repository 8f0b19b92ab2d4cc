/*
 * Invariants: the file holds whole lines (a torn one is cut off before anything is
 * appended); the entries are its lines from the first unacknowledged on, in order; a line
 * is in the file before its hook is answered. Acknowledgements may come twice, late, or
 * for a line sent before a rewind.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

enum { CHUNK = 1 << 16 };

enum entry_state { QUEUED, SENT, ACKED };

struct entry {
	struct entry *next;
	uint64_t id;
	off_t at;
	size_t len; /* without the newline */
	enum entry_state state;
};

struct spool {
	char *path;
	int fd;
	off_t size;
	struct entry *first, *last, *unsent; /* unsent: from here on nothing is SENT */
	uint64_t last_id;
	size_t count;
	unsigned in_flight;
	size_t in_flight_bytes;
	bool away; /* there is no launcher: nothing is sent before the next rewind */
	spool_send_cb *send;
	void *ctx;
};

/* ---- entries ---- */

static void
entry_push(struct spool *s, off_t at, size_t len)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->id = ++s->last_id;
	e->at = at;
	e->len = len;
	if (s->last == NULL)
		s->first = e;
	else
		s->last->next = e;
	s->last = e;
	if (s->unsent == NULL)
		s->unsent = e;
	s->count++;
}

static void
entry_set(struct spool *s, struct entry *e, enum entry_state state)
{
	/* What is sent is never longer than one line of the launcher's socket. */
	size_t bytes = e->len < SPOOL_WINDOW_BYTES / 2 ? e->len : SPOOL_WINDOW_BYTES / 2;

	if (e->state == SENT) {
		s->in_flight--;
		s->in_flight_bytes -= bytes;
	}
	if (state == SENT) {
		s->in_flight++;
		s->in_flight_bytes += bytes;
	}
	e->state = state;
}

static void
forget_acked(struct spool *s)
{
	struct entry *e;

	while ((e = s->first) != NULL && e->state == ACKED) {
		s->first = e->next;
		if (s->last == e)
			s->last = NULL;
		if (s->unsent == e)
			s->unsent = e->next;
		s->count--;
		free(e);
	}
	if (s->first != NULL || s->size == 0)
		return;
	if (ftruncate(s->fd, 0) == -1)
		log_warn("empty the spool %s", s->path);
	else
		s->size = 0;
}

/* ---- sending ---- */

static bool
read_at(const struct spool *s, struct buf *b, off_t at, size_t len)
{
	buf_reserve(b, len);
	while (b->len < len) {
		ssize_t got =
		    pread(s->fd, b->data + b->len, len - b->len, at + (off_t)b->len);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		b->len += (size_t)got;
	}
	b->data[len] = '\0';
	return true;
}

static bool
send_entry(struct spool *s, struct entry *e)
{
	struct buf line = BUF_INIT;
	bool sent = true;

	if (e->state == ACKED) /* before the rewind */
		return true;
	if (!read_at(s, &line, e->at, e->len)) {
		log_warn(
		    "a hook is lost, cannot read %s at=%lld", s->path, (long long)e->at);
		entry_set(s, e, ACKED);
	} else if (s->send(line.data, line.len, e->id, s->ctx))
		entry_set(s, e, SENT);
	else
		sent = false;
	buf_free(&line);
	return sent;
}

static bool
window_open(const struct spool *s)
{
	return s->in_flight == 0 ||
	       (s->in_flight < SPOOL_WINDOW && s->in_flight_bytes < SPOOL_WINDOW_BYTES);
}

static void
pump(struct spool *s)
{
	while (!s->away && s->unsent != NULL && window_open(s)) {
		struct entry *e = s->unsent;

		s->away = !send_entry(s, e);
		if (s->away)
			return;
		s->unsent = e->next;
	}
	forget_acked(s);
}

void
spool_acked(struct spool *s, uint64_t id)
{
	for (struct entry *e = s->first; e != NULL && e->id <= id; e = e->next)
		if (e->id == id)
			entry_set(s, e, ACKED);
	forget_acked(s);
	pump(s);
}

void
spool_rewind(struct spool *s)
{
	for (struct entry *e = s->first; e != NULL; e = e->next)
		if (e->state == SENT)
			entry_set(s, e, QUEUED);
	s->unsent = s->first;
	s->away = false;
	pump(s);
}

bool
spool_empty(const struct spool *s)
{
	return s->first == NULL;
}

/* ---- writing ---- */

/* All or nothing. */
static int
append(struct spool *s, const char *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t wrote =
		    pwrite(s->fd, bytes + done, len - done, s->size + (off_t)done);

		if (wrote == -1 && errno == EINTR)
			continue;
		if (wrote == -1) {
			int saved = errno;

			if (ftruncate(s->fd, s->size) == -1)
				log_warn("a torn line stays in %s until the next one",
				    s->path);
			errno = saved;
			return -1;
		}
		done += (size_t)wrote;
	}
	return 0;
}

int
spool_add(struct spool *s, const char *line, size_t len, bool sync)
{
	struct buf whole = BUF_INIT;
	int result;

	if (len > SPOOL_LINE_MAX || s->size + (off_t)len >= SPOOL_FILE_MAX ||
	    s->count >= SPOOL_LINES_MAX) {
		errno = EFBIG;
		return -1;
	}
	buf_reserve(&whole, len + 1);
	buf_add(&whole, line, len);
	buf_addc(&whole, '\n');
	result = append(s, whole.data, whole.len);
	if (result == 0) {
		entry_push(s, s->size, len);
		s->size += (off_t)whole.len;
	}
	buf_free(&whole);
	if (result == -1)
		return -1;
	if (sync && fdatasync(s->fd) == -1)
		log_warn("fdatasync %s", s->path);
	pump(s);
	return 0;
}

/* ---- what earlier shims left ---- */

static bool
line_ok(const char *line, size_t len)
{
	const char *why;
	yyjson_doc *doc = json_parse(line, len, &why);
	yyjson_val *root = doc == NULL ? NULL : yyjson_doc_get_root(doc);
	bool ok = json_str(root, "instance", NULL) != NULL &&
		  json_int(root, "seq", 0) > 0 && yyjson_is_obj(json_get(root, "hook"));

	yyjson_doc_free(doc);
	return ok;
}

static void
take_line(struct spool *s, off_t at, size_t len)
{
	struct buf line = BUF_INIT;

	if (s->count >= SPOOL_LINES_MAX || len > SPOOL_LINE_MAX ||
	    !read_at(s, &line, at, len) || !line_ok(line.data, line.len))
		log_warnx("bad line in %s skipped at=%lld bytes=%zu", s->path,
		    (long long)at, len);
	else
		entry_push(s, at, len);
	buf_free(&line);
}

/* Where the last whole line ends. */
static off_t
take_lines(struct spool *s, off_t size)
{
	char chunk[CHUNK];
	off_t start = 0, at = 0;

	while (at < size) {
		ssize_t got = pread(s->fd, chunk, sizeof(chunk), at);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		for (const char *p = chunk, *end = chunk + got, *nl;
		    (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1) {
			off_t here = at + (nl - chunk);

			take_line(s, start, (size_t)(here - start));
			start = here + 1;
		}
		at += got;
	}
	return start;
}

static int
take_leftovers(struct spool *s)
{
	struct stat st;

	if (fstat(s->fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	if (st.st_size > SPOOL_FILE_MAX)
		log_warnx("%s is too large, its end is dropped bytes=%lld", s->path,
		    (long long)st.st_size);
	s->size =
	    take_lines(s, st.st_size < SPOOL_FILE_MAX ? st.st_size : SPOOL_FILE_MAX);
	if (s->size < st.st_size) {
		log_warnx("torn last line in %s dropped bytes=%lld", s->path,
		    (long long)(st.st_size - s->size));
		if (ftruncate(s->fd, s->size) == -1)
			return -1;
	}
	if (s->first != NULL)
		log_info("hooks left from before, to be sent count=%zu", s->count);
	forget_acked(s);
	return 0;
}

struct spool *
spool_open(const char *path, spool_send_cb *send, void *ctx)
{
	struct spool *s = xcalloc(1, sizeof(*s));

	s->path = xstrdup(path);
	s->send = send;
	s->ctx = ctx;
	s->away = true;
	s->fd = open(path,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (s->fd != -1 && take_leftovers(s) == 0)
		return s;
	int saved = errno;
	spool_free(s);
	errno = saved;
	return NULL;
}

void
spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	for (struct entry *e = s->first, *next; e != NULL; e = next) {
		next = e->next;
		free(e);
	}
	if (s->fd != -1)
		close(s->fd);
	free(s->path);
	free(s);
}
