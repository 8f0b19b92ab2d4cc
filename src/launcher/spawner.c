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
#include "list.h"
#include "log.h"
#include "loop.h"
#include "paths.h"
#include "proc.h"
#include "spawner.h"
#include "xmalloc.h"

enum { RETRY_MS = 100 };

struct heard {
	struct list link;
	struct spawn_msg m;
	int fd;
};

struct spawner {
	struct loop *loop;
	struct spawner_handlers h;
	void *ctx;
	int fd;
	struct watch *watch;
	struct timer *retry, *later;
	struct list heard; /* not yet handed over */
	bool told;         /* said once that spawn is away */
};

/* Of a connection that is gone: a socket, or a process, that we will ask for again. */
static void
forget(struct spawner *s)
{
	struct heard *h;

	while ((h = list_first(&s->heard, struct heard, link)) != NULL) {
		list_remove(&h->link);
		if (h->fd != -1)
			close(h->fd);
		free(h);
	}
}

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

static void
hear(struct spawner *s)
{
	struct pollfd p;
	struct heard *h;

	while (s->fd != -1) {
		p = (struct pollfd){.fd = s->fd, .events = POLLIN};
		if (poll(&p, 1, 0) != 1)
			return;
		h = xcalloc(1, sizeof(*h));
		if (proc_recv_fd(s->fd, &h->m, sizeof(h->m), &h->fd) == 0) {
			list_append(&s->heard, &h->link);
			continue;
		}
		free(h);
		log_warn("spawn: connection lost");
		lost(s);
	}
}

static void
hand_over(struct spawner *s, struct heard *h)
{
	list_remove(&h->link);
	dispatch(s, &h->m, h->fd);
	free(h);
}

static void
hand_over_all(void *arg)
{
	struct spawner *s = arg;
	struct heard *h;

	while ((h = list_first(&s->heard, struct heard, link)) != NULL)
		hand_over(s, h);
}

void
spawner_take_started(struct spawner *s)
{
	struct heard *h, *started;

	hear(s);
	do {
		started = NULL;
		list_each (h, &s->heard, link) {
			if (h->m.op == SPAWN_START && h->fd != -1 && started == NULL)
				started = h;
		}
		if (started != NULL)
			hand_over(s, started);
	} while (started != NULL);
	timer_in(s->later, 0);
}

static void
readable(int fd, int what, void *arg)
{
	struct spawner *s = arg;

	(void)fd;
	(void)what;
	hear(s);
	hand_over_all(s);
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
	list_init(&s->heard);
	s->later = timer_new(loop, hand_over_all, s);
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
	forget(s);
	timer_free(s->later);
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
