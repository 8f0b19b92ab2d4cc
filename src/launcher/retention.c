/*
 * See retention.h. Ids begin with their time, so the old rows are the first by id, and
 * the key finds them; a row must have ended as long ago, too. In the order of the foreign
 * keys: who refers goes first.
 */
#include "clock.h"
#include "db.h"
#include "log.h"
#include "retention.h"
#include "store.h"

static const int statements[] = {ST_TRIM_OUTBOX, ST_TRIM_MESSAGES, ST_TRIM_TURNS,
    ST_TRIM_SESSIONS, ST_TRIM_APPROVALS, ST_TRIM_EVENTS};

void
retention_apply(struct db *db, int64_t keep_ms)
{
	int64_t before = wall_ms() - keep_ms;
	char first[ULID_LEN + 1];
	int left = RETENTION_ROWS;

	if (keep_ms > 0 && before > 0) {
		ulid_first(first, before);
		db_must_begin(db);
		for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
			left -= db_must(db, statements[i],
			    DB_ARGS(DB_T(first), DB_I(before), DB_I(left)));
		db_must_commit(db);
		log_debug("retention deleted=%d", RETENTION_ROWS - left);
	}
	db_shrink(db);
}
