/*
 * Doorbells: datagrams that say "look at <topic>". A burst is folded, one that finds the
 * queue full is lost: the one that fills it will make its reader look, and a reader has a
 * safety net anyway.
 */
#include "ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc_wire.h"
#include "loop.h"
#include "xmalloc.h"

enum {
	TOPIC = 64,  /* bytes of a topic, with its newline or NUL */
	TOPICS = 16, /* different ones in one turn of the loop */
	BURST = 256, /* datagrams in one turn */
};

struct bell {
	int fd;
	char *path;
	struct watch *watch;
	bell_cb *cb;
	void *ctx;
	bool ringing; /* callbacks run */
	bool freed;   /* by one of them: the end of on_ring() frees it */
};

struct topics {
	char name[TOPICS][TOPIC];
	size_t count;
};

static void
topics_add(struct topics *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->name[i], name) == 0)
			return;
	memcpy(t->name[t->count++], name, strlen(name) + 1);
}

/* "topic\n" in place to "topic"; false for what nobody of ours would send. */
static bool
topic_parse(char *text, ssize_t len)
{
	if (len < 2 || len > TOPIC || text[len - 1] != '\n')
		return false;
	text[len - 1] = '\0';
	for (ssize_t i = 0; i < len - 1; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

static void
on_ring(int fd, int what, void *arg)
{
	struct bell *b = arg;
	struct topics topics = {.count = 0};
	char text[TOPIC + 1];

	(void)what;
	for (int i = 0; i < BURST && topics.count < TOPICS; i++) {
		ssize_t len = recv(fd, text, sizeof(text), MSG_DONTWAIT);
		if (len < 0)
			break;
		if (topic_parse(text, len))
			topics_add(&topics, text);
	}
	b->ringing = true;
	for (size_t i = 0; i < topics.count && !b->freed; i++)
		b->cb(topics.name[i], b->ctx);
	b->ringing = false;
	if (b->freed)
		free(b);
}

struct bell *
bell_listen(
    struct loop *loop, const char *dir, const char *service, bell_cb *cb, void *ctx)
{
	struct bell *b = xcalloc(1, sizeof(*b));

	b->path = xasprintf("%s/%s", dir, service);
	b->fd = wire_bind(b->path, SOCK_DGRAM, 0620);
	b->cb = cb;
	b->ctx = ctx;
	b->watch = watch_new(loop, b->fd, LOOP_READ, on_ring, b);
	return b;
}

void
bell_free(struct bell *b)
{
	if (b == NULL)
		return;
	watch_free(b->watch);
	close(b->fd);
	unlink(b->path);
	free(b->path);
	b->freed = true;
	if (!b->ringing)
		free(b);
}

void
bell_ring(const char *dir, const char *service, const char *topic)
{
	int saved = errno;
	char *path = xasprintf("%s/%s", dir, service);
	char *text = xasprintf("%s\n", topic);
	int fd = wire_connect(path, SOCK_DGRAM | SOCK_NONBLOCK);

	if (fd >= 0) {
		send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
	}
	free(text);
	free(path);
	errno = saved;
}
