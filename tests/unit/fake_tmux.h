/* A tmux that runs nothing: the test defines tmux_ran(), which gets each command, and
 * answers those that it likes, when it likes. */
#ifndef FAKE_TMUX_H
#define FAKE_TMUX_H
#include "unit.h"

#include "launcher/tmux.h"
#include "xmalloc.h"

struct command {
	char *line;
	tmux_cb *cb;
	void *arg;
};

static bool tmux_is_up;

static void tmux_ran(const char *line, tmux_cb *cb, void *arg);

bool
tmux_up(const struct tmux *t)
{
	(void)t;
	return tmux_is_up;
}

void
tmux_run(struct tmux *t, tmux_cb *cb, void *arg, const char *line)
{
	char nothing[1] = "";

	(void)t;
	if (tmux_is_up)
		tmux_ran(line, cb, arg);
	else if (cb != NULL)
		cb(false, nothing, arg);
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
#endif
