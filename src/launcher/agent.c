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
#include "db.h"
#include "deliver.h"
#include "folder.h"
#include "log.h"
#include "loop.h"
#include "shimlink.h"
#include "spawner.h"
#include "store.h"
#include "tmux.h"
#include "turn.h"
#include "xmalloc.h"

enum { JITTER_PERCENT = 20, LIMIT_LOOK_MS = 60000 };

static const char typed_exit[] = "ended at its terminal";

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
void
agent_wait_limit(struct agent *a)
{
	int64_t wait = a->resume_at - wall_ms();

	if (wait > LIMIT_LOOK_MS || !a->l->settings.limits_continue)
		wait = LIMIT_LOOK_MS;
	timer_in(a->restart_timer, wait > 1000 ? wait : 1000);
}

static void (*const enter[AS_COUNT])(struct agent *) = {
    [AS_STARTING] = enter_starting,
    [AS_READY] = enter_ready,
    [AS_LIMITED] = agent_wait_limit,
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
end_in(struct agent *a, int64_t ms)
{
	a->end_at = mono_ms() + ms;
	timer_at(a->end_timer, a->end_at);
}

/* Again and again: spawn may be away. Of those that it hasn't answered there is one. */
static void
end_due(void *arg)
{
	struct agent *a = arg;

	if (a->shim_pid <= 0)
		return;
	if (!a->kill_asked)
		a->kill_asked = spawner_kill(a->l->spawner, a->name, a->shim_pid);
	end_in(a, AGENT_END_MARGIN_MS);
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
	grace_ms += AGENT_END_MARGIN_MS;
	if (!timer_armed(a->end_timer) || mono_ms() + grace_ms < a->end_at)
		end_in(a, grace_ms);
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
		agent_wait_limit(a);
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

struct agent *
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
	free(a->stop_reason);
	free(a->transcript);
	free(a);
	launcher_changed(l);
}
