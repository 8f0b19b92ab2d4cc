/*
 * libevent, narrowed to what berth uses. Timers hold an absolute deadline on
 * CLOCK_BOOTTIME, while libevent's clock stands still during a suspend and may fire a few
 * ms early: so a timer looks at its deadline whenever it fires, and never sleeps longer
 * than a slice at a time.
 */
#include "loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "xmalloc.h"

/* How late a timer may be after the machine has been suspended. */
enum { SLICE_MS = 60000 };

struct signal_watch {
	struct signal_watch *next;
	struct event *event;
	loop_signal_cb *cb;
	void *arg;
};

struct loop {
	struct event_base *base;
	struct signal_watch *signals;
	bool stopped;
	int status;
};

struct watch {
	struct loop *loop;
	struct event *event;
	int fd, what;
	loop_fd_cb *cb;
	void *arg;
};

struct timer {
	struct event *event;
	int64_t deadline;
	bool armed;
	loop_cb *cb;
	void *arg;
};

/* ---- the loop ---- */

static void
say(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_warnx("libevent: %s", text);
}

static void
die(int code)
{
	fatalx(EXIT_BUG, "libevent: fatal error %d", code);
}

struct loop *
loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();

	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(say);
	event_set_fatal_callback(die);
	/* A cached time would count from the turn's start, not from the timer's arming.
	 */
	if (config == NULL ||
	    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) != 0 ||
	    (loop->base = event_base_new_with_config(config)) == NULL)
		fatal(EXIT_SYSTEM, "cannot make an event loop");
	event_config_free(config);
	return loop;
}

void
loop_free(struct loop *loop)
{
	struct signal_watch *s;

	if (loop == NULL)
		return;
	while ((s = loop->signals) != NULL) {
		loop->signals = s->next;
		event_free(s->event);
		free(s);
	}
	event_base_free(loop->base);
	free(loop);
}

int
loop_run(struct loop *loop)
{
	while (!loop->stopped)
		if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
			fatal(EXIT_SYSTEM, "event loop");
	loop->stopped = false;
	return loop->status;
}

void
loop_stop(struct loop *loop, int status)
{
	loop->stopped = true;
	loop->status = status;
	event_base_loopbreak(loop->base);
}

static struct event *
new_event(struct loop *loop, int fd, short what, event_callback_fn cb, void *arg)
{
	struct event *event = event_new(loop->base, fd, what, cb, arg);

	if (event == NULL)
		fatalx(EXIT_SYSTEM, "event loop: cannot watch %d", fd);
	return event;
}

/* ---- descriptors ---- */

static void
watch_fired(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	w->cb(fd, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0),
	    w->arg);
}

struct watch *
watch_new(struct loop *loop, int fd, int what, loop_fd_cb *cb, void *arg)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->loop = loop;
	w->fd = fd;
	w->cb = cb;
	w->arg = arg;
	watch_set(w, what);
	return w;
}

void
watch_set(struct watch *w, int what)
{
	short flags = EV_PERSIST;

	if (w->what == what)
		return;
	w->what = what;
	if (w->event != NULL)
		event_free(w->event);
	w->event = NULL;
	if (what == 0)
		return;
	flags |= (what & LOOP_READ) ? EV_READ : 0;
	flags |= (what & LOOP_WRITE) ? EV_WRITE : 0;
	w->event = new_event(w->loop, w->fd, flags, watch_fired, w);
	if (event_add(w->event, NULL) != 0)
		fatal(EXIT_SYSTEM, "event loop: cannot watch descriptor %d", w->fd);
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	watch_set(w, 0);
	free(w);
}

/* ---- timers ---- */

static void
timer_schedule(struct timer *t)
{
	int64_t now = mono_ms(), left = 0;

	if (t->deadline > now)
		left = t->deadline - now < SLICE_MS ? t->deadline - now : SLICE_MS;
	const struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
	if (event_add(t->event, &tv) != 0)
		fatal(EXIT_SYSTEM, "event loop: cannot set a timer");
}

static void
timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd;
	(void)what;
	if (mono_ms() < t->deadline) {
		timer_schedule(t);
		return;
	}
	t->armed = false;
	t->cb(t->arg);
}

struct timer *
timer_new(struct loop *loop, loop_cb *cb, void *arg)
{
	struct timer *t = xcalloc(1, sizeof(*t));

	t->event = new_event(loop, -1, 0, timer_fired, t);
	t->cb = cb;
	t->arg = arg;
	return t;
}

void
timer_at(struct timer *t, int64_t mono_deadline_ms)
{
	t->deadline = mono_deadline_ms;
	t->armed = true;
	timer_schedule(t);
}

void
timer_in(struct timer *t, int64_t ms)
{
	int64_t deadline;

	if (__builtin_add_overflow(mono_ms(), ms, &deadline))
		deadline = ms > 0 ? INT64_MAX : INT64_MIN;
	timer_at(t, deadline);
}

void
timer_cancel(struct timer *t)
{
	t->armed = false;
	event_del(t->event);
}

int
timer_armed(const struct timer *t)
{
	return t->armed;
}

void
timer_free(struct timer *t)
{
	if (t == NULL)
		return;
	event_free(t->event);
	free(t);
}

/* ---- signals ---- */

static void
signal_fired(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *s = arg;

	(void)what;
	s->cb(signo, s->arg);
}

void
loop_signal(struct loop *loop, int signo, loop_signal_cb *cb, void *arg)
{
	struct signal_watch *s = xcalloc(1, sizeof(*s));

	s->cb = cb;
	s->arg = arg;
	s->event = new_event(loop, signo, EV_SIGNAL | EV_PERSIST, signal_fired, s);
	if (event_add(s->event, NULL) != 0)
		fatal(EXIT_SYSTEM, "event loop: cannot catch signal %d", signo);
	s->next = loop->signals;
	loop->signals = s;
}
