/*
 * The serving end of a control socket. A peer costs its slot until it sends something,
 * and nothing it does reaches another peer. What must stay true:
 * - A request is in its peer's list from its line until it is answered or dropped, and
 * freed then.
 * - A peer ends in one place, peer_free(): from the loop when its connection is gone, or
 * because the server is freed. Handlers may free the server: nothing is touched after
 * they return.
 */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "ipc_wire.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

enum {
	MAX_PEERS = 64,
	MAX_QUEUE = 8 << 20,
	MAX_OPEN = 256, /* unanswered requests of one peer */
	ACCEPT_PAUSE_MS = 1000,
	COMPLAIN_MS = 10000, /* at most one line in the log about peers in this time */
};

struct ipc_server {
	struct loop *loop;
	int fd;
	char *name; /* the socket's path, for the log */
	bool bound; /* and ours to unlink */
	struct ipc_handlers handlers;
	void *ctx;
	struct watch *watch;
	struct timer *resume;
	struct ipc_peer *peers;
	unsigned peer_count;
	int64_t complain_at;
};

struct ipc_peer {
	struct ipc_peer *next;
	struct ipc_server *server;
	struct conn *conn;
	uid_t uid;
	pid_t pid;
	struct ipc_req *requests;
	unsigned open; /* how many these are */
};

struct ipc_req {
	struct ipc_req *next;
	struct ipc_peer *peer;
	bool numbered, dropped;
	int64_t number;
	size_t sent; /* bytes, of rows and events */
};

/* false: nothing may be logged now, lest a peer fills the log. */
static bool
may_complain(struct ipc_server *s)
{
	int64_t now = mono_ms();

	if (now < s->complain_at)
		return false;
	s->complain_at = now + COMPLAIN_MS;
	return true;
}

/* ---- requests ---- */

static struct ipc_req *
req_new(struct ipc_peer *p, yyjson_val *request)
{
	struct ipc_req *r = xcalloc(1, sizeof(*r));

	r->peer = p;
	r->numbered = json_get(request, "req") != NULL;
	r->number = json_int(request, "req", 0);
	r->next = p->requests;
	p->requests = r;
	p->open++;
	return r;
}

static void
req_unlink(struct ipc_req *r)
{
	struct ipc_req **at = &r->peer->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->peer->open--;
}

/* Frees doc; a dropped request (its peer is leaving) is answered to nobody. */
static void
req_send(struct ipc_req *r, yyjson_mut_doc *doc)
{
	size_t len;

	if (r->dropped) {
		yyjson_mut_doc_free(doc);
		return;
	}
	if (r->numbered)
		wire_put_int(doc, "req", r->number);
	char *line = wire_line(doc, &len);
	r->sent += len;
	conn_send(r->peer->conn, line, len);
	free(line);
}

static void
req_answer(struct ipc_req *r, yyjson_mut_doc *doc, bool ok)
{
	wire_put_bool(doc, "ok", ok);
	req_send(r, doc);
	if (r->dropped) /* peer_free() frees it */
		return;
	req_unlink(r);
	free(r);
}

struct ipc_peer *
ipc_req_peer(const struct ipc_req *r)
{
	return r->peer;
}

void
ipc_ok(struct ipc_req *r, yyjson_mut_doc *doc)
{
	req_answer(r, doc == NULL ? json_object() : doc, true);
}

void
ipc_row(struct ipc_req *r, yyjson_mut_doc *row)
{
	wire_wrap(row, "row");
	req_send(r, row);
}

void
ipc_event(struct ipc_req *r, yyjson_mut_doc *event)
{
	wire_wrap(event, "event");
	req_send(r, event);
}

static void
req_end(struct ipc_req *r, bool more)
{
	yyjson_mut_doc *doc = json_object();

	json_add_bool(doc, "end", true);
	if (more)
		json_add_bool(doc, "more", true);
	req_answer(r, doc, true);
}

void
ipc_end(struct ipc_req *r)
{
	req_end(r, false);
}

void
ipc_end_more(struct ipc_req *r)
{
	req_end(r, true);
}

size_t
ipc_req_sent(const struct ipc_req *r)
{
	return r->sent;
}

void
ipc_error(struct ipc_req *r, const char *code, const char *format, ...)
{
	yyjson_mut_doc *doc = json_object();
	va_list ap;

	va_start(ap, format);
	char *message = xvasprintf(format, ap);
	va_end(ap);
	json_add_str(doc, "error", code);
	json_add_str(doc, "message", message);
	free(message);
	req_answer(r, doc, false);
}

/* ---- what a peer sends ---- */

/* Answers, and closes: who sends this does not speak our language. */
static void
refuse(struct ipc_peer *p, struct ipc_req *r, const char *code, const char *why)
{
	if (may_complain(p->server))
		log_warnx("%s: peer dropped: %s uid=%u pid=%d", p->server->name, why,
		    (unsigned)p->uid, (int)p->pid);
	ipc_error(r, code, "%s", why);
	conn_finish(p->conn);
}

static const struct ipc_op *
op_find(const struct ipc_op *ops, const char *name)
{
	for (const struct ipc_op *op = ops; op->name != NULL; op++)
		if (strcmp(op->name, name) == 0)
			return op;
	return NULL;
}

static void
dispatch(struct ipc_peer *p, yyjson_val *request)
{
	const struct ipc_handlers *h = &p->server->handlers;
	const struct ipc_op *op = op_find(h->ops, json_str(request, "op", ""));
	struct ipc_req *r = req_new(p, request);

	if (r->numbered && !yyjson_is_int(json_get(request, "req")))
		refuse(p, r, "not-request", "\"req\" is not a whole number");
	else if (op == NULL)
		refuse(p, r, "unknown-op", "there is no such op");
	else if (((h->role == NULL ? ~0u : h->role(p, p->server->ctx)) & op->who) == 0)
		ipc_error(
		    r, "forbidden", "%s is not for uid %u", op->name, (unsigned)p->uid);
	else if (p->open > MAX_OPEN)
		ipc_error(r, "too-many", "%u requests are open", MAX_OPEN);
	else
		op->handle(r, request, p->server->ctx);
}

static void
peer_line(struct conn *c, char *line, size_t len, void *arg)
{
	struct ipc_peer *p = arg;
	const char *why;
	yyjson_doc *doc = json_parse(line, len, &why);
	yyjson_val *request = yyjson_doc_get_root(doc);

	(void)c;
	if (doc == NULL)
		refuse(p, req_new(p, NULL), "not-json", why);
	else if (!yyjson_is_obj(request))
		refuse(p, req_new(p, NULL), "not-json", "a request is an object");
	else
		dispatch(p, request); /* p may be gone now */
	yyjson_doc_free(doc);
}

/* ---- peers ---- */

static void
peer_unlink(struct ipc_peer *p)
{
	struct ipc_peer **at = &p->server->peers;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->server->peer_count--;
}

static void
drop_requests(struct ipc_peer *p, const struct ipc_handlers *h, void *ctx)
{
	struct ipc_req *r;

	while ((r = p->requests) != NULL) {
		p->requests = r->next;
		r->dropped = true;
		if (h->dropped != NULL)
			h->dropped(r, ctx);
		free(r);
	}
}

/* The callbacks may free the server, so what is needed of it is copied. */
static void
peer_free(struct ipc_peer *p)
{
	const struct ipc_handlers h = p->server->handlers;
	void *ctx = p->server->ctx;

	peer_unlink(p);
	drop_requests(p, &h, ctx);
	if (h.closed != NULL)
		h.closed(p, ctx);
	conn_free(p->conn);
	free(p);
}

static void
peer_gone(struct conn *c, enum conn_why why, void *arg)
{
	struct ipc_peer *p = arg;

	(void)c;
	if (why != CONN_EOF && may_complain(p->server))
		log_warnx("%s: peer dropped: %s uid=%u pid=%d", p->server->name,
		    conn_why_text(why), (unsigned)p->uid, (int)p->pid);
	peer_free(p);
}

static void
peer_new(struct ipc_server *s, int fd, const struct ucred *cred)
{
	static const struct conn_handlers handlers = {
	    .line = peer_line, .gone = peer_gone};
	struct ipc_peer *p = xcalloc(1, sizeof(*p));

	p->server = s;
	p->uid = cred->uid;
	p->pid = cred->pid;
	p->conn = conn_new(s->loop, fd, fd, &handlers, p);
	conn_limits(p->conn, IPC_MAX_LINE, MAX_QUEUE);
	p->next = s->peers;
	s->peers = p;
	s->peer_count++;
	if (s->handlers.opened != NULL)
		s->handlers.opened(p, s->ctx);
}

uid_t
ipc_peer_uid(const struct ipc_peer *p)
{
	return p->uid;
}

pid_t
ipc_peer_pid(const struct ipc_peer *p)
{
	return p->pid;
}

void
ipc_peer_close(struct ipc_peer *p)
{
	conn_finish(p->conn);
}

void
ipc_push(struct ipc_peer *p, yyjson_mut_doc *doc)
{
	size_t len;

	wire_wrap(doc, "push");
	char *line = wire_line(doc, &len);
	conn_send(p->conn, line, len);
	free(line);
}

/* ---- the server ---- */

static void
resume_accepting(void *arg)
{
	struct ipc_server *s = arg;

	watch_set(s->watch, LOOP_READ);
}

/* Out of descriptors or memory: the connection stays in the queue, and would wake us at
 * once. */
static void
pause_accepting(struct ipc_server *s)
{
	if (may_complain(s))
		log_warn("%s: cannot accept", s->name);
	watch_set(s->watch, 0);
	timer_in(s->resume, ACCEPT_PAUSE_MS);
}

static void
on_connection(int listen_fd, int what, void *arg)
{
	struct ipc_server *s = arg;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	(void)what;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_accepting(s);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
		close(fd);
	} else if (s->peer_count >= s->handlers.max_peers) {
		if (may_complain(s))
			log_warnx("%s: more than %u connections: closed uid=%u pid=%d",
			    s->name, s->handlers.max_peers, (unsigned)cred.uid,
			    (int)cred.pid);
		close(fd);
	} else {
		peer_new(s, fd, &cred); /* s may be gone now */
	}
}

/* Made ready and named. Non-blocking: who connected may have left again before it is
 * accepted. */
static char *
socket_ready(int fd)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr) - 1;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
		fatal(EXIT_BUG, "ipc_serve: descriptor %d", fd);
	return xstrdup(addr.sun_path[0] == '\0' ? "socket" : addr.sun_path);
}

struct ipc_server *
ipc_serve(struct loop *loop, int listen_fd, const struct ipc_handlers *h, void *ctx)
{
	struct ipc_server *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->fd = listen_fd;
	s->name = socket_ready(listen_fd);
	s->handlers = *h;
	if (s->handlers.max_peers == 0)
		s->handlers.max_peers = MAX_PEERS;
	s->ctx = ctx;
	s->resume = timer_new(loop, resume_accepting, s);
	s->watch = watch_new(loop, listen_fd, LOOP_READ, on_connection, s);
	return s;
}

struct ipc_server *
ipc_listen(struct loop *loop, const char *path, mode_t mode, const struct ipc_handlers *h,
    void *ctx)
{
	int fd = wire_bind(path, SOCK_STREAM, mode);

	if (listen(fd, SOMAXCONN) != 0)
		fatal(EXIT_SYSTEM, "%s: listen", path);
	struct ipc_server *s = ipc_serve(loop, fd, h, ctx);
	s->bound = true;
	return s;
}

void
ipc_server_free(struct ipc_server *s)
{
	if (s == NULL)
		return;
	if (s->bound)
		unlink(s->name);
	watch_free(s->watch);
	timer_free(s->resume);
	close(s->fd);
	while (s->peers != NULL)
		peer_free(s->peers);
	free(s->name);
	free(s);
}
