/* See spawner.h. The socket is blocking for writing (small, fixed-size) and drained by
 * MSG_DONTWAIT. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "log.h"
#include "loop.h"
#include "paths.h"
#include "proc.h"
#include "spawner.h"
#include "xmalloc.h"

enum { RETRY_MS = 100 };

struct spawner {
	struct loop *loop;
	struct spawner_handlers h;
	void *ctx;
	int fd;
	struct watch *watch;
	struct timer *retry;
	bool told; /* said once that spawn is away */
};

static void
lost(struct spawner *s)
{
	if (s->fd == -1)
		return;
	watch_free(s->watch);
	close(s->fd);
	s->watch = NULL;
	s->fd = -1;
	timer_in(s->retry, RETRY_MS);
}

static void
dispatch(struct spawner *s, struct spawn_msg *m, int fd)
{
	m->agent[sizeof(m->agent) - 1] = '\0';
	switch (m->op) {
	case SPAWN_PANE:
		s->h.pane(m->agent, s->ctx);
		break;
	case SPAWN_LISTEN:
		s->h.listening(m, fd, s->ctx);
		return;
	case SPAWN_START:
		s->h.started(m, fd, s->ctx);
		return;
	case SPAWN_EXITED:
		s->h.exited(m, s->ctx);
		break;
	case SPAWN_KILL:
		s->h.killed(m, s->ctx);
		break;
	default:
		log_warnx("spawn: unknown message op=%u", m->op);
	}
	if (fd != -1)
		close(fd);
}

void
spawner_poll(struct spawner *s)
{
	struct spawn_msg m;
	struct pollfd p;
	int fd;

	while (s->fd != -1) {
		p = (struct pollfd){.fd = s->fd, .events = POLLIN};
		if (poll(&p, 1, 0) != 1)
			return;
		if (proc_recv_fd(s->fd, &m, sizeof(m), &fd) == -1) {
			log_warn("spawn: connection lost");
			lost(s);
			return;
		}
		dispatch(s, &m, fd);
	}
}

static void
readable(int fd, int what, void *arg)
{
	(void)fd;
	(void)what;
	spawner_poll(arg);
}

static void
connect_now(void *arg)
{
	struct spawner *s = arg;
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = SPAWN_SOCK};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd == -1)
		fatal(EXIT_SYSTEM, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		if (!s->told)
			log_warn("spawn isn't there yet");
		s->told = true;
		close(fd);
		timer_in(s->retry, RETRY_MS);
		return;
	}
	s->told = false;
	s->fd = fd;
	s->watch = watch_new(s->loop, fd, LOOP_READ, readable, s);
	s->h.up(s->ctx);
}

struct spawner *
spawner_new(struct loop *loop, const struct spawner_handlers *h, void *ctx)
{
	struct spawner *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->h = *h;
	s->ctx = ctx;
	s->fd = -1;
	s->retry = timer_new(loop, connect_now, s);
	timer_in(s->retry, 0);
	return s;
}

void
spawner_free(struct spawner *s)
{
	if (s == NULL)
		return;
	lost(s);
	timer_free(s->retry);
	free(s);
}

bool
spawner_up(const struct spawner *s)
{
	return s->fd != -1;
}

static bool
ask(struct spawner *s, enum spawn_op op, const char *agent, uid_t uid, gid_t gid,
    pid_t pid)
{
	struct spawn_msg m = {
	    .magic = SPAWN_MAGIC, .op = op, .uid = uid, .gid = gid, .pid = pid};

	if (s->fd == -1)
		return false;
	snprintf(m.agent, sizeof(m.agent), "%s", agent);
	if (proc_send_fd(s->fd, &m, sizeof(m), -1) == 0)
		return true;
	log_warn("spawn: send");
	lost(s);
	return false;
}

bool
spawner_listen(struct spawner *s, const char *agent, uid_t uid, gid_t gid)
{
	return ask(s, SPAWN_LISTEN, agent, uid, gid, 0);
}

bool
spawner_start(struct spawner *s, const char *agent, uid_t uid, gid_t gid)
{
	return ask(s, SPAWN_START, agent, uid, gid, 0);
}

bool
spawner_kill(struct spawner *s, const char *agent, pid_t session)
{
	return ask(s, SPAWN_KILL, agent, 0, 0, session);
}
