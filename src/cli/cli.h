/*
 * What every command of `berth` shares: where it prints to, how it fails, and the row
 * that describes it. Help, docs/cli.md and the shells' completions are made from these
 * rows.
 */
#ifndef CLI_H
#define CLI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "out.h"

/* What the caller's shell gets; exits.c says it in words. */
enum cli_exit {
	CLI_OK = 0,
	CLI_NO = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_DOWN = 4,
	CLI_TIMEOUT = 5,
	CLI_UNDELIVERED = 6,
	CLI_UNANSWERED = 7,
	CLI_UNCERTAIN = 8,
	CLI_FORBIDDEN = 13,
	CLI_SYSTEM = 111
};

struct cli_exit_row {
	int status;
	const char *name; /* of errors with this status, where nothing closer is known */
	const char *help;
};
extern const struct cli_exit_row cli_exits[]; /* ends with a NULL name */

/* What stands at a place of the command line, for completion. */
enum cli_what {
	WHAT_TEXT,
	WHAT_NONE,
	WHAT_AGENT,
	WHAT_COMMAND,
	WHAT_FILE,
	WHAT_WORDS /* the command's `words` */
};

struct cli_option {
	char letter;       /* 0: none */
	const char *name;  /* NULL ends the table */
	const char *value; /* what its value is called; NULL: it takes none */
	const char *help;
	enum cli_what what; /* of the value */
};
extern const struct cli_option cli_common_options[];

struct args;
struct cli;

struct command {
	const char *name;
	const char *synopsis;             /* behind the name */
	const char *brief;                /* one line for the list */
	const char *help;                 /* paragraphs */
	const struct cli_option *options; /* NULL: only the common ones */
	const char *const *words; /* NULL, or what the first argument must be one of */
	enum cli_what what;       /* the first argument is */
	int min_words, max_words; /* max -1: any number */
	int (*exec)(struct cli *cli, const struct args *args);
};
extern const struct command *const
    cli_commands[]; /* in the order of help; ends with NULL */
const struct command *cli_command_find(const char *name);

struct cli {
	struct out out, err;
	bool json;
	const char *run_dir, *scan_dir, *config_file;
	const struct command *command;
};

/* Says on stderr what is wrong and, if `hint` isn't NULL, what to do; as one JSON object
 * with
 * --json. `code` NULL: the status's name. Returns status. */
int cli_fail(const struct cli *cli, int status, const char *code, const char *hint,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A remark on stderr, "berth: ..."; nothing with --json. */
void cli_note(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The wall clock; tests link another one. */
int64_t cli_now(void);
#endif
