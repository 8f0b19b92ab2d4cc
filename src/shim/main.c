/*
 * agent NAME: the agent's parent, run by spawn as the agent's user, leader of a session
 * whose terminal is descriptors 0 to 2. It asks the launcher what to run, runs it, keeps
 * its hooks, watches its files, and ends as it ends. Without a launcher it goes on:
 * nothing here needs one but the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooks.h"
#include "life.h"
#include "link.h"
#include "log.h"
#include "loop.h"
#include "notes.h"
#include "orphans.h"
#include "paths.h"
#include "shim.h"
#include "spawnmsg.h"
#include "spool.h"
#include "tail.h"
#include "xmalloc.h"

enum { EXIT_LOCKED = 75, LOCK_TRIES = 100, LOCK_WAIT_US = 10000 };

/* Keys in the terminal are the agent's. HUP, TERM and CHLD are watched by life.c. */
static void
ignore_keys(void)
{
	static const int keys[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		signal(keys[i], SIG_IGN);
}

static bool
unable(struct shim *s, int status, const char *what)
{
	char *error = xasprintf("%s: %s", what, strerror(errno));

	s->unable = true;
	life_fail(s->life, status, error);
	free(error);
	return false;
}

/* Held by somebody: by what an earlier life left, which goes now, or by another shim. */
static bool
wait_for_lock(int fd)
{
	for (int i = 0; i < LOCK_TRIES && orphans_kill(fd); i++) {
		usleep(LOCK_WAIT_US); /* for the kernel to end them */
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
	}
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* The agent inherits the lock, so that it lives as long as either of us. */
static bool
take_lock(struct shim *s)
{
	char *path = xasprintf("%s/lock", s->shim_dir);
	bool taken = false;

	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd != -1 &&
	    (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0 || wait_for_lock(s->lock_fd)))
		taken = true;
	else if (s->lock_fd != -1 && errno == EWOULDBLOCK) {
		s->unable = true;
		life_fail(s->life, EXIT_LOCKED, "locked");
	} else
		unable(s, EXIT_SYSTEM, path);
	free(path);
	return taken;
}

static bool
trusted(pid_t pid, void *ctx)
{
	struct shim *s = ctx;

	return life_ours(s->life, pid);
}

static bool
own(pid_t pid, void *ctx)
{
	struct shim *s = ctx;

	return life_started(s->life, pid);
}

static int
keep(const char *line, size_t len, void *ctx)
{
	struct shim *s = ctx;

	return spool_add(s->spool, line, len, !link_greeted(s->link));
}

static void
ask_gone(int64_t seq, bool answered, void *ctx)
{
	struct shim *s = ctx;

	if (!answered)
		link_ask_gone(s->link, seq);
}

static void
hooks_idle(void *ctx)
{
	struct shim *s = ctx;

	life_check(s->life);
}

static bool
open_spool(struct shim *s)
{
	char *path = xasprintf("%s/%s/hooks.jsonl", SPOOL_DIR, s->name);
	bool good;

	s->spool = spool_open(path, link_hook, s->link);
	good = s->spool != NULL || unable(s, EXIT_SYSTEM, path);
	free(path);
	return good;
}

static bool
open_hooks(struct shim *s)
{
	static const struct hooks_handlers handlers = {.trusted = trusted,
	    .own = own,
	    .keep = keep,
	    .ask_gone = ask_gone,
	    .idle = hooks_idle};
	char *path = xasprintf("%s/hook.sock", s->shim_dir);
	bool good;

	s->hooks = hooks_listen(s->loop, path, s->instance, &handlers, s);
	good = s->hooks != NULL || unable(s, EXIT_SYSTEM, path);
	free(path);
	return good;
}

static void
begin(struct shim *s)
{
	char *sock = xasprintf("%s/sock", s->agent_dir);

	s->loop = loop_new();
	ulid_new(s->instance);
	s->life = life_new(s);
	s->link = link_new(s, sock);
	s->notes = notes_begin(s->loop, link_note, s->link);
	s->tail = tail_new(s->loop, link_line, s->link);
	if (take_lock(s) && open_spool(s))
		open_hooks(s);
	free(sock);
}

static bool
name_ok(const char *name)
{
	return *name >= 'a' && *name <= 'z' && strlen(name) <= SPAWN_NAME_MAX &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

int
main(int argc, char **argv)
{
	static struct shim s;

	log_init("agent");
	if (argc != 2 || !name_ok(argv[1]))
		fatalx(EXIT_BAD_USAGE, "usage: agent NAME");
	ignore_keys();
	/* Secrets pass through here: no core, and no ptrace by others of this uid. */
	prctl(PR_SET_DUMPABLE, 0);
	umask(022);
	s.name = argv[1];
	s.shim_dir = xasprintf(SHIM_DIR "/%s", s.name);
	s.agent_dir = xasprintf(AGENT_DIR "/%s", s.name);
	begin(&s);
	loop_run(s.loop);
	hooks_free(s.hooks);
	life_die(s.life);
}
