/*
 * Answers that come later: who waits for a message, for events, for an agent's end or
 * start, for the reconciler. All are looked at once after a turn of the loop in which
 * something was committed. Who asked for an end, a start or a run of the reconciler is
 * answered by one that began after that, never by an earlier one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"
#include "clock.h"
#include "db.h"
#include "ipc.h"
#include "list.h"
#include "json.h"
#include "loop.h"
#include "message.h"
#include "ops.h"
#include "paths.h"
#include "store.h"
#include "xmalloc.h"

enum waiter_kind { WAIT_MESSAGE, WAIT_EVENTS, WAIT_STOPPED, WAIT_RESTARTED, WAIT_CONFIG };
enum {
	APPLY_TIMEOUT_MS = 30000,
	AGENT_LOOK_MS = 500 /* the net for processes that come without a change of state
			     */
};

struct waiter {
	struct list link;
	enum waiter_kind kind;
	struct ipc_req *req;
	char name[64];  /* message or agent */
	bool delivered; /* enough for WAIT_MESSAGE */
	bool follow;
	int64_t after;  /* last sequence sent */
	char *entities; /* "agent message" or NULL: all */
	pid_t shim_pid; /* of the agent when this was asked; 0: it had none */
	uint64_t shim_start;
	int64_t asked_at; /* monotonic */
};

struct waiters {
	struct launcher *l;
	struct timer *soon, *net, *apply_timeout;
	struct list list; /* struct waiter */
};

static struct waiter *
waiter_new(struct launcher *l, enum waiter_kind kind, struct ipc_req *req)
{
	struct waiters *ws = l->watchers;
	struct waiter *w = xcalloc(1, sizeof(*w));

	w->kind = kind;
	w->req = req;
	list_append(&ws->list, &w->link);
	return w;
}

static void
waiter_free(struct waiter *w)
{
	list_remove(&w->link);
	free(w->entities);
	free(w);
}

void
waiters_drop(struct ipc_req *req, void *ctx)
{
	struct launcher *l = ctx;
	struct waiters *ws = l->watchers;
	struct waiter *w, *next;

	list_each_safe (w, next, &ws->list, link) {
		if (w->req == req)
			waiter_free(w);
	}
}

/* ---- messages ---- */

static bool
far_enough(const char *state, bool delivered)
{
	enum message_state s = message_state_parse(state);

	if (s == MS_QUEUED || s == MS_DELIVERING)
		return false;
	return delivered || (s != MS_DELIVERED && s != MS_INTERRUPTED);
}

static bool
check_message(struct waiters *ws, struct waiter *w)
{
	yyjson_mut_doc *message, *doc;
	char *state = db_one_text(ws->l->db, ST_MESSAGE_STATE, DB_ARGS(DB_T(w->name)));
	char *answer;
	bool there = far_enough(state, w->delivered);

	free(state);
	if (!there)
		return false;
	message = message_doc(ws->l, w->name);
	answer = db_one_text(ws->l->db, ST_OUTBOX_ANSWER, DB_ARGS(DB_T(w->name)));
	doc = json_object();
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), "message",
	    yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(message)));
	json_add_str(doc, "answer", answer);
	yyjson_mut_doc_free(message);
	free(answer);
	ipc_ok(w->req, doc);
	return true;
}

void
op_wait(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	const char *id = json_str(args, "message", "");
	char *state = db_one_text(l->db, ST_MESSAGE_STATE, DB_ARGS(DB_T(id)));
	struct waiter *w;

	if (state == NULL) {
		ipc_error(req, "no-message", "there is no message %s", id);
		return;
	}
	free(state);
	w = waiter_new(l, WAIT_MESSAGE, req);
	snprintf(w->name, sizeof(w->name), "%s", id);
	w->delivered = strcmp(json_str(args, "until", "ended"), "delivered") == 0;
	launcher_changed(l);
}

/* ---- events ---- */

static bool
wanted(const struct waiter *w, const char *entity)
{
	return w->entities == NULL || strstr(w->entities, entity) != NULL;
}

static yyjson_mut_doc *
event_doc(struct db_rows *r)
{
	static const char *const keys[] = {
	    "seq", "at", "host", "entity", "id", "old", "new", "actor", "cause"};
	yyjson_mut_doc *doc = json_object();

	json_add_int(doc, keys[0], db_int(r, 0));
	json_add_int(doc, keys[1], db_int(r, 1));
	for (int i = 2; i < 9; i++)
		json_add_str(doc, keys[i], db_text(r, i));
	if (db_is_null(r, 9))
		json_add_str(doc, "detail", NULL);
	else
		json_add_raw(doc, "detail", db_text(r, 9));
	return doc;
}

/* true: ended (not followed). A page a turn, so that a long history doesn't hold up the
 * loop. */
static bool
send_events(struct waiters *ws, struct waiter *w)
{
	struct db_rows *r = db_query(ws->l->db, ST_EVENTS_AFTER, DB_ARGS(DB_I(w->after)));
	bool more = false;

	while (db_next(r)) {
		more = true;
		w->after = db_int(r, 0);
		if (wanted(w, db_text(r, 3)))
			ipc_event(w->req, event_doc(r));
	}
	db_done(r);
	if (more)
		timer_in(ws->soon, 0);
	if (more || w->follow)
		return false;
	ipc_end(w->req);
	return true;
}

void
op_subscribe(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	int64_t newest = db_one_int(l->db, ST_EVENTS_LAST, DB_NOARGS, 0),
		last = json_int(args, "last", 0);
	struct waiter *w = waiter_new(l, WAIT_EVENTS, req);
	yyjson_val *entities = json_get(args, "entity");

	w->after = json_int(
	    args, "after", last > 0 ? (newest > last ? newest - last : 0) : newest);
	w->follow = json_bool(args, "follow", true);
	if (yyjson_is_arr(entities))
		w->entities = yyjson_val_write(entities, 0, NULL);
	launcher_changed(l);
}

/* ---- agents ---- */

static bool
same_process(const struct waiter *w, const struct agent *a)
{
	return a->shim_pid == w->shim_pid && a->shim_start == w->shim_start;
}

/* What was there when this was asked has ended; what somebody started since then is
 * another. A start that was under way is known by no pid yet: it ends too, unless
 * somebody wants the agent to run again. */
static bool
has_stopped(const struct waiter *w, const struct agent *a)
{
	if (w->shim_pid > 0)
		return !same_process(w, a);
	return !agent_has_process(a) || a->want == WANT_RUN;
}

/* A new process, and not one that must end again; or none comes. */
static bool
has_restarted(const struct waiter *w, const struct agent *a)
{
	if (agent_has_process(a))
		return a->shim_pid > 0 && !same_process(w, a) && !a->restart_after_exit;
	return a->state != AS_STARTING || a->l->closing;
}

static bool
check_agent(struct waiters *ws, struct waiter *w)
{
	struct agent *a = launcher_agent(ws->l, w->name);
	yyjson_mut_doc *doc;

	if (a != NULL &&
	    !(w->kind == WAIT_STOPPED ? has_stopped(w, a) : has_restarted(w, a))) {
		timer_in(ws->net, AGENT_LOOK_MS);
		return false;
	}
	doc = json_object();
	json_add_str(doc, "agent", w->name);
	json_add_str(doc, "state", a != NULL ? agent_state_name(a->state) : "removed");
	ipc_ok(w->req, doc);
	return true;
}

static void
wait_agent(struct ipc_req *req, const struct agent *a, enum waiter_kind kind)
{
	struct waiter *w = waiter_new(a->l, kind, req);

	snprintf(w->name, sizeof(w->name), "%s", a->name);
	w->shim_pid = a->shim_pid;
	w->shim_start = a->shim_start;
	launcher_changed(a->l);
}

void
waiters_until_stopped(struct ipc_req *req, const struct agent *a)
{
	wait_agent(req, a, WAIT_STOPPED);
}

void
waiters_until_restarted(struct ipc_req *req, const struct agent *a)
{
	wait_agent(req, a, WAIT_RESTARTED);
}

/* ---- configurations ---- */

/* The reconciler notes when it began to read: a run that was under way already may have
 * read the file before it was changed. */
static void
answer_applied(struct waiters *ws)
{
	yyjson_doc *state = config_state(ws->l);
	yyjson_val *root = yyjson_doc_get_root(state);
	int64_t began = json_int(root, "began", 0);
	struct waiter *w, *next;
	yyjson_mut_doc *answer;

	list_each_safe (w, next, &ws->list, link) {
		if (w->kind != WAIT_CONFIG || began < w->asked_at)
			continue;
		answer = json_object();
		json_add_bool(answer, "good", json_bool(root, "ok", false));
		json_add_val(answer, "changes", json_get(root, "changes"));
		json_add_val(answer, "errors", json_get(root, "errors"));
		json_add_val(answer, "warnings", json_get(root, "warnings"));
		ipc_ok(w->req, answer);
		waiter_free(w);
	}
	yyjson_doc_free(state);
}

void
waiters_config(struct launcher *l)
{
	answer_applied(l->watchers);
}

/* The bell may have been lost: one more look. Then who has waited so long gives up, and
 * the timer is the next one's. */
static void
apply_timed_out(void *arg)
{
	struct launcher *l = arg;
	struct waiters *ws = l->watchers;
	struct waiter *w, *next;

	answer_applied(ws);
	list_each_safe (w, next, &ws->list, link) {
		if (w->kind != WAIT_CONFIG)
			continue;
		if (w->asked_at + APPLY_TIMEOUT_MS > mono_ms()) {
			timer_at(ws->apply_timeout, w->asked_at + APPLY_TIMEOUT_MS);
			return;
		}
		ipc_error(w->req, "busy",
		    "the reconciler doesn't answer: see /data/log/reconcile");
		waiter_free(w);
	}
}

/* The reconciler is root's; a byte in its FIFO is all that we may say. It rings our bell
 * when it is done. */
void
op_apply(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	struct waiters *ws = l->watchers;
	int64_t now = mono_ms();
	int fd = open(APPLY_FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	(void)args;
	if (fd == -1 || write(fd, "\n", 1) != 1) {
		ipc_error(req, "busy", "the reconciler isn't there: see berth status");
		if (fd != -1)
			close(fd);
		return;
	}
	close(fd);
	waiter_new(l, WAIT_CONFIG, req)->asked_at = now;
	if (!timer_armed(ws->apply_timeout))
		timer_at(ws->apply_timeout, now + APPLY_TIMEOUT_MS);
}

/* ---- all ---- */

static bool (*const check[])(struct waiters *ws, struct waiter *w) = {
    [WAIT_MESSAGE] = check_message,
    [WAIT_EVENTS] = send_events,
    [WAIT_STOPPED] = check_agent,
    [WAIT_RESTARTED] = check_agent,
    [WAIT_CONFIG] = NULL,
};

static void
look(void *arg)
{
	struct waiters *ws = arg;
	struct waiter *w, *next;

	list_each_safe (w, next, &ws->list, link) {
		if (check[w->kind] != NULL && check[w->kind](ws, w))
			waiter_free(w);
	}
}

void
launcher_changed(struct launcher *l)
{
	struct waiters *ws = l->watchers;

	if (ws != NULL && !list_empty(&ws->list) && !timer_armed(ws->soon))
		timer_in(ws->soon, 0);
}

void
waiters_new(struct launcher *l)
{
	struct waiters *ws = xcalloc(1, sizeof(*ws));

	ws->l = l;
	ws->soon = timer_new(l->loop, look, ws);
	ws->net = timer_new(l->loop, look, ws);
	ws->apply_timeout = timer_new(l->loop, apply_timed_out, l);
	list_init(&ws->list);
	l->watchers = ws;
}
