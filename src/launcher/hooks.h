/* What the CLI's hooks say, turned into turns, states and approvals. */
#ifndef HOOKS_H
#define HOOKS_H
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

struct agent;

/* hook: the JSON object that the CLI gave its hook (hook_event_name names it); unknown
 * events are ignored. ask: the hook waits for a decision. Runs inside the caller's
 * transaction. */
void hooks_apply(
    struct agent *a, yyjson_val *hook, const char *instance, int64_t seq, bool ask);
/* A new conversation of the agent, with a row; driver_id may be a->driver_id. */
void session_new(struct agent *a, const char *driver_id);
#endif
