/*
 * A message's life, as one table of state x event (design: queued, delivering, delivered,
 * answered ...). Whoever learns something about a message calls message_event(); the
 * table says what it becomes, one transaction writes it with its event, and what the
 * table doesn't allow changes nothing.
 */
#ifndef MESSAGE_H
#define MESSAGE_H
#include <stdbool.h>
#include <stdint.h>

struct db;

enum message_state {
	MS_QUEUED,
	MS_DELIVERING,
	MS_DELIVERED,
	MS_ANSWERED,
	MS_UNANSWERED,
	MS_INTERRUPTED,
	MS_INDETERMINATE,
	MS_EXPIRED,
	MS_FAILED,
	MS_CANCELLED,
	MS_COUNT
};

enum message_event {
	ME_CLAIM,   /* about to be typed */
	ME_RELEASE, /* surely not typed, or surely not taken: back to the queue */
	ME_PROVEN,  /* the agent's own hook or transcript shows the text */
	ME_ANSWER,  /* its turn ended with an answer */
	ME_SILENT,  /* its turn ended without one: reason says why */
	ME_CUT,     /* its turn was cut by the agent's death or a stop */
	ME_DOUBT,   /* typed or not, nobody can tell */
	ME_EXPIRE,
	ME_REFUSE, /* can't be delivered at all */
	ME_CANCEL,
	ME_COUNT
};

struct message_change {
	const char *reason;   /* in words; NULL clears */
	const char *proof;    /* hook, transcript, pane; NULL keeps */
	const char *turn;     /* NULL keeps */
	const char *delivery; /* NULL keeps */
	const char *cause;    /* for the event's row */
};

const char *message_state_name(enum message_state state);
/* MS_COUNT if it is no state's name. */
enum message_state message_state_parse(const char *name);
/* What `state` becomes; MS_COUNT if the event means nothing there. */
enum message_state message_next(enum message_state state, enum message_event event);

/* true if the message changed. Busy is retried inside. */
bool message_event(struct db *db, const char *id, enum message_event event,
    const struct message_change *change);

struct message_new {
	const char *agent, *channel, *thread, *sender, *text, *dedupe, *parent;
	int64_t not_before, expires_at; /* 0: none */
	int64_t max_waiting; /* from outside: MESSAGE_FULL from there on, MESSAGE_NO_ROOM;
				0: no limit */
};
enum message_added {
	MESSAGE_ADDED,
	MESSAGE_REPEATED,
	MESSAGE_FULL,    /* its agent has max_waiting in its queue already */
	MESSAGE_NO_ROOM, /* the volume is nearly full */
	MESSAGE_BUSY     /* nothing was committed: again */
};
/* Commits a new queued row; id gets its ULID, or that of the first row with this dedupe
 * key. */
enum message_added message_add(
    struct db *db, const struct message_new *m, char id[static 27]);

/* An answer or a notice on its way back to where the message came from (one transaction
 * with whatever the caller has begun). */
void message_reply(struct db *db, const char *message, const char *agent,
    const char *channel, const char *thread, const char *kind, const char *text);
#endif
