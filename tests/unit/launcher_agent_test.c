/*
 * Agents: their table, and the whole way from wish to process and back (agent.c,
 * process.c, observe.c) in a world that is scripted here: spawn, tmux and shims do what
 * they are asked when the test lets them.
 */
#include "fake_tmux.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "buf.h"
#include "launcher/deliver.h"
#include "launcher/shimlink.h"
#include "launcher/spawner.h"
#include "launcher/turn.h"
#include "proc.h"

#define GLYPH "\xe2\x9d\xaf"

/* ---- the world ---- */

static struct command todo[1024];
static size_t todo_count;
static bool spawn_is_up;
static int windows, pids, closed;
static const char *view; /* of a pane whose program has no hooks */
static char rest[64];    /* what was noted of it */

/* Of the one agent: what it asked of others, and what of it lives. */
static bool asked_listen, asked_start, asked_stop, killed, pane_registered;

struct watch {
	loop_fd_cb *cb;
	void *arg;
};

struct watch *
watch_new(struct loop *loop, int fd, int what, loop_fd_cb *cb, void *arg)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	(void)loop;
	(void)fd;
	(void)what;
	w->cb = cb;
	w->arg = arg;
	return w;
}

void
watch_free(struct watch *w)
{
	free(w);
}

static void
tmux_ran(const char *line, tmux_cb *cb, void *arg)
{
	if (strstr(line, "@berth_rest ") != NULL)
		snprintf(rest, sizeof(rest), "%s", strstr(line, "@berth_rest ") + 12);
	if (cb == NULL)
		return;
	assert_true(todo_count < COUNT(todo));
	todo[todo_count++] = (struct command){xstrdup(line), cb, arg};
}

void
tmux_quote(struct buf *out, const char *text, size_t len)
{
	buf_add(out, text, len);
}

void
tmux_forget(struct tmux *t, const void *arg)
{
	(void)t;
	for (size_t i = 0; i < todo_count; i++)
		if (todo[i].arg == arg)
			todo[i].cb = NULL;
}

bool
spawner_up(const struct spawner *s)
{
	(void)s;
	return spawn_is_up;
}

bool
spawner_listen(struct spawner *s, const char *agent, uid_t uid, gid_t gid)
{
	(void)s;
	(void)agent;
	(void)uid;
	(void)gid;
	asked_listen |= spawn_is_up;
	return spawn_is_up;
}

bool
spawner_start(struct spawner *s, const char *agent, uid_t uid, gid_t gid)
{
	(void)s;
	(void)agent;
	(void)uid;
	(void)gid;
	assert_false(asked_start && spawn_is_up); /* never two at once */
	asked_start |= spawn_is_up;
	return spawn_is_up;
}

bool
spawner_kill(struct spawner *s, const char *agent, pid_t session)
{
	(void)s;
	(void)agent;
	assert_true(session > 1);
	killed |= spawn_is_up;
	return spawn_is_up;
}

void
shimlink_serve(struct agent *a, int fd)
{
	(void)a;
	close(fd);
}

void
shimlink_closed(struct agent *a)
{
	a->shim = NULL;
}

void
shimlink_free(struct agent *a)
{
	a->shim = NULL;
}

bool
shimlink_stop(struct agent *a, int64_t grace_ms)
{
	(void)grace_ms;
	asked_stop |= a->shim != NULL;
	return a->shim != NULL;
}

void
shimlink_decide(
    struct agent *a, const char *instance, int64_t seq, const char *output_json)
{
	(void)a;
	(void)instance;
	(void)seq;
	(void)output_json;
}

void
launcher_closed(struct launcher *l)
{
	(void)l;
	closed++;
}

/* Turns are tested elsewhere: here they only open and end. */
void
turn_load(struct agent *a)
{
	(void)a;
}

void
turn_finish(struct agent *a, enum turn_end end, const char *text, const char *reason,
    int64_t until)
{
	(void)end;
	(void)text;
	(void)reason;
	(void)until;
	a->turn[0] = '\0';
}

void
turn_abandon(struct launcher *l, const char *agent)
{
	(void)l;
	(void)agent;
}

void
turn_settle(struct agent *a, const char *cause)
{
	(void)cause;
	a->unsettled = false;
	a->turn[0] = '\0';
}

static int64_t person_quiet_ms;

int64_t
deliver_person_quiet(const struct agent *agent, const char *lines)
{
	(void)agent;
	(void)lines;
	return person_quiet_ms;
}

static int delivering_kicks;

void
deliver_kick(struct agent *a)
{
	(void)a;
	delivering_kicks++;
}

void
deliver_recover(struct agent *a)
{
	(void)a;
}

void
deliver_terminal_lost(struct agent *a)
{
	(void)a;
}

void
deliver_drop(struct agent *a)
{
	(void)a;
}

static bool
no_runspec(struct agent *a, yyjson_mut_doc *doc, const char **why)
{
	(void)a;
	(void)doc;
	(void)why;
	return true;
}

const struct driver *
driver_find(const char *name)
{
	static const struct driver claude = {.name = "claude",
	    .hooks = true,
	    .glyph = GLYPH,
	    .settle_ms = 400,
	    .runspec = no_runspec};
	static const struct driver command = {.name = "command", .runspec = no_runspec};

	return strcmp(name, "claude") == 0    ? &claude
	       : strcmp(name, "command") == 0 ? &command
					      : NULL;
}

/* ---- one agent in it ---- */

static struct agent *a;

static void
desire(const char *spec, const char *hash)
{
	world_sql("INSERT INTO desired_agents (name, spec, hash) VALUES ('main', '%s', "
		  "'%s') ON "
		  "CONFLICT DO UPDATE SET spec = excluded.spec, hash = excluded.hash",
	    spec, hash);
	agents_load(&world);
	a = launcher_agent(&world, "main");
	assert_non_null(a);
}

static int
setup(void **state)
{
	world_setup(state);
	tmux_is_up = spawn_is_up = true;
	asked_listen = asked_start = asked_stop = killed = pane_registered = false;
	todo_count = 0;
	view = "2 0 1\n" GLYPH " ";
	rest[0] = '\0';
	person_quiet_ms = INT64_MAX;
	windows = closed = delivering_kicks = 0;
	pids = 5000;
	a = NULL;
	return 0;
}

static void
process_ends(int status, int signal, bool drained)
{
	if (a->shim_pid <= 0)
		return;
	a->drained = drained;
	a->exit_status = status;
	a->exit_signal = signal;
	agent_exited(a);
	asked_stop = killed = false; /* what was left of it is killed, too */
}

static int
teardown(void **state)
{
	if (a != NULL && (a = launcher_agent(&world, "main")) != NULL) {
		a->want = WANT_STOP;
		process_ends(0, 0, true);
		agent_remove(a);
	}
	for (size_t i = 0; i < todo_count; i++)
		free(todo[i].line);
	return world_teardown(state);
}

static void
answer_tmux(void)
{
	struct command c;
	char text[128];

	if (todo_count == 0)
		return;
	c = todo[0];
	memmove(todo, todo + 1, --todo_count * sizeof(todo[0]));
	snprintf(text, sizeof(text), "%s", "");
	if (strncmp(c.line, "new-window", 10) == 0) {
		snprintf(text, sizeof(text), "@%d %%%d", windows + 1, windows + 1);
		windows++;
		pane_registered = true; /* and tells spawn soon */
	} else if (strncmp(c.line, "display-message", 15) == 0)
		snprintf(text, sizeof(text), "%s", view);
	if (c.cb != NULL)
		c.cb(true, text, c.arg);
	free(c.line);
}

static void
answer_spawn(uint32_t error)
{
	struct spawn_msg m = {
	    .error = error, .pid = ++pids, .start_time = 1, .sys_errno = EAGAIN};

	if (!spawn_is_up)
		return;
	if (pane_registered) {
		pane_registered = false;
		agent_terminal(a);
	} else if (asked_listen) {
		asked_listen = false;
		agent_listening(
		    a, &m, error ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC));
	} else if (asked_start) {
		asked_start = false;
		agent_spawned(a, &m,
		    error && error != SPAWN_BUSY
			? -1
			: open("/dev/null", O_RDONLY | O_CLOEXEC));
		if (error == SPAWN_NO_PANE)
			pane_registered = true;
	}
}

/* The shim says hello, runs its agent if it may, and does what it was told. */
static void
shim_acts(void)
{
	if (a->shim_pid <= 0)
		return;
	if (killed)
		process_ends(0, 0, false);
	else if (a->shim == NULL) {
		a->shim = (struct ipc_peer *)a;
		if (a->want == WANT_RUN && a->state != AS_HELD) {
			a->agent_pid = a->shim_pid + 1000;
			agent_watch_ready(a);
		}
	} else if (asked_stop)
		process_ends(0, SIGTERM, true);
	else if (a->agent_pid > 0 && a->registry == REG_NONE) {
		a->registry = REG_IDLE;
		agent_observe(a, "registry");
	}
}

static void
cooperate(int64_t ms)
{
	for (int64_t passed = 0; passed < ms; passed += 50) {
		answer_tmux();
		answer_spawn(SPAWN_FINE);
		shim_acts();
		world_pass(50);
	}
}

/* Up to where a start is under way, and spawn has yet to answer. */
static void
until_spawn_is_asked(void)
{
	for (int i = 0; i < 50 && !asked_start; i++) {
		answer_tmux();
		if (!asked_start)
			answer_spawn(SPAWN_FINE);
	}
	assert_true(a->spawning);
}

static void
running(void)
{
	desire("{\"driver\":\"claude\"}", "h1");
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
}

/* What must hold whenever nothing is on its way through a function. */
static void
check(void)
{
	bool process = a->shim_pid > 0;

	assert_string_equal(
	    world_sql("SELECT state FROM agents"), agent_state_name(a->state));
	assert_string_equal(
	    world_sql("SELECT want FROM agents"), a->want == WANT_RUN    ? "run"
						  : a->want == WANT_STOP ? "stop"
									 : "hold");
	assert_string_equal(world_sql("SELECT shim_pid FROM agents"),
	    world_sql("SELECT %d", a->shim_pid));
	assert_string_equal(
	    world_sql("SELECT new FROM events WHERE entity = 'agent' AND old <> "
		      "new AND new NOT IN ('run', 'stop', 'hold') ORDER BY seq "
		      "DESC LIMIT 1"),
	    agent_state_name(a->state));
	if (process) {
		assert_int_not_equal(a->state, AS_STOPPED);
		assert_int_not_equal(a->state, AS_CRASHED);
		assert_int_not_equal(a->state, AS_HELD);
	} else {
		assert_int_equal(a->agent_pid, 0);
		assert_null(a->shim);
	}
	if (a->want == WANT_RUN && !a->restart_after_exit &&
	    (a->state == AS_CRASHED || a->state == AS_LIMITED))
		assert_true(timer_armed(a->restart_timer));
	if (a->want != WANT_RUN && !process && !a->spawning && !a->making_window)
		assert_true(a->state == AS_STOPPED || a->state == AS_HELD);
}

/* ---- the table ---- */

static bool
runs(int s)
{
	return s >= AS_STARTING && s <= AS_AUTH_FAILED;
}

static void
nobody_starts_unless_wanted(void **state)
{
	static const enum agent_state down[] = {AS_STOPPED, AS_HELD};

	(void)state;
	for (size_t i = 0; i < COUNT(down); i++)
		for (int e = 0; e < AE_COUNT; e++) {
			enum agent_state to = agent_next(down[i], (enum agent_event)e);

			if (e == AE_WANTED)
				assert_int_equal(to, AS_STARTING);
			else
				assert_true(
				    to == AS_COUNT || to == AS_STOPPED || to == AS_HELD);
		}
	for (int e = 0; e < AE_COUNT; e++) /* and from a crash only when it is due */
		if (runs(agent_next(AS_CRASHED, (enum agent_event)e)))
			assert_true(e == AE_DUE || e == AE_WANTED);
}

static void
the_table_is_complete(void **state)
{
	(void)state;
	for (int s = 0; s < AS_COUNT; s++) {
		enum agent_state from = (enum agent_state)s;

		for (int e = 0; e < AE_COUNT; e++) {
			enum agent_state to = agent_next(from, (enum agent_event)e);

			assert_int_not_equal(
			    to, from); /* a row for every change, no other */
			assert_true((int)to >= 0 && to <= AS_COUNT);
		}
		/* the end of a process, and a person's will, count everywhere */
		if (s != AS_STOPPED)
			assert_int_equal(agent_next(from, AE_STOPPED), AS_STOPPED);
		if (s != AS_HELD)
			assert_int_equal(agent_next(from, AE_HOLD), AS_HELD);
		if (runs(s) && s != AS_AUTH_FAILED) {
			assert_int_equal(agent_next(from, AE_CRASH), AS_CRASHED);
			assert_int_equal(agent_next(from, AE_LOOP), AS_HELD);
			if (s != AS_LIMITED)
				assert_int_equal(agent_next(from, AE_LIMIT), AS_LIMITED);
			assert_int_equal(agent_next(from, AE_AUTH), AS_AUTH_FAILED);
		}
		assert_string_not_equal(agent_state_name(from), "?");
		for (int other = 0; other < s; other++)
			assert_string_not_equal(agent_state_name(from),
			    agent_state_name((enum agent_state)other));
	}
	assert_int_equal(agent_next(AS_COUNT, AE_WANTED), AS_COUNT);
	assert_int_equal(agent_next(AS_READY, AE_COUNT), AS_COUNT);
	assert_string_equal(agent_state_name(AS_COUNT), "?");
}

/* ---- a start, a stop ---- */

static void
from_wish_to_prompt_and_back(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	assert_int_equal(a->state, AS_STARTING);
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(windows, 1);
	assert_true(delivering_kicks > 0);
	check();
	agent_stop(a, WANT_STOP, "enough", false);
	assert_int_equal(a->state, AS_READY); /* until it has ended */
	cooperate(1000);
	assert_int_equal(a->state, AS_STOPPED);
	check();
	cooperate(600000);
	assert_int_equal(a->state, AS_STOPPED);
	agent_start(a, "again");
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(windows, 1); /* its window is used again */
	check();
	agent_stop(a, WANT_HOLD, "wait", false);
	cooperate(1000);
	assert_int_equal(a->state, AS_HELD);
	check();
	agent_restart(a, "go");
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	agent_restart(a, "once more");
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(a->crashes, 0);
	check();
}

static void
manual_agents_wait(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\",\"start\":\"manual\"}", "h1");
	cooperate(3000);
	assert_int_equal(a->state, AS_STOPPED);
	agent_start(a, "a person");
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	check();
}

/* Who changes their mind gets no crash, and no wait. */
static void
a_start_before_the_stop_is_done(void **state)
{
	(void)state;
	running();
	agent_stop(a, WANT_STOP, "stop", false);
	agent_start(a, "no, start");
	cooperate(2000);
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(a->crashes, 0);
	assert_string_equal(
	    world_sql("SELECT count(*) FROM events WHERE new = 'crashed'"), "0");
	check();
}

/* Nothing is ready before its prompt has stood there for a while. */
static void
ready_needs_a_settled_prompt(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	for (int i = 0; i < 200 && a->agent_pid == 0; i++) {
		answer_tmux();
		answer_spawn(SPAWN_FINE);
		shim_acts();
	}
	a->registry = REG_IDLE;
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_STARTING);
	for (int i = 0; i < 4; i++) {
		world_pass(100);
		answer_tmux();
		assert_int_equal(a->state, AS_STARTING);
	}
	for (int i = 0; i < 4; i++) {
		world_pass(100);
		answer_tmux();
	}
	assert_int_equal(a->state, AS_READY);
	check();
}

/* 2.1.197 may lose its first word in the registry: a prompt that stays has to do. */
static void
a_prompt_that_stays_is_ready_though_nobody_says_so(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	for (int i = 0; i < 200 && a->agent_pid == 0; i++) {
		answer_tmux();
		answer_spawn(SPAWN_FINE);
		shim_acts();
	}
	a->registry = REG_NONE;
	for (int i = 0; i < 40; i++) {
		world_pass(100);
		answer_tmux();
		assert_int_equal(a->state, AS_STARTING);
	}
	for (int i = 0; i < 20; i++) {
		world_pass(100);
		answer_tmux();
	}
	assert_int_equal(a->state, AS_READY);
	check();
}

/* ---- at every moment of a start ---- */

/* So many steps of a start, then: stop, hold, restart. */
static void
a_stop_at_any_moment_stops(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	for (int steps = 0; steps < 14; steps++)
		for (int how = 0; how < 4; how++) {
			for (int i = 0; i < steps; i++)
				i % 3 == 0   ? answer_tmux()
				: i % 3 == 1 ? answer_spawn(SPAWN_FINE)
					     : shim_acts();
			if (how < 3)
				agent_stop(a, how == 1 ? WANT_HOLD : WANT_STOP, "stop",
				    how == 2);
			else
				agent_restart(a, "restart");
			cooperate(8000);
			if (a->state != (how == 3      ? AS_READY
					    : how == 1 ? AS_HELD
						       : AS_STOPPED))
				fail_msg("after %d steps, %s: %s", steps,
				    how == 1   ? "hold"
				    : how == 3 ? "restart"
					       : "stop",
				    agent_state_name(a->state));
			check();
			if (how == 3) {
				agent_stop(a, WANT_STOP, "stop", false);
				cooperate(3000);
			}
			a->listening = false; /* each step anew */
			a->pane[0] = a->window[0] = '\0';
			a->has_terminal = false;
			agent_start(a, "start");
		}
}

static void
a_failed_start_of_what_is_no_longer_wanted(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	until_spawn_is_asked();
	agent_stop(a, WANT_STOP, "stop", false);
	answer_spawn(SPAWN_FAILED);
	cooperate(200000);
	assert_int_equal(a->state, AS_STOPPED);
	check();
}

static void
spawn_and_tmux_may_be_away(void **state)
{
	(void)state;
	spawn_is_up = tmux_is_up = false;
	desire("{\"driver\":\"claude\"}", "h1");
	cooperate(5000);
	assert_int_equal(a->state, AS_STARTING);
	tmux_is_up = true;
	agents_windows(&world);
	cooperate(1000);
	assert_int_equal(windows, 1);
	spawn_is_up = true;
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	check();
}

/* ---- ends ---- */

static void
crashes_back_off_and_then_hold(void **state)
{
	int64_t waits[8];

	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	for (int i = 1; i <= 5; i++) {
		int64_t from;

		for (int j = 0; j < 200 && a->agent_pid == 0; j++) {
			answer_tmux();
			answer_spawn(SPAWN_FINE);
			shim_acts();
		}
		process_ends(1, 0, true);
		check();
		if (i == 5)
			break;
		assert_int_equal(a->state, AS_CRASHED);
		from = world_mono;
		while (a->state == AS_CRASHED && world_mono - from < 200000)
			world_pass(10);
		waits[i] = world_mono - from;
		assert_int_equal(a->state, AS_STARTING);
	}
	assert_int_equal(a->state, AS_HELD);
	assert_non_null(strstr(a->reason, "exit status 1"));
	for (int i = 1; i <= 4; i++) {
		int64_t base = 1000 << (i - 1);

		assert_true(
		    waits[i] >= base * 8 / 10 - 10 && waits[i] <= base * 12 / 10 + 10);
	}
	cooperate(600000);
	assert_int_equal(a->state, AS_HELD);
	agent_start(a, "a person");
	assert_int_equal(a->crashes, 0);
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
}

static void
a_kill_from_outside_is_no_crash_loop(void **state)
{
	(void)state;
	running();
	for (int i = 0; i < 10; i++) {
		process_ends(0, SIGKILL, i % 2 == 0);
		assert_int_equal(a->state, AS_CRASHED);
		check();
		cooperate(10000);
		assert_int_equal(a->state, AS_READY);
	}
	assert_int_equal(a->crashes, 0);
	assert_string_equal(world_sql("SELECT restarts FROM agents"), "10");
	assert_int_equal(a->restarts, 10);
}

static void
a_stable_run_forgives(void **state)
{
	(void)state;
	running();
	process_ends(1, 0, true);
	assert_int_equal(a->crashes, 1);
	cooperate(5000);
	assert_int_equal(a->state, AS_READY);
	cooperate(70000);
	assert_int_equal(a->crashes, 0);
	assert_string_equal(world_sql("SELECT crashes FROM agents"), "0");
}

static void
typing_exit_stops(void **state)
{
	(void)state;
	running();
	agent_typed_exit(a);
	process_ends(0, 0, true);
	assert_int_equal(a->state, AS_STOPPED);
	assert_int_equal(a->want, WANT_STOP);
	check();
	cooperate(100000);
	assert_int_equal(a->state, AS_STOPPED);
}

static void
closing_down_brings_nothing_up(void **state)
{
	(void)state;
	running();
	world.closing = true;
	agent_end(a, 2000);
	cooperate(1000);
	assert_int_equal(a->state, AS_STOPPED);
	assert_int_equal(a->want, WANT_RUN); /* the next start brings it back */
	assert_int_equal(closed, 1);
	cooperate(100000);
	assert_int_equal(a->shim_pid, 0);
}

/* ---- what it does ---- */

static void
states_follow_what_is_seen(void **state)
{
	(void)state;
	running();
	a->registry = REG_BUSY;
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_BUSY);
	a->registry = REG_WAITING;
	snprintf(a->waiting_for, sizeof(a->waiting_for), "permission prompt");
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_AWAITING);
	assert_string_equal(a->reason, "permission prompt");
	a->registry = REG_BUSY;
	a->compacting = true;
	agent_observe(a, "hook");
	assert_int_equal(a->state, AS_COMPACTING);
	a->compacting = false;
	ulid_new(a->turn);
	a->registry = REG_IDLE; /* a moment before its Stop hook */
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_BUSY);
	a->turn[0] = '\0';
	agent_observe(a, "hook");
	assert_int_equal(a->state, AS_READY);
	check();
}

/* After Esc there is no hook. */
static void
an_interrupted_turn_ends(void **state)
{
	(void)state;
	running();
	ulid_new(a->turn);
	a->registry = REG_BUSY;
	agent_observe(a, "hook");
	a->registry = REG_IDLE;
	agent_observe(a, "registry");
	world_pass(1999);
	assert_int_equal(a->state, AS_BUSY);
	world_pass(1);
	assert_string_equal(a->turn, "");
	assert_int_equal(a->state, AS_READY);
	/* one that a slow CLI is only about to begin is given more time */
	ulid_new(a->turn);
	a->worked = false;
	agent_observe(a, "hook");
	world_pass(9999);
	assert_string_not_equal(a->turn, "");
	world_pass(1);
	assert_string_equal(a->turn, "");
	/* but not one that goes on */
	ulid_new(a->turn);
	agent_observe(a, "hook");
	world_pass(1000);
	a->registry = REG_BUSY;
	agent_observe(a, "registry");
	world_pass(5000);
	assert_string_not_equal(a->turn, "");
	check();
}

/* The shim sends only the newest entry: idle, between two turns, may never be told. */
static void
a_busy_of_the_next_turn_counts_for_it(void **state)
{
	(void)state;
	running();
	ulid_new(a->turn);
	a->stale = true;
	a->worked = false;
	agent_registry(a, "{\"status\":\"busy\",\"statusUpdatedAt\":5}");
	assert_true(a->worked); /* it was idle before */
	a->stale = true;
	a->worked = false;
	agent_registry(a, "{\"status\":\"busy\",\"statusUpdatedAt\":5}");
	assert_false(a->worked); /* the same, told again */
	agent_registry(a, "{\"status\":\"busy\",\"statusUpdatedAt\":6}");
	assert_true(a->worked);
	agent_registry(a, "{\"status\":");
	assert_int_equal(a->registry, REG_BUSY);
	agent_registry(a, NULL);
	assert_int_equal(a->registry, REG_NONE);
}

/* A `command` agent whose prompt is "$", with a turn open. */
static void
busy_shell(void)
{
	view = "0 0\nrest $\n====\n$\n";
	desire("{\"driver\":\"command\"}", "h1");
	cooperate(6000);
	assert_int_equal(a->state, AS_READY);
	rest[0] = '\0';
	ulid_new(a->turn);
	a->typed_at = world_mono;
	a->person_typed = false;
	agent_observe(a, "pane");
	agent_watch_ready(a);
	view = "0 0\nrest $\n====\n$ ha\n";
	cooperate(1000);
}

/* What a person typed while a turn ran is theirs, also after they left. */
static void
a_half_typed_line_is_no_prompt(void **state)
{
	(void)state;
	busy_shell();
	person_quiet_ms = 100;
	cooperate(500);
	person_quiet_ms = INT64_MAX; /* detached */
	cooperate(6000);
	assert_true(a->person_typed);
	assert_string_equal(rest, "");
}

static void
a_longer_prompt_where_nobody_was_is_one(void **state)
{
	(void)state;
	busy_shell();
	cooperate(6000);
	assert_false(a->person_typed);
	assert_string_equal(rest, "$ ha");
}

/* Idle is not logged in: its messages would all be burnt. */
static void
who_is_not_logged_in_stays_so(void **state)
{
	(void)state;
	running();
	a->registry = REG_BUSY;
	agent_observe(a, "registry");
	agent_event(a, AE_AUTH, "hook", "Not logged in");
	assert_int_equal(a->state, AS_AUTH_FAILED);
	agent_observe(a, "hook");
	a->registry = REG_IDLE;
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_AUTH_FAILED);
	a->registry = REG_BUSY;
	agent_observe(a, "registry");
	a->registry = REG_IDLE;
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_AUTH_FAILED);
	check();
	agent_start(a, "a person"); /* who says that it is logged in now */
	assert_int_equal(a->state, AS_READY);
	agent_event(a, AE_AUTH, "hook", "Not logged in");
	process_ends(1, 0, true);
	assert_int_equal(a->state, AS_HELD); /* not retried */
	check();
	cooperate(600000);
	assert_int_equal(a->state, AS_HELD);
}

static void
a_limit_lasts_until_its_time(void **state)
{
	(void)state;
	running();
	a->resume_at = world_wall + 600000;
	a->registry = REG_NONE;
	agent_event(a, AE_LIMIT, "hook", "limit");
	a->registry = REG_IDLE;
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_LIMITED);
	a->registry = REG_WAITING; /* a dialog about it */
	agent_observe(a, "registry");
	a->registry = REG_IDLE;
	agent_observe(a, "registry");
	check();
	cooperate(599000);
	assert_int_equal(a->state, AS_LIMITED);
	cooperate(1100);
	assert_int_equal(a->state, AS_READY);
	/* the CLI may go on by itself before */
	a->resume_at = world_wall + 600000;
	agent_event(a, AE_LIMIT, "hook", "limit");
	a->registry = REG_BUSY;
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_BUSY);
	check();
}

static void
a_limit_waits_for_a_person_where_that_is_said(void **state)
{
	(void)state;
	world.settings.limits_continue = false;
	running();
	a->resume_at = world_wall + 600000;
	agent_event(a, AE_LIMIT, "hook", "limit");
	a->registry = REG_IDLE;
	cooperate(3600000);
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_LIMITED);
	agent_start(a, "a person");
	assert_int_equal(a->state, AS_READY);
	check();
	/* what ends meanwhile isn't started again either */
	a->resume_at = world_wall + 600000;
	agent_event(a, AE_LIMIT, "hook", "limit");
	process_ends(1, 0, true);
	assert_int_equal(a->state, AS_HELD);
	cooperate(3600000);
	assert_int_equal(a->state, AS_HELD);
	check();
	agent_start(a, "a person");
	assert_int_equal(a->state, AS_STARTING);
}

/* Who has bought more says so before the time. */
static void
a_person_ends_a_limit(void **state)
{
	(void)state;
	running();
	a->resume_at = world_wall + 600000;
	agent_event(a, AE_LIMIT, "hook", "limit");
	a->registry = REG_IDLE;
	agent_start(a, "a person");
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(a->resume_at, 0);
	check();
}

/* ---- another life of ours ---- */

static void
adopt(const char *was, int64_t resume_at)
{
	snprintf(world.boot_id, sizeof(world.boot_id), "boot/1");
	world_sql("INSERT INTO desired_agents VALUES ('main', '{\"driver\":\"claude\"}', "
		  "'h1')");
	world_sql("INSERT INTO agents (name, host, want, state, source, state_at, hash, "
		  "shim_pid, "
		  "shim_start, boot_id, agent_pid, resume_at) VALUES ('main', 'h', "
		  "'run', '%s', "
		  "'hook', 0, 'h1', %d, %llu, 'boot/1', 1, %lld)",
	    was, getpid(), (unsigned long long)proc_start_time(getpid()),
	    (long long)resume_at);
	agents_load(&world);
	a = launcher_agent(&world, "main");
	assert_int_equal(a->shim_pid, getpid());
	assert_string_equal(a->source, "hook");
	a->shim = (struct ipc_peer *)a;
	a->registry = REG_IDLE;
}

static void
a_limit_lasts_over_our_restart(void **state)
{
	(void)state;
	adopt("limited", world_wall + 600000);
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_LIMITED);
	world_pass(600100);
	assert_int_equal(a->state, AS_READY);
}

static void
a_limit_that_waits_for_a_person_outlives_the_container(void **state)
{
	(void)state;
	world.settings.limits_continue = false;
	world_sql("INSERT INTO desired_agents VALUES ('main', '{\"driver\":\"claude\"}', "
		  "'h1')");
	world_sql(
	    "INSERT INTO agents (name, host, want, state, source, state_at, hash, "
	    "resume_at) VALUES ('main', 'h', 'run', 'limited', 'hook', 0, 'h1', 1)");
	agents_load(&world);
	a = launcher_agent(&world, "main");
	assert_int_equal(a->state, AS_HELD);
}

static void
a_busy_agent_is_adopted_busy(void **state)
{
	(void)state;
	adopt("busy", 0);
	assert_int_equal(a->state, AS_BUSY);
	agent_observe(a, "registry");
	assert_int_equal(a->state, AS_READY);
	process_ends(1, 0, true);
	assert_int_equal(a->state, AS_CRASHED);
	check();
}

static void
a_stable_run_forgives_who_was_adopted(void **state)
{
	(void)state;
	world_sql(
	    "CREATE TEMP TRIGGER crashed AFTER INSERT ON agents BEGIN UPDATE agents SET "
	    "crashes = 3; END");
	adopt("ready", 0);
	assert_int_equal(a->crashes, 3);
	cooperate(70000);
	assert_int_equal(a->crashes, 0);
	process_ends(1, 0, true);
	check();
}

/* The launcher before us asked for it, and died before it could note the answer. */
static void
a_start_that_was_never_noted_is_taken_over(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	while (!asked_start)
		cooperate(10);
	answer_spawn(SPAWN_BUSY);
	assert_int_equal(a->shim_pid, pids);
	assert_string_equal(world_sql("SELECT shim_pid > 0 FROM agents"), "1");
	cooperate(5000);
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(a->crashes, 0);
	check();
}

/* A shim that was locked out told nothing of what an earlier life left. */
static void
who_never_said_hello_settles_nothing(void **state)
{
	(void)state;
	running();
	a->unsettled = true;
	process_ends(75, 0, true);
	assert_true(a->unsettled);
	check();
}

static void
another_boot_adopts_nobody(void **state)
{
	(void)state;
	world_sql("INSERT INTO desired_agents VALUES ('main', '{\"driver\":\"claude\"}', "
		  "'h1')");
	world_sql("INSERT INTO agents (name, host, want, state, source, state_at, hash, "
		  "shim_pid, "
		  "shim_start, boot_id) VALUES ('main', 'h', 'run', 'busy', 'hook', 0, "
		  "'h1', %d, %llu, "
		  "'boot/0')",
	    getpid(), (unsigned long long)proc_start_time(getpid()));
	agents_load(&world);
	a = launcher_agent(&world, "main");
	assert_int_equal(a->shim_pid, 0);
	assert_int_equal(a->state, AS_STARTING);
	assert_true(a->unsettled);
	cooperate(5000);
	assert_int_equal(a->state, AS_READY);
	check();
}

static void
held_and_stopped_stay_over_a_restart(void **state)
{
	static const char *const states[] = {"held", "stopped"};

	for (size_t i = 0; i < COUNT(states); i++) {
		world_sql("INSERT INTO desired_agents VALUES ('main', "
			  "'{\"driver\":\"claude\"}', 'h1')");
		world_sql("INSERT INTO agents (name, host, want, state, source, "
			  "state_at, hash) VALUES "
			  "('main', 'h', '%s', '%s', 'person', 0, 'h1')",
		    i == 0 ? "run" : "stop",
		    states[i]); /* held by a crash loop is still wanted */
		agents_load(&world);
		a = launcher_agent(&world, "main");
		cooperate(10000);
		assert_string_equal(agent_state_name(a->state), states[i]);
		teardown(state);
		setup(state);
	}
}

static void
a_changed_configuration_restarts(void **state)
{
	pid_t before;

	(void)state;
	running();
	before = a->shim_pid;
	desire("{\"driver\":\"claude\",\"batch\":\"single\"}", "h1");
	cooperate(3000);
	assert_int_equal(a->shim_pid, before); /* that takes effect at once */
	desire("{\"driver\":\"claude\",\"cwd\":\"/x\"}", "h2");
	cooperate(3000);
	assert_int_not_equal(a->shim_pid, before);
	assert_int_equal(a->state, AS_READY);
	assert_int_equal(a->crashes, 0);
	check();
}

/* What runs is read as what it was started as, and a launcher that starts in between sees
 * the change again. */
static void
a_change_waits_for_the_end_of_what_runs(void **state)
{
	(void)state;
	running();
	desire("{\"driver\":\"claude\",\"cwd\":\"/x\"}", "h2");
	assert_string_equal(agent_spec_str(a, "cwd", "-"), "-");
	assert_string_equal(world_sql("SELECT hash FROM agents"), "h1");
	desire("{\"driver\":\"claude\",\"cwd\":\"/y\"}", "h3");
	cooperate(3000);
	assert_string_equal(agent_spec_str(a, "cwd", "-"), "/y");
	assert_string_equal(world_sql("SELECT hash FROM agents"), "h3");
	assert_int_equal(a->state, AS_READY);
	check();
}

/* The start that was under way never comes to a process: the next one is of the new kind.
 */
static void
a_change_while_a_start_fails_is_taken(void **state)
{
	(void)state;
	desire("{\"driver\":\"claude\"}", "h1");
	until_spawn_is_asked();
	desire("{\"driver\":\"claude\",\"cwd\":\"/b\"}", "h2");
	answer_spawn(SPAWN_NO_PANE);
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	assert_string_equal(agent_spec_str(a, "cwd", "-"), "/b");
	assert_string_equal(world_sql("SELECT hash FROM agents"), "h2");
	assert_null(a->next_hash);
	check();
}

/* Spawn dies with a start under way that nobody wants any more. */
static void
a_start_that_is_lost_and_unwanted_is_over(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		desire("{\"driver\":\"claude\"}", "h1");
		agent_start(a, "start");
		until_spawn_is_asked();
		if (how == 0)
			agent_stop(a, WANT_STOP, "enough", false);
		else {
			world_sql("DELETE FROM desired_agents");
			agents_load(&world);
		}
		asked_start = false;
		pane_registered = true;
		agent_spawn_is_new(a);
		if (how == 0)
			assert_int_equal(a->state, AS_STOPPED);
		else
			assert_null(launcher_agent(&world, "main"));
	}
	a = NULL;
}

/* "Busy" of the turn before is no work on the one that waited. */
static void
what_was_said_of_the_turn_before_is_no_work(void **state)
{
	(void)state;
	running();
	a->registry = REG_BUSY;
	ulid_new(a->turn);
	a->stale = true;
	agent_observe(a, "hook");
	assert_false(a->worked);
	a->stale = false;
	agent_observe(a, "registry");
	assert_true(a->worked);
	a->turn[0] = '\0';
	a->registry = REG_IDLE;
}

static void
a_hanging_spawn_is_asked_for_one_kill(void **state)
{
	(void)state;
	running();
	agent_stop(a, WANT_STOP, "enough", true);
	assert_true(a->kill_asked);
	killed = false;
	world_pass(60000);
	assert_false(killed);
	agent_spawn_is_new(a);
	world_pass(2000);
	assert_true(killed);
	cooperate(100);
	assert_int_equal(a->state, AS_STOPPED);
}

static void
a_change_revives_nobody_who_is_to_stop(void **state)
{
	(void)state;
	running();
	agent_stop(a, WANT_STOP, "enough", false);
	desire("{\"driver\":\"claude\",\"cwd\":\"/x\"}", "h2");
	cooperate(6000);
	assert_int_equal(a->state, AS_STOPPED);
	check();
}

static void
a_shim_that_hangs_is_killed(void **state)
{
	(void)state;
	running();
	agent_stop(a, WANT_STOP, "enough", false);
	world_pass(4000);
	assert_false(killed);
	world_pass(1500);
	assert_true(killed);
	cooperate(100);
	assert_int_equal(a->state, AS_STOPPED);
	check();
}

static void
a_kill_waits_for_spawn(void **state)
{
	(void)state;
	running();
	spawn_is_up = false;
	agent_stop(a, WANT_STOP, "enough", true);
	world_pass(10000);
	assert_false(killed);
	spawn_is_up = true;
	world_pass(2000);
	assert_true(killed);
	cooperate(100);
	assert_int_equal(a->state, AS_STOPPED);
	check();
}

static void
who_is_removed_unseen_ends_too(void **state)
{
	(void)state;
	world_sql("INSERT INTO agents (name, host, want, state, source, state_at, hash, "
		  "shim_pid, shim_start, boot_id) VALUES ('gone', 'h', 'run', 'busy', "
		  "'hook', 0, 'h1', %d, %llu, '%s')",
	    getpid(), (unsigned long long)proc_start_time(getpid()), world.boot_id);
	spawn_is_up = false;
	agents_load(&world);
	assert_true(world.leftovers);
	spawn_is_up = true;
	agents_remove_gone(&world);
	assert_true(killed);
	assert_true(world.leftovers);
	assert_string_equal(world_sql("SELECT count(*) FROM agents"), "1");
	world_sql("UPDATE agents SET shim_start = shim_start + 1"); /* it has ended */
	agents_remove_gone(&world);
	assert_false(world.leftovers);
	assert_string_equal(world_sql("SELECT count(*) FROM agents"), "0");
}

static void
who_is_put_back_before_its_end_runs_again(void **state)
{
	pid_t before;

	(void)state;
	running();
	before = a->shim_pid;
	world_sql("DELETE FROM desired_agents");
	agents_load(&world);
	assert_string_equal(world_sql("SELECT want FROM agents"), "run");
	desire("{\"driver\":\"claude\"}", "h1");
	cooperate(3000);
	assert_int_equal(a->state, AS_READY);
	assert_int_not_equal(a->shim_pid, before);
	check();
}

static void
who_is_removed_ends_and_is_gone(void **state)
{
	(void)state;
	running();
	tmux_run(world.tmux, todo[0].cb, a, "display-message"); /* somebody looks at it */
	world_sql("DELETE FROM desired_agents");
	agents_load(&world);
	for (int i = 0; i < 20 && launcher_agent(&world, "main") != NULL; i++)
		shim_acts();
	assert_null(launcher_agent(&world, "main"));
	a = NULL;
	assert_string_equal(world_sql("SELECT count(*) FROM agents"), "0");
	while (todo_count > 0)
		answer_tmux();
}

/* ---- anything, in any order ---- */

static void
anything(unsigned *seed)
{
	int what = rand_r(seed) % 24;

	switch (what) {
	case 0:
		agent_start(a, "start");
		break;
	case 1:
		agent_stop(a, WANT_STOP, "stop", rand_r(seed) % 2 == 0);
		break;
	case 2:
		agent_stop(a, WANT_HOLD, "hold", false);
		break;
	case 3:
		agent_restart(a, "restart");
		break;
	case 4:
		answer_spawn((uint32_t)rand_r(seed) % 5);
		break;
	case 5:
		process_ends(1, 0, rand_r(seed) % 2 == 0);
		break;
	case 6:
		process_ends(0, SIGKILL, rand_r(seed) % 2 == 0);
		break;
	case 7:
		if (a->agent_pid > 0)
			a->registry = (enum registry)(rand_r(seed) % 4);
		agent_observe(a, "registry");
		break;
	case 8:
		if (a->agent_pid > 0)
			ulid_new(a->turn);
		agent_observe(a, "hook");
		break;
	case 9:
		a->turn[0] = '\0';
		agent_observe(a, "hook");
		break;
	case 10:
		if (a->agent_pid > 0)
			a->compacting = !a->compacting;
		agent_observe(a, "hook");
		break;
	case 11:
		if (a->agent_pid > 0 && a->state != AS_STARTING) {
			a->resume_at = world_wall + 5000;
			agent_event(a, AE_LIMIT, "hook", "limit");
		}
		break;
	case 12:
		if (a->agent_pid > 0)
			agent_event(a, AE_AUTH, "hook", "not logged in");
		break;
	case 13:
		tmux_is_up = false;
		while (todo_count > 0) {
			char nothing[1] = "";
			struct command c = todo[--todo_count];

			free(c.line);
			if (c.cb != NULL)
				c.cb(false, nothing, c.arg);
		}
		agents_tmux_down(&world);
		a->has_terminal = false; /* its pane went with it */
		pane_registered = false;
		break;
	case 14:
		if (!tmux_is_up) {
			tmux_is_up = true;
			agents_windows(&world);
		}
		break;
	case 15:
		desire("{\"driver\":\"claude\"}", rand_r(seed) % 2 ? "h1" : "h2");
		break;
	case 16:
		world_pass(rand_r(seed) % 70000);
		break;
	default:
		cooperate(50 * (rand_r(seed) % 10));
	}
}

static void
no_history_ends_in_an_impossible_state(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= 25; round++) {
		unsigned seed = round;

		desire("{\"driver\":\"claude\"}", "h1");
		for (int step = 0; step < 120; step++) {
			anything(&seed);
			check();
		}
		/* and from wherever it came, a person's word is done */
		if (!tmux_is_up) {
			tmux_is_up = true;
			agents_windows(&world);
		}
		a->turn[0] = '\0';
		a->compacting = false;
		agent_stop(a, WANT_STOP, "stop", false);
		cooperate(20000);
		if (a->state != AS_STOPPED)
			fail_msg("round %u: not stopped: %s", round,
			    agent_state_name(a->state));
		agent_start(a, "start");
		cooperate(80000);
		if (a->state != AS_READY)
			fail_msg(
			    "round %u: not ready: %s", round, agent_state_name(a->state));
		teardown(state);
		setup(state);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_starts_unless_wanted),
	    cmocka_unit_test(the_table_is_complete),
	    TEST(from_wish_to_prompt_and_back),
	    TEST(manual_agents_wait),
	    TEST(a_start_before_the_stop_is_done),
	    TEST(ready_needs_a_settled_prompt),
	    TEST(a_prompt_that_stays_is_ready_though_nobody_says_so),
	    TEST(a_stop_at_any_moment_stops),
	    TEST(a_failed_start_of_what_is_no_longer_wanted),
	    TEST(spawn_and_tmux_may_be_away),
	    TEST(crashes_back_off_and_then_hold),
	    TEST(a_kill_from_outside_is_no_crash_loop),
	    TEST(a_stable_run_forgives),
	    TEST(typing_exit_stops),
	    TEST(closing_down_brings_nothing_up),
	    TEST(states_follow_what_is_seen),
	    TEST(an_interrupted_turn_ends),
	    TEST(a_busy_of_the_next_turn_counts_for_it),
	    TEST(a_half_typed_line_is_no_prompt),
	    TEST(a_longer_prompt_where_nobody_was_is_one),
	    TEST(who_is_not_logged_in_stays_so),
	    TEST(a_limit_lasts_until_its_time),
	    TEST(a_limit_waits_for_a_person_where_that_is_said),
	    TEST(a_person_ends_a_limit),
	    TEST(a_limit_lasts_over_our_restart),
	    TEST(a_limit_that_waits_for_a_person_outlives_the_container),
	    TEST(a_busy_agent_is_adopted_busy),
	    TEST(a_stable_run_forgives_who_was_adopted),
	    TEST(a_start_that_was_never_noted_is_taken_over),
	    TEST(who_never_said_hello_settles_nothing),
	    TEST(another_boot_adopts_nobody),
	    TEST(held_and_stopped_stay_over_a_restart),
	    TEST(a_changed_configuration_restarts),
	    TEST(a_change_waits_for_the_end_of_what_runs),
	    TEST(a_change_while_a_start_fails_is_taken),
	    TEST(a_start_that_is_lost_and_unwanted_is_over),
	    TEST(what_was_said_of_the_turn_before_is_no_work),
	    TEST(a_hanging_spawn_is_asked_for_one_kill),
	    TEST(a_change_revives_nobody_who_is_to_stop),
	    TEST(a_shim_that_hangs_is_killed),
	    TEST(a_kill_waits_for_spawn),
	    TEST(who_is_removed_unseen_ends_too),
	    TEST(who_is_put_back_before_its_end_runs_again),
	    TEST(who_is_removed_ends_and_is_gone),
	    TEST(no_history_ends_in_an_impossible_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
