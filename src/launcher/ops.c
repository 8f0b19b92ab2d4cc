/* See ops.h. Reading is in ops_read.c, waiting in waiters.c; here is what changes
 * something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "addressee.h"
#include "agent.h"
#include "approval.h"
#include "db.h"
#include "deliver.h"
#include "ipc.h"
#include "json.h"
#include "loop.h"
#include "message.h"
#include "ops.h"
#include "paths.h"
#include "store.h"
#include "volume.h"
#include "xmalloc.h"

enum { TEXT_MAX = 1000000, ROLE_PERSON = 1, FIELD_MAX = 256 };

static void
no_such_agent(struct ipc_req *req, struct launcher *l, const char *name)
{
	char *why = addressee_unknown(l, name);

	ipc_error(req, "no-agent", "%s", why);
	free(why);
}

struct agent *
ops_agent(struct ipc_req *req, yyjson_val *args, struct launcher *l)
{
	const char *name = json_str(args, "agent", NULL);
	struct agent *a = addressee_find(l, name);

	if (a == NULL)
		no_such_agent(req, l, name);
	return a;
}

/* false, answered: what was given can't be a message. */
static bool
check_text(struct ipc_req *req, yyjson_val *args)
{
	yyjson_val *text = json_get(args, "text");
	const char *p = yyjson_get_str(text);
	size_t len = yyjson_get_len(text);

	if (p == NULL || memchr(p, '\0', len) != NULL || strspn(p, " \t\r\n") == len)
		ipc_error(req, "not-text", "a message needs text without NUL bytes");
	else if (len > TEXT_MAX)
		ipc_error(req, "too-long",
		    "the text has %zu bytes, at most %d are allowed", len, TEXT_MAX);
	else
		return true;
	return false;
}

/* false, answered: a field that is too long; cut, it would mean something else. */
static bool
check_fields(struct ipc_req *req, yyjson_val *args)
{
	static const char *const fields[] = {"channel", "sender", "thread", "dedupe"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(json_str(args, fields[i], "")) > FIELD_MAX) {
			ipc_error(req, "usage", "%s is longer than %d bytes", fields[i],
			    FIELD_MAX);
			return false;
		}
	return true;
}

static char *
message_column(struct launcher *l, const char *id, int column)
{
	struct db_rows *r = db_query(l->db, ST_MESSAGE_GET, DB_ARGS(DB_T(id)));
	char *text = db_next(r) ? xstrdup(db_text(r, column)) : NULL;

	db_done(r);
	return text;
}

/* Where a message stands; NULL if there is none. */
static yyjson_mut_doc *
place_of(struct launcher *l, const char *id)
{
	char *state = message_column(l, id, 6), *agent = message_column(l, id, 1);
	yyjson_mut_doc *doc = state == NULL ? NULL : json_object();

	if (doc != NULL) {
		json_add_str(doc, "message", id);
		json_add_str(doc, "agent", agent);
		json_add_str(doc, "state", state);
		json_add_int(doc, "position",
		    db_one_int(l->db, ST_MESSAGE_POSITION,
			DB_ARGS(DB_T(agent), DB_T(id), DB_I(wall_ms())), 0));
	}
	free(state);
	free(agent);
	return doc;
}

static void
op_position(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	const char *id = json_str(args, "message", "");
	yyjson_mut_doc *doc = place_of(ctx, id);

	if (doc == NULL)
		ipc_error(req, "no-message", "there is no message %s", id);
	else
		ipc_ok(req, doc);
}

static void
send_answer(struct ipc_req *req, struct launcher *l, const char *id, bool repeated)
{
	yyjson_mut_doc *doc = place_of(l, id);

	json_add_bool(doc, "repeated", repeated);
	ipc_ok(req, doc);
}

/* Answers with the message's id only once it is committed. */
static void
add(struct ipc_req *req, struct agent *a, struct message_new *m)
{
	struct launcher *l = a->l;
	char id[ULID_LEN + 1];
	enum message_added added;

	m->agent = a->name;
	m->max_waiting = l->settings.max_queue;
	added = message_add(l->db, m, id);
	if (added == MESSAGE_FULL)
		ipc_error(req, "queue-full",
		    "%s already has %lld messages waiting (delivery.max_queue)", a->name,
		    (long long)l->settings.max_queue);
	else if (added == MESSAGE_NO_ROOM)
		ipc_error(req, "volume-full",
		    "the volume has only %lld MiB left, nothing was accepted: make room "
		    "in "
		    "/data",
		    (long long)(volume_free() >> 20));
	else if (added == MESSAGE_BUSY)
		ipc_error(
		    req, "busy", "the database is busy, nothing was accepted: try again");
	else {
		send_answer(req, l, id, added == MESSAGE_REPEATED);
		deliver_kick(a);
		launcher_changed(l);
	}
}

static void
op_send(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	struct agent *a = ops_agent(req, args, l);
	struct message_new m = {.channel = json_str(args, "channel", "cli"),
	    .sender = json_str(args, "sender", NULL),
	    .thread = json_str(args, "thread", NULL),
	    .text = json_str(args, "text", NULL),
	    .dedupe = json_str(args, "dedupe", NULL),
	    .not_before = json_int(args, "not_before", 0),
	    .expires_at = json_int(args, "expires_at", 0)};

	if (a == NULL || !check_text(req, args) || !check_fields(req, args))
		return;
	if (m.expires_at == 0 && l->settings.expire_ms > 0)
		m.expires_at = wall_ms() + l->settings.expire_ms;
	add(req, a, &m);
}

static void
op_cancel(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	const char *id = json_str(args, "message", "");
	char *state = message_column(l, id, 6);
	struct message_change c = {.cause = "a person cancelled it"};
	yyjson_mut_doc *doc;

	if (state == NULL)
		ipc_error(req, "no-message", "there is no message %s", id);
	else if (!message_event(l->db, id, ME_CANCEL, &c))
		ipc_error(req, "too-late",
		    "message %s is %s: only a queued one can be cancelled", id, state);
	else {
		doc = json_object();
		json_add_str(doc, "state", "cancelled");
		ipc_ok(req, doc);
		launcher_changed(l);
	}
	free(state);
}

static bool
may_retry(const char *state)
{
	static const enum message_state again[] = {MS_FAILED, MS_INDETERMINATE,
	    MS_UNANSWERED, MS_EXPIRED, MS_INTERRUPTED, MS_CANCELLED};

	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		if (message_state_parse(state) == again[i])
			return true;
	return false;
}

/* The message that asks the agent to go on with a cut one, while that is on its way: its
 * id and state. */
static bool
continuation(struct launcher *l, const char *root, char **id, char **state)
{
	struct db_rows *r = db_query(l->db, ST_MESSAGE_CONTINUED, DB_ARGS(DB_T(root)));
	bool found = db_next(r);

	if (found) {
		*id = xstrdup(db_text(r, 0));
		*state = xstrdup(db_text(r, 1));
	}
	db_done(r);
	return found;
}

/* true, answered: it is being gone on with; retried too, it would be done twice. */
static bool
refuse_continued(
    struct ipc_req *req, struct launcher *l, const char *old, const char *agent)
{
	char *parent = message_column(l, old, 17), *id, *state;
	bool found = continuation(l, parent != NULL ? parent : old, &id, &state);

	free(parent);
	if (!found)
		return false;
	ipc_error(req, "too-late",
	    "message %s was cut, and message %s (%s) asks %s to go on with it: %s", old,
	    id, state, agent,
	    strcmp(state, "queued") == 0 ? "wait for its answer, or cancel it first"
					 : "wait for its answer");
	free(id);
	free(state);
	return true;
}

/* true, answered: it was sent again before, and who asks may not know. */
static bool
refuse_retried(struct ipc_req *req, struct launcher *l, const char *old)
{
	char *again = message_column(l, old, 19), *state;
	bool is = again != NULL && again[0] != '\0';

	if (is) {
		state = message_column(l, again, 6);
		ipc_error(req, "too-late", "message %s was sent again as %s (%s)%s", old,
		    again, state, may_retry(state) ? ": retry that one" : "");
		free(state);
	}
	free(again);
	return is;
}

static void
op_retry(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	char key[sizeof(RETRY_KEY) + ULID_LEN];
	struct launcher *l = ctx;
	const char *old = json_str(args, "message", "");
	char *column[8] = {0};
	struct message_new m;
	struct agent *a;

	for (int i = 1; i <= 6; i++)
		column[i] = message_column(l, old, i);
	a = column[1] != NULL ? addressee_find(l, column[1]) : NULL;
	if (column[1] == NULL)
		ipc_error(req, "no-message", "there is no message %s", old);
	else if (!may_retry(column[6]))
		ipc_error(req, "too-late", "message %s is %s: nothing to retry", old,
		    column[6]);
	else if (a == NULL)
		no_such_agent(req, l, column[1]);
	else if (!refuse_retried(req, l, old) &&
		 !refuse_continued(req, l, old, a->name)) {
		snprintf(key, sizeof(key), RETRY_KEY "%s", old);
		m = (struct message_new){.dedupe = key,
		    .channel = column[2],
		    .thread = column[3],
		    .sender = column[4],
		    .text = column[5]};
		add(req, a, &m);
	}
	for (int i = 1; i <= 6; i++)
		free(column[i]);
}

static void
state_answer(struct ipc_req *req, const struct agent *a)
{
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "agent", a->name);
	json_add_str(doc, "state", agent_state_name(a->state));
	ipc_ok(req, doc);
}

static void
op_start(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ops_agent(req, args, ctx);

	if (a == NULL)
		return;
	agent_start(a, json_str(args, "reason", NULL));
	state_answer(req, a);
	launcher_changed(a->l); /* who waits for its end needn't any more */
}

static void
op_restart(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ops_agent(req, args, ctx);

	if (a == NULL)
		return;
	agent_restart(a, json_str(args, "reason", NULL));
	waiters_until_restarted(req, a);
}

static void
stop(struct ipc_req *req, yyjson_val *args, struct launcher *l, enum want want)
{
	struct agent *a = ops_agent(req, args, l);

	if (a == NULL)
		return;
	agent_stop(
	    a, want, json_str(args, "reason", NULL), json_bool(args, "now", false));
	waiters_until_stopped(req, a);
}

static void
op_stop(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	stop(req, args, ctx, WANT_STOP);
}

static void
op_hold(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	stop(req, args, ctx, WANT_HOLD);
}

static void
op_answer(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	const char *id = json_str(args, "approval", "");
	const char *behavior = json_str(args, "behavior", "");
	bool allow = strcmp(behavior, "allow") == 0;
	yyjson_mut_doc *doc;

	if (!allow && strcmp(behavior, "deny") != 0)
		ipc_error(req, "usage", "behavior is \"allow\" or \"deny\"");
	else if (!approval_answer(l, id, allow, json_str(args, "reason", NULL), "cli"))
		ipc_error(req, "too-late", "there is no open approval %s", id);
	else {
		doc = json_object();
		json_add_str(doc, "state", allow ? "allowed" : "denied");
		ipc_ok(req, doc);
	}
}

static const struct ipc_op ops[] = {
    {"send", op_send, ROLE_PERSON},
    {"wait", op_wait, ROLE_PERSON},
    {"agents", op_agents, ROLE_PERSON},
    {"messages", op_messages, ROLE_PERSON},
    {"position", op_position, ROLE_PERSON},
    {"turns", op_turns, ROLE_PERSON},
    {"cancel", op_cancel, ROLE_PERSON},
    {"retry", op_retry, ROLE_PERSON},
    {"start", op_start, ROLE_PERSON},
    {"stop", op_stop, ROLE_PERSON},
    {"restart", op_restart, ROLE_PERSON},
    {"hold", op_hold, ROLE_PERSON},
    {"status", op_status, ROLE_PERSON},
    {"pane", op_pane, ROLE_PERSON},
    {"approvals", op_approvals, ROLE_PERSON},
    {"answer", op_answer, ROLE_PERSON},
    {"subscribe", op_subscribe, ROLE_PERSON},
    {"apply", op_apply, ROLE_PERSON},
    {NULL, NULL, 0},
};

/* The socket's mode lets in root and group berth; the uid says it once more. */
static unsigned
role(struct ipc_peer *peer, void *ctx)
{
	uid_t uid = ipc_peer_uid(peer);

	(void)ctx;
	return uid == 0 || (uid >= 900 && uid <= 999 && uid != UID_TMUX) ? ROLE_PERSON
									 : 0;
}

void
ops_listen(struct launcher *l)
{
	static const struct ipc_handlers handlers = {
	    .ops = ops, .role = role, .dropped = waiters_drop, .max_peers = 256};

	waiters_new(l);
	l->control = ipc_listen(l->loop, LAUNCHER_SOCK, 0660, &handlers, l);
}
