/*
 * What agents there are: desired agents against those we know. Invariants: each row is
 * read before anything acts on it; what runs goes on as it was started until it has
 * ended; an agent's row goes only when its process has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "buf.h"
#include "clock.h"
#include "db.h"
#include "driver.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "proc.h"
#include "spawner.h"
#include "store.h"
#include "turn.h"
#include "xmalloc.h"

static const char changed_text[] = "its configuration changed";

const char *
agent_spec_str(const struct agent *a, const char *key, const char *otherwise)
{
	return a->spec != NULL ? json_str(yyjson_doc_get_root(a->spec), key, otherwise)
			       : otherwise;
}

int64_t
agent_spec_int(const struct agent *a, const char *key, int64_t otherwise)
{
	return a->spec != NULL ? json_int(yyjson_doc_get_root(a->spec), key, otherwise)
			       : otherwise;
}

static void
load_session(struct agent *a, const char *session)
{
	struct db_rows *r;

	if (session == NULL)
		return;
	r = db_query(a->l->db, ST_SESSION_GET, DB_ARGS(DB_T(session)));
	if (db_next(r)) {
		snprintf(a->session, sizeof(a->session), "%s", session);
		snprintf(a->driver_id, sizeof(a->driver_id), "%s", db_text(r, 0));
		a->transcript = xstrdup(db_text(r, 1));
		a->applied = db_int(r, 2);
	}
	db_done(r);
}

static enum agent_state
parse_state(const char *name)
{
	for (int i = 0; i < AS_COUNT; i++)
		if (strcmp(agent_state_name((enum agent_state)i), name) == 0)
			return (enum agent_state)i;
	return AS_STOPPED;
}

/* Who told its state, as agent_event() was told it. */
static const char *
parse_source(const char *name)
{
	static const char *const sources[] = {
	    "hook", "registry", "transcript", "pane", "person", "limit"};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (strcmp(sources[i], name) == 0)
			return sources[i];
	return "process";
}

/* What the database knows of an earlier life. false: it has none. */
static bool
load_row(struct agent *a)
{
	struct db_rows *r = db_query(a->l->db, ST_AGENT_GET, DB_ARGS(DB_T(a->name)));
	bool found = db_next(r), same_boot = false;
	char *session = NULL;

	if (found) {
		const char *want = db_text(r, 0);

		a->want = want[0] == 'r'   ? WANT_RUN
			  : want[0] == 's' ? WANT_STOP
					   : WANT_HOLD;
		a->state = parse_state(db_text(r, 1));
		a->reason = xstrdup(db_text(r, 2));
		session = xstrdup(db_text(r, 3));
		same_boot =
		    db_text(r, 6) != NULL && strcmp(db_text(r, 6), a->l->boot_id) == 0;
		a->shim_pid = same_boot ? (pid_t)db_int(r, 4) : 0;
		a->shim_start = (uint64_t)db_int(r, 5);
		a->agent_pid = same_boot ? (pid_t)db_int(r, 7) : 0;
		a->crashes = db_int(r, 8);
		a->restarts = db_int(r, 9);
		a->resume_at = db_int(r, 10);
		a->hash = xstrdup(db_text(r, 11));
		a->state_at = db_int(r, 12);
		a->source = parse_source(db_text(r, 13));
	}
	db_done(r);
	load_session(a, session);
	free(session);
	turn_load(a);
	return found;
}

/* The socket belongs to the agent's user: another user, another socket. */
static void
take_spec(struct agent *a, yyjson_doc *spec)
{
	int64_t uid = agent_spec_int(a, "uid", -1), gid = agent_spec_int(a, "gid", -1);

	yyjson_doc_free(a->spec);
	a->spec = spec;
	a->driver = driver_find(agent_spec_str(a, "driver", ""));
	if (a->driver == NULL)
		fatalx(EXIT_BUG, "desired_agents: %s: unknown driver", a->name);
	if (uid != agent_spec_int(a, "uid", -1) || gid != agent_spec_int(a, "gid", -1))
		a->listening = false;
}

static void
take_hash(struct agent *a, const char *hash)
{
	free(a->hash);
	a->hash = xstrdup(hash);
	db_must(a->l->db, ST_AGENT_HASH, DB_ARGS(DB_T(a->name), DB_T(hash)));
}

void
agent_take_next(struct agent *a)
{
	if (a->next_spec != NULL)
		take_spec(a, a->next_spec);
	if (a->next_hash != NULL)
		take_hash(a, a->next_hash);
	free(a->next_hash);
	a->next_spec = NULL;
	a->next_hash = NULL;
}

static yyjson_doc *
parse_spec(const char *name, const char *text)
{
	const char *why;
	yyjson_doc *doc = json_parse(text, strlen(text), &why);

	if (doc == NULL)
		fatalx(EXIT_BUG, "desired_agents: %s: %s", name, why);
	return doc;
}

static bool
is_hash(const struct agent *a, const char *hash)
{
	const char *last = a->next_hash != NULL ? a->next_hash : a->hash;

	return last == NULL || strcmp(last, hash) == 0;
}

/* What runs goes on as it was started until it has ended, and until then the new hash
 * isn't noted: a launcher that starts in between sees the change again. What changes no
 * hash takes effect at once. */
static void
set_spec(struct agent *a, yyjson_doc *spec, const char *hash)
{
	if (!agent_has_process(a) || (a->next_hash == NULL && is_hash(a, hash))) {
		agent_take_next(a); /* there is none but of a start that was given up */
		take_spec(a, spec);
		take_hash(a, hash);
		return;
	}
	if (a->spec == NULL) { /* how it was started, an earlier life knew */
		take_spec(a, spec);
		spec = NULL;
	}
	yyjson_doc_free(a->next_spec);
	free(a->next_hash);
	a->next_spec = spec;
	a->next_hash = xstrdup(hash);
}

static void
add_row(struct agent *a, const char *hash)
{
	struct launcher *l = a->l;

	db_must(l->db, ST_AGENT_ADD,
	    DB_ARGS(DB_T(a->name), DB_T(db_host(l->db)), DB_T("run"), DB_I(wall_ms()),
		DB_T(hash)));
	a->want = WANT_RUN;
}

static void
begin_without_process(struct agent *a, bool known)
{
	a->unsettled = known;
	if (agent_waits_for_person(a))
		agent_event(a, AE_HOLD, "process", AGENT_LIMIT_HOLD);
	else if (a->state != AS_STOPPED && a->state != AS_HELD)
		agent_event(a, a->want == WANT_HOLD ? AE_HOLD : AE_STOPPED, "process",
		    "nothing of it runs any more");
	if (a->want == WANT_RUN && a->state == AS_STOPPED)
		agent_event(a, AE_WANTED, "process",
		    known ? "started again after a restart" : "first start");
}

static void
begin(struct agent *a, const char *spec, const char *hash)
{
	bool known = load_row(a), running, changed;

	if (!known)
		add_row(a, hash);
	changed = !is_hash(a, hash);
	running = agent_adopt(a);
	set_spec(a, parse_spec(a->name, spec), hash);
	if (!known && strcmp(agent_spec_str(a, "start", "always"), "manual") == 0)
		agent_stop(a, WANT_STOP, "start = \"manual\"", false);
	if (!running)
		begin_without_process(a, known);
	else if (a->want != WANT_RUN)
		agent_end(a, AGENT_STOP_GRACE_MS);
	else if (changed)
		agent_restart(a, changed_text);
	else if (a->state == AS_LIMITED)
		agent_wait_limit(a); /* its timer ended with the launcher before us */
}

/* One that we know. It may have been removed, and be on its way out. */
static void
change(struct agent *a, const char *spec, const char *hash)
{
	bool changed = !is_hash(a, hash);

	set_spec(a, parse_spec(a->name, spec), hash);
	if (a->want == WANT_RUN && agent_has_process(a) && (changed || a->removed))
		agent_restart(a, changed ? changed_text : "it was put back");
	a->removed = false;
}

static void
load_desired(struct launcher *l, const char *name, const char *spec, const char *hash)
{
	struct agent *a = launcher_agent(l, name);

	if (a != NULL)
		change(a, spec, hash);
	else
		begin(agent_new(l, name), spec, hash);
}

/* Is what a row tells of a process of this container still there? Then it is killed. */
static bool
kill_leftover(struct launcher *l, const char *name)
{
	struct db_rows *r = db_query(l->db, ST_AGENT_GET, DB_ARGS(DB_T(name)));
	bool there = db_next(r) && db_text(r, 6) != NULL &&
		     strcmp(db_text(r, 6), l->boot_id) == 0 && db_int(r, 4) > 0 &&
		     proc_start_time((pid_t)db_int(r, 4)) == (uint64_t)db_int(r, 5);
	pid_t shim = there ? (pid_t)db_int(r, 4) : 0;

	db_done(r);
	if (there)
		spawner_kill(l->spawner, name, shim);
	return there;
}

static void
remove_one(struct launcher *l, const char *name)
{
	struct agent *a = launcher_agent(l, name);

	if (a == NULL && kill_leftover(l, name))
		l->leftovers = true;
	else if (a == NULL) {
		turn_abandon(l, name);
		db_must(l->db, ST_AGENT_DELETE, DB_ARGS(DB_T(name)));
	} else if (!agent_has_process(a))
		agent_remove(a);
	else if (!a->removed) {
		a->removed = true;
		timer_cancel(a->restart_timer);
		agent_end(a, AGENT_STOP_GRACE_MS);
	}
}

void
agents_remove_gone(struct launcher *l)
{
	struct db_rows *r = db_query(l->db, ST_REMOVED_AGENTS, DB_NOARGS);
	struct buf gone = BUF_INIT;

	l->leftovers = false;
	while (db_next(r))
		buf_add(&gone, db_text(r, 0), strlen(db_text(r, 0)) + 1);
	db_done(r);
	for (size_t at = 0; at < gone.len; at += strlen(gone.data + at) + 1)
		remove_one(l, gone.data + at);
	buf_free(&gone);
}

/* Each row is copied before it is acted on: acting uses the database too. */
void
agents_load(struct launcher *l)
{
	struct db_rows *r = db_query(l->db, ST_DESIRED, DB_NOARGS);
	char *row[3];
	struct buf rows = BUF_INIT;

	while (db_next(r))
		for (int i = 0; i < 3; i++)
			buf_add(&rows, db_text(r, i), strlen(db_text(r, i)) + 1);
	db_done(r);
	for (size_t at = 0; at < rows.len;) {
		for (int i = 0; i < 3; i++) {
			row[i] = rows.data + at;
			at += strlen(row[i]) + 1;
		}
		load_desired(l, row[0], row[1], row[2]);
	}
	buf_free(&rows);
	agents_remove_gone(l);
}
