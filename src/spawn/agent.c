/*
 * The privileged acts: an agent's socket, its process on its terminal, and the end of
 * what is left of it. Every message comes from the launcher; still nothing here believes
 * it further than agent_allowed(): no root, none of berth's own uids, a name that can't
 * leave its directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "log.h"
#include "paths.h"
#include "proc.h"
#include "spawn.h"
#include "users.h"

enum { AGENT_OOM_SCORE = 500, KILL_ROUNDS = 20 };

static bool
id_allowed(uint32_t id)
{
	return users_id_allowed(id);
}

static bool
name_allowed(const char name[SPAWN_NAME_MAX + 8])
{
	size_t n = strnlen(name, SPAWN_NAME_MAX + 8);

	if (n == 0 || n > SPAWN_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

bool
agent_allowed(const struct spawn_msg *m)
{
	return name_allowed(m->agent) && id_allowed(m->uid) && id_allowed(m->gid);
}

static int
failed(struct spawn_msg *m, const char *what)
{
	m->error = SPAWN_FAILED;
	m->sys_errno = errno;
	log_warn("%s agent=%s", what, m->agent);
	return -1;
}

/* The directory is root's, so nobody else can put anything under the path between bind
 * and chown. */
int
agent_listen(struct spawn_msg *m)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t old;
	int fd, rc;

	snprintf(addr.sun_path, sizeof(addr.sun_path), AGENT_DIR "/%s/sock", m->agent);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return failed(m, "socket");
	unlink(addr.sun_path);
	old = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(old);
	if (rc == -1 || lchown(addr.sun_path, m->uid, m->gid) == -1 ||
	    listen(fd, 16) == -1) {
		failed(m, addr.sun_path);
		close(fd);
		return -1;
	}
	return fd;
}

static void
set_oom_score(int score)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (f == NULL)
		return;
	fprintf(f, "%d\n", score);
	fclose(f);
}

/* 0: its number is too high for one. */
static gid_t
terminal_group(int tty)
{
	struct stat st;

	return fstat(tty, &st) == 0 && minor(st.st_rdev) < TERMINALS
		   ? GID_TERMINALS + minor(st.st_rdev)
		   : 0;
}

/* By its owner, agents of one uid could read and write each other's terminals: so it is
 * root's, and of a group that only this agent's processes are in. Returns how many groups
 * that is; 0 where a user namespace is too small for it. */
static size_t
give_terminal(const struct spawn_msg *m, int tty, gid_t *group)
{
	*group = terminal_group(tty);
	if (*group != 0 && fchown(tty, 0, *group) == 0 && fchmod(tty, 0660) == 0)
		return 1;
	if (fchmod(tty, 0600) == -1 || fchown(tty, m->uid, m->gid) == -1)
		fatal(EXIT_SYSTEM, "give the terminal away agent=%s", m->agent);
	return 0;
}

/* In the child: a session and a terminal of its own, then the agent's user for good. */
static void __attribute__((noreturn))
become_shim(const struct spawn_msg *m, int tty, int go)
{
	char *const env[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	    "TERM=tmux-256color", "LANG=C.UTF-8", NULL};
	char *const argv[] = {LIBEXEC_DIR "/agent", (char *)m->agent, NULL};
	sigset_t none;
	gid_t group;
	size_t groups;
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(EXIT_SYSTEM); /* the launcher never heard of us: better not to exist
				     */
	if (setsid() == -1 || ioctl(tty, TIOCSCTTY, 0) == -1)
		fatal(EXIT_SYSTEM, "take the terminal agent=%s", m->agent);
	groups = give_terminal(m, tty, &group);
	if (dup2(tty, 0) == -1 || dup2(tty, 1) == -1 || dup2(tty, 2) == -1)
		fatal(EXIT_SYSTEM, "dup2");
	proc_close_from(3, NULL, 0);
	set_oom_score(AGENT_OOM_SCORE);
	umask(022);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	proc_become(m->uid, m->gid, &group, groups);
	typing_forbid();
	execve(argv[0], argv, env);
	fatal(EXIT_SYSTEM, "exec %s", argv[0]);
}

static struct pane *
pane_of(struct spawn *s, const char *agent)
{
	for (int i = 0; i < SPAWN_MAX; i++)
		if (s->panes[i].conn != -1 && s->panes[i].tty != -1 &&
		    strcmp(s->panes[i].agent, agent) == 0)
			return &s->panes[i];
	return NULL;
}

static struct shim *
shim_slot(struct spawn *s, const char *agent, const struct shim **running)
{
	struct shim *free_slot = NULL;

	*running = NULL;
	for (int i = 0; i < SPAWN_MAX; i++) {
		if (s->shims[i].pid == 0)
			free_slot = &s->shims[i];
		else if (strcmp(s->shims[i].agent, agent) == 0)
			*running = &s->shims[i];
	}
	return free_slot;
}

/* The launcher that asked for it may have died before it could note the answer. */
static int
still_runs(const struct shim *shim, struct spawn_msg *m)
{
	m->error = SPAWN_BUSY;
	m->pid = shim->pid;
	m->start_time = proc_start_time(shim->pid);
	return proc_pidfd(shim->pid);
}

/* The shim is forked but waits: *release is the descriptor to write a byte to once the
 * launcher has the answer, or to close for it to vanish. Returns a pidfd. */
int
agent_start(struct spawn *s, struct spawn_msg *m, int *release)
{
	struct pane *pane = pane_of(s, m->agent);
	const struct shim *running;
	struct shim *shim = shim_slot(s, m->agent, &running);
	int go[2], pidfd;
	pid_t pid;

	*release = -1;
	if (running != NULL)
		return still_runs(running, m);
	if (pane == NULL || shim == NULL) {
		m->error = SPAWN_NO_PANE;
		return -1;
	}
	if (folders_give(m) == -1)
		return failed(m, "give its folders away");
	if (pipe2(go, O_CLOEXEC) == -1)
		return failed(m, "pipe");
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		become_shim(m, pane->tty, go[0]);
	}
	close(go[0]);
	pidfd = pid == -1 ? -1 : proc_pidfd(pid);
	if (pidfd == -1) {
		failed(m, pid == -1 ? "fork" : "pidfd_open");
		close(go[1]);
		return -1;
	}
	*shim = (struct shim){.pid = pid, .tty = fcntl(pane->tty, F_DUPFD_CLOEXEC, 3)};
	memcpy(shim->agent, m->agent, sizeof(shim->agent));
	m->pid = pid;
	m->start_time = proc_start_time(pid);
	*release = go[1];
	return pidfd;
}

/* A file of /proc, whole; the kernel wrote it. */
static bool
read_proc(const char *pid_text, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/%s", pid_text, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool
is_of_session(const char *pid_text, pid_t session)
{
	char text[1024];
	const char *after;
	int sid;

	/* pid (comm) state ppid pgrp session: comm may hold anything, so from the last
	 * ')' */
	if (!read_proc(pid_text, "stat", text, sizeof(text)))
		return false;
	after = strrchr(text, ')');
	return after != NULL && sscanf(after + 1, " %*c %*d %*d %d", &sid) == 1 &&
	       sid == session;
}

/* "\nGroups:\t64001 1000 \n" */
static bool
is_of_group(const char *status, gid_t group)
{
	const char *at = strstr(status, "\nGroups:"), *end;
	char *after;

	if (at == NULL || group == 0)
		return false;
	at += strlen("\nGroups:");
	for (end = at + strcspn(at, "\n"); at < end; at = after) {
		unsigned long one = strtoul(at, &after, 10);

		if (after == at)
			return false;
		if (one == group)
			return true;
	}
	return false;
}

/* Is it of this session, or of this terminal's group, which no process can leave, and may
 * we end it? A shim isn't dumpable, so who owns its /proc files says nothing. */
static bool
victim(const char *pid_text, pid_t session, gid_t group)
{
	char status[4096];
	const char *at;
	unsigned uid;

	if (!read_proc(pid_text, "status", status, sizeof(status)))
		return false;
	at = strstr(status, "\nUid:\t");
	return at != NULL && sscanf(at, " Uid: %u", &uid) == 1 && id_allowed(uid) &&
	       (is_of_group(status, group) || is_of_session(pid_text, session));
}

static int
kill_round(pid_t session, gid_t group)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int killed = 0;

	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    victim(entry->d_name, session, group) &&
		    kill(atoi(entry->d_name), SIGKILL) == 0)
			killed++;
	closedir(proc);
	return killed;
}

/* A process that forks while we look is caught by the next round. */
void
agent_kill(struct spawn *s, struct spawn_msg *m)
{
	struct pane *pane = pane_of(s, m->agent);
	gid_t group = pane != NULL ? terminal_group(pane->tty) : 0;
	int total = 0, killed = 0;

	if (m->pid <= 1) {
		m->error = SPAWN_REFUSED;
		return;
	}
	for (int round = 0; round < KILL_ROUNDS; round++) {
		killed = kill_round(m->pid, group);
		total += killed;
		if (killed == 0)
			break;
		usleep(2000); /* zombies keep their session until they are reaped */
	}
	m->status = total;
}

void
agent_take_back(int tty)
{
	if (tty == -1)
		return;
	if (fchown(tty, 0, 0) == -1 || fchmod(tty, 0600) == -1)
		log_warn("take a terminal back");
	close(tty);
}
