/*
 * berth-launcher: the only one that decides. It makes the agents' windows, starts and
 * resumes them, hands messages over and notes the answers. It may be killed at any
 * instruction: agents go on without it, and what it had begun is found again in the
 * database, in the panes' marks and in what the shims kept.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent.h"
#include "approval.h"
#include "buf.h"
#include "clock.h"
#include "db.h"
#include "fifos.h"
#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "message.h"
#include "ops.h"
#include "paths.h"
#include "proc.h"
#include "retention.h"
#include "spawner.h"
#include "store.h"
#include "tmux.h"
#include "xmalloc.h"

static const int64_t KEEP_MS = INT64_C(90) * 86400 * 1000;
enum { CHECKPOINT_MS = 60000, EXPIRY_MS = 5000, LAST_WORDS_MS = 50 };

struct agent *
launcher_agent(struct launcher *l, const char *name)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		if (strcmp(a->name, name) == 0)
			return a;
	}
	return NULL;
}

static void
load_settings(struct launcher *l)
{
	l->settings = (struct settings){
	    .human_idle_ms = store_setting_int(l->db, "delivery.human_idle", 2000),
	    .confirm_timeout_ms =
		store_setting_int(l->db, "delivery.confirm_timeout", 3000),
	    .expire_ms = store_setting_int(l->db, "delivery.expire", 0),
	    .keep_ms = store_setting_int(l->db, "retention.keep", KEEP_MS),
	    .max_queue = store_setting_int(l->db, "delivery.max_queue", 1000),
	    .backoff_min_ms = store_setting_int(l->db, "restart.backoff_min", 1000),
	    .backoff_max_ms = store_setting_int(l->db, "restart.backoff_max", 60000),
	    .stable_after_ms = store_setting_int(l->db, "restart.stable_after", 60000),
	    .max_crashes = store_setting_int(l->db, "restart.max_crashes", 5),
	    .limits_continue = store_setting_int(l->db, "limits.continue", 1) != 0,
	};
}

/* Kernel's boot id and pid 1's start: in another container, or after a reboot, our pids
 * name nobody. */
static void
read_boot_id(struct launcher *l)
{
	struct buf b = BUF_INIT;

	if (buf_read_file(&b, "/proc/sys/kernel/random/boot_id", 64) == -1)
		log_warn("boot_id");
	snprintf(l->boot_id, sizeof(l->boot_id), "%.36s/%llu", buf_str(&b),
	    (unsigned long long)proc_start_time(1));
	buf_free(&b);
}

/* ---- spawn and tmux speak of agents by name ---- */

/* Every agent has its socket, started or not: a shim of an earlier life may be looking
 * for it. */
static void
listen_missing(struct launcher *l)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		if (!a->listening && !a->removed)
			spawner_listen(l->spawner, a->name,
			    (uid_t)agent_spec_int(a, "uid", UID_AGENT),
			    (gid_t)agent_spec_int(a, "gid", UID_AGENT));
	}
}

static void
spawn_up(void *ctx)
{
	struct launcher *l = ctx;
	struct agent *a, *after;

	list_each_safe (a, after, &l->agents, link) {
		agent_spawn_is_new(a);
	}
	listen_missing(l);
	if (l->leftovers)
		agents_remove_gone(l);
	if (l->closing) /* who was being started never will be */
		launcher_closed(l);
}

static void
spawn_pane(const char *agent, void *ctx)
{
	struct agent *a = launcher_agent(ctx, agent);

	if (a != NULL)
		agent_terminal(a);
}

static void
spawn_listening(const struct spawn_msg *m, int fd, void *ctx)
{
	struct agent *a = launcher_agent(ctx, m->agent);

	if (a != NULL)
		agent_listening(a, m, fd);
	else if (fd != -1)
		close(fd);
}

static void
spawn_started(const struct spawn_msg *m, int pidfd, void *ctx)
{
	struct agent *a = launcher_agent(ctx, m->agent);

	if (a != NULL)
		agent_spawned(a, m, pidfd);
	else if (pidfd != -1)
		close(pidfd);
	launcher_changed(ctx);
}

/* The pidfd says the same, also when spawn isn't there to say it. */
static void
spawn_exited(const struct spawn_msg *m, void *ctx)
{
	log_debug("agent=%s shim=%d status=%d", m->agent, m->pid, m->status);
	(void)ctx;
}

static void
spawn_killed(const struct spawn_msg *m, void *ctx)
{
	struct agent *a = launcher_agent(ctx, m->agent);

	if (a != NULL)
		a->kill_asked = false;
	if (m->status > 0)
		log_info("agent=%s killed=%d processes of session %d", m->agent,
		    m->status, m->pid);
}

static void
tmux_is_up(void *ctx)
{
	agents_windows(ctx);
}

static void
tmux_is_down(void *ctx)
{
	agents_tmux_down(ctx);
}

/* ---- timers ---- */

static void
expire_messages(struct launcher *l)
{
	struct message_change c = {
	    .reason = "its time was over before the agent could take it",
	    .cause = "expired"};
	char *id;

	while ((id = db_one_text(l->db, ST_MESSAGE_EXPIRED, DB_ARGS(DB_I(wall_ms())))) !=
	       NULL) {
		bool moved = message_event(l->db, id, ME_EXPIRE, &c);

		free(id);
		if (!moved)
			break;
		launcher_changed(l);
	}
}

static bool
some_are_deaf(const struct launcher *l)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		if (a->deaf)
			return true;
	}
	return false;
}

static void
expiry_due(void *arg)
{
	struct launcher *l = arg;

	expire_messages(l);
	approvals_expire(l);
	if (some_are_deaf(l) && spawner_up(l->spawner))
		listen_missing(l);
	if (l->leftovers)
		agents_remove_gone(l);
	timer_in(l->expiry, EXPIRY_MS);
}

static void
checkpoint_due(void *arg)
{
	struct launcher *l = arg;

	retention_apply(l->db, l->settings.keep_ms);
	db_checkpoint(l->db);
	timer_in(l->checkpoint, CHECKPOINT_MS);
}

static void
bell(const char *topic, void *ctx)
{
	struct launcher *l = ctx;

	if (strcmp(topic, "config") != 0)
		return;
	load_settings(l);
	agents_load(l);
	if (spawner_up(l->spawner))
		listen_missing(l);
	waiters_config(l);
}

static void
terminate(int signo, void *arg)
{
	struct launcher *l = arg;

	log_info("signal=%d, agents go on without us", signo);
	loop_stop(l->loop, 0);
}

static void
end(void *arg)
{
	struct launcher *l = arg;

	loop_stop(l->loop, 0);
}

/* Who waits for an answer, or watches events, is told before it ends under them. */
void
launcher_closed(struct launcher *l)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		if (agent_has_process(a))
			return;
	}
	if (l->last_words != NULL)
		return;
	log_info("every agent has ended");
	launcher_changed(l);
	l->last_words = timer_new(l->loop, end, l);
	timer_in(l->last_words, LAST_WORDS_MS);
}

/* The container is stopping. What people want stays as it is: the next start brings the
 * agents back. */
static void
close_down(int signo, void *arg)
{
	struct launcher *l = arg;
	struct agent *a;

	(void)signo;
	log_info("the appliance is stopping");
	l->closing = true;
	list_each (a, &l->agents, link) {
		agent_end(a, AGENT_CLOSE_GRACE_MS);
	}
	launcher_closed(l);
}

static void
reap(int signo, void *arg)
{
	(void)signo;
	(void)arg;
	while (waitpid(-1, NULL, WNOHANG) > 0) /* tmux clients that were dropped */
		;
}

static void
start(struct launcher *l)
{
	static const struct spawner_handlers spawn_handlers = {.up = spawn_up,
	    .pane = spawn_pane,
	    .listening = spawn_listening,
	    .started = spawn_started,
	    .exited = spawn_exited,
	    .killed = spawn_killed};
	static const struct tmux_handlers tmux_handlers = {
	    .up = tmux_is_up, .down = tmux_is_down, .windows_changed = agents_windows};

	/* Before anything is read: who changes the configuration from here on rings. */
	bell_listen(l->loop, BELL_DIR, "launcher", bell, l);
	load_settings(l);
	l->tmux = tmux_new(l->loop, &tmux_handlers, l);
	l->spawner = spawner_new(l->loop, &spawn_handlers, l);
	ops_listen(l);
	agents_load(l);
	fifos_watch(l);
	l->expiry = timer_new(l->loop, expiry_due, l);
	timer_in(l->expiry, 0);
	l->checkpoint = timer_new(l->loop, checkpoint_due, l);
	timer_in(l->checkpoint, CHECKPOINT_MS);
	loop_signal(l->loop, SIGTERM, terminate, l);
	loop_signal(l->loop, SIGINT, terminate, l);
	loop_signal(l->loop, SIGUSR1, close_down, l);
	loop_signal(l->loop, SIGCHLD, reap, l);
}

/* Ids are the order of delivery, also when the clock went back while nobody ran. */
static void
go_on_counting(struct db *db)
{
	static const int newest[] = {ST_NEWEST_MESSAGE, ST_NEWEST_TURN};

	for (size_t i = 0; i < sizeof(newest) / sizeof(newest[0]); i++) {
		char *id = db_one_text(db, newest[i], DB_NOARGS);

		ulid_after(id);
		free(id);
	}
}

int
main(int argc, char **argv)
{
	static struct launcher l;
	char host[64] = "localhost", *name;
	int status;

	log_init("launcher");
	if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--ready-fd") == 0))
		fatalx(EXIT_BAD_USAGE, "usage: launcher [--ready-fd N]");
	srandom((unsigned)(mono_ms() ^ getpid()));
	list_init(&l.agents);
	l.started = mono_ms();
	l.loop = loop_new();
	l.db = store_open(DB_PATH);
	go_on_counting(l.db);
	name = db_one_text(l.db, ST_SETTING, DB_ARGS(DB_T("host.name")));
	if (name != NULL)
		sscanf(name, "\"%63[^\"]\"", host);
	free(name);
	db_set_host(l.db, host);
	read_boot_id(&l);
	start(&l);
	proc_ready(argc == 3 ? atoi(argv[2]) : -1);
	status = loop_run(l.loop);
	tmux_free(l.tmux); /* an orphaned client would keep the server from ending */
	db_close(l.db);
	return status;
}
