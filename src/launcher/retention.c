/*
 * See retention.h. Ids begin with their time, so the old rows are the first by id, and
 * the key finds them; a row must have ended as long ago, too, for the clock may have been
 * behind then. Where it was ahead, ids stay ahead, for they never go back: one of the
 * future tells nothing, and the row's own time counts alone. In the order of the foreign
 * keys: who refers goes first.
 */
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "clock.h"
#include "db.h"
#include "log.h"
#include "retention.h"
#include "store.h"
#include "xmalloc.h"

static const int statements[] = {
    ST_TRIM_OUTBOX, ST_TRIM_MESSAGES, ST_TRIM_TURNS, ST_TRIM_SESSIONS, ST_TRIM_APPROVALS};

struct range {
	const char *from, *to; /* ids, these two not included */
	int64_t before;        /* over so long */
};

static void
give_up(struct db *db, const char *id, const char *channel)
{
	char *cause = xasprintf("nobody served channel %s for retention.keep", channel);
	struct db_event row = {.entity = "outbox",
	    .id = id,
	    .old_state = "queued",
	    .new_state = "failed",
	    .cause = cause};

	db_must_change(db, &row, ST_OUTBOX_FAIL, DB_ARGS(DB_T(id)));
	free(cause);
}

/* What nobody fetched would keep its message and turn for ever. How many there were. */
static int
close_unsent(struct db *db, const struct range *r, int left)
{
	struct db_rows *unsent = db_query(db, ST_OUTBOX_UNSENT,
	    DB_ARGS(DB_T(r->from), DB_T(r->to), DB_I(r->before), DB_I(left)));
	struct buf rows = BUF_INIT; /* id and channel, a NUL after each */
	int count = 0;

	while (db_next(unsent))
		for (int i = 0; i < 2; i++)
			buf_add(
			    &rows, db_text(unsent, i), strlen(db_text(unsent, i)) + 1);
	db_done(unsent);
	for (size_t at = 0; at < rows.len; count++) {
		const char *id = rows.data + at, *channel = id + strlen(id) + 1;

		give_up(db, id, channel);
		at += strlen(id) + strlen(channel) + 2;
	}
	buf_free(&rows);
	return count;
}

/* How many rows of `left` are left to change. */
static int
trim_range(struct db *db, const struct range *r, int left)
{
	left -= close_unsent(db, r, left);
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		left -= db_must(db, statements[i],
		    DB_ARGS(DB_T(r->from), DB_T(r->to), DB_I(r->before), DB_I(left)));
	return left;
}

static void
trim(struct db *db, int64_t now, int64_t before)
{
	char first[ULID_LEN + 1], future[ULID_LEN + 1];
	const struct range past = {.from = "", .to = first, .before = before},
			   ahead = {.from = future, .to = "~", .before = before};
	int left = RETENTION_ROWS;

	ulid_first(first, before);
	ulid_first(future, now);
	db_must_begin(db);
	left = trim_range(db, &past, left);
	left = trim_range(db, &ahead, left);
	left -= db_must(db, ST_TRIM_EVENTS, DB_ARGS(DB_I(now), DB_I(before), DB_I(left)));
	db_must_commit(db);
	log_debug("retention rows=%d", RETENTION_ROWS - left);
}

void
retention_apply(struct db *db, int64_t keep_ms)
{
	int64_t now = wall_ms(), before = now - keep_ms;

	if (keep_ms > 0 && before > 0)
		trim(db, now, before);
	db_shrink(db);
}
