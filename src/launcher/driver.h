/*
 * A driver: how one kind of agent is started, told apart and spoken to. Facts and a few
 * functions; what it can't do is NULL or false. See docs/adding.md.
 */
#ifndef DRIVER_H
#define DRIVER_H
#include <stdbool.h>
#include <yyjson.h>

struct agent;

struct driver {
	const char *name;
	bool hooks;         /* speaks hooks, keeps a registry and a transcript */
	const char *submit; /* tmux key names that send the prompt */
	const char *stash;  /* key that puts a half-typed line aside; NULL: it has none */
	const char
	    *glyph; /* what a ready prompt's line begins with; NULL: state from silence */
	const char
	    *pasted; /* what its editor shows for a long paste; NULL: the text itself */
	const char *limit_dialog; /* in a dialog about a usage limit that Escape closes;
				     or NULL */
	int settle_ms;            /* between the prompt's appearance and the first key */
	int gap_ms;               /* between the paste and the submit */
	int shown_ms; /* how often to look whether its editor shows the paste, to submit
			 it then; gap_ms is for when it can't be seen. 0: don't look */
	const char *home; /* its directory under HOME */
	/* The permission mode it is started with, as its hooks name it; NULL: it has
	 * none.
	 */
	const char *(*mode)(const struct agent *a);
	/* Fills what `run` answers (docs/protocols.md). false with *why if it can't be
	 * started. */
	bool (*runspec)(struct agent *a, yyjson_mut_doc *doc, const char **why);
};

const struct driver *driver_find(const char *name); /* NULL if there is none */
extern const struct driver driver_claude, driver_demo, driver_command;

/* driver.c: what every agent gets: "env", "cwd", limits; returns the empty array "argv".
 */
yyjson_mut_val *driver_common(struct agent *a, yyjson_mut_doc *doc);
void driver_env(
    yyjson_mut_doc *doc, const char *name, const char *value); /* sets or replaces */
void driver_argv_add(yyjson_mut_doc *doc, yyjson_mut_val *argv, const char *word);
void driver_argv_extra(
    struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *argv); /* spec's args */
#endif
