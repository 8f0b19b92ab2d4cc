/*
 * The launcher's one client of the tmux server, in control mode: commands go in as lines,
 * answers come back between %begin and %end in order. The server may come and go; while
 * it is away commands are refused at once (tmux_up() is false) and every open callback
 * has been called with ok false.
 */
#ifndef LAUNCHER_TMUX_H
#define LAUNCHER_TMUX_H
#include <stdbool.h>
#include <stddef.h>

struct loop;
struct tmux;

struct tmux_handlers {
	void (*up)(void *ctx); /* attached to session `berth` */
	void (*down)(void *
		ctx); /* the server is gone, and every pane with it, or only our client */
	/* Some window was closed, or only left some session: which, a listing tells. */
	void (*windows_changed)(void *ctx);
};

/* ok is false if tmux refused the command (text says why) or was lost (text is ""). */
typedef void tmux_cb(bool ok, char *text, void *arg);

struct tmux *tmux_new(struct loop *loop, const struct tmux_handlers *h, void *ctx);
void tmux_free(struct tmux *t);
bool tmux_up(const struct tmux *t);
/* One command line; several commands joined by " ; " run without anything in between.
 * Only the last of them may show what a pane holds. Of an answer the first 4 MiB are
 * handed out. A server that answers nothing for 30 s is left, as one that is gone. cb may
 * be NULL. */
void tmux_run(struct tmux *t, tmux_cb *cb, void *arg, const char *line);
void tmux_runf(struct tmux *t, tmux_cb *cb, void *arg, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Nobody hears the answers that are still to come for arg: it is about to be freed. */
void tmux_forget(struct tmux *t, const void *arg);

struct buf;
/* Appends text as one double-quoted word of tmux's command language. */
void tmux_quote(struct buf *out, const char *text, size_t len);
#endif
