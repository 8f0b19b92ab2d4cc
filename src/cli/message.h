/* Messages: their states, finding one by its id, waiting for its end. */
#ifndef MESSAGE_H
#define MESSAGE_H
#include "launcher.h"
#include "out.h"

struct cli;

enum { MESSAGE_SHORT = 8, MESSAGE_SHORTEST = 4, MESSAGE_LOOK_BACK = 1000 };

/* What a state means to whoever asked for an answer; -1 if there is no such state. */
int message_exit(const char *state);
bool message_is_problem(const char *state);
enum style message_style(const char *state);
extern const char *const message_states[]; /* ends with NULL */

/* The last characters of an id, which people see and may type instead of all of it. */
const char *message_short(const char *id);
/* The message with this id, or whose id ends so. A status; rows_free() in any case;
 * *message is in rows. */
int message_find(const struct cli *cli, struct launcher *l, const char *asked,
    struct rows *rows, yyjson_val **message);
/* How many of its agent's messages go before it; -1 if that can't be told. */
int message_position(struct launcher *l, yyjson_val *message);

/* Waits for the message's end, however often the launcher is restarted; shows on a
 * terminal what is going on; prints the answer, or why there is none. */
int message_wait(const struct cli *cli, struct launcher *l, const char *id,
    const char *agent, int64_t deadline); /* mono_ms; -1: none */
#endif
