/*
 * The calling end of a control socket, in an event loop; it connects again for as long as
 * it lives. What must stay true: every call's callback is called until its answer, or
 * with NULL, once; never by ipc_call() itself. Callbacks may free the client: then what
 * is still open is dropped at once, and the struct is freed by whoever runs the callbacks
 * (`busy`).
 */
#include "ipc.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"
#include "conn.h"
#include "ipc_wire.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

enum { RETRY_MIN_MS = 20, RETRY_MAX_MS = 1000, MAX_QUEUE = 8 << 20 };

struct call {
	struct call *next;
	int64_t number;
	ipc_answer_cb *cb;
	void *arg;
};

struct ipc_client {
	struct loop *loop;
	char *path;
	struct ipc_client_handlers handlers;
	void *ctx;
	struct conn *conn; /* NULL while not connected */
	struct timer *retry;
	int retry_ms;
	int64_t up_since;
	int64_t last_number;
	struct call *calls;
	bool busy, freed;
};

static void
drop_calls(struct ipc_client *c)
{
	struct call *call;

	while ((call = c->calls) != NULL) {
		c->calls = call->next;
		call->cb(NULL, call->arg);
		free(call);
	}
}

static void
destroy(struct ipc_client *c)
{
	free(c->path);
	free(c);
}

/* The call that a line belongs to; taken out of the list if this is its answer. */
static struct call *
call_find(struct ipc_client *c, int64_t number, bool last)
{
	struct call **at = &c->calls;

	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	struct call *call = *at;
	if (call != NULL && last)
		*at = call->next;
	return call;
}

static void
on_line(struct conn *conn, char *text, size_t len, void *arg)
{
	struct ipc_client *c = arg;
	const char *why;
	yyjson_doc *doc = json_parse(text, len, &why);
	yyjson_val *line = yyjson_doc_get_root(doc);

	if (!yyjson_is_obj(line)) {
		log_warnx("%s: what the service sent is not JSON", c->path);
		conn_finish(conn);
		yyjson_doc_free(doc);
		return;
	}
	bool last = json_get(line, "ok") != NULL;
	struct call *call = call_find(c, json_int(line, "req", -1), last);
	if (call != NULL)
		call->cb(line, call->arg);
	else if (c->handlers.push != NULL)
		c->handlers.push(line, c->ctx);
	/* Neither c nor, unless it was taken out of the list, call may be touched now. */
	if (last)
		free(call);
	yyjson_doc_free(doc);
}

static void
retry_later(struct ipc_client *c)
{
	timer_in(c->retry, c->retry_ms);
	c->retry_ms = c->retry_ms * 2 < RETRY_MAX_MS ? c->retry_ms * 2 : RETRY_MAX_MS;
}

static void
on_gone(struct conn *conn, enum conn_why why, void *arg)
{
	struct ipc_client *c = arg;

	(void)why;
	conn_free(conn);
	c->conn = NULL;
	/* A service that accepts and closes at once is not one that is back. */
	if (mono_ms() - c->up_since >= RETRY_MAX_MS)
		c->retry_ms = RETRY_MIN_MS;
	retry_later(c);
	c->busy = true;
	drop_calls(c);
	if (!c->freed && c->handlers.down != NULL)
		c->handlers.down(c, c->ctx);
	c->busy = false;
	if (c->freed)
		destroy(c);
}

static void
try_connect(void *arg)
{
	static const struct conn_handlers handlers = {.line = on_line, .gone = on_gone};
	struct ipc_client *c = arg;
	int fd = wire_connect(c->path, SOCK_STREAM | SOCK_NONBLOCK);

	if (fd < 0) {
		retry_later(c);
		return;
	}
	c->conn = conn_new(c->loop, fd, fd, &handlers, c);
	conn_limits(c->conn, WIRE_MAX_ANSWER, MAX_QUEUE);
	c->up_since = mono_ms();
	if (c->handlers.up != NULL)
		c->handlers.up(c, c->ctx); /* c may be gone now */
}

struct ipc_client *
ipc_client_new(
    struct loop *loop, const char *path, const struct ipc_client_handlers *h, void *ctx)
{
	struct ipc_client *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->path = xstrdup(path);
	c->handlers = *h;
	c->ctx = ctx;
	c->retry_ms = RETRY_MIN_MS;
	c->retry = timer_new(loop, try_connect, c);
	timer_in(c->retry, 0);
	return c;
}

void
ipc_client_free(struct ipc_client *c)
{
	if (c == NULL || c->freed)
		return;
	c->freed = true;
	timer_free(c->retry);
	conn_free(c->conn);
	c->conn = NULL;
	drop_calls(c);
	if (!c->busy)
		destroy(c);
}

bool
ipc_client_up(const struct ipc_client *c)
{
	return c->conn != NULL;
}

bool
ipc_call(struct ipc_client *c, const char *op, yyjson_mut_doc *doc, ipc_answer_cb *cb,
    void *arg)
{
	size_t len;

	if (c->conn == NULL) {
		yyjson_mut_doc_free(doc);
		return false;
	}
	struct call *call = xcalloc(1, sizeof(*call));
	call->number = ++c->last_number;
	call->cb = cb;
	call->arg = arg;
	call->next = c->calls;
	c->calls = call;
	char *line = wire_request(doc, op, call->number, &len);
	conn_send(c->conn, line, len);
	free(line);
	return true;
}
