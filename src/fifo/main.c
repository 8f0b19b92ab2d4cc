/*
 * berth-fifo: makes /run/berth/in and holds every in* FIFO's reading end open, without
 * reading, so that what a writer wrote outlives the launcher, and a writer never waits
 * for a reader to come back. A FIFO that is removed is made again (`in`) or let go (the
 * others). A file in the place of `in` is removed if it is berth's; root's is said once a
 * minute.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "infifo.h"
#include "log.h"
#include "paths.h"
#include "proc.h"

enum { HELD_MAX = 64, SAY_AGAIN_MS = 60000 };

static struct held {
	char name[64]; /* "" is a free slot */
	int fd;
} held[HELD_MAX];

static struct held *
slot(const char *name)
{
	for (int i = 0; i < HELD_MAX; i++)
		if (strcmp(held[i].name, name) == 0)
			return &held[i];
	return NULL;
}

static void
let_go(const char *name)
{
	struct held *h = *name != '\0' ? slot(name) : NULL;

	if (h == NULL)
		return;
	close(h->fd);
	h->name[0] = '\0';
}

static void
hold(const char *name)
{
	struct held *h;
	struct stat st;
	char path[128];
	int fd;

	if ((strcmp(name, "in") != 0 && strncmp(name, "in.", 3) != 0) ||
	    strlen(name) >= sizeof(h->name))
		return;
	h = slot(name);
	if (h == NULL)
		h = slot("");
	snprintf(path, sizeof(path), RUN_DIR "/%s", name);
	fd = h != NULL ? open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISFIFO(st.st_mode)) {
		log_warnx("%s isn't held: %s", path,
		    h == NULL ? "too many" : "no FIFO that can be read");
		if (fd != -1)
			close(fd);
		return;
	}
	if (h->name[0] != '\0') /* now, so that a writer always has a reader */
		close(h->fd);
	h->fd = fd;
	snprintf(h->name, sizeof(h->name), "%s", name);
}

/* Writers are members of berth-in; agents aren't. false: something else is there. */
static bool
make_in(void)
{
	if (infifo_make((uid_t)-1) == -1)
		return false;
	if (lchown(IN_FIFO, (uid_t)-1, GID_FIFO) == -1 || chmod(IN_FIFO, 0620) == -1)
		log_warn(IN_FIFO " owner or mode");
	return true;
}

static void
hold_all(void)
{
	DIR *dir = opendir(RUN_DIR);
	struct dirent *entry;

	if (dir == NULL)
		fatal(EXIT_SYSTEM, RUN_DIR);
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "in", 2) == 0 && slot(entry->d_name) == NULL)
			hold(entry->d_name);
	closedir(dir);
}

/* Is it about `in`? */
static bool
changed(const struct inotify_event *event)
{
	if (event->len == 0)
		return false;
	if (event->mask & (IN_CREATE | IN_MOVED_TO))
		hold(event->name);
	else
		let_go(event->name);
	return strcmp(event->name, "in") == 0;
}

/* Whether any was about `in`. */
static bool
read_events(int fd)
{
	char events[4096] __attribute__((aligned(8)));
	ssize_t n = read(fd, events, sizeof(events));
	bool about_in = false;

	if (n <= 0 && errno != EINTR)
		fatal(EXIT_SYSTEM, "inotify");
	for (char *p = events; p < events + n;
	    p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len)
		about_in |= changed((struct inotify_event *)p);
	return about_in;
}

int
main(int argc, char **argv)
{
	struct pollfd p = {.events = POLLIN};
	bool good;
	int n;

	log_init("fifo");
	if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--ready-fd") == 0))
		fatalx(EXIT_BAD_USAGE, "usage: fifo [--ready-fd N]");
	p.fd = inotify_init1(IN_CLOEXEC);
	if (p.fd == -1 || inotify_add_watch(p.fd, RUN_DIR,
			      IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) == -1)
		fatal(EXIT_SYSTEM, "inotify " RUN_DIR);
	good = make_in();
	hold_all();
	proc_ready(argc == 3 ? atoi(argv[2]) : -1);
	for (;;) {
		n = poll(&p, 1, good ? -1 : SAY_AGAIN_MS);
		if (n == -1 && errno != EINTR)
			fatal(EXIT_SYSTEM, "poll");
		if (n == 0 || (n == 1 && read_events(p.fd)))
			good = make_in();
	}
}
