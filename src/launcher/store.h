/*
 * The launcher's statements, and the typed functions over them. Owner of agents,
 * hook_cursors, sessions, turns, messages' state, approvals (and, until a notifier
 * exists, of outbox). Strings returned as char * are the caller's.
 */
#ifndef STORE_H
#define STORE_H
#include <stdbool.h>
#include <stdint.h>
#include "db.h"

/* A message that is sent again is the one with this dedupe key and its id. */
#define RETRY_KEY "retry:"

enum statement {
	/* settings and agents */
	ST_SETTING,
	ST_NEWEST_MESSAGE,
	ST_NEWEST_TURN,
	ST_DESIRED,
	ST_REMOVED_AGENTS,
	ST_AGENT_GET,
	ST_AGENT_ADD,
	ST_AGENT_STATE,
	ST_AGENT_WANT,
	ST_AGENT_PROCESS,
	ST_AGENT_SESSION,
	ST_AGENT_CRASHES,
	ST_AGENT_HASH,
	ST_AGENT_DELETE,
	/* hooks */
	ST_CURSOR_GET,
	ST_CURSOR_SET,
	ST_CURSOR_TRIM,
	/* sessions */
	ST_SESSION_ADD,
	ST_SESSION_BY_DRIVER_ID,
	ST_SESSION_GET,
	ST_SESSION_TRANSCRIPT,
	ST_SESSION_APPLIED,
	ST_SESSION_END,
	/* turns */
	ST_TURN_ADD,
	ST_TURN_OPEN,
	ST_TURN_END,
	ST_TURN_TOKENS,
	ST_TURN_LIST,    /* of all agents */
	ST_TURN_LIST_OF, /* of one */
	ST_TURN_MESSAGES,
	ST_AGENT_TOTALS,
	/* messages */
	ST_MESSAGE_ADD,
	ST_MESSAGE_BY_DEDUPE,
	ST_MESSAGE_GET,
	ST_MESSAGE_STATE,
	ST_MESSAGE_MOVE,
	ST_MESSAGE_JOIN,
	ST_MESSAGE_NEXT,
	ST_MESSAGE_NEXT_DUE,
	ST_MESSAGE_SPENT,
	ST_MESSAGE_IN_FLIGHT,
	ST_MESSAGE_OF_TURN,
	ST_MESSAGE_PENDING,
	ST_MESSAGE_TYPED,
	ST_MESSAGE_RECORDED,
	ST_MESSAGE_FORGOTTEN,
	ST_MESSAGE_UNRECORDED,
	ST_MESSAGE_LINKS,
	ST_MESSAGE_PARENT,
	ST_MESSAGE_CONTINUED, /* by what is on its way */
	ST_MESSAGE_OPEN,
	ST_MESSAGE_EXPIRED,
	ST_MESSAGE_LIST,    /* of all agents, in any state */
	ST_MESSAGE_LIST_OF, /* of one agent */
	ST_MESSAGE_LIST_IN, /* in these states, of one agent or all */
	ST_MESSAGE_COUNTS,
	ST_MESSAGE_WAITING,
	ST_MESSAGE_POSITION,
	/* outbox */
	ST_OUTBOX_ADD,
	ST_OUTBOX_ANSWER,
	/* approvals */
	ST_APPROVAL_ADD,
	ST_APPROVAL_GET,
	ST_APPROVAL_MOVE,
	ST_APPROVAL_OPEN,
	ST_APPROVAL_SETTLED,
	ST_APPROVAL_SHIFT,
	/* events */
	ST_EVENTS_AFTER,
	ST_EVENTS_LAST,
	ST_EVENT_ADD,
	/* retention: ids between ?1 and ?2, over before ?3, ?4 of them at most */
	ST_OUTBOX_UNSENT,
	ST_OUTBOX_FAIL, /* ?1 its id */
	ST_TRIM_OUTBOX,
	ST_TRIM_MESSAGES,
	ST_TRIM_TURNS,
	ST_TRIM_SESSIONS,
	ST_TRIM_APPROVALS,
	ST_TRIM_EVENTS, /* ?1 now, ?2 before when, ?3 how many */
	ST_COUNT
};

struct db *store_open(const char *path);
const char *store_sql(int statement); /* for the test that asks SQLite how it runs it */

/* A setting of berth.toml, as reconcile stored it. */
int64_t store_setting_int(struct db *db, const char *key, int64_t otherwise);

/* Notes something that is no row's state of ours: a fact for whoever reads events. */
void store_event(struct db *db, const char *entity, const char *id, const char *what,
    const char *cause, const char *detail);
#endif
