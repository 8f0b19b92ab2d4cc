/* The calling end of a control socket for a program that waits: one line out, lines in.
 */
#include "ipc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "ipc_wire.h"
#include "json.h"
#include "xmalloc.h"

enum { CHUNK = 65536 };

struct ipc_stream {
	int fd;
	int64_t last_number;
	struct buf input;
	size_t taken;   /* handed out before it */
	size_t scanned; /* no newline before it; >= taken */
};

int
ipc_connect(const char *path)
{
	return wire_connect(path, SOCK_STREAM);
}

struct ipc_stream *
ipc_stream_open(const char *path)
{
	int fd = ipc_connect(path);

	if (fd < 0)
		return NULL;
	struct ipc_stream *s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	return s;
}

void
ipc_stream_close(struct ipc_stream *s)
{
	if (s == NULL)
		return;
	close(s->fd);
	buf_free(&s->input);
	free(s);
}

int
ipc_stream_send(struct ipc_stream *s, const char *op, yyjson_mut_doc *doc)
{
	size_t len, done = 0;
	char *line = wire_request(doc, op, ++s->last_number, &len);

	while (done < len) {
		ssize_t n = send(s->fd, line + done, len - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	int saved = errno;
	free(line);
	errno = saved;
	return done == len ? 0 : -1;
}

/* 0 when there is something to read (or an end); -1 with errno, ETIMEDOUT at the
 * deadline. */
static int
wait_readable(int fd, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline < 0 ? -1 : deadline - mono_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, deadline < 0 ? -1 : left > 0 ? (int)left : 0);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0 && left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
}

/* Appends what comes; -1 with errno. */
static int
read_more(struct ipc_stream *s, int64_t deadline)
{
	if (s->input.len - s->taken > WIRE_MAX_ANSWER) {
		errno = EMSGSIZE;
		return -1;
	}
	buf_cut_front(&s->input, s->taken);
	s->scanned -= s->taken;
	s->taken = 0;
	if (wait_readable(s->fd, deadline) != 0)
		return -1;
	buf_reserve(&s->input, CHUNK);
	ssize_t n = read(s->fd, s->input.data + s->input.len, CHUNK);
	if (n == 0)
		errno = ECONNRESET;
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return -1;
	s->input.len += (size_t)n;
	s->input.data[s->input.len] = '\0';
	return 0;
}

yyjson_doc *
ipc_stream_read(struct ipc_stream *s, int timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? -1 : mono_ms() + timeout_ms;
	char *newline = NULL;
	const char *why;

	for (;;) {
		if (s->scanned < s->input.len)
			newline = memchr(
			    s->input.data + s->scanned, '\n', s->input.len - s->scanned);
		if (newline != NULL)
			break;
		s->scanned = s->input.len;
		if (read_more(s, deadline) != 0)
			return NULL;
	}
	char *line = s->input.data + s->taken;
	yyjson_doc *doc = json_parse(line, (size_t)(newline - line), &why);
	s->taken = s->scanned = (size_t)(newline - s->input.data) + 1;
	if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
		yyjson_doc_free(doc);
		errno = EPROTO;
		return NULL;
	}
	return doc;
}
