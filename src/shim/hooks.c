/*
 * A connection is one hook: one line in, one line out. It is answered only after its line
 * is in the spool. Anybody of the agent's uid can connect (the directory is theirs), so
 * who does is checked by pid, as the kernel tells it.
 */
#include "hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

enum { HOOK_QUEUE_MAX = 2 << 20 };

struct hook {
	struct hook *next;
	struct hooks *hooks;
	struct conn *conn;
	bool heard;   /* its line has come */
	bool foreign; /* of another conversation than the agent's */
	int64_t asks; /* seq of its open question; 0: none */
};

struct hooks {
	struct loop *loop;
	int fd;
	char *path;
	const char *instance;
	struct watch *watch;
	struct hook *first;
	unsigned count;
	int64_t last_seq;
	struct hooks_handlers handlers;
	void *ctx;
};

/* ---- answers ---- */

static void
answer(struct hook *k, yyjson_mut_doc *doc)
{
	size_t len;
	char *line = json_line(doc, &len);

	line[len++] = '\n'; /* in the place of its NUL */
	conn_send(k->conn, line, len);
	conn_finish(k->conn);
	free(line);
}

static void
answer_error(struct hook *k, const char *why)
{
	yyjson_mut_doc *doc = json_object();

	json_add_bool(doc, "ok", false);
	json_add_str(doc, "error", why);
	answer(k, doc);
}

static void
answer_ok(struct hook *k, yyjson_val *output)
{
	yyjson_mut_doc *doc = json_object();

	json_add_bool(doc, "ok", true);
	if (output != NULL)
		json_add_val(doc, "output", output);
	answer(k, doc);
}

static struct hook *
find_ask(const struct hooks *s, int64_t seq)
{
	struct hook *k = s->first;

	while (k != NULL && (seq == 0 || k->asks != seq))
		k = k->next;
	return k;
}

bool
hooks_decide(struct hooks *s, int64_t seq, yyjson_val *output)
{
	struct hook *k = find_ask(s, seq);

	if (k == NULL)
		return false;
	k->asks = 0;
	answer_ok(k, output);
	s->handlers.ask_gone(seq, true, s->ctx);
	return true;
}

bool
hooks_asking(const struct hooks *s, int64_t seq)
{
	return find_ask(s, seq) != NULL;
}

void
hooks_list_asks(const struct hooks *s, yyjson_mut_doc *doc, yyjson_mut_val *array)
{
	for (const struct hook *k = s->first; k != NULL; k = k->next)
		if (k->asks != 0)
			yyjson_mut_arr_add_sint(doc, array, k->asks);
}

bool
hooks_busy(const struct hooks *s)
{
	for (const struct hook *k = s->first; k != NULL; k = k->next)
		if (k->asks == 0)
			return true;
	return false;
}

/* ---- a hook's line ---- */

static int
keep(struct hook *k, yyjson_val *input, int64_t seq, int64_t deadline, bool ask)
{
	struct hooks *s = k->hooks;
	yyjson_mut_doc *doc = json_object();
	size_t len;
	char *line;
	int result;

	json_add_str(doc, "instance", s->instance);
	json_add_int(doc, "seq", seq);
	json_add_int(doc, "at", wall_ms());
	json_add_bool(doc, "ask", ask);
	if (deadline > 0)
		json_add_int(doc, "deadline", deadline);
	json_add_val(doc, "hook", input);
	line = json_line(doc, &len);
	k->asks = ask ? seq : 0; /* keep() may send it at once */
	result = s->handlers.keep(line, len, s->ctx);
	free(line);
	return result;
}

static void
take(struct hook *k, yyjson_val *line)
{
	struct hooks *s = k->hooks;
	yyjson_val *input = json_get(line, "hook");
	bool ask =
	    strcmp(json_str(input, "hook_event_name", ""), "PermissionRequest") == 0;

	if (!yyjson_is_obj(input)) {
		answer_error(k, "this is no hook's input");
		return;
	}
	if (k->foreign) {
		answer_ok(k, NULL);
		return;
	}
	if (keep(k, input, ++s->last_seq, json_int(line, "deadline", 0), ask) == -1) {
		log_warn("a hook is lost seq=%lld", (long long)s->last_seq);
		k->asks = 0;
		answer_error(k, errno == EFBIG ? "the spool is full" : strerror(errno));
	} else if (!ask)
		answer_ok(k, NULL);
}

static void
on_line(struct conn *c, char *text, size_t len, void *arg)
{
	struct hook *k = arg;
	const char *why;
	yyjson_doc *doc;

	(void)c;
	if (k->heard) {
		conn_finish(k->conn);
		return;
	}
	k->heard = true;
	doc = json_parse(text, len, &why);
	if (doc == NULL)
		answer_error(k, why);
	else
		take(k, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}

/* ---- connections ---- */

static void
hook_free(struct hook *k)
{
	struct hook **at = &k->hooks->first;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	k->hooks->count--;
	conn_free(k->conn);
	free(k);
}

static void
on_gone(struct conn *c, enum conn_why why, void *arg)
{
	struct hook *k = arg;
	struct hooks *s = k->hooks;
	int64_t asked = k->asks;

	(void)c;
	if (why != CONN_EOF)
		log_warnx("hook dropped: %s", conn_why_text(why));
	hook_free(k);
	if (asked != 0)
		s->handlers.ask_gone(asked, false, s->ctx);
	if (!hooks_busy(s))
		s->handlers.idle(s->ctx);
}

static void
hook_new(struct hooks *s, int fd, pid_t pid)
{
	static const struct conn_handlers handlers = {.line = on_line, .gone = on_gone};
	struct hook *k = xcalloc(1, sizeof(*k));

	k->hooks = s;
	k->conn = conn_new(s->loop, fd, fd, &handlers, k);
	conn_limits(k->conn, HOOKS_LINE_MAX, HOOK_QUEUE_MAX);
	k->next = s->first;
	s->first = k;
	s->count++;
	if (s->count > HOOKS_MAX || !s->handlers.trusted(pid, s->ctx)) {
		k->heard = true;
		answer_error(k, s->count > HOOKS_MAX ? "too many hooks at once"
						     : "not a process of this agent");
	}
	k->foreign = !s->handlers.own(pid, s->ctx);
}

static void
on_connection(int fd, int what, void *arg)
{
	struct hooks *s = arg;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (peer == -1)
		return;
	if (s->count >= 2 * HOOKS_MAX ||
	    getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		close(peer);
	else
		hook_new(s, peer, cred.pid);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, saved;
	mode_t old;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	unlink(path); /* we hold the lock: nobody listens there */
	old = umask(0177);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    listen(fd, HOOKS_MAX) == 0) {
		umask(old);
		return fd;
	}
	saved = errno;
	umask(old);
	close(fd);
	errno = saved;
	return -1;
}

struct hooks *
hooks_listen(struct loop *loop, const char *path, const char *instance,
    const struct hooks_handlers *h, void *ctx)
{
	int fd = listen_at(path);
	struct hooks *s;

	if (fd == -1)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->loop = loop;
	s->fd = fd;
	s->path = xstrdup(path);
	s->instance = instance;
	s->handlers = *h;
	s->ctx = ctx;
	s->watch = watch_new(loop, s->fd, LOOP_READ, on_connection, s);
	return s;
}

void
hooks_free(struct hooks *s)
{
	if (s == NULL)
		return;
	while (s->first != NULL)
		hook_free(s->first);
	watch_free(s->watch);
	close(s->fd);
	unlink(s->path);
	free(s->path);
	free(s);
}
