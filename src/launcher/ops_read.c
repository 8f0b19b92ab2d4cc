/* Answers made of rows: agents, messages, turns, approvals, status. Nothing here changes
 * anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "agent.h"
#include "buf.h"
#include "clock.h"
#include "config.h"
#include "db.h"
#include "driver.h"
#include "ipc.h"
#include "json.h"
#include "message.h"
#include "ops.h"
#include "paths.h"
#include "spawner.h"
#include "store.h"
#include "tmux.h"
#include "volume.h"

enum {
	DEFAULT_LIMIT = 50,
	MAX_LIMIT = 1000,
	SLOW_START_MS = 60000,
	DRAFT_SAID_MS = 60000,
	REFUSED_SAID_MS = 3600000,
	SOON_OVER_MS = 2000, /* a CLI that starts may say for a moment that it waits */
	ERRORS_SHOWN = 10    /* of berth.toml */
};

static void
add_int_or_null(yyjson_mut_doc *doc, const char *key, struct db_rows *r, int column)
{
	if (db_is_null(r, column))
		json_add_str(doc, key, NULL);
	else
		json_add_int(doc, key, db_int(r, column));
}

/* ---- agents ---- */

static void
add_totals(yyjson_mut_doc *doc, struct agent *a)
{
	static const char *const kinds[] = {"in", "out", "cache_read", "cache_write"};
	struct db_rows *r = db_query(a->l->db, ST_AGENT_TOTALS, DB_ARGS(DB_T(a->name)));
	yyjson_mut_val *tokens =
	    yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "tokens");

	if (db_next(r)) {
		json_add_int(doc, "turns", db_int(r, 0));
		for (int i = 0; i < 4; i++)
			yyjson_mut_obj_add_int(doc, tokens, kinds[i], db_int(r, i + 1));
	}
	db_done(r);
}

static void
agent_row(struct ipc_req *req, struct agent *a)
{
	static const char *const wants[] = {"run", "stop", "hold"};
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "name", a->name);
	json_add_str(doc, "driver", a->driver->name);
	json_add_str(doc, "state", agent_state_name(a->state));
	json_add_str(doc, "state_source", a->source);
	json_add_int(doc, "state_at", a->state_at);
	json_add_int(doc, "since_ms", wall_ms() - a->state_at);
	json_add_str(doc, "reason", a->reason);
	json_add_str(doc, "want", wants[a->want]);
	json_add_str(doc, "session", a->driver_id[0] != '\0' ? a->driver_id : NULL);
	json_add_bool(doc, "resumed", a->resumed);
	json_add_int(doc, "pid", a->agent_pid);
	json_add_int(doc, "shim_pid", a->shim_pid);
	json_add_str(doc, "pane", a->pane[0] != '\0' ? a->pane : NULL);
	json_add_int(doc, "queued",
	    db_one_int(a->l->db, ST_MESSAGE_WAITING, DB_ARGS(DB_T(a->name)), 0));
	json_add_int(doc, "restarts", a->restarts);
	if (a->resume_at > 0 && !agent_waits_for_person(a))
		json_add_int(doc, "next_start_at", a->resume_at);
	json_add_str(doc, "cwd", agent_spec_str(a, "cwd", NULL));
	json_add_int(doc, "uid", agent_spec_int(a, "uid", UID_AGENT));
	json_add_str(doc, "version", a->version[0] != '\0' ? a->version : NULL);
	add_totals(doc, a);
	ipc_row(req, doc);
}

void
op_agents(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	struct agent *a;

	(void)args;
	list_each (a, &l->agents, link) {
		if (!a->removed)
			agent_row(req, a);
	}
	ipc_end(req);
}

void
op_pane(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct agent *a = ops_agent(req, args, ctx);
	yyjson_mut_doc *doc;

	if (a == NULL)
		return;
	if (a->pane[0] == '\0') {
		ipc_error(req, "gone", "%s has no terminal now: it is %s", a->name,
		    agent_state_name(a->state));
		return;
	}
	doc = json_object();
	json_add_str(doc, "agent", a->name);
	json_add_str(doc, "window", a->window);
	json_add_str(doc, "pane", a->pane);
	ipc_ok(req, doc);
}

/* ---- messages and turns ---- */

/* Columns in the order of MESSAGE_COLUMNS. */
static yyjson_mut_doc *
message_row(struct db_rows *r)
{
	static const struct {
		const char *key;
		bool number;
	} columns[] = {{"id", false}, {"agent", false}, {"channel", false},
	    {"thread", false}, {"sender", false}, {"text", false}, {"state", false},
	    {"reason", false}, {"proof", false}, {"attempts", true}, {"created_at", true},
	    {"delivering_at", true}, {"delivered_at", true}, {"ended_at", true},
	    {"not_before", true}, {"expires_at", true}, {"turn", false},
	    {"parent", false}, {"answer", false}, {"retried_as", false},
	    {"continued_by", false}, {"together", true}};
	yyjson_mut_doc *doc = json_object();

	for (int i = 0; i < (int)(sizeof(columns) / sizeof(columns[0])); i++) {
		if (columns[i].number)
			add_int_or_null(doc, columns[i].key, r, i);
		else
			json_add_str(doc, columns[i].key, db_text(r, i));
	}
	return doc;
}

yyjson_mut_doc *
message_doc(struct launcher *l, const char *id)
{
	struct db_rows *r = db_query(l->db, ST_MESSAGE_GET, DB_ARGS(DB_T(id)));
	yyjson_mut_doc *doc = db_next(r) ? message_row(r) : NULL;

	db_done(r);
	return doc;
}

/* The next row, unless the answer is as long as it may be. */
static bool
next_row(struct ipc_req *req, struct db_rows *r)
{
	return ipc_req_sent(req) < IPC_ROWS_FULL && db_next(r);
}

static void
end_rows(struct ipc_req *req, struct db_rows *r)
{
	db_done(r);
	if (ipc_req_sent(req) < IPC_ROWS_FULL)
		ipc_end(req);
	else
		ipc_end_more(req);
}

static int64_t
limit_of(yyjson_val *args)
{
	int64_t limit = json_int(args, "limit", DEFAULT_LIMIT);

	return limit < 1 ? 1 : limit > MAX_LIMIT ? MAX_LIMIT : limit;
}

void
op_messages(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	const char *one = json_str(args, "message", NULL),
		   *agent = json_str(args, "agent", NULL),
		   *before = json_str(args, "before", NULL);
	yyjson_val *states = json_get(args, "state");
	char *list = yyjson_is_arr(states) ? yyjson_val_write(states, 0, NULL) : NULL;
	yyjson_mut_doc *doc;
	struct db_rows *r;

	if (one != NULL) {
		doc = message_doc(l, one);
		if (doc != NULL)
			ipc_row(req, doc);
		free(list);
		ipc_end(req);
		return;
	}
	r = list != NULL
		? db_query(l->db, ST_MESSAGE_LIST_IN,
		      DB_ARGS(DB_T(agent), DB_T(before), DB_T(list), DB_I(limit_of(args)),
			  DB_I(json_bool(args, "open", false))))
		: db_query(l->db, agent != NULL ? ST_MESSAGE_LIST_OF : ST_MESSAGE_LIST,
		      DB_ARGS(DB_T(agent), DB_T(before), DB_NULL, DB_I(limit_of(args))));
	while (next_row(req, r))
		ipc_row(req, message_row(r));
	free(list);
	end_rows(req, r);
}

static void
add_turn_messages(yyjson_mut_doc *doc, struct launcher *l, const char *turn)
{
	struct db_rows *r = db_query(l->db, ST_TURN_MESSAGES, DB_ARGS(DB_T(turn)));
	yyjson_mut_val *list =
	    yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "messages");

	while (db_next(r))
		yyjson_mut_arr_add_strcpy(doc, list, db_text(r, 0));
	db_done(r);
}

static yyjson_mut_doc *
turn_row(struct launcher *l, struct db_rows *r)
{
	static const char *const texts[] = {
	    "id", "agent", "session", NULL, NULL, "end", "origin", "prompt", "answer"};
	static const char *const kinds[] = {"in", "out", "cache_read", "cache_write"};
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *tokens;

	for (int i = 0; i < 9; i++)
		if (texts[i] != NULL)
			json_add_str(doc, texts[i], db_text(r, i));
	add_int_or_null(doc, "started_at", r, 3);
	add_int_or_null(doc, "ended_at", r, 4);
	tokens = yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "tokens");
	for (int i = 0; i < 4; i++)
		yyjson_mut_obj_add_int(doc, tokens, kinds[i], db_int(r, 9 + i));
	json_add_str(doc, "reason", db_text(r, 13));
	add_turn_messages(doc, l, db_text(r, 0));
	return doc;
}

void
op_turns(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	const char *agent = json_str(args, "agent", NULL);
	struct db_rows *r =
	    db_query(l->db, agent != NULL ? ST_TURN_LIST_OF : ST_TURN_LIST,
		DB_ARGS(DB_T(agent), DB_T(json_str(args, "before", NULL)),
		    DB_I(limit_of(args))));

	while (next_row(req, r))
		ipc_row(req, turn_row(l, r));
	end_rows(req, r);
}

void
op_approvals(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	struct db_rows *r = db_query(
	    l->db, ST_APPROVAL_OPEN, DB_ARGS(DB_T(json_str(args, "agent", NULL))));
	yyjson_mut_doc *doc;

	while (db_next(r)) {
		doc = json_object();
		json_add_str(doc, "id", db_text(r, 0));
		json_add_str(doc, "agent", db_text(r, 1));
		json_add_str(doc, "tool", db_text(r, 2));
		json_add_raw(doc, "input", db_text(r, 3));
		json_add_int(doc, "asked_at", db_int(r, 4));
		json_add_int(doc, "expires_at", db_int(r, 5));
		json_add_str(doc, "state", db_text(r, 6));
		ipc_row(req, doc);
	}
	db_done(r);
	ipc_end(req);
}

/* ---- status ---- */

struct problems {
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
};

/* In the order of the calls. */
static yyjson_mut_val *
problem(struct problems *p, const char *what, const char *why, int64_t since,
    const char *hint)
{
	yyjson_mut_val *row = yyjson_mut_arr_add_obj(p->doc, p->list);

	yyjson_mut_obj_add_strcpy(p->doc, row, "what", what);
	yyjson_mut_obj_add_strcpy(p->doc, row, "why", why != NULL ? why : "");
	yyjson_mut_obj_add_int(p->doc, row, "since", since);
	yyjson_mut_obj_add_strcpy(p->doc, row, "hint", hint);
	return row;
}

static void
agent_problem(
    struct problems *p, const struct agent *a, const char *how, const char *hint)
{
	char what[128];

	snprintf(what, sizeof(what), "agent %s %s", a->name, how);
	yyjson_mut_obj_add_strcpy(
	    p->doc, problem(p, what, a->reason, a->state_at, hint), "agent", a->name);
}

static const char *
agent_hint(const struct agent *a, const char *usual)
{
	if (agent_waits_for_person(a))
		return "berth start when it may go on";
	if (a->not_begun && a->state == AS_CRASHED)
		return "mend that: it is tried again by itself, a few times";
	return usual;
}

/* Worst first: who needs a person, who can't go on for a while, who only waits. */
static void
agents_problems(struct problems *p, struct launcher *l)
{
	static const struct {
		enum agent_state state;
		int64_t after_ms; /* it is one only when it lasts */
		const char *how, *hint;
	} rows[] = {
	    {AS_AUTH_FAILED, 0, "is auth-failed",
		"log in: berth attach, then /login; or give it a key (secrets in "
		"berth.toml); where its key is good again: berth start"},
	    {AS_HELD, 0, "is held",
		"berth start when it may go on; berth log and berth attach may show "
		"more"},
	    {AS_CRASHED, 0, "is crashed", "it is started again by itself"},
	    {AS_STARTING, SLOW_START_MS, "doesn't get ready",
		"look at its terminal: berth attach"},
	    {AS_AWAITING, SOON_OVER_MS, "is awaiting-approval",
		"berth approvals, or berth attach"},
	    {AS_LIMITED, 0, "is limited", "it goes on by itself when the limit resets"},
	};
	struct agent *a;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		list_each (a, &l->agents, link) {
			if (a->state == rows[i].state && !a->removed &&
			    wall_ms() - a->state_at >= rows[i].after_ms)
				agent_problem(
				    p, a, rows[i].how, agent_hint(a, rows[i].hint));
		}
}

/* What keeps an agent from its messages whatever its state says. */
static void
add_out_of_reach(struct problems *p, struct launcher *l)
{
	struct agent *a;
	char what[128];

	list_each (a, &l->agents, link) {
		bool draft = a->state == AS_READY && a->draft_since != 0 &&
			     mono_ms() - a->draft_since >= DRAFT_SAID_MS;

		if (a->removed || (!draft && !a->deaf))
			continue;
		snprintf(what, sizeof(what), "agent %s gets no messages", a->name);
		yyjson_mut_obj_add_strcpy(p->doc,
		    problem(p, what,
			a->deaf ? "its socket can't be made"
				: "a line is half typed at its terminal",
			0,
			a->deaf ? "see the launcher's log"
				: "send it or delete it: berth attach"),
		    "agent", a->name);
	}
}

static void
agent_note(struct problems *p, const struct agent *a, const char *what, const char *why,
    const char *hint)
{
	char text[128];

	snprintf(text, sizeof(text), "agent %s %s", a->name, what);
	yyjson_mut_obj_add_strcpy(
	    p->doc, problem(p, text, why, 0, hint), "agent", a->name);
}

/* A person chose another one at its terminal: it asks for less, or for more. */
static void
note_mode(struct problems *p, const struct agent *a)
{
	const char *usual = a->driver->mode != NULL ? a->driver->mode(a) : NULL;
	char what[64];

	if (usual == NULL || a->mode[0] == '\0' || strcmp(a->mode, usual) == 0)
		return;
	snprintf(what, sizeof(what), "is in permission mode %s", a->mode);
	agent_note(p, a, what, "somebody chose that at its terminal",
	    "berth restart brings back what berth.toml says");
}

static void
note_waiting(struct problems *p, const struct agent *a)
{
	int64_t waiting;
	char what[64];

	if (a->state != AS_STOPPED || a->want != WANT_STOP)
		return;
	waiting = db_one_int(a->l->db, ST_MESSAGE_WAITING, DB_ARGS(DB_T(a->name)), 0);
	if (waiting == 0)
		return;
	snprintf(what, sizeof(what), "is stopped, and %lld message%s for it",
	    (long long)waiting, waiting == 1 ? " waits" : "s wait");
	agent_note(p, a, what, NULL, "berth start");
}

/* What is no problem if it is meant so. */
static void
add_notes(struct problems *p, struct launcher *l)
{
	struct agent *a;

	if (l->refused_at != 0 && wall_ms() - l->refused_at < REFUSED_SAID_MS)
		problem(p, "a line of a FIFO reached nobody", l->refused, l->refused_at,
		    "whoever wrote it wasn't told; berth events has them all");
	list_each (a, &l->agents, link) {
		if (a->removed)
			continue;
		if (a->folder_why != NULL)
			agent_note(p, a, "can't write to its folder", a->folder_why,
			    a->folder_hint);
		note_mode(p, a);
		note_waiting(p, a);
	}
}

static int64_t
file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static void
add_queue(yyjson_mut_doc *doc, struct launcher *l)
{
	yyjson_mut_val *queue =
	    yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "queue");
	struct db_rows *r = db_query(l->db, ST_MESSAGE_COUNTS, DB_NOARGS);

	while (db_next(r))
		yyjson_mut_obj_add(queue, yyjson_mut_strcpy(doc, db_text(r, 0)),
		    yyjson_mut_sint(doc, db_int(r, 1)));
	db_done(r);
}

yyjson_doc *
config_state(struct launcher *l)
{
	char *text = db_one_text(l->db, ST_SETTING, DB_ARGS(DB_T("config.state")));
	const char *why;
	yyjson_doc *doc = text != NULL ? json_parse(text, strlen(text), &why) : NULL;

	free(text);
	return doc;
}

/* The first lines; `config` in the same answer has them all. The last one of very many
 * stands for more. */
static void
join_errors(yyjson_val *state, struct buf *out)
{
	yyjson_val *list = json_get(state, "errors"), *line;
	size_t i, max;

	yyjson_arr_foreach(list, i, max, line)
	{
		if (i < ERRORS_SHOWN && yyjson_is_str(line))
			buf_addf(out, "%s%s", i > 0 ? "\n" : "", yyjson_get_str(line));
	}
	if (max > ERRORS_SHOWN)
		buf_addf(out, "\nand %s%zu more",
		    max > CONFIG_MAX_ERRORS ? "at least " : "", max - ERRORS_SHOWN);
	if (max == 0)
		buf_adds(out, json_str(state, "error", ""));
}

static void
config_problem(struct problems *p, yyjson_val *state)
{
	struct buf why = BUF_INIT;
	yyjson_mut_val *row;

	join_errors(state, &why);
	row = problem(p, "the configuration isn't in use", buf_str(&why),
	    json_int(state, "applied_at", 0),
	    "the last good one, or the default, is in use; mend the file, then berth "
	    "config check and berth apply");
	yyjson_mut_obj_add_bool(p->doc, row, "config", true);
	buf_free(&why);
}

/* What is amiss with an agent's part of it. */
static void
warnings_problems(struct problems *p, yyjson_val *state)
{
	yyjson_val *row;
	size_t i, max;
	char what[128];

	yyjson_arr_foreach(json_get(state, "warnings"), i, max, row)
	{
		const char *agent = json_str(row, "agent", "?"),
			   *how = json_str(row, "what", NULL);

		if (how == NULL)
			continue;
		snprintf(what, sizeof(what), "agent %.60s %.60s", agent, how);
		yyjson_mut_obj_add_strcpy(p->doc,
		    problem(p, what, json_str(row, "text", ""), 0,
			"put it there, then berth apply"),
		    "agent", agent);
	}
}

static void
add_config(yyjson_mut_doc *doc, struct launcher *l, struct problems *p)
{
	yyjson_doc *state = config_state(l);
	yyjson_val *root = yyjson_doc_get_root(state);

	if (root == NULL)
		json_add_raw(doc, "config", "{\"ok\":true}");
	else
		json_add_val(doc, "config", root);
	if (!json_bool(root, "ok", true))
		config_problem(p, root);
	warnings_problems(p, root);
	yyjson_doc_free(state);
}

static void
volume_problem(struct problems *p)
{
	char what[64];

	snprintf(what, sizeof(what), "the volume has %lld MiB left",
	    (long long)(volume_free() >> 20));
	problem(p, what,
	    volume_short() ? "nothing new is accepted"
			   : "with none left, berth stands still",
	    0, "make room in /data");
}

static void
add_parts(yyjson_mut_doc *doc, struct launcher *l, struct problems *p)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *part;

	part = yyjson_mut_obj_add_obj(doc, root, "database");
	yyjson_mut_obj_add_int(doc, part, "bytes", file_size(DB_PATH));
	yyjson_mut_obj_add_int(doc, part, "wal_bytes", file_size(DB_PATH "-wal"));
	part = yyjson_mut_obj_add_obj(doc, root, "tmux");
	yyjson_mut_obj_add_bool(doc, part, "up", tmux_up(l->tmux));
	part = yyjson_mut_obj_add_obj(doc, root, "spawn");
	yyjson_mut_obj_add_bool(doc, part, "up", spawner_up(l->spawner));
	if (volume_low())
		volume_problem(p);
	if (!tmux_up(l->tmux))
		problem(p, "tmux isn't there", "the launcher can't reach its server", 0,
		    "see /data/log/tmux");
	if (!spawner_up(l->spawner))
		problem(p, "spawn isn't there", "no agent can be started", 0,
		    "see /data/log/spawn");
}

void
op_status(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	struct launcher *l = ctx;
	yyjson_mut_doc *doc = json_object();
	struct problems p = {.doc = doc, .list = yyjson_mut_arr(doc)},
			notes = {.doc = doc, .list = yyjson_mut_arr(doc)};

	(void)args;
	json_add_str(doc, "version", BERTH_VERSION);
	json_add_str(doc, "host", db_host(l->db));
	json_add_int(doc, "up_ms", mono_ms() - l->started);
	add_parts(doc, l, &p);
	add_config(doc, l, &p);
	agents_problems(&p, l);
	add_out_of_reach(&p, l);
	add_notes(&notes, l);
	add_queue(doc, l);
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), "problems", p.list);
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), "notes", notes.list);
	ipc_ok(req, doc);
}
