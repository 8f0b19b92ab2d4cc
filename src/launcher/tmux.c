/*
 * Control mode (tmux(1), CONTROL MODE). Our client attaches to the session `berth`,
 * making it if there is none, and asks for no output. Answers are matched to commands by
 * order: tmux runs a client's commands one after the other and brackets each with
 * %begin/%end or %error; a line with several commands has one bracket for each, so we
 * count them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum { RETRY_MS = 100, RETRY_MAX_MS = 1000, MAX_LINE = 16 << 20 };

struct command {
	struct list link;
	tmux_cb *cb;
	void *arg;
	int brackets; /* answers still to come */
	int lines;    /* of text */
	bool failed;
	struct buf text;
};

struct tmux {
	struct loop *loop;
	struct tmux_handlers h;
	void *ctx;
	struct conn *conn;
	pid_t pid;
	struct timer *retry;
	int64_t delay;
	bool up;
	bool inside;      /* between %begin and its %end */
	bool ours;        /* ... of one of our commands */
	char guard[64];   /* what stood after that %begin, and stands after its end */
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
command_done(struct tmux *t, struct command *c, bool ok)
{
	list_remove(&c->link);
	if (c->cb != NULL) {
		buf_reserve(&c->text, 1);
		c->text.data[c->text.len] = '\0';
		c->cb(ok, c->text.data, c->arg);
	} else if (!ok && t->up)
		log_warnx("tmux: %s", buf_str(&c->text));
	buf_free(&c->text);
	free(c);
}

/* An error ends a line of several commands: what follows the failed one is not run. */
static void
bracket_end(struct tmux *t, bool ok)
{
	struct command *c = list_first(&t->open, struct command, link);

	if (c == NULL)
		return;
	c->failed |= !ok;
	if (--c->brackets <= 0 || !ok)
		command_done(t, c, !c->failed);
}

/* When somebody's session that shares our windows ends, tmux calls its windows closed as
 * well. */
static void
notification(struct tmux *t, const char *line)
{
	if (strncmp(line, "%window-close", 13) == 0 ||
	    strncmp(line, "%unlinked-window-close", 22) == 0)
		t->h.windows_changed(t->ctx);
}

/* Time and number are the same after %begin and its %end: other lines that look like an
 * end are a pane's. */
static bool
guarded(const struct tmux *t, const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) == 0 && strcmp(line + n, t->guard) == 0;
}

static void
begin(struct tmux *t, const char *rest)
{
	int flags = 0;

	sscanf(rest, "%*s %*s %d", &flags);
	snprintf(t->guard, sizeof(t->guard), "%s", rest);
	t->inside = true;
	t->ours = flags == 1; /* 0: not caused by this client's input */
}

static void
end(struct tmux *t, bool ok)
{
	t->inside = false;
	if (t->ours)
		bracket_end(t, ok);
	else if (!t->up) {
		t->up = true; /* attach itself answered */
		t->delay = RETRY_MS;
		t->h.up(t->ctx);
	}
}

static void
on_line(struct conn *conn, char *line, size_t len, void *arg)
{
	struct tmux *t = arg;
	struct command *c = list_first(&t->open, struct command, link);

	(void)conn;
	if (!t->inside && strncmp(line, "%begin ", 7) == 0)
		begin(t, line + 7);
	else if (!t->inside)
		notification(t, line);
	else if (guarded(t, line, "%end ") || guarded(t, line, "%error "))
		end(t, line[2] == 'n');
	else if (t->ours && c != NULL) {
		if (c->lines++ > 0)
			buf_addc(&c->text, '\n');
		buf_add(&c->text, line, len);
	}
}

static void
drop(struct tmux *t)
{
	bool was_up = t->up;
	struct command *c;

	conn_free(t->conn);
	t->conn = NULL;
	t->up = t->inside = false;
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
	while ((c = list_first(&t->open, struct command, link)) != NULL)
		command_done(t, c, false);
	if (was_up)
		t->h.down(t->ctx);
}

static void
on_gone(struct conn *conn, enum conn_why why, void *arg)
{
	struct tmux *t = arg;

	(void)conn;
	if (t->up)
		log_warnx("tmux: control connection lost: %s", conn_why_text(why));
	drop(t);
	timer_in(t->retry, t->delay);
	t->delay = t->delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : t->delay * 2;
}

static void
exec_client(int fd)
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
	execvpe(argv[0], argv, env);
	_exit(127);
}

static void
connect_now(void *arg)
{
	struct tmux *t = arg;
	static const struct conn_handlers handlers = {.line = on_line, .gone = on_gone};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fatal(EXIT_SYSTEM, "socketpair");
	t->pid = fork();
	if (t->pid == -1)
		fatal(EXIT_SYSTEM, "fork");
	if (t->pid == 0)
		exec_client(pair[1]);
	close(pair[1]);
	t->conn = conn_new(t->loop, pair[0], pair[0], &handlers, t);
	conn_limits(t->conn, MAX_LINE, MAX_LINE);
	conn_send(t->conn, "refresh-client -f no-output,ignore-size\n", 40);
	/* that command's own bracket is taken by a silent entry */
	struct command *c = xcalloc(1, sizeof(*c));
	c->brackets = 1;
	list_append(&t->open, &c->link);
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
	free(t);
}

bool
tmux_up(const struct tmux *t)
{
	return t->up;
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

void
tmux_run(struct tmux *t, tmux_cb *cb, void *arg, const char *line)
{
	struct command *c;
	char nothing[1] = "";

	if (!t->up) {
		if (cb != NULL)
			cb(false, nothing, arg);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->cb = cb;
	c->arg = arg;
	c->brackets = count_commands(line);
	list_append(&t->open, &c->link);
	conn_send(t->conn, line, strlen(line));
	conn_send(t->conn, "\n", 1);
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
