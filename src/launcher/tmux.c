/*
 * Control mode (tmux(1), CONTROL MODE). Our client attaches to the session `berth`,
 * making it if there is none, and asks for no output. tmux runs a client's commands one
 * after the other and brackets the answer of each with %begin and %end or %error.
 *
 * What a pane shows is in those answers too, and may look like any of these lines: their
 * numbers can be guessed. So a line that says a secret follows each of ours, and all that
 * comes before that secret is the answer; a pane's text stands in the last bracket only,
 * and the last line there that could be its end is its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "buf.h"
#include "conn.h"
#include "list.h"
#include "log.h"
#include "loop.h"
#include "paths.h"
#include "tmux.h"
#include "xmalloc.h"

enum {
	RETRY_MS = 100,
	RETRY_MAX_MS = 1000,
	ANSWER_MS = 30000, /* a server that answers nothing for so long hangs */
	MAX_TEXT = 4 << 20,
	MAX_QUEUE = 16 << 20,
};

enum where {
	OUTSIDE, /* of all brackets */
	FOREIGN, /* between a %begin and an %end that no command of ours caused */
	INSIDE,  /* ... that one of ours caused, and others follow it */
	LAST,    /* in the last bracket of our line */
	OVER,    /* its answer is complete; the secret is still to come */
};

struct command {
	struct list link;
	tmux_cb *cb;
	void *arg;
	char secret[56]; /* the answer of the line that follows it */
	int brackets;    /* that haven't begun */
	bool ok;
	bool some;       /* text holds a line, which may be empty */
	size_t len;      /* of the text before what may be the last bracket's end */
	struct buf text; /* what is over MAX_TEXT is left out */
};

struct tmux {
	struct loop *loop;
	struct tmux_handlers h;
	void *ctx;
	struct conn *conn;
	pid_t pid;
	struct timer *retry, *patience;
	int64_t delay;
	bool up;
	enum where where;
	bool closed;      /* a window, it may be */
	char guard[64];   /* what stood after that %begin, and stands after its end */
	char key[33];     /* of the secrets: random, for this connection */
	uint64_t number;  /* of the last one */
	struct list open; /* struct command */
};

static void connect_now(void *arg);

void
tmux_quote(struct buf *out, const char *text, size_t len)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			buf_adds(out, "\\n");
		else if (c == '"' || c == '\\' || c == '$' || c == '~')
			buf_addf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || c == 0xff) /* its parser's end */
			buf_addf(out, "\\%03o", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

static void
command_done(struct tmux *t, struct command *c)
{
	list_remove(&c->link);
	if (c->cb != NULL) {
		buf_reserve(&c->text, 1);
		c->text.data[c->len] = '\0';
		c->cb(c->ok, c->text.data, c->arg);
	} else if (!c->ok && t->up)
		log_warnx("tmux: %.*s", (int)c->len, buf_str(&c->text));
	buf_free(&c->text);
	free(c);
}

/* When somebody's session that shares our windows ends, tmux calls its windows closed as
 * well. */
static bool
tells_of_windows(const char *line)
{
	return strncmp(line, "%window-close", 13) == 0 ||
	       strncmp(line, "%unlinked-window-close", 22) == 0;
}

static bool
is_end(const struct tmux *t, const char *line, bool *ok)
{
	*ok = strncmp(line, "%end ", 5) == 0;
	return (*ok || strncmp(line, "%error ", 7) == 0) &&
	       strcmp(strchr(line, ' ') + 1, t->guard) == 0;
}

static void
add_text(struct command *c, const char *line, size_t len)
{
	size_t room = MAX_TEXT - c->text.len;

	if (c->some && room > 0) {
		buf_addc(&c->text, '\n');
		room--;
	}
	buf_add(&c->text, line, len < room ? len : room);
	c->some = true;
}

static void
outside(struct tmux *t, struct command *c, const char *line)
{
	int flags = 0;

	if (strncmp(line, "%begin ", 7) != 0)
		return;
	snprintf(t->guard, sizeof(t->guard), "%s", line + 7);
	sscanf(line + 7, "%*s %*s %d", &flags);
	if (flags != 1 || c == NULL) /* 0: not caused by this client's input */
		t->where = FOREIGN;
	else
		t->where = --c->brackets > 0 ? INSIDE : LAST;
}

static void
foreign(struct tmux *t, struct command *c, const char *line)
{
	bool ok;

	(void)c;
	if (!is_end(t, line, &ok))
		return;
	t->where = OUTSIDE;
	if (t->up)
		return;
	t->up = true; /* attach itself answered */
	t->delay = RETRY_MS;
	t->h.up(t->ctx);
}

/* An error ends a line of several commands: what follows the failed one is not run. */
static void
inside(struct tmux *t, struct command *c, const char *line)
{
	if (!is_end(t, line, &c->ok)) {
		add_text(c, line, strlen(line));
		return;
	}
	c->len = c->text.len;
	t->where = c->ok ? OUTSIDE : OVER;
}

/* Each line that could be the end may be a pane's as well: the last one is it. */
static void
last(struct tmux *t, struct command *c, const char *line)
{
	bool ok;

	if (is_end(t, line, &ok)) {
		c->len = c->text.len;
		c->ok = ok;
	}
	add_text(c, line, strlen(line));
}

static void
over(struct tmux *t, struct command *c, const char *line)
{
	(void)t;
	(void)c;
	(void)line;
}

static void (*const on_line_where[])(struct tmux *, struct command *, const char *) = {
    [OUTSIDE] = outside,
    [FOREIGN] = foreign,
    [INSIDE] = inside,
    [LAST] = last,
    [OVER] = over,
};

/* All of the answer is here. What told of windows may have been a pane's: a listing more
 * does no harm. */
static void
secret_came(struct tmux *t, struct command *c)
{
	t->where = OUTSIDE;
	timer_cancel(t->patience);
	if (c->link.next != &t->open) /* others wait */
		timer_in(t->patience, ANSWER_MS);
	command_done(t, c);
	if (t->closed && t->up)
		t->h.windows_changed(t->ctx);
	t->closed = false;
}

static void
on_line(struct conn *conn, char *line, size_t len, void *arg)
{
	struct tmux *t = arg;
	struct command *c = list_first(&t->open, struct command, link);

	(void)conn;
	(void)len;
	if (c != NULL && strcmp(line, c->secret) == 0)
		secret_came(t, c);
	else if (tells_of_windows(line) && c == NULL)
		t->h.windows_changed(t->ctx);
	else {
		t->closed |= tells_of_windows(line);
		on_line_where[t->where](t, c, line);
	}
}

static void
drop(struct tmux *t)
{
	bool was_up = t->up;
	struct command *c;

	conn_free(t->conn);
	t->conn = NULL;
	t->up = t->closed = false;
	t->where = OUTSIDE;
	timer_cancel(t->patience);
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
	while ((c = list_first(&t->open, struct command, link)) != NULL) {
		c->ok = false;
		c->len = 0;
		command_done(t, c);
	}
	if (was_up)
		t->h.down(t->ctx);
}

static void
lost(struct tmux *t, const char *why)
{
	if (t->up)
		log_warnx("tmux: control connection lost: %s", why);
	drop(t);
	timer_in(t->retry, t->delay);
	t->delay = t->delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : t->delay * 2;
}

static void
on_gone(struct conn *conn, enum conn_why why, void *arg)
{
	(void)conn;
	lost(arg, conn_why_text(why));
}

static void
no_answer(void *arg)
{
	lost(arg, "no answer");
}

static void
new_key(struct tmux *t)
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		fatal(EXIT_SYSTEM, "getrandom");
	snprintf(
	    t->key, sizeof(t->key), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

/* It dies with us: what it has read of ours and not yet passed on must not be typed after
 * the next launcher has looked what was. */
static void
exec_client(int fd, pid_t launcher)
{
	char *const argv[] = {"tmux", "-S", TMUX_SOCK, "-N", "-C", "new-session", "-A",
	    "-s", "berth", "-n", "home", "-x", "200", "-y", "50", LIBEXEC_DIR "/pane",
	    "--idle", NULL};
	char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "TERM=tmux-256color",
	    "LANG=C.UTF-8", "HOME=/", NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(fd, 0);
	dup2(fd, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != launcher)
		_exit(127);
	execvpe(argv[0], argv, env);
	_exit(127);
}

/* How many commands a line holds: " ; " outside of double quotes. */
static int
count_commands(const char *line)
{
	bool quoted = false;
	int n = 1;

	for (const char *p = line; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && *p == ';' && p > line && p[-1] == ' ')
			n++;
	}
	return n;
}

/* The line, and one whose answer tells that all of the first one's is here. */
static void
send_line(struct tmux *t, tmux_cb *cb, void *arg, const char *line)
{
	struct command *c = xcalloc(1, sizeof(*c));
	char secret[80];

	c->cb = cb;
	c->arg = arg;
	c->brackets = count_commands(line);
	snprintf(c->secret, sizeof(c->secret), "%s.%" PRIu64, t->key, ++t->number);
	list_append(&t->open, &c->link);
	if (!timer_armed(t->patience))
		timer_in(t->patience, ANSWER_MS);
	conn_send(t->conn, line, strlen(line));
	snprintf(secret, sizeof(secret), "\ndisplay-message -p %s\n", c->secret);
	conn_send(t->conn, secret, strlen(secret));
}

static void
connect_now(void *arg)
{
	struct tmux *t = arg;
	static const struct conn_handlers handlers = {.line = on_line, .gone = on_gone};
	pid_t launcher = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fatal(EXIT_SYSTEM, "socketpair");
	t->pid = fork();
	if (t->pid == -1)
		fatal(EXIT_SYSTEM, "fork");
	if (t->pid == 0)
		exec_client(pair[1], launcher);
	close(pair[1]);
	t->conn = conn_new(t->loop, pair[0], pair[0], &handlers, t);
	conn_limits(t->conn, MAX_TEXT, MAX_QUEUE);
	conn_cut_lines(t->conn);
	new_key(t);
	send_line(t, NULL, NULL, "refresh-client -f no-output,ignore-size");
}

struct tmux *
tmux_new(struct loop *loop, const struct tmux_handlers *h, void *ctx)
{
	struct tmux *t = xcalloc(1, sizeof(*t));

	t->loop = loop;
	t->h = *h;
	t->ctx = ctx;
	t->delay = RETRY_MS;
	t->retry = timer_new(loop, connect_now, t);
	t->patience = timer_new(loop, no_answer, t);
	list_init(&t->open);
	timer_in(t->retry, 0);
	return t;
}

void
tmux_free(struct tmux *t)
{
	if (t == NULL)
		return;
	t->up = false; /* nobody wants to hear `down` any more */
	drop(t);
	timer_free(t->retry);
	timer_free(t->patience);
	free(t);
}

bool
tmux_up(const struct tmux *t)
{
	return t->up;
}

void
tmux_run(struct tmux *t, tmux_cb *cb, void *arg, const char *line)
{
	char nothing[1] = "";

	if (!t->up) {
		if (cb != NULL)
			cb(false, nothing, arg);
		return;
	}
	send_line(t, cb, arg, line);
}

void
tmux_runf(struct tmux *t, tmux_cb *cb, void *arg, const char *format, ...)
{
	va_list ap;
	char *line;

	va_start(ap, format);
	line = xvasprintf(format, ap);
	va_end(ap);
	tmux_run(t, cb, arg, line);
	free(line);
}

void
tmux_forget(struct tmux *t, const void *arg)
{
	struct command *c;

	list_each (c, &t->open, link) {
		if (c->arg == arg)
			c->cb = NULL;
	}
}
