/*
 * berth-spawn: the only long-lived root program. It starts agents as their user on
 * terminals that panes handed over, makes the agents' sockets, and tells the launcher
 * when a shim ends. Invariants: no text is parsed; a shim runs only after the launcher
 * has its pid; whoever may connect is decided by the sockets' modes and checked again by
 * uid.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "log.h"
#include "paths.h"
#include "proc.h"
#include "spawn.h"

static int
listen_on(const char *path, gid_t gid)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t old;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd == -1)
		fatal(EXIT_SYSTEM, "socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	old = umask(0177);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
		fatal(EXIT_SYSTEM, "bind %s", path);
	umask(old);
	if (lchown(path, 0, gid) == -1 || chmod(path, 0660) == -1 || listen(fd, 64) == -1)
		fatal(EXIT_SYSTEM, "listen %s", path);
	return fd;
}

static int
accept_from(int listen_fd, uid_t expected)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 ||
	    cred.uid != expected) {
		log_warnx("connection refused uid=%u pid=%d", cred.uid, cred.pid);
		close(fd);
		return -1;
	}
	return fd;
}

/* A launcher that doesn't read is not waited for: it hears all again when it comes back.
 */
static void
tell_launchers(struct spawn *s, struct spawn_msg *m)
{
	m->magic = SPAWN_MAGIC;
	for (int i = 0; i < SPAWN_MAX_LAUNCHERS; i++)
		if (s->launchers[i] != -1 &&
		    proc_send_fd(s->launchers[i], m, sizeof(*m), -1) == -1) {
			log_warn("a launcher does not listen");
			close(s->launchers[i]);
			s->launchers[i] = -1;
		}
}

static void
tell_pane(struct spawn *s, struct spawn_msg *m)
{
	m->magic = SPAWN_MAGIC;
	for (int i = 0; i < SPAWN_MAX; i++)
		if (s->panes[i].conn != -1 && strcmp(s->panes[i].agent, m->agent) == 0)
			proc_send_fd(s->panes[i].conn, m, sizeof(*m), -1);
}

static void
reap_children(struct spawn *s)
{
	struct spawn_msg m;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < SPAWN_MAX; i++) {
			struct shim *shim = &s->shims[i];

			if (shim->pid != pid)
				continue;
			m = (struct spawn_msg){
			    .op = SPAWN_EXITED, .pid = pid, .status = status};
			memcpy(m.agent, shim->agent, sizeof(m.agent));
			agent_take_back(shim->tty);
			*shim = (struct shim){.tty = -1};
			tell_pane(s, &m);
			tell_launchers(s, &m);
		}
}

/* Whose launcher didn't hear of it is not released, and ends. */
static bool
start(struct spawn *s, int launcher, struct spawn_msg *m)
{
	int release, pidfd;
	bool told;

	reap_children(s); /* the launcher may have seen its end before us */
	pidfd = agent_start(s, m, &release);
	told = proc_send_fd(launcher, m, sizeof(*m), pidfd) == 0;

	if (told && release != -1) {
		struct spawn_msg started = {.op = SPAWN_STARTED, .pid = m->pid};

		memcpy(started.agent, m->agent, sizeof(started.agent));
		tell_pane(s, &started);
		if (write(release, "", 1) != 1)
			log_warn("release agent=%s", m->agent);
	}
	if (pidfd != -1)
		close(pidfd);
	if (release != -1)
		close(release);
	return told;
}

static bool
answer(struct spawn *s, int launcher, struct spawn_msg *m)
{
	int fd = -1;
	bool told;

	m->error = SPAWN_FINE;
	m->agent[sizeof(m->agent) - 1] = '\0';
	if (m->op != SPAWN_KILL && !agent_allowed(m))
		m->error = SPAWN_REFUSED;
	else if (m->op == SPAWN_START)
		return start(s, launcher, m);
	else if (m->op == SPAWN_LISTEN)
		fd = agent_listen(m);
	else
		agent_kill(s, m);
	told = proc_send_fd(launcher, m, sizeof(*m), fd) == 0;
	if (fd != -1)
		close(fd);
	return told;
}

/* false: the launcher is gone, does not listen, or talks nonsense. */
static bool
serve_launcher(struct spawn *s, int launcher)
{
	struct spawn_msg m;
	int fd;

	if (proc_recv_fd(launcher, &m, sizeof(m), &fd) == -1)
		return false;
	if (fd != -1)
		close(fd);
	if (m.magic != SPAWN_MAGIC ||
	    (m.op != SPAWN_LISTEN && m.op != SPAWN_START && m.op != SPAWN_KILL)) {
		log_warnx("nonsense from the launcher op=%u", m.op);
		return false;
	}
	return answer(s, launcher, &m);
}

static bool
is_terminal(int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && isatty(fd);
}

static bool
serve_pane(struct spawn *s, struct pane *pane)
{
	struct spawn_msg m;
	int fd;

	if (proc_recv_fd(pane->conn, &m, sizeof(m), &fd) == -1)
		return false;
	m.agent[sizeof(m.agent) - 1] = '\0';
	m.uid = m.gid =
	    UID_AGENT; /* a pane names no uid; agent_allowed then checks the name */
	if (m.magic != SPAWN_MAGIC || m.op != SPAWN_REGISTER || pane->tty != -1 ||
	    !is_terminal(fd) || !agent_allowed(&m)) {
		log_warnx("nonsense from a pane op=%u", m.op);
		if (fd != -1)
			close(fd);
		return false;
	}
	pane->tty = fd;
	memcpy(pane->agent, m.agent, sizeof(pane->agent));
	m.op = SPAWN_PANE;
	tell_launchers(s, &m);
	return true;
}

static void
drop_pane(struct pane *pane)
{
	close(pane->conn);
	if (pane->tty != -1)
		close(pane->tty);
	*pane = (struct pane){.conn = -1, .tty = -1};
}

static void
accept_pane(struct spawn *s)
{
	int fd = accept_from(s->pane_listen, UID_TMUX);

	for (int i = 0; fd != -1 && i < SPAWN_MAX; i++)
		if (s->panes[i].conn == -1) {
			s->panes[i].conn = fd;
			return;
		}
	if (fd != -1)
		close(fd);
}

/* A launcher that comes back learns at once which terminals are there. */
static void
accept_launcher(struct spawn *s)
{
	int fd = accept_from(s->launcher_listen, UID_BERTH), slot = 0;

	if (fd == -1)
		return;
	while (slot < SPAWN_MAX_LAUNCHERS && s->launchers[slot] != -1)
		slot++;
	if (slot == SPAWN_MAX_LAUNCHERS) {
		close(fd);
		return;
	}
	s->launchers[slot] = fd;
	for (int i = 0; i < SPAWN_MAX; i++) {
		struct spawn_msg m = {.magic = SPAWN_MAGIC, .op = SPAWN_PANE};

		if (s->panes[i].tty == -1)
			continue;
		memcpy(m.agent, s->panes[i].agent, sizeof(m.agent));
		proc_send_fd(fd, &m, sizeof(m), -1);
	}
}

static void
reap(struct spawn *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD)
		exit(0); /* shims go on: they are the launcher's by pidfd */
	reap_children(s);
}

static void
watch_signals(struct spawn *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (s->signals == -1)
		fatal(EXIT_SYSTEM, "signalfd");
}

static size_t
interests(const struct spawn *s, struct pollfd *p)
{
	size_t n = 0;

	p[n++] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = s->launcher_listen, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = s->pane_listen, .events = POLLIN};
	for (int i = 0; i < SPAWN_MAX_LAUNCHERS; i++) /* -1 is skipped by poll */
		p[n++] = (struct pollfd){.fd = s->launchers[i], .events = POLLIN};
	for (int i = 0; i < SPAWN_MAX; i++)
		p[n++] = (struct pollfd){.fd = s->panes[i].conn, .events = POLLIN};
	return n;
}

static void
turn(struct spawn *s)
{
	static struct pollfd p[3 + SPAWN_MAX_LAUNCHERS + SPAWN_MAX];
	size_t n = interests(s, p);
	struct pollfd *at = p + 3;

	if (poll(p, n, -1) == -1) {
		if (errno != EINTR)
			fatal(EXIT_SYSTEM, "poll");
		return;
	}
	if (p[0].revents)
		reap(s);
	for (int i = 0; i < SPAWN_MAX_LAUNCHERS; i++, at++)
		if (at->revents && !serve_launcher(s, s->launchers[i])) {
			close(s->launchers[i]);
			s->launchers[i] = -1;
		}
	for (int i = 0; i < SPAWN_MAX; i++, at++)
		if (at->revents && !serve_pane(s, &s->panes[i]))
			drop_pane(&s->panes[i]);
	if (p[1].revents)
		accept_launcher(s);
	if (p[2].revents)
		accept_pane(s);
}

int
main(int argc, char **argv)
{
	static struct spawn s;

	log_init("spawn");
	if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--ready-fd") == 0))
		fatalx(EXIT_BAD_USAGE, "usage: spawn [--ready-fd N]");
	if (getuid() != 0)
		fatalx(
		    EXIT_BAD_USAGE, "must run as root: it starts agents as their users");
	for (int i = 0; i < SPAWN_MAX_LAUNCHERS; i++)
		s.launchers[i] = -1;
	for (int i = 0; i < SPAWN_MAX; i++) {
		s.panes[i] = (struct pane){.conn = -1, .tty = -1};
		s.shims[i].tty = -1;
	}
	watch_signals(&s);
	s.launcher_listen = listen_on(SPAWN_SOCK, UID_BERTH);
	s.pane_listen = listen_on(PANE_SOCK, UID_TMUX);
	proc_ready(argc == 3 ? atoi(argv[2]) : -1);
	for (;;)
		turn(&s);
}
