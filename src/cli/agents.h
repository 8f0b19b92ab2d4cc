/* Which agents there are, and which one a command is about. */
#ifndef AGENTS_H
#define AGENTS_H
#include "launcher.h"

struct cli;

int agents_fetch(
    struct launcher *l, struct rows *agents); /* a status; rows_free() in any case */
yyjson_val *agents_find(const struct rows *agents, const char *name); /* NULL */
/* CLI_NOT_FOUND, said with the nearest name. */
int agents_unknown(const struct cli *cli, const struct rows *agents, const char *name);
/* The one named; without a name the only one, or the one that is called main. *name is
 * borrowed from agents or the argument. */
int agents_choose(const struct cli *cli, const struct rows *agents, const char *asked,
    const char **name);
enum style agents_style(const char *state);
/* Of states that end by nothing but somebody's help, or much later: what ends it ("it is
 * started (berth start)"); NULL of all others. */
const char *agents_until(const char *state);
#endif
