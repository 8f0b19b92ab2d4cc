/*
 * berth-fifo: makes /run/berth/in and holds every in* FIFO's reading end open, without
 * reading, so that what a writer wrote outlives the launcher, and a writer never waits
 * for a reader to come back. A FIFO that is removed is made again (`in`) or let go (the
 * others).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "paths.h"
#include "proc.h"

enum { HELD_MAX = 64 };

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
	let_go(name);
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
	h->fd = fd;
	snprintf(h->name, sizeof(h->name), "%s", name);
}

/* Writers are members of berth-in; agents aren't. */
static void
make_in(void)
{
	static const char path[] = RUN_DIR "/in";

	if (mkfifo(path, 0600) == -1 && errno != EEXIST)
		fatal(EXIT_SYSTEM, "mkfifo %s", path);
	if (lchown(path, (uid_t)-1, GID_FIFO) == -1 || chmod(path, 0620) == -1)
		log_warn("%s owner or mode", path);
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

static void
changed(const struct inotify_event *event)
{
	if (event->len == 0)
		return;
	if (event->mask & (IN_CREATE | IN_MOVED_TO))
		hold(event->name);
	else
		let_go(event->name);
	if (strcmp(event->name, "in") == 0 && (event->mask & (IN_DELETE | IN_MOVED_FROM)))
		make_in();
}

int
main(int argc, char **argv)
{
	char events[4096] __attribute__((aligned(8)));
	ssize_t n;
	int fd;

	log_init("fifo");
	if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--ready-fd") == 0))
		fatalx(EXIT_BAD_USAGE, "usage: fifo [--ready-fd N]");
	fd = inotify_init1(IN_CLOEXEC);
	if (fd == -1 || inotify_add_watch(fd, RUN_DIR,
			    IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) == -1)
		fatal(EXIT_SYSTEM, "inotify " RUN_DIR);
	make_in();
	hold_all();
	proc_ready(argc == 3 ? atoi(argv[2]) : -1);
	while ((n = read(fd, events, sizeof(events))) > 0 || errno == EINTR)
		for (char *p = events; p < events + n;
		    p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len)
			changed((struct inotify_event *)p);
	fatal(EXIT_SYSTEM, "inotify");
}
