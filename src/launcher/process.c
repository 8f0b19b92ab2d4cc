/*
 * From wish to process: a window in tmux, its terminal registered with spawn, a socket, a
 * shim, an agent; and back. agent_bring_up() may be called at any time: it does the next
 * step that is missing and is called again when that is there. Invariant: while shim_pid
 * is set, that process is the one we started (pid and start time), and nobody else is
 * started for this agent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include "agent.h"
#include "approval.h"
#include "db.h"
#include "deliver.h"
#include "driver.h"
#include "folder.h"
#include "log.h"
#include "loop.h"
#include "paths.h"
#include "proc.h"
#include "shimlink.h"
#include "spawner.h"
#include "store.h"
#include "tmux.h"
#include "turn.h"
#include "xmalloc.h"

enum { MAX_FAILED_RESUMES = 2 };

bool
agent_has_process(const struct agent *a)
{
	return a->shim_pid > 0 || a->spawning;
}

void
agent_store_process(struct agent *a)
{
	db_must(a->l->db, ST_AGENT_PROCESS,
	    DB_ARGS(DB_T(a->name), DB_I(a->shim_pid), DB_I((int64_t)a->shim_start),
		DB_T(a->l->boot_id), DB_I(a->agent_pid)));
}

/* ---- terminals ---- */

/* Whose terminal a pane's command holds: a name, and perhaps a quote after it; NULL: it
 * is none of an agent's. */
static const char *
whose_terminal(const char *command)
{
	static const char program[] = LIBEXEC_DIR "/pane ";

	if (*command == '"')
		command++;
	if (strncmp(command, program, sizeof(program) - 1) != 0)
		return NULL;
	command += sizeof(program) - 1;
	return *command != '-' ? command : NULL;
}

static struct agent *
agent_named(struct launcher *l, const char *at)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		size_t n = strlen(a->name);

		if (strncmp(at, a->name, n) == 0 && (at[n] == '\0' || at[n] == '"'))
			return a;
	}
	return NULL;
}

/* One line of list-panes: "@window %pane command". */
static void
pane_listed(struct launcher *l, const char *line)
{
	char window[16], pane[16];
	const char *whose;
	struct agent *a;
	bool fresh;
	int used = 0;

	if (sscanf(line, "%15s %15s %n", window, pane, &used) < 2 || used == 0)
		return;
	whose = whose_terminal(line + used);
	a = whose != NULL ? agent_named(l, whose) : NULL;
	if (whose != NULL && a == NULL) /* removed while we weren't there */
		tmux_runf(l->tmux, NULL, NULL, "kill-window -t %s", window);
	if (a == NULL)
		return;
	fresh = strcmp(a->pane, pane) != 0;
	snprintf(a->window, sizeof(a->window), "%s", window);
	snprintf(a->pane, sizeof(a->pane), "%s", pane);
	a->listed = true;
	a->tmux_died = false; /* only our client was cut off */
	if (fresh)
		deliver_recover(a);
}

/* A window that a person closed: its agent's terminal hangs up, and it is started again
 * in a new one. */
static void
panes_listed(bool ok, char *text, void *arg)
{
	struct launcher *l = arg;
	struct agent *a;
	char *line, *save = NULL;

	if (!ok)
		return;
	list_each (a, &l->agents, link) {
		a->listed = false;
	}
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save))
		pane_listed(l, line);
	list_each (a, &l->agents, link) {
		if (!a->listed && a->pane[0] != '\0') {
			a->window[0] = a->pane[0] = '\0';
			a->has_terminal = false;
		}
		if (a->state == AS_STARTING)
			agent_bring_up(a);
	}
}

void
agents_windows(void *arg)
{
	struct launcher *l = arg;

	tmux_run(l->tmux, panes_listed, l,
	    "list-panes -s -t =berth -F \"#{window_id} #{pane_id} "
	    "#{pane_start_command}\"");
}

/* Every terminal is gone with the server, and so is every agent, or will be in a moment.
 * If only our client was cut off, the panes are found again. */
void
agents_tmux_down(struct launcher *l)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		a->window[0] = a->pane[0] = '\0';
		a->making_window = false;
		a->tmux_died = true;
		deliver_terminal_lost(a);
	}
}

static void
window_made(bool ok, char *text, void *arg)
{
	struct agent *a = arg;

	a->making_window = false;
	if (!ok || sscanf(text, "%15s %15s", a->window, a->pane) != 2) {
		if (tmux_up(a->l->tmux))
			agent_event(
			    a, AE_CRASH, "pane", "tmux can't make a window: %s", text);
		return;
	}
	tmux_runf(a->l->tmux, NULL, NULL, "set-option -w -t %s @berth_state %s",
	    a->window, agent_state_name(a->state));
	agent_bring_up(a);
}

static void
make_window(struct agent *a)
{
	a->making_window = true;
	a->has_terminal = false;
	tmux_runf(a->l->tmux, window_made, a,
	    "new-window -d -P -F \"#{window_id} #{pane_id}\" -t =berth: -n %s -c "
	    "/ " LIBEXEC_DIR "/pane %s",
	    a->name, a->name);
}

/* No process came of a start: nothing waits for its end. */
static void
start_lost(struct agent *a)
{
	a->spawning = a->restart_after_exit = false;
	agent_take_next(a);
}

void
agent_terminal(struct agent *a)
{
	a->has_terminal = true;
	if (a->state == AS_STARTING)
		agent_bring_up(a);
}

/* Nothing of it is to run, and nothing does. */
static void
ended_as_wished(struct agent *a)
{
	if (a->l->closing)
		agent_event(a, AE_STOPPED, "process", "the appliance stopped");
	else if (a->removed)
		agent_event(a, AE_STOPPED, "process", "no longer in the configuration");
	else
		agent_event(a, a->want == WANT_HOLD ? AE_HOLD : AE_STOPPED, "person",
		    "%s", a->stop_reason != NULL ? a->stop_reason : "stopped on request");
}

/* Nothing came of a start, and nothing should: who asked for that meanwhile could end no
 * process yet. */
static void
start_given_up(struct agent *a)
{
	ended_as_wished(a);
	if (a->l->closing)
		launcher_closed(a->l);
	else if (a->removed)
		agent_remove(a);
}

void
agent_spawn_is_new(struct agent *a)
{
	bool spawning = a->spawning;

	a->has_terminal = a->kill_asked = false;
	if (spawning)
		start_lost(a);
	if (spawning && agent_unwanted(a))
		start_given_up(a);
}

/* ---- processes ---- */

static uid_t
agent_uid(const struct agent *a)
{
	return (uid_t)agent_spec_int(a, "uid", UID_AGENT);
}

static gid_t
agent_gid(const struct agent *a)
{
	return (gid_t)agent_spec_int(a, "gid", UID_AGENT);
}

void
agent_bring_up(struct agent *a)
{
	struct launcher *l = a->l;

	if (agent_unwanted(a) || agent_has_process(a) || a->making_window ||
	    !tmux_up(l->tmux))
		return;
	if (a->pane[0] == '\0') {
		make_window(a);
		return;
	}
	if (!a->has_terminal || !spawner_up(l->spawner))
		return;
	if (!a->listening) {
		spawner_listen(l->spawner, a->name, agent_uid(a), agent_gid(a));
		return;
	}
	a->spawning = spawner_start(l->spawner, a->name, agent_uid(a), agent_gid(a));
}

void
agent_listening(struct agent *a, const struct spawn_msg *m, int fd)
{
	const char *why =
	    m->error == SPAWN_REFUSED ? "uid or gid not allowed" : strerror(m->sys_errno);

	if (fd == -1) {
		if (!a->deaf)
			log_warnx("agent=%s its socket can't be made: %s", a->name, why);
		a->deaf = true;
		if (!agent_has_process(a))
			agent_event(
			    a, AE_CRASH, "process", "its socket can't be made: %s", why);
		return;
	}
	shimlink_serve(a, fd);
	a->listening = true;
	a->deaf = false;
	if (a->state == AS_STARTING)
		agent_bring_up(a);
}

static void
pidfd_readable(int fd, int what, void *arg)
{
	(void)fd;
	(void)what;
	agent_exited(arg);
}

static void
hold_process(struct agent *a, pid_t pid, uint64_t start, int pidfd)
{
	a->shim_pid = pid;
	a->shim_start = start;
	a->pidfd = pidfd;
	a->pidfd_watch = watch_new(a->l->loop, pidfd, LOOP_READ, pidfd_readable, a);
}

static const char *
spawn_error(const struct spawn_msg *m)
{
	switch (m->error) {
	case SPAWN_REFUSED:
		return "uid or gid not allowed";
	case SPAWN_FAILED:
		return strerror(m->sys_errno);
	default:
		return "an earlier process of it still runs";
	}
}

void
agent_spawned(struct agent *a, const struct spawn_msg *m, int pidfd)
{
	bool unwanted = agent_unwanted(a);

	a->spawning = false;
	if (pidfd !=
	    -1) { /* with SPAWN_BUSY: a launcher before us died before it noted it */
		hold_process(a, m->pid, m->start_time, pidfd);
		a->agent_pid = 0;
		a->drained = a->was_ready = a->tmux_died = false;
		a->exit_status = a->exit_signal = 0;
		agent_store_process(a);
		if (unwanted || a->restart_after_exit)
			agent_end(a, 0);
		return;
	}
	start_lost(a);
	if (unwanted) {
		start_given_up(a);
		return;
	}
	if (m->error == SPAWN_NO_PANE) {
		a->has_terminal = false; /* the pane registers again, and we go on then */
		return;
	}
	a->crashes++;
	agent_event(a, AE_CRASH, "process", "can't be started: %s", spawn_error(m));
}

bool
agent_adopt(struct agent *a)
{
	int pidfd;

	if (a->shim_pid <= 0 || proc_start_time(a->shim_pid) != a->shim_start) {
		a->shim_pid = a->agent_pid = 0;
		return false;
	}
	pidfd = proc_pidfd(a->shim_pid);
	if (pidfd == -1 || proc_start_time(a->shim_pid) != a->shim_start) {
		if (pidfd != -1)
			close(pidfd);
		a->shim_pid = a->agent_pid = 0;
		return false;
	}
	hold_process(a, a->shim_pid, a->shim_start, pidfd);
	if (a->state != AS_STARTING)
		agent_runs(a);
	a->started_at = mono_ms();
	log_info(
	    "agent=%s adopted shim=%d agent_pid=%d", a->name, a->shim_pid, a->agent_pid);
	return true;
}

/* ---- the end ---- */

static const char *
how_it_ended(const struct agent *a, char *out, size_t size)
{
	if (a->exit_error != NULL)
		snprintf(out, size, "%s", a->exit_error);
	else if (!a->drained)
		snprintf(out, size, "its processes were killed");
	else if (a->exit_signal != 0)
		snprintf(out, size, "killed by signal %d (%s)", a->exit_signal,
		    strsignal(a->exit_signal));
	else
		snprintf(out, size, "exit status %d", a->exit_status);
	return out;
}

/* A SIGKILL from outside after it had run, or tmux's death, is nobody's crash loop. */
static bool
counts_as_crash(const struct agent *a)
{
	bool killed =
	    !a->drained || a->exit_signal == SIGKILL || a->exit_signal == SIGHUP;

	return !(killed && a->was_ready) && !a->tmux_died;
}

static void
after_exit(struct agent *a)
{
	char how[256];

	how_it_ended(a, how, sizeof(how));
	if (a->l->closing || a->removed || a->want != WANT_RUN)
		ended_as_wished(a);
	else if (a->restart_after_exit) {
		a->restart_after_exit = false;
		agent_event(a, AE_STOPPED, "process", "restarting");
		agent_event(a, AE_WANTED, "person", NULL);
	} else if (a->state == AS_AUTH_FAILED) {
		agent_event(a, AE_HOLD, "process", "not logged in");
	} else if (agent_waits_for_person(a)) {
		agent_event(a, AE_HOLD, "process", AGENT_LIMIT_HOLD);
	} else {
		bool crash = counts_as_crash(a);

		a->crashes = crash ? a->crashes + 1 : a->crashes;
		a->restarts++;
		db_must(a->l->db, ST_AGENT_CRASHES,
		    DB_ARGS(DB_T(a->name), DB_I(a->crashes), DB_I(1)));
		if (a->crashes >= a->l->settings.max_crashes)
			agent_event(a, AE_LOOP, "process",
			    "%d crashes in a row, the last: %s", (int)a->crashes, how);
		else
			agent_event(a, AE_CRASH, "process", "%s", how);
	}
}

/* Its transcript is there, but the CLI can't resume it (nothing was said in it yet, it is
 * damaged): a fresh conversation is better than none, and it is said. */
static void
forget_lost_conversation(struct agent *a)
{
	if (!a->resumed || a->was_ready || !a->drained || a->exit_status == 0) {
		a->failed_resumes = 0;
		return;
	}
	if (++a->failed_resumes < MAX_FAILED_RESUMES)
		return;
	a->failed_resumes = 0;
	log_warnx("agent=%s session=%s can't be resumed: a new one is begun", a->name,
	    a->driver_id);
	store_event(a->l->db, "session", a->session, "lost",
	    "the CLI could not resume it: a new one is begun", NULL);
	a->session[0] = a->driver_id[0] = '\0';
	free(a->transcript);
	a->transcript = NULL;
	db_must(a->l->db, ST_AGENT_SESSION, DB_ARGS(DB_T(a->name), DB_NULL));
}

void
agent_exited(struct agent *a)
{
	if (a->shim_pid <= 0)
		return;
	watch_free(a->pidfd_watch);
	a->pidfd_watch = NULL;
	close(a->pidfd);
	a->pidfd = -1;
	timer_cancel(a->stable_timer);
	timer_cancel(a->end_timer);
	a->kill_asked = false;
	a->draft_since = 0;
	if (a->ready_timer != NULL) /* there is none if it was adopted when ready */
		timer_cancel(a->ready_timer);
	if (!a->drained) /* the shim was killed: nothing of its agent may go on without it
			  */
		spawner_kill(a->l->spawner, a->name, a->shim_pid);
	a->shim_pid = a->agent_pid = 0;
	a->shim_start = 0;
	a->registry = REG_NONE;
	a->mode[0] = '\0';
	a->compacting = false;
	folder_forget(a);
	approval_withdraw(a, INT64_MAX, "its process ended");
	deliver_drop(a);
	agent_store_process(a);
	shimlink_closed(a);
	if (a->drained && !a->unsettled)
		turn_settle(a, "its process ended");
	else
		a->unsettled = true;
	forget_lost_conversation(a);
	agent_take_next(a);
	a->not_begun = a->exit_error != NULL;
	after_exit(a);
	free(a->exit_error);
	a->exit_error = NULL;
	if (a->l->closing)
		launcher_closed(a->l);
	else if (a->removed)
		agent_remove(a);
}
