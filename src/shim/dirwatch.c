/*
 * inotify, narrowed to one name in one directory. The directory itself is watched, never
 * the file: a file that is replaced, or isn't there yet, then needs no second watch.
 */
#include "dirwatch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "xmalloc.h"

/* How often to look for a directory that isn't there, or for changes without inotify. */
enum { RETRY_MS = 1000 };

static const uint32_t interest = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO |
				 IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR;

struct dirwatch {
	struct watch *watch;
	struct timer *retry;
	int fd;
	bool watching;
	char *dir, *name;
	dirwatch_cb *cb;
	void *arg;
};

static void
try_to_watch(struct dirwatch *d)
{
	d->watching = d->fd != -1 && inotify_add_watch(d->fd, d->dir, interest) != -1;
	if (!d->watching)
		timer_in(d->retry, RETRY_MS);
}

static void
retry(void *arg)
{
	struct dirwatch *d = arg;

	try_to_watch(d);
	d->cb(d->arg);
}

/* Sets *lost when the directory is watched no more. */
static bool
concerns(const struct dirwatch *d, const struct inotify_event *event, bool *lost)
{
	if (event->mask & IN_IGNORED)
		*lost = true;
	if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED))
		return true;
	return event->len > 0 && strcmp(event->name, d->name) == 0;
}

static void
readable(int fd, int what, void *arg)
{
	struct dirwatch *d = arg;
	_Alignas(struct inotify_event) char events[8192];
	bool changed = false, lost = false;
	ssize_t got;

	(void)what;
	while ((got = read(fd, events, sizeof(events))) > 0)
		for (char *at = events; at < events + got;) {
			const struct inotify_event *event =
			    (const struct inotify_event *)at;

			changed |= concerns(d, event, &lost);
			at += sizeof(*event) + event->len;
		}
	if (lost)
		try_to_watch(d);
	if (changed)
		d->cb(d->arg);
}

struct dirwatch *
dirwatch_new(
    struct loop *loop, const char *dir, const char *name, dirwatch_cb *cb, void *arg)
{
	struct dirwatch *d = xcalloc(1, sizeof(*d));

	d->dir = xstrdup(dir);
	d->name = xstrdup(name);
	d->cb = cb;
	d->arg = arg;
	d->retry = timer_new(loop, retry, d);
	d->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (d->fd == -1)
		log_warn("no inotify, looking once a second dir=%s", dir);
	else
		d->watch = watch_new(loop, d->fd, LOOP_READ, readable, d);
	try_to_watch(d);
	return d;
}

void
dirwatch_free(struct dirwatch *d)
{
	if (d == NULL)
		return;
	watch_free(d->watch);
	timer_free(d->retry);
	if (d->fd != -1)
		close(d->fd);
	free(d->dir);
	free(d->name);
	free(d);
}
