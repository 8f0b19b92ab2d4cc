/*
 * See fifos.h. tee(2) copies what is in the FIFO into a pipe of ours without taking it
 * out; when the lines in the copy are committed, exactly their bytes are read from the
 * FIFO. Another process (src/fifo) holds the reading end open too, so that what writers
 * wrote outlives us. A reader that opened the FIFO before any writer sees no hang-up, and
 * after the last writer left it is opened anew: so nothing spins.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "addressee.h"
#include "agent.h"
#include "buf.h"
#include "clock.h"
#include "db.h"
#include "deliver.h"
#include "fifos.h"
#include "list.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "message.h"
#include "paths.h"
#include "store.h"
#include "xmalloc.h"

enum {
	PIPE_SIZE = 1 << 20,
	CHANNEL_MAX = 32,
	HALF_LINE_MS = 20,
	RETRY_MAX_MS = 1000,
	LINES_A_TURN = 64 /* each is a commit */
};

/* What is known of the end of what a FIFO holds. */
enum reach { MORE_MAY_COME, FULL, AT_END };

struct fifo {
	struct list link;
	struct fifos *all;
	char name[CHANNEL_MAX + 4]; /* "in" or "in.<channel>" */
	int fd, copy[2];            /* copy: a pipe of our own */
	ino_t inode;
	struct watch *watch;
	struct timer *retry;
	int wait_ms;
	bool skipping; /* the rest of a line that was too long */
	bool waiting;  /* its next line's agent has no room */
};

struct fifos {
	struct launcher *l;
	int inotify;
	struct watch *watch;
	struct list list; /* struct fifo */
};

static void fifo_read(struct fifo *f);

static const char *
channel_of(const struct fifo *f)
{
	return f->name[2] == '.' ? f->name + 3 : "fifo";
}

/* ---- lines to messages ---- */

struct parsed {
	yyjson_doc *doc;
	const char *text, *agent, *sender, *thread;
};

/* A JSON object with "content" is a message (text NULL: that is no string); everything
 * else is its own text. */
static void
parse_line(const char *line, struct parsed *p)
{
	const char *why;
	yyjson_val *root, *meta;

	*p = (struct parsed){.text = line};
	if (line[0] != '{' || (p->doc = json_parse(line, strlen(line), &why)) == NULL)
		return;
	root = yyjson_doc_get_root(p->doc);
	if (json_get(root, "content") == NULL)
		return;
	meta = json_get(root, "meta");
	p->text = json_str(root, "content", NULL);
	p->agent = json_str(root, "agent", NULL);
	p->sender = json_str(meta, "sender", NULL);
	p->thread = json_str(meta, "thread", NULL);
}

static void
refuse(struct launcher *l, const char *fifo, const char *why)
{
	log_warnx("fifo=%s line refused: %s", fifo, why);
	l->refused_at = wall_ms();
	snprintf(l->refused, sizeof(l->refused), "%s: %s", fifo, why);
	store_event(l->db, "fifo", fifo, "refused", why, NULL);
	launcher_changed(l);
}

static void
refuse_addressee(struct fifo *f, const struct parsed *p, const char *line)
{
	const char *name = p->agent;
	char *unknown = addressee_unknown(f->all->l, name);
	char *why = xasprintf("%s%s%s",
	    line[0] == '{' && p->doc == NULL ? "it isn't JSON, and as plain text: " : "",
	    unknown,
	    name == NULL && !list_empty(&f->all->l->agents)
		? ", as {\"agent\":\"...\",\"content\":\"...\"}"
		: "");

	refuse(f->all->l, f->name, why);
	free(why);
	free(unknown);
}

/* A FIFO can't refuse: its lines stay in it, and its writers wait. Said once a wait. */
static void
wait_for_room(struct fifo *f, const struct agent *a, enum message_added why)
{
	if (!f->waiting && why == MESSAGE_FULL)
		log_warnx("fifo=%s waits: agent=%s has %lld messages waiting "
			  "(delivery.max_queue)",
		    f->name, a->name, (long long)f->all->l->settings.max_queue);
	else if (!f->waiting)
		log_warnx("fifo=%s waits: the volume is nearly full", f->name);
	f->waiting = true;
}

static bool
queue_line(struct fifo *f, struct agent *a, const struct parsed *p)
{
	struct launcher *l = f->all->l;
	struct message_new m = {.agent = a->name,
	    .channel = channel_of(f),
	    .thread = p->thread,
	    .sender = p->sender,
	    .text = p->text,
	    .expires_at =
		l->settings.expire_ms > 0 ? wall_ms() + l->settings.expire_ms : 0,
	    .max_waiting = l->settings.max_queue};
	char id[ULID_LEN + 1];
	enum message_added added = message_add(l->db, &m, id);

	if (added == MESSAGE_FULL || added == MESSAGE_NO_ROOM)
		wait_for_room(f, a, added);
	if (added != MESSAGE_ADDED && added != MESSAGE_REPEATED)
		return false;
	f->waiting = false;
	deliver_kick(a);
	launcher_changed(l);
	return true;
}

/* true: the line is done with (a row, or refused with a reason); false: the database was
 * busy, or the queue is full. */
static bool
accept_line(struct fifo *f, const char *line)
{
	struct parsed p;
	struct agent *a;
	bool done = true;

	if (line[strspn(line, " \t\r")] == '\0')
		return true;
	parse_line(line, &p);
	a = addressee_find(f->all->l, p.agent);
	if (p.text == NULL)
		refuse(f->all->l, f->name,
		    "its \"content\" is no string, or one with a NUL character");
	else if (p.text[strspn(p.text, " \t\r\n")] == '\0')
		refuse(f->all->l, f->name, "its \"content\" is empty");
	else if (a == NULL)
		refuse_addressee(f, &p, line);
	else
		done = queue_line(f, a, &p);
	yyjson_doc_free(p.doc);
	return done;
}

/* ---- bytes to lines ---- */

static void
drain(int fd, size_t count)
{
	char waste[4096];

	while (count > 0) {
		ssize_t n =
		    read(fd, waste, count < sizeof(waste) ? count : sizeof(waste));

		if (n <= 0)
			return;
		count -= (size_t)n;
	}
}

/* One line, without its end. false: the database was busy. */
static bool
take_line(struct fifo *f, const char *line, size_t len)
{
	if (memchr(line, '\0', len) == NULL)
		return accept_line(f, line);
	refuse(f->all->l, f->name, "it holds a NUL byte");
	return true;
}

/* Takes whole lines; returns how many bytes are done with. At the end no writer is left,
 * so what is there is all; in a full pipe, what has no end by now never gets one. */
static size_t
take_lines(struct fifo *f, char *data, size_t len, enum reach reach)
{
	size_t done = 0;

	for (int n = 0; done < len && n < LINES_A_TURN; n++) {
		char *line = data + done, *end = memchr(line, '\n', len - done);
		size_t size = end != NULL ? (size_t)(end - line) + 1 : len - done;

		if (end == NULL && !f->skipping && reach == FULL && done == 0) {
			refuse(f->all->l, f->name, "it is longer than the pipe");
			f->skipping = true;
		} else if (end == NULL && !f->skipping && reach != AT_END)
			break;
		if (end != NULL)
			*end = '\0';
		if (!f->skipping && !take_line(f, line, end != NULL ? size - 1 : size))
			break;
		if (end != NULL || reach == AT_END)
			f->skipping = false;
		done += size;
	}
	return done;
}

/* The new descriptor comes first: without a reader a line would be lost. */
static void
reopen(struct fifo *f)
{
	char path[sizeof(RUN_DIR) + 64];
	int old = f->fd;

	watch_free(f->watch);
	f->watch = NULL;
	snprintf(path, sizeof(path), RUN_DIR "/%s", f->name);
	f->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	close(old);
}

static void
readable(int fd, int what, void *arg)
{
	(void)fd;
	(void)what;
	fifo_read(arg);
}

static void
retry(void *arg)
{
	fifo_read(arg);
}

static void
watch_again(struct fifo *f)
{
	if (f->fd != -1)
		f->watch = watch_new(f->all->l->loop, f->fd, LOOP_READ, readable, f);
}

static bool
writers_gone(const struct fifo *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

/* tee copies page for page, so our pipe is full when the FIFO is, however few bytes its
 * pages hold. */
static bool
copy_full(const struct fifo *f)
{
	struct pollfd p = {.fd = f->copy[1], .events = POLLOUT};

	return poll(&p, 1, 0) == 0;
}

/* Copies what the FIFO holds, leaving it there: its length, 0 with no writer and nothing
 * in it, -1 with nothing in it yet. */
static ssize_t
copy_out(struct fifo *f, char *data, enum reach *reach)
{
	ssize_t copied = tee(f->fd, f->copy[1], PIPE_SIZE, SPLICE_F_NONBLOCK), n;
	size_t len = 0;

	if (copied > 0 && *reach != AT_END && copy_full(f))
		*reach = FULL;
	while (copied > 0 && len < (size_t)copied &&
	       (n = read(f->copy[0], data + len, (size_t)copied - len)) > 0)
		len += (size_t)n;
	data[len] = '\0';
	return copied > 0 ? (ssize_t)len : copied;
}

/* Half a line stays in the FIFO and would be readable for ever, so it is asked after,
 * slower and slower, until its rest is there or its writer has gone: then it is all there
 * is. */
static void
fifo_read(struct fifo *f)
{
	static char data[PIPE_SIZE + 1];
	enum reach reach = writers_gone(f) ? AT_END : MORE_MAY_COME;
	ssize_t len = copy_out(f, data, &reach);
	size_t done;

	if (len == -1) {
		watch_set(f->watch, LOOP_READ);
		return;
	}
	if (len == 0) {
		f->skipping = false; /* whose line it was has gone */
		reopen(f);
		watch_again(f);
		return;
	}
	done = take_lines(f, data, (size_t)len, reach);
	drain(f->fd, done);
	f->wait_ms = done > 0                        ? HALF_LINE_MS
		     : f->wait_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS
						     : f->wait_ms * 2;
	if (done < (size_t)len) {
		watch_set(f->watch, 0);
		timer_in(f->retry, f->wait_ms);
	} else
		watch_set(f->watch, LOOP_READ);
}

/* ---- the directory ---- */

static bool
is_input(const char *name)
{
	if (strcmp(name, "in") == 0)
		return true;
	return strncmp(name, "in.", 3) == 0 && name[3] != '\0' &&
	       strlen(name) < CHANNEL_MAX + 3 &&
	       strspn(name + 3, "abcdefghijklmnopqrstuvwxyz0123456789-_") ==
		   strlen(name + 3);
}

static void
fifo_free(struct fifo *f)
{
	list_remove(&f->link);
	watch_free(f->watch);
	timer_free(f->retry);
	if (f->fd != -1)
		close(f->fd);
	close(f->copy[0]);
	close(f->copy[1]);
	free(f);
}

static struct fifo *
find(struct fifos *all, const char *name)
{
	struct fifo *f;

	list_each (f, &all->list, link) {
		if (strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

static void
fifo_open(struct fifos *all, const char *name)
{
	struct fifo *f;
	struct stat st;
	char path[sizeof(RUN_DIR) + 64];
	int fd;

	if (!is_input(name))
		return;
	f = find(all, name);
	snprintf(path, sizeof(path), RUN_DIR "/%s", name);
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		refuse(all->l, name,
		    "it is a file, and what is written there reaches "
		    "nobody: remove it, then mkfifo");
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISFIFO(st.st_mode) ||
	    (f != NULL && f->inode == st.st_ino)) {
		if (fd != -1)
			close(fd);
		return;
	}
	if (f != NULL)
		fifo_free(f);
	f = xcalloc(1, sizeof(*f));
	f->all = all;
	f->fd = fd;
	f->inode = st.st_ino;
	f->wait_ms = HALF_LINE_MS;
	snprintf(f->name, sizeof(f->name), "%s", name);
	if (pipe2(f->copy, O_CLOEXEC | O_NONBLOCK) == -1)
		fatal(EXIT_SYSTEM, "pipe");
	if (fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE) == -1)
		log_debug("fifo=%s keeps its size", name);
	if (fcntl(f->copy[1], F_SETPIPE_SZ, fcntl(fd, F_GETPIPE_SZ)) == -1)
		log_debug("fifo=%s is copied in smaller parts", name);
	f->retry = timer_new(all->l->loop, retry, f);
	list_append(&all->list, &f->link);
	watch_again(f);
	log_info("fifo=%s open", name);
	fifo_read(f);
}

static void
scan(struct fifos *all)
{
	DIR *dir = opendir(RUN_DIR);
	struct dirent *entry;

	if (dir == NULL)
		fatal(EXIT_SYSTEM, RUN_DIR);
	while ((entry = readdir(dir)) != NULL)
		fifo_open(all, entry->d_name);
	closedir(dir);
}

static void
directory_changed(int fd, int what, void *arg)
{
	struct fifos *all = arg;
	char events[4096] __attribute__((aligned(8)));
	ssize_t n;

	(void)what;
	while ((n = read(fd, events, sizeof(events))) > 0)
		for (char *p = events; p < events + n;) {
			struct inotify_event *event = (struct inotify_event *)p;
			struct fifo *f = event->len > 0 ? find(all, event->name) : NULL;

			if (event->mask & (IN_CREATE | IN_MOVED_TO))
				fifo_open(all, event->name);
			else if (f != NULL && (event->mask & (IN_DELETE | IN_MOVED_FROM)))
				fifo_free(f);
			p += sizeof(*event) + event->len;
		}
}

void
fifos_watch(struct launcher *l)
{
	struct fifos *all = xcalloc(1, sizeof(*all));

	all->l = l;
	list_init(&all->list);
	all->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (all->inotify == -1 ||
	    inotify_add_watch(all->inotify, RUN_DIR,
		IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) == -1)
		fatal(EXIT_SYSTEM, "inotify " RUN_DIR);
	all->watch = watch_new(l->loop, all->inotify, LOOP_READ, directory_changed, all);
	scan(all);
}
