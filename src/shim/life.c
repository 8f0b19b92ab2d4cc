/*
 * After the agent's end what it left is still sent: the launcher must see the last lines
 * before it hears `exited`. That takes 2 s at most; what isn't acknowledged by then is in
 * the spool and in the transcript. Processes that the agent left behind (we are their
 * subreaper) are killed: they hold the lock, and could still write.
 */
#include "life.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "hooks.h"
#include "link.h"
#include "log.h"
#include "loop.h"
#include "notes.h"
#include "json.h"
#include "proc.h"
#include "registry.h"
#include "shim.h"
#include "spool.h"
#include "start.h"
#include "tail.h"
#include "xmalloc.h"

enum {
	LEAVE_MS = 2000,      /* from the agent's end to ours */
	TELL_MS = 1500,       /* when `exited` is sent though not all is acknowledged */
	SETTLE_MS = 50,       /* for hooks that were on their way */
	TERM_GRACE_MS = 5000, /* after SIGTERM or SIGHUP to the shim */
	KILL_ROUNDS = 20,
	KILL_ROUND_US = 2000
};

enum phase { WAITING, RUNNING, DRAINING, TELLING };

struct life {
	struct shim *shim;
	enum phase phase;
	struct life_report report;
	char *warning, *error;
	int wait_status; /* as wait(2) gave it, or made up */
	bool settled, late;
	struct timer *kill_timer, *settle_timer, *tell_timer, *leave_timer;
};

/* ---- the end ---- */

/* Whatever descends from us; true if anything did. */
static bool
kill_round(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool killed = false;
	pid_t self = getpid(), pid;

	if (proc == NULL)
		return false;
	while ((entry = readdir(proc)) != NULL) {
		pid = (pid_t)atoi(entry->d_name);
		if (pid > 1 && pid != self && proc_descends(pid, self) &&
		    kill(pid, SIGKILL) == 0)
			killed = true;
	}
	closedir(proc);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	return killed;
}

static void
kill_leftovers(void)
{
	for (int round = 0; round < KILL_ROUNDS && kill_round(); round++)
		usleep(KILL_ROUND_US);
}

static bool
drained(const struct life *l)
{
	const struct shim *s = l->shim;

	return l->settled && !hooks_busy(s->hooks) && spool_empty(s->spool) &&
	       tail_idle(s->tail) && registry_idle(s->registry);
}

static void
leave(void *arg)
{
	struct life *l = arg;

	loop_stop(l->shim->loop, 0);
}

void
life_told(struct life *l)
{
	if (l->phase == TELLING)
		leave(l);
}

void
life_check(struct life *l)
{
	/* In TELLING it is told again, to a launcher that came back. */
	if (l->phase < DRAINING || (!l->late && !drained(l)))
		return;
	if (l->phase == DRAINING && !l->shim->unable)
		kill_leftovers();
	l->phase = TELLING;
	link_exited(l->shim->link);
}

static void
settle(void *arg)
{
	struct life *l = arg;

	l->settled = true;
	if (l->shim->unable)
		return;
	registry_end(l->shim->registry);
	tail_drain(l->shim->tail);
	life_check(l);
}

static void
tell_late(void *arg)
{
	struct life *l = arg;

	l->late = true;
	life_check(l);
}

static void
begin_end(struct life *l, int wait_status)
{
	if (l->phase >= DRAINING)
		return;
	l->phase = DRAINING;
	l->wait_status = wait_status;
	l->report.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;
	l->report.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	timer_cancel(l->kill_timer);
	timer_in(l->tell_timer, TELL_MS);
	timer_in(l->leave_timer, LEAVE_MS);
	timer_in(l->settle_timer, l->report.pid == 0 ? 0 : SETTLE_MS);
}

void
life_fail(struct life *l, int status, const char *error)
{
	log_warnx("not started: %s", error);
	l->error = xstrdup(error);
	l->report.error = l->error;
	l->late = l->shim->unable; /* there is nothing to drain */
	begin_end(l, status << 8);
}

void
life_die(struct life *l)
{
	int status = l->wait_status, signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const struct rlimit no_core = {0};
	sigset_t one;

	kill_leftovers();
	notes_end(l->shim->notes);
	if (signo == 0)
		exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &no_core);
	signal(signo, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, signo);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	kill(getpid(), signo);
	_exit(128 + signo);
}

/* ---- signals ---- */

static void
signal_agent(const struct life *l, int signo)
{
	if (l->phase == RUNNING && kill(-l->report.pid, signo) == -1)
		kill(l->report.pid, signo);
}

static void
kill_agent(void *arg)
{
	signal_agent(arg, SIGKILL);
}

void
life_stop(struct life *l, int64_t grace_ms)
{
	if (l->phase == WAITING) {
		begin_end(l, 0);
		return;
	}
	if (grace_ms <= 0) {
		kill_agent(l);
		return;
	}
	signal_agent(l, SIGTERM);
	signal_agent(l, SIGCONT);
	if (!timer_armed(l->kill_timer))
		timer_in(l->kill_timer, grace_ms);
}

/* The terminal is gone: the kernel told only us, the session's leader. */
static void
hangup(struct life *l)
{
	signal_agent(l, SIGHUP);
	signal_agent(l, SIGCONT);
	if (!timer_armed(l->kill_timer))
		timer_in(l->kill_timer, TERM_GRACE_MS);
}

static void
ended(struct life *l, int wait_status)
{
	log_debug("the agent ended status=%x", (unsigned)wait_status);
	start_foreground(notes_terminal(l->shim->notes), getpgrp());
	notes_quiet(l->shim->notes, false);
	begin_end(l, wait_status);
}

static void
on_child(struct life *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != l->report.pid || l->phase != RUNNING)
			continue;
		if (!WIFSTOPPED(status)) {
			ended(l, status);
			continue;
		}
		/* There is no shell here whose `fg` could wake it. */
		log_info(
		    "the agent stopped itself, continued signal=%d", WSTOPSIG(status));
		start_foreground(notes_terminal(l->shim->notes), l->report.pid);
		signal_agent(l, SIGCONT);
	}
}

static void
on_signal(int signo, void *arg)
{
	struct life *l = arg;

	if (signo == SIGCHLD)
		on_child(l);
	else if (signo == SIGHUP && l->phase == RUNNING)
		hangup(l);
	else
		life_stop(l, TERM_GRACE_MS);
}

/* ---- the start ---- */

bool
life_wants_run(const struct life *l)
{
	return l->phase == WAITING && !l->shim->unable;
}

static void
watch_registry(struct life *l, yyjson_val *run)
{
	const char *dir = json_str(run, "registry", NULL);

	if (dir != NULL)
		l->shim->registry = registry_new(
		    l->shim->loop, dir, l->report.pid, link_registry, l->shim->link);
}

void
life_run(struct life *l, yyjson_val *run)
{
	struct shim *s = l->shim;
	const struct start_where where = {.shim_dir = s->shim_dir,
	    .agent_dir = s->agent_dir,
	    .lock_fd = s->lock_fd,
	    .tty_fd = notes_terminal(s->notes)};
	struct started started;

	if (!life_wants_run(l))
		return;
	notes_quiet(s->notes, true);
	start_agent(run, &where, &started);
	l->warning = started.warning;
	l->report.warning = l->warning;
	l->report.domain = started.domain;
	l->report.resumed = started.resumed;
	l->report.pid = started.pid;
	if (started.error != NULL) {
		notes_quiet(s->notes, false);
		life_fail(l, 127, started.error);
		free(started.error);
		return;
	}
	l->phase = RUNNING;
	link_started(s->link);
	watch_registry(l, run);
	s->folder = folder_new(s->loop, json_str(run, "cwd", "/"), link_folder, s->link);
}

bool
life_ours(const struct life *l, pid_t pid)
{
	(void)l;
	/* We are subreaper and have no other child: what descends from us is the agent's,
	 * also when its parent has ended. */
	return pid != getpid() && proc_descends(pid, getpid());
}

/* A hook whose CLI was killed is our child by then. */
bool
life_started(const struct life *l, pid_t pid)
{
	pid_t parent = proc_parent(pid);

	return parent > 0 && (parent == l->report.pid || parent == getpid());
}

const struct life_report *
life_report(const struct life *l)
{
	return &l->report;
}

struct life *
life_new(struct shim *s)
{
	static const int signals[] = {SIGCHLD, SIGTERM, SIGHUP};
	struct life *l = xcalloc(1, sizeof(*l));

	l->shim = s;
	l->report.domain = "none";
	l->kill_timer = timer_new(s->loop, kill_agent, l);
	l->settle_timer = timer_new(s->loop, settle, l);
	l->tell_timer = timer_new(s->loop, tell_late, l);
	l->leave_timer = timer_new(s->loop, leave, l);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		loop_signal(s->loop, signals[i], on_signal, l);
	return l;
}
