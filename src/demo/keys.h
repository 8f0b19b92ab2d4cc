/*
 * What comes from the terminal, as keys. Sequences and UTF-8 characters may be split over
 * any number of reads. Only a lone ESC is ambiguous: it waits until more comes, or
 * keys_settle() says that nothing does.
 */
#ifndef DEMO_KEYS_H
#define DEMO_KEYS_H
#include <stdbool.h>
#include <stddef.h>

enum key_type {
	KEY_TEXT,  /* typed: valid UTF-8, no control characters */
	KEY_PASTE, /* one whole bracketed paste: valid UTF-8, lines end with \n, no other
		      controls */
	KEY_ENTER,
	KEY_NEWLINE, /* Ctrl-J, Meta-Enter */
	KEY_SUBMIT,  /* the private chord, Ctrl-X Ctrl-Y */
	KEY_STASH,   /* Ctrl-S */
	KEY_ESC,
	KEY_CTRL_C,
	KEY_CTRL_D,
	KEY_REDRAW,
	KEY_BACKSPACE,
	KEY_DELETE,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_UP,
	KEY_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_KILL_START, /* Ctrl-U: to the start of the line */
	KEY_KILL_END,   /* Ctrl-K */
	KEY_KILL_WORD,  /* Ctrl-W */
	KEY_TYPES
};

struct key {
	enum key_type type;
	const char *text; /* KEY_TEXT, KEY_PASTE; NUL-terminated, borrowed until the
			     callback returns */
	size_t len;
};

struct keys;
typedef void keys_cb(const struct key *key, void *arg);
struct keys *keys_new(keys_cb *cb, void *arg);
void keys_free(struct keys *k);
void keys_feed(struct keys *k, const char *bytes, size_t len);
bool keys_unsettled(const struct keys *k); /* an ESC waits */
void keys_settle(struct keys *k);          /* it was the Esc key */
bool keys_pasting(const struct keys *k);   /* inside of a bracketed paste */
#endif
