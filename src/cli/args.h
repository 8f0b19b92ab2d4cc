/*
 * A command line by the command's table: --name VALUE, --name=VALUE, -nVALUE, -n VALUE,
 * -rf, and -- before words that begin with a dash. Options may stand anywhere. Nothing is
 * abbreviated.
 */
#ifndef ARGS_H
#define ARGS_H
#include <stdbool.h>
#include <stdint.h>
#include "cli.h"

enum { ARGS_OPTIONS = 32 };

struct args {
	const struct command *command;
	const char *values[ARGS_OPTIONS]; /* by the option's place, the common ones last;
					     "" for a flag */
	const char **words;
	int count;
	int before_last; /* how many words stood before the last option; 0 if there is
			    none */
};

/* argv[0] is the first word behind the command. false: cli_fail() has said why. */
bool args_parse(struct args *args, const struct cli *cli, int argc, char **argv);
void args_free(struct args *args);

/* By the long name; one that isn't in the table is a bug, and fatal. */
bool args_has(const struct args *args, const char *name);
const char *args_get(const struct args *args, const char *name); /* NULL: not given */
/* Values of a kind; `otherwise` if not given. false: cli_fail() has said why. */
bool args_count(const struct args *args, const struct cli *cli, const char *name,
    int64_t otherwise, int64_t max, int64_t *value);
bool args_duration(const struct args *args, const struct cli *cli, const char *name,
    int64_t otherwise, int64_t *ms);
bool args_when(
    const struct args *args, const struct cli *cli, const char *name, int64_t *at);
#endif
