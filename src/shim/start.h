/*
 * Starting the agent: from what `run` answered to a running process in its own process
 * group, in the terminal's foreground, in its domain.
 */
#ifndef START_H
#define START_H
#include <stdbool.h>
#include <sys/types.h>
#include <yyjson.h>

struct start_where {
	const char *shim_dir;  /* hook.sock is here */
	const char *agent_dir; /* and the agent's own socket here */
	int lock_fd; /* inherited, so that the lock lives as long as the agent */
	int tty_fd;  /* its standard input, output and error */
};

struct started {
	pid_t pid; /* 0: not started */
	bool resumed;
	const char *domain;
	char *warning; /* or NULL; to be freed, as is error */
	char *error;   /* why it was not started, a sentence */
};

/* Makes `dirs`, edits the files of `ensure` (starts nothing if one can't be), forks and
 * waits until exec has happened or failed. The strings of `env` in run are overwritten:
 * they may be secrets. */
void start_agent(yyjson_val *run, const struct start_where *where, struct started *out);
/* Makes `group` the one that the terminal's keys go to; nothing if it is no terminal. */
void start_foreground(int tty_fd, pid_t group);
#endif
