/* See message.h. `-` in the table is MS_COUNT: the event means nothing in that state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "message.h"
#include "store.h"
#include "volume.h"

static const char *const names[] = {
    [MS_QUEUED] = "queued",
    [MS_DELIVERING] = "delivering",
    [MS_DELIVERED] = "delivered",
    [MS_ANSWERED] = "answered",
    [MS_UNANSWERED] = "unanswered",
    [MS_INTERRUPTED] = "interrupted",
    [MS_INDETERMINATE] = "indeterminate",
    [MS_EXPIRED] = "expired",
    [MS_FAILED] = "failed",
    [MS_CANCELLED] = "cancelled",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == MS_COUNT, "a name for each state");

/* clang-format off */
#define NO MS_COUNT
/* Proof may come late: after a release (the paste was slow) or a doubt. Nothing leaves an ended
 * state but a doubt that is cleared, and an interruption that its continuation makes good. */
static const enum message_state next[MS_COUNT][ME_COUNT] = {
    /*                    CLAIM          RELEASE    PROVEN        ANSWER       SILENT         CUT             DOUBT             EXPIRE      REFUSE     CANCEL */
    [MS_QUEUED] =        {MS_DELIVERING, NO,        MS_DELIVERED, NO,          NO,            NO,             NO,               MS_EXPIRED, MS_FAILED, MS_CANCELLED},
    [MS_DELIVERING] =    {NO,            MS_QUEUED, MS_DELIVERED, NO,          NO,            NO,             MS_INDETERMINATE, NO,         MS_FAILED, NO},
    [MS_DELIVERED] =     {NO,            NO,        NO,           MS_ANSWERED, MS_UNANSWERED, MS_INTERRUPTED, NO,               NO,         NO,        NO},
    [MS_INTERRUPTED] =   {NO,            NO,        NO,           MS_ANSWERED, MS_UNANSWERED, NO,             NO,               NO,         NO,        NO},
    [MS_INDETERMINATE] = {NO,            NO,        MS_DELIVERED, NO,          NO,            NO,             NO,               NO,         NO,        NO},
    [MS_ANSWERED] =      {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [MS_UNANSWERED] =    {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [MS_EXPIRED] =       {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [MS_FAILED] =        {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [MS_CANCELLED] =     {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
};
#undef NO
/* clang-format on */

const char *
message_state_name(enum message_state state)
{
	return state < MS_COUNT ? names[state] : "?";
}

enum message_state
message_state_parse(const char *name)
{
	int i = 0;

	while (i < MS_COUNT && (name == NULL || strcmp(names[i], name) != 0))
		i++;
	return (enum message_state)i;
}

enum message_state
message_next(enum message_state state, enum message_event event)
{
	return state < MS_COUNT && event < ME_COUNT ? next[state][event] : MS_COUNT;
}

static bool
move(struct db *db, const char *id, enum message_event event,
    const struct message_change *c)
{
	char *old = db_one_text(db, ST_MESSAGE_STATE, DB_ARGS(DB_T(id)));
	enum message_state from = message_state_parse(old),
			   to = message_next(from, event);
	int changed = 0;

	free(old);
	if (to != MS_COUNT) {
		struct db_event row = {.entity = "message",
		    .id = id,
		    .old_state = names[from],
		    .new_state = names[to],
		    .cause = c->cause != NULL ? c->cause : c->reason};

		changed = db_must_change(db, &row, ST_MESSAGE_MOVE,
		    DB_ARGS(DB_T(id), DB_T(names[from]), DB_T(names[to]), DB_T(c->reason),
			DB_T(c->proof), DB_T(c->turn), DB_T(c->delivery),
			DB_I(wall_ms())));
	}
	return changed > 0;
}

/* A cut message is made good by its child, or by nothing: what ends the child without a
 * turn ends the parent too. */
static void
end_parent(struct db *db, const char *id, enum message_event event,
    const struct message_change *c)
{
	static const bool ends[ME_COUNT] = {[ME_DOUBT] = true,
	    [ME_EXPIRE] = true,
	    [ME_REFUSE] = true,
	    [ME_CANCEL] = true};
	char *parent =
	    ends[event] ? db_one_text(db, ST_MESSAGE_PARENT, DB_ARGS(DB_T(id))) : NULL;

	if (parent != NULL)
		message_event(db, parent, ME_SILENT, c);
	free(parent);
}

bool
message_event(struct db *db, const char *id, enum message_event event,
    const struct message_change *change)
{
	static const struct message_change nothing = {0};
	bool moved;

	if (change == NULL)
		change = &nothing;
	db_must_begin(db);
	moved = move(db, id, event, change);
	if (moved)
		end_parent(db, id, event, change);
	db_must_commit(db);
	return moved;
}

static bool
repeated(struct db *db, const char *dedupe, char id[static 27])
{
	char *first = dedupe != NULL
			  ? db_one_text(db, ST_MESSAGE_BY_DEDUPE, DB_ARGS(DB_T(dedupe)))
			  : NULL;

	if (first == NULL)
		return false;
	snprintf(id, 27, "%s", first);
	free(first);
	return true;
}

static struct db_arg
time_or_null(int64_t at)
{
	return at > 0 ? DB_I(at) : DB_NULL;
}

enum message_added
message_add(struct db *db, const struct message_new *m, char id[static 27])
{
	struct db_event row = {.entity = "message",
	    .id = id,
	    .new_state = names[MS_QUEUED],
	    .cause = m->channel};
	enum db_result result;

	if (repeated(db, m->dedupe, id))
		return MESSAGE_REPEATED;
	if (m->max_waiting > 0 && db_one_int(db, ST_MESSAGE_WAITING,
				      DB_ARGS(DB_T(m->agent)), 0) >= m->max_waiting)
		return MESSAGE_FULL;
	if (m->max_waiting > 0 && volume_short())
		return MESSAGE_NO_ROOM;
	ulid_new(id);
	result = db_change(db, &row, ST_MESSAGE_ADD,
	    DB_ARGS(DB_T(id), DB_T(db_host(db)), DB_T(m->agent), DB_T(m->channel),
		DB_T(m->thread), DB_T(m->sender), DB_T(m->text), DB_T(m->dedupe),
		time_or_null(m->not_before), time_or_null(m->expires_at), DB_T(m->parent),
		DB_I(wall_ms())),
	    NULL);
	if (result == DB_OK)
		return MESSAGE_ADDED;
	return result == DB_CONSTRAINT && repeated(db, m->dedupe, id) ? MESSAGE_REPEATED
								      : MESSAGE_BUSY;
}

/* Answers to the command line are read where they lie, so they are closed at once. */
void
message_reply(struct db *db, const char *message, const char *agent, const char *channel,
    const char *thread, const char *kind, const char *text)
{
	bool here = strcmp(channel, "cli") == 0 || strcmp(channel, "fifo") == 0;
	int64_t now = wall_ms();
	char id[ULID_LEN + 1];

	ulid_new(id);
	db_must(db, ST_OUTBOX_ADD,
	    DB_ARGS(DB_T(id), DB_T(db_host(db)), DB_T(agent), DB_T(channel), DB_T(thread),
		DB_T(message), DB_T(kind), DB_T(text), DB_T(here ? "sent" : "queued"),
		DB_I(now), here ? DB_I(now) : DB_NULL));
}
