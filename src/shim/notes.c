/*
 * The pipe does not block: if nobody reads because we are busy, lines are lost rather
 * than the shim. What waits for a launcher is bounded. The last words of fatal() stay in
 * the pipe: so whatever can be expected to go wrong is told by life_fail() instead.
 */
#include "notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

enum { NOTES_MAX = 16 << 10 };

struct notes {
	int pipe, terminal, words; /* words: the terminal, and a write doesn't wait */
	bool quiet, ended;
	struct watch *watch;
	struct buf text;
	notes_send_cb *send;
	void *ctx;
};

/* Somebody may have stopped the terminal (Ctrl-S): then the words are lost there, rather
 * than the shim. Another description, for the agent's reads and writes do wait. */
static int
open_for_words(int terminal)
{
	char name[64];
	int fd = ttyname_r(terminal, name, sizeof(name)) == 0
		     ? open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
		     : -1;

	return fd != -1 ? fd : terminal;
}

static void
to_terminal(const struct notes *n, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t wrote = write(n->words, text, len);

		if (wrote == -1 && errno != EINTR)
			return;
		text += wrote > 0 ? wrote : 0;
		len -= wrote > 0 ? (size_t)wrote : 0;
	}
}

void
notes_flush(struct notes *n)
{
	char *newline;

	while ((newline = n->text.len > 0 ? memchr(n->text.data, '\n', n->text.len)
					  : NULL) != NULL) {
		*newline = '\0';
		if (!n->send(n->text.data, n->ctx)) {
			*newline = '\n';
			return;
		}
		buf_cut_front(&n->text, (size_t)(newline - n->text.data) + 1);
	}
}

static void
take(struct notes *n)
{
	char chunk[4096];
	ssize_t got;

	while ((got = read(n->pipe, chunk, sizeof(chunk))) > 0) {
		if (!n->quiet)
			to_terminal(n, chunk, (size_t)got);
		if (n->text.len + (size_t)got <= NOTES_MAX)
			buf_add(&n->text, chunk, (size_t)got);
	}
}

static void
readable(int fd, int what, void *arg)
{
	struct notes *n = arg;

	(void)fd;
	(void)what;
	take(n);
	notes_flush(n);
}

void
notes_quiet(struct notes *n, bool quiet)
{
	take(n);
	n->quiet = quiet;
}

void
notes_end(struct notes *n)
{
	if (n->ended)
		return;
	n->ended = true;
	n->quiet = false;
	take(n);
	dup2(n->words, STDERR_FILENO);
}

int
notes_terminal(const struct notes *n)
{
	return n->terminal;
}

struct notes *
notes_begin(struct loop *loop, notes_send_cb *send, void *ctx)
{
	struct notes *n = xcalloc(1, sizeof(*n));
	int ends[2];

	n->send = send;
	n->ctx = ctx;
	n->terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (n->terminal == -1 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    dup2(ends[1], STDERR_FILENO) == -1)
		fatal(EXIT_SYSTEM, "pipe");
	close(ends[1]);
	n->words = open_for_words(n->terminal);
	n->pipe = ends[0];
	n->watch = watch_new(loop, n->pipe, LOOP_READ, readable, n);
	return n;
}
