/*
 * See shimlink.h. A shim that connects while the launcher hasn't yet read spawn's answer
 * is found by reading it then (spawner_take_started). Hooks are applied and their cursor
 * moved in one transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "approval.h"
#include "conversation.h"
#include "db.h"
#include "deliver.h"
#include "driver.h"
#include "folder.h"
#include "hooks.h"
#include "ipc.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "shimlink.h"
#include "spawner.h"
#include "store.h"
#include "transcript.h"
#include "turn.h"
#include "xmalloc.h"

enum {
	ROLE_SHIM = 1,
	COMPLAIN_MS = 10000,
};

/* An agent could fill the log with these. */
static void
complain(const struct agent *a, const struct ipc_peer *peer)
{
	static int64_t next;

	if (mono_ms() < next)
		return;
	next = mono_ms() + COMPLAIN_MS;
	log_warnx("agent=%s socket refused pid=%d uid=%u", a->name, ipc_peer_pid(peer),
	    (unsigned)ipc_peer_uid(peer));
}

static unsigned
role(struct ipc_peer *peer, void *ctx)
{
	struct agent *a = ctx;

	if (ipc_peer_pid(peer) != a->shim_pid)
		spawner_take_started(a->l->spawner);
	if (a->shim_pid > 0 && ipc_peer_pid(peer) == a->shim_pid)
		return ROLE_SHIM;
	complain(a, peer);
	return 0;
}

/* Anybody of the agent's uid may connect; who isn't its shim takes no place from it. */
static void
peer_opened(struct ipc_peer *peer, void *ctx)
{
	if (role(peer, ctx) == 0)
		ipc_peer_close(peer);
}

static void
op_hello(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;
	yyjson_mut_doc *doc = json_object();

	a->shim = ipc_req_peer(req);
	snprintf(a->instance, sizeof(a->instance), "%s", json_str(args, "instance", ""));
	a->agent_pid = (pid_t)json_int(args, "agent_pid", 0);
	a->resumed = json_bool(args, "resumed", a->resumed);
	agent_store_process(a);
	json_add_bool(doc, "run", !agent_unwanted(a));
	ipc_ok(req, doc);
	if (a->agent_pid > 0)
		shimlink_tail(a);
	approval_hello(a, json_get(args, "asks"));
	if (agent_unwanted(a) || a->restart_after_exit) /* it may not have heard of it */
		agent_end(a, a->l->closing ? AGENT_CLOSE_GRACE_MS : AGENT_STOP_GRACE_MS);
	if (a->agent_pid > 0 &&
	    (!a->was_ready || (!a->driver->hooks && a->turn[0] != '\0')))
		agent_watch_ready(a);
	else
		deliver_recover(a);
}

static void
answer_run(struct agent *a, struct ipc_req *req)
{
	yyjson_mut_doc *doc = json_object();
	const char *why = NULL;

	if (!agent_unwanted(a) && a->driver->runspec(a, doc, &why)) {
		ipc_ok(req, doc);
		return;
	}
	yyjson_mut_doc_free(doc);
	if (why == NULL)
		why = "it is to be stopped";
	free(a->exit_error);
	a->exit_error = xstrdup(why);
	ipc_error(req, "cannot", "%s", why);
}

/* A new conversation has another transcript: what the old one proves is read first. */
static void
op_run(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;

	(void)args;
	if (a->wants_run != NULL)
		ipc_error(a->wants_run, "again", "asked again");
	a->wants_run = NULL;
	if (agent_unwanted(a)) /* what its earlier life left said so */
		agent_end(a, AGENT_STOP_GRACE_MS);
	if (a->transcript != NULL)
		shimlink_tail(a);
	else /* its old hooks came before this: nothing else to read */
		shimlink_caught_up(a);
	if (a->unsettled && !agent_unwanted(a) && conversation_is_new(a))
		a->wants_run = req;
	else
		answer_run(a, req);
}

static void
op_started(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;
	const char *warning = json_str(args, "warning", NULL);

	a->agent_pid = (pid_t)json_int(args, "pid", 0);
	a->resumed = json_bool(args, "resumed", false);
	a->started_at = mono_ms();
	agent_store_process(a);
	if (warning != NULL)
		log_warnx("agent=%s %s", a->name, warning);
	store_event(a->l->db, "agent", a->name, a->resumed ? "resumed" : "begun",
	    json_str(args, "domain", NULL), NULL);
	if (!a->resumed && a->transcript != NULL && a->applied > 0)
		conversation_lost(a);
	ipc_ok(req, NULL);
	agent_watch_ready(a);
}

/* What follows it must not be applied before it: the shim comes back and sends all in
 * order again. */
static void
not_committed(struct ipc_req *req)
{
	struct ipc_peer *peer = ipc_req_peer(req);

	ipc_error(req, "busy", "not committed, send it again");
	ipc_peer_close(peer);
}

static int64_t
cursor_of(struct agent *a, const char *instance)
{
	return db_one_int(
	    a->l->db, ST_CURSOR_GET, DB_ARGS(DB_T(a->name), DB_T(instance)), 0);
}

/* The spool is the agent's own: what it says may be anything. */
static int64_t
hook_time(yyjson_val *args)
{
	int64_t now = wall_ms(), at = json_int(args, "at", now);

	return at > 0 && at < now ? at : now;
}

static void
op_hook(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;
	const char *instance = json_str(args, "instance", "");
	int64_t seq = json_int(args, "seq", 0);
	struct db *db = a->l->db;

	if (!ulid_ok(instance) || seq <= 0) {
		ipc_error(req, "usage", "a hook needs instance and seq");
		return;
	}
	if (seq <= cursor_of(a, instance)) {
		ipc_ok(req,
		    NULL); /* applied in an earlier life, the acknowledgement was lost */
		return;
	}
	db_must_begin(db);
	hooks_apply(a, &(struct hook){.json = json_get(args, "hook"),
			   .instance = instance,
			   .seq = seq,
			   .at = hook_time(args),
			   .ask = json_bool(args, "ask", false),
			   .old = strcmp(instance, a->instance) != 0});
	db_must(db, ST_CURSOR_SET, DB_ARGS(DB_T(a->name), DB_T(instance), DB_I(seq)));
	if (seq == 1)
		db_must(db, ST_CURSOR_TRIM, DB_ARGS(DB_T(a->name)));
	if (db_commit(db) != DB_OK) {
		not_committed(req);
		return;
	}
	ipc_ok(req, NULL);
	agent_observe(a, "hook");
}

static void
op_registry(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	ipc_ok(req, NULL);
	agent_registry(ctx, json_str(args, "text", NULL));
}

static void
op_line(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;
	const char *path = json_str(args, "path", "");
	struct db *db = a->l->db;

	if (a->transcript == NULL || strcmp(path, a->transcript) != 0) {
		ipc_ok(req, NULL); /* of a conversation that is no longer this one */
		return;
	}
	if (json_int(args, "from", 0) < a->applied && !json_bool(args, "reset", false)) {
		ipc_ok(req, NULL); /* again, after a lost acknowledgement */
		return;
	}
	db_must_begin(db);
	if (json_bool(args, "reset", false))
		turn_forgotten(a);
	transcript_apply(a, json_str(args, "text", NULL));
	a->applied = json_int(args, "next", a->applied);
	db_must(db, ST_SESSION_APPLIED, DB_ARGS(DB_T(a->session), DB_I(a->applied)));
	if (db_commit(db) != DB_OK) {
		not_committed(req);
		return;
	}
	ipc_ok(req, NULL);
	if (json_bool(args, "eof", false))
		shimlink_caught_up(a);
	agent_observe(a, "transcript");
}

/* All that an earlier life left behind is read: what is still open now was cut or never
 * arrived. */
void
shimlink_caught_up(struct agent *a)
{
	struct ipc_req *req = a->wants_run;

	if (!a->unsettled)
		return;
	turn_settle(a, "its processes were killed");
	deliver_kick(a);
	a->wants_run = NULL;
	if (req != NULL)
		answer_run(a, req);
}

static void
op_exited(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;
	const char *error = json_str(args, "error", NULL);

	/* Of a shim that never said hello (locked out, no spool) nothing is known but
	 * this. */
	a->drained = a->shim == ipc_req_peer(req);
	a->exit_status = (int)json_int(args, "status", 0);
	a->exit_signal = (int)json_int(args, "signal", 0);
	if (error != NULL && a->exit_error == NULL)
		a->exit_error = xstrdup(error);
	a->agent_pid = 0;
	ipc_ok(req, NULL);
}

static void
op_pending(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	deliver_pending(ctx, (long)json_int(args, "bytes", -1));
	ipc_ok(req, NULL);
}

static void
op_ask_gone(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	approval_hook_gone(ctx, json_str(args, "instance", ""), json_int(args, "seq", 0));
	ipc_ok(req, NULL);
}

static void
op_folder(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	folder_told(ctx, args);
	ipc_ok(req, NULL);
}

/* Its standard error is the agent's terminal, so it tells us. */
static void
op_log(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ctx;

	log_info("agent=%s shim: %.500s", a->name, json_str(args, "text", ""));
	ipc_ok(req, NULL);
}

static const struct ipc_op ops[] = {
    {"log", op_log, ROLE_SHIM},
    {"hello", op_hello, ROLE_SHIM},
    {"run", op_run, ROLE_SHIM},
    {"started", op_started, ROLE_SHIM},
    {"hook", op_hook, ROLE_SHIM},
    {"registry", op_registry, ROLE_SHIM},
    {"folder", op_folder, ROLE_SHIM},
    {"line", op_line, ROLE_SHIM},
    {"exited", op_exited, ROLE_SHIM},
    {"pending", op_pending, ROLE_SHIM},
    {"ask_gone", op_ask_gone, ROLE_SHIM},
    {NULL, NULL, 0},
};

static void
peer_closed(struct ipc_peer *peer, void *ctx)
{
	struct agent *a = ctx;

	if (a->shim == peer)
		a->shim = NULL;
}

static void
req_dropped(struct ipc_req *req, void *ctx)
{
	struct agent *a = ctx;

	if (a->wants_run == req)
		a->wants_run = NULL;
}

void
shimlink_serve(struct agent *a, int listen_fd)
{
	static const struct ipc_handlers handlers = {.ops = ops,
	    .role = role,
	    .opened = peer_opened,
	    .closed = peer_closed,
	    .dropped = req_dropped,
	    .max_peers = 8};

	ipc_server_free(a->server);
	a->shim = NULL;
	a->server = ipc_serve(a->l->loop, listen_fd, &handlers, a);
}

void
shimlink_closed(struct agent *a)
{
	if (a->shim != NULL)
		ipc_peer_close(a->shim);
	a->shim = NULL;
}

void
shimlink_free(struct agent *a)
{
	ipc_server_free(a->server);
	a->server = NULL;
	a->shim = NULL;
}

static bool
push(struct agent *a, const char *what, yyjson_mut_doc *inner)
{
	yyjson_mut_doc *doc;

	if (a->shim == NULL) {
		yyjson_mut_doc_free(inner);
		return false;
	}
	doc = json_object();
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), what,
	    yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(inner)));
	yyjson_mut_doc_free(inner);
	ipc_push(a->shim, doc);
	return true;
}

bool
shimlink_stop(struct agent *a, int64_t grace_ms)
{
	yyjson_mut_doc *doc = json_object();

	json_add_int(doc, "grace_ms", grace_ms);
	return push(a, "stop", doc);
}

void
shimlink_ask_pending(struct agent *a)
{
	push(a, "pending", json_object());
}

void
shimlink_tail(struct agent *a)
{
	static const char *const match[] = {
	    "\"queue-operation\"", "[berth ", "\"type\":\"assistant\""};
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;

	if (a->transcript == NULL)
		return;
	doc = json_object();
	json_add_str(doc, "path", a->transcript);
	json_add_int(doc, "from", a->applied);
	list = yyjson_mut_arr(doc);
	for (size_t i = 0; i < sizeof(match) / sizeof(match[0]); i++)
		yyjson_mut_arr_add_str(doc, list, match[i]);
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), "match", list);
	push(a, "tail", doc);
}

void
shimlink_decide(
    struct agent *a, const char *instance, int64_t seq, const char *output_json)
{
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "instance", instance);
	json_add_int(doc, "seq", seq);
	json_add_raw(doc, "output", output_json);
	push(a, "decide", doc);
}
