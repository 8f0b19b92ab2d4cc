/*
 * The agents' table of state x event, what happens on entering a state, and people's
 * will. Invariants: state, database row and event change together; a process exists in no
 * other states than those from STARTING to AUTH_FAILED.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "buf.h"
#include "db.h"
#include "deliver.h"
#include "driver.h"
#include "folder.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "proc.h"
#include "shimlink.h"
#include "spawner.h"
#include "store.h"
#include "tmux.h"
#include "turn.h"
#include "xmalloc.h"

enum { JITTER_PERCENT = 20, LIMIT_LOOK_MS = 60000 };

static const char typed_exit[] = "ended at its terminal";
static const char changed_text[] = "its configuration changed";

static const char *const names[] = {
    [AS_STOPPED] = "stopped",
    [AS_STARTING] = "starting",
    [AS_READY] = "ready",
    [AS_BUSY] = "busy",
    [AS_AWAITING] = "awaiting-approval",
    [AS_COMPACTING] = "compacting",
    [AS_LIMITED] = "limited",
    [AS_AUTH_FAILED] = "auth-failed",
    [AS_CRASHED] = "crashed",
    [AS_HELD] = "held",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == AS_COUNT, "a name for each state");

/* clang-format off */
#define NO AS_COUNT
static const enum agent_state next[AS_COUNT][AE_COUNT] = {
	/*                  WANTED       READY     HEALED    BUSY     WAITING      COMPACT        LIMIT       AUTH            DUE          CRASH       LOOP     STOPPED     HOLD */
	[AS_STOPPED]     = {AS_STARTING, NO,       NO,       NO,      NO,          NO,            NO,         NO,             NO,          NO,         NO,      NO,         AS_HELD},
	[AS_STARTING]    = {NO,          AS_READY, NO,       AS_BUSY, AS_AWAITING, AS_COMPACTING, AS_LIMITED, AS_AUTH_FAILED, NO,          AS_CRASHED, AS_HELD, AS_STOPPED, AS_HELD},
	[AS_READY]       = {NO,          NO,       NO,       AS_BUSY, AS_AWAITING, AS_COMPACTING, AS_LIMITED, AS_AUTH_FAILED, NO,          AS_CRASHED, AS_HELD, AS_STOPPED, AS_HELD},
	[AS_BUSY]        = {NO,          AS_READY, NO,       NO,      AS_AWAITING, AS_COMPACTING, AS_LIMITED, AS_AUTH_FAILED, NO,          AS_CRASHED, AS_HELD, AS_STOPPED, AS_HELD},
	[AS_AWAITING]    = {NO,          AS_READY, NO,       AS_BUSY, NO,          AS_COMPACTING, AS_LIMITED, AS_AUTH_FAILED, NO,          AS_CRASHED, AS_HELD, AS_STOPPED, AS_HELD},
	[AS_COMPACTING]  = {NO,          AS_READY, NO,       AS_BUSY, AS_AWAITING, NO,            AS_LIMITED, AS_AUTH_FAILED, NO,          AS_CRASHED, AS_HELD, AS_STOPPED, AS_HELD},
	/* the CLI may open a dialog about the limit, and may go on by itself */
	[AS_LIMITED]     = {NO,          NO,       NO,       AS_BUSY, NO,          NO,            NO,         AS_AUTH_FAILED, AS_READY,    AS_CRASHED, AS_HELD, AS_STOPPED, AS_HELD},
	/* a person logs in at the terminal: the next turn that ends well makes it ready */
	[AS_AUTH_FAILED] = {AS_STARTING, NO,       AS_READY, NO,      NO,          NO,            AS_LIMITED, NO,             NO,          NO,         NO,      AS_STOPPED, AS_HELD},
	[AS_CRASHED]     = {AS_STARTING, NO,       NO,       NO,      NO,          NO,            NO,         NO,             AS_STARTING, NO,         NO,      AS_STOPPED, AS_HELD},
	[AS_HELD]        = {AS_STARTING, NO,       NO,       NO,      NO,          NO,            NO,         NO,             NO,          NO,         NO,      AS_STOPPED, NO},
};
#undef NO
/* clang-format on */

const char *
agent_state_name(enum agent_state state)
{
	return state < AS_COUNT ? names[state] : "?";
}

enum agent_state
agent_next(enum agent_state state, enum agent_event event)
{
	return state < AS_COUNT && event < AE_COUNT ? next[state][event] : AS_COUNT;
}

/* Exponential with jitter: agents that fell together don't get up together. */
static void
enter_crashed(struct agent *a)
{
	const struct settings *s = &a->l->settings;
	int64_t delay = s->backoff_min_ms;

	for (int64_t i = 1; i < a->crashes && delay < s->backoff_max_ms; i++)
		delay *= 2;
	if (delay > s->backoff_max_ms)
		delay = s->backoff_max_ms;
	delay += delay * (random() % (2 * JITTER_PERCENT) - JITTER_PERCENT) / 100;
	timer_in(a->restart_timer, delay);
}

static void
enter_starting(struct agent *a)
{
	timer_cancel(a->restart_timer);
	agent_bring_up(a);
}

/* Crashes are forgiven after a stable run. */
void
agent_runs(struct agent *a)
{
	a->was_ready = true;
	if (a->crashes > 0 && !timer_armed(a->stable_timer))
		timer_in(a->stable_timer, a->l->settings.stable_after_ms);
}

static void
enter_ready(struct agent *a)
{
	agent_runs(a);
	deliver_kick(a);
}

/* Looked at again and again: the wall clock may jump, and the configuration change. */
static void
enter_limited(struct agent *a)
{
	int64_t wait = a->resume_at - wall_ms();

	if (wait > LIMIT_LOOK_MS || !a->l->settings.limits_continue)
		wait = LIMIT_LOOK_MS;
	timer_in(a->restart_timer, wait > 1000 ? wait : 1000);
}

static void (*const enter[AS_COUNT])(struct agent *) = {
    [AS_STARTING] = enter_starting,
    [AS_READY] = enter_ready,
    [AS_LIMITED] = enter_limited,
    [AS_CRASHED] = enter_crashed,
};

static void
show_in_tmux(struct agent *a)
{
	if (a->window[0] != '\0')
		tmux_runf(a->l->tmux, NULL, NULL, "set-option -w -t %s @berth_state %s",
		    a->window, names[a->state]);
}

static void
record(struct agent *a, enum agent_state old)
{
	struct db_event row = {.entity = "agent",
	    .id = a->name,
	    .old_state = names[old],
	    .new_state = names[a->state],
	    .cause = a->reason != NULL ? a->reason : a->source};

	db_must_change(a->l->db, &row, ST_AGENT_STATE,
	    DB_ARGS(DB_T(a->name), DB_T(names[a->state]), DB_T(a->source),
		DB_I(a->state_at), DB_T(a->reason),
		a->resume_at > 0 ? DB_I(a->resume_at) : DB_NULL));
	log_info("agent=%s state=%s was=%s source=%s%s%s", a->name, names[a->state],
	    names[old], a->source, a->reason != NULL ? " reason=" : "",
	    a->reason != NULL ? a->reason : "");
}

void
agent_event(
    struct agent *a, enum agent_event event, const char *source, const char *format, ...)
{
	enum agent_state to = agent_next(a->state, event), old = a->state;
	va_list ap;

	if (to == AS_COUNT)
		return;
	free(a->reason);
	a->reason = NULL;
	if (format != NULL && *format != '\0') {
		va_start(ap, format);
		a->reason = xvasprintf(format, ap);
		va_end(ap);
	}
	if (to != AS_LIMITED)
		a->resume_at = 0;
	a->state = to;
	a->source = source;
	a->state_at = wall_ms();
	record(a, old);
	show_in_tmux(a);
	if (enter[to] != NULL)
		enter[to](a);
	launcher_changed(a->l);
}

static void
set_want(struct agent *a, enum want want, const char *cause)
{
	static const char *const want_names[] = {"run", "stop", "hold"};
	struct db_event row = {.entity = "agent",
	    .id = a->name,
	    .new_state = want_names[want],
	    .old_state = want_names[a->want],
	    .cause = cause};

	a->want = want;
	db_must_change(a->l->db, &row, ST_AGENT_WANT,
	    DB_ARGS(DB_T(a->name), DB_T(want_names[want])));
}

static void
forget_crashes(struct agent *a)
{
	a->crashes = 0;
	db_must(a->l->db, ST_AGENT_CRASHES, DB_ARGS(DB_T(a->name), DB_I(0), DB_I(0)));
}

static void
end_limit(struct agent *a, const char *source)
{
	timer_cancel(a->restart_timer);
	agent_event(a, AE_DUE, source, NULL);
	agent_limit_over(a);
}

void
agent_start(struct agent *a, const char *cause)
{
	bool ending = a->want != WANT_RUN && agent_has_process(a);

	set_want(a, WANT_RUN, cause);
	forget_crashes(a);
	if (ending)
		a->restart_after_exit = true; /* its end is no crash */
	else if (a->state == AS_AUTH_FAILED && agent_has_process(a))
		agent_event(a, AE_HEALED, "person",
		    NULL); /* logged in meanwhile, says the person */
	else if (a->state == AS_LIMITED)
		end_limit(a, "person");
	else
		agent_event(a, AE_WANTED, "person", "%s", cause != NULL ? cause : "");
}

static void
end_due(void *arg)
{
	struct agent *a = arg;

	if (a->shim_pid <= 0)
		return;
	spawner_kill(a->l->spawner, a->name, a->shim_pid);
	timer_in(a->end_timer, AGENT_END_MARGIN_MS); /* spawn may have been away */
}

/* A shim that isn't connected is told when it is. */
void
agent_end(struct agent *a, int64_t grace_ms)
{
	if (a->shim_pid <= 0)
		return;
	if (grace_ms == 0) {
		end_due(a);
		return;
	}
	shimlink_stop(a, grace_ms);
	timer_in(a->end_timer, grace_ms + AGENT_END_MARGIN_MS);
}

bool
agent_unwanted(const struct agent *a)
{
	return a->want != WANT_RUN || a->state == AS_HELD || a->removed || a->l->closing;
}

void
agent_stop(struct agent *a, enum want want, const char *cause, bool now)
{
	set_want(a, want, cause);
	free(a->stop_reason);
	a->stop_reason = xstrdup(cause);
	a->restart_after_exit = false;
	timer_cancel(a->restart_timer);
	if (agent_has_process(a))
		agent_end(a, now ? 0 : AGENT_STOP_GRACE_MS);
	else
		agent_event(a, want == WANT_HOLD ? AE_HOLD : AE_STOPPED, "person", "%s",
		    cause != NULL ? cause : "");
}

void
agent_typed_exit(struct agent *a)
{
	set_want(a, WANT_STOP, typed_exit);
	free(a->stop_reason);
	a->stop_reason = xstrdup(typed_exit);
	a->restart_after_exit = false;
}

void
agent_restart(struct agent *a, const char *cause)
{
	set_want(a, WANT_RUN, cause);
	forget_crashes(a);
	if (!agent_has_process(a)) {
		agent_event(a, AE_WANTED, "person", "%s", cause != NULL ? cause : "");
		return;
	}
	a->restart_after_exit = true;
	agent_end(a, AGENT_STOP_GRACE_MS);
}

static void
restart_due(void *arg)
{
	struct agent *a = arg;
	bool limited = a->state == AS_LIMITED;

	if (limited && (a->resume_at > wall_ms() || !a->l->settings.limits_continue))
		enter_limited(a);
	else if (limited && a->want == WANT_RUN)
		end_limit(a, "process");
	else if (a->want == WANT_RUN)
		agent_event(a, AE_DUE, "process", NULL);
}

bool
agent_waits_for_person(const struct agent *a)
{
	return a->state == AS_LIMITED && a->want == WANT_RUN &&
	       !a->l->settings.limits_continue;
}

static void
ran_stable(void *arg)
{
	forget_crashes(arg);
}

static void
kick_due(void *arg)
{
	deliver_kick(arg);
}

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
		if (strcmp(names[i], name) == 0)
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

static struct agent *
agent_new(struct launcher *l, const char *name)
{
	struct agent *a = xcalloc(1, sizeof(*a));

	a->l = l;
	a->name = xstrdup(name);
	a->pidfd = -1;
	a->source = "process";
	a->state_at = wall_ms();
	a->restart_timer = timer_new(l->loop, restart_due, a);
	a->stable_timer = timer_new(l->loop, ran_stable, a);
	a->kick_timer = timer_new(l->loop, kick_due, a);
	a->end_timer = timer_new(l->loop, end_due, a);
	list_append(&l->agents, &a->link);
	return a;
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

/* Its process ended with the container, or unseen. */
static void
begin_without_process(struct agent *a, bool known)
{
	a->unsettled = known;
	if (agent_waits_for_person(a))
		agent_event(a, AE_HOLD, "process", AGENT_LIMIT_HOLD);
	else if (a->state != AS_STOPPED && a->state != AS_HELD)
		agent_event(a, a->want == WANT_HOLD ? AE_HOLD : AE_STOPPED, "process",
		    "it ended while nobody looked");
	if (a->want == WANT_RUN && a->state == AS_STOPPED)
		agent_event(a, AE_WANTED, "process",
		    known ? "resumed after a restart" : "first start");
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
		set_want(a, WANT_STOP, "start = \"manual\"");
	if (!running)
		begin_without_process(a, known);
	else if (a->want != WANT_RUN)
		agent_end(a, AGENT_STOP_GRACE_MS);
	else if (changed)
		agent_restart(a, changed_text);
	else if (a->state == AS_LIMITED)
		enter_limited(a); /* its timer ended with the launcher before us */
}

/* One that we know. It may have been removed, and be on its way out. */
static void
change(struct agent *a, const char *spec, const char *hash)
{
	bool changed = !is_hash(a, hash);

	set_spec(a, parse_spec(a->name, spec), hash);
	if (a->want == WANT_RUN && agent_has_process(a) && (changed || a->removed))
		agent_restart(a, changed_text);
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

void
agent_remove(struct agent *a)
{
	struct launcher *l = a->l;

	log_info("agent=%s removed", a->name);
	if (a->window[0] != '\0')
		tmux_runf(l->tmux, NULL, NULL, "kill-window -t %s", a->window);
	tmux_forget(l->tmux, a);
	turn_abandon(l, a->name);
	db_must(l->db, ST_AGENT_DELETE, DB_ARGS(DB_T(a->name)));
	deliver_drop(a);
	shimlink_free(a);
	timer_free(a->restart_timer);
	timer_free(a->ready_timer);
	timer_free(a->stable_timer);
	timer_free(a->kick_timer);
	timer_free(a->end_timer);
	timer_free(a->quiet_timer);
	timer_free(a->dialog_timer);
	yyjson_doc_free(a->spec);
	yyjson_doc_free(a->next_spec);
	list_remove(&a->link);
	free(a->name);
	free(a->next_hash);
	free(a->hash);
	free(a->reason);
	folder_forget(a);
	free(a->exit_error);
	free(a->rest);
	free(a->stop_reason);
	free(a->transcript);
	free(a);
	launcher_changed(l);
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
