/* The launcher's statements on the real schema: what SQLite reads for each. */
#include "world.h"

#include "buf.h"
#include "launcher/retention.h"

/* Reading a whole table is for tables that stay small, and for what is said here. */
static const struct {
	int statement;
	const char *plan, *why;
} may_scan[] = {
    {ST_DESIRED, "SCAN desired_agents", "all of them, a row an agent"},
    {ST_REMOVED_AGENTS, "SCAN agents", "a row an agent"},
    {ST_MESSAGE_COUNTS, "SCAN messages USING COVERING INDEX messages_by_state",
	"only when a person asks, and no row is read: 60 bytes a message"},
    {ST_TRIM_EVENTS, "SCAN events", "from its beginning, as many as are deleted"},
};

static bool
may(int statement, const char *plan)
{
	for (size_t i = 0; i < COUNT(may_scan); i++)
		if (may_scan[i].statement == statement &&
		    strcmp(may_scan[i].plan, plan) == 0)
			return true;
	return false;
}

/* json_each() and what a statement itself has put together are no tables of ours. */
static bool
scans_a_table(const char *plan)
{
	return strncmp(plan, "SCAN ", 5) == 0 && strstr(plan, "VIRTUAL TABLE") == NULL &&
	       strncmp(plan, "SCAN (", 6) != 0;
}

static void
expect_no_scan(int statement, const char *sql)
{
	char *explain = xasprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(world_raw, explain, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(world_raw));
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *plan = (const char *)sqlite3_column_text(stmt, 3);

		if (scans_a_table(plan) && !may(statement, plan))
			fail_msg("%s: %s", plan, sql);
	}
	sqlite3_finalize(stmt);
	free(explain);
}

static void
no_statement_reads_a_table_that_grows(void **state)
{
	(void)state;
	for (int i = 0; i < ST_COUNT; i++)
		expect_no_scan(i, store_sql(i));
}

/* A row is only deleted after a look for those that refer to it. */
static void
every_foreign_key_has_an_index(void **state)
{
	(void)state;
	static const char keys[] = "SELECT 'SELECT 1 FROM ' || t.name || ' WHERE ' || "
				   "k.\"from\" || ' = ?1' FROM "
				   "pragma_table_list t, pragma_foreign_key_list(t.name) "
				   "k WHERE t.schema = 'main'";
	sqlite3_stmt *stmt;
	int found = 0;

	assert_int_equal(sqlite3_prepare_v2(world_raw, keys, -1, &stmt, NULL), SQLITE_OK);
	for (; sqlite3_step(stmt) == SQLITE_ROW; found++)
		expect_no_scan(-1, (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	assert_true(found >= 3);
}

static void
totals(const char *name, int64_t turns, int64_t in, int64_t cache_write)
{
	struct db_rows *r = db_query(world.db, ST_AGENT_TOTALS, DB_ARGS(DB_T(name)));

	assert_true(db_next(r));
	assert_int_equal(db_int(r, 0), turns);
	assert_int_equal(db_int(r, 1), in);
	assert_int_equal(db_int(r, 4), cache_write);
	db_done(r);
}

static void
add_turn(const char *id, const char *agent)
{
	db_must(world.db, ST_TURN_ADD,
	    DB_ARGS(DB_T(id), DB_T("h"), DB_T(agent), DB_T("S"), DB_T("terminal"),
		DB_T("do"), DB_I(1)));
}

static void
add_tokens(const char *agent, int64_t in, int64_t cache_write)
{
	db_must(world.db, ST_TURN_TOKENS,
	    DB_ARGS(DB_T(agent), DB_I(in), DB_I(0), DB_I(0), DB_I(cache_write)));
}

static void
totals_outlive_what_they_count(void **state)
{
	(void)state;
	world_agent("one", NULL, "{}");
	world_agent("two", NULL, "{}");
	world_sql("INSERT INTO sessions (id, host, agent, driver_id, started_at) VALUES "
		  "('S', 'h', 'one', 'd', 0)");
	totals("one", 0, 0, 0);
	add_turn("A", "one");
	add_turn("B", "one");
	add_tokens("one", 5, 7);
	add_tokens("one", 1, 1);
	assert_string_equal(world_sql("SELECT tokens_in FROM turns WHERE id = 'B'"), "6");
	add_tokens("two", 100, 100); /* it has no turn */
	totals("one", 2, 6, 8);
	totals("two", 0, 0, 0);
	world_sql("DELETE FROM turns WHERE id = 'A'");
	totals("one", 2, 6, 8);
	/* removed from the configuration, and back */
	db_must(world.db, ST_AGENT_DELETE, DB_ARGS(DB_T("one")));
	db_must(world.db, ST_AGENT_ADD,
	    DB_ARGS(DB_T("one"), DB_T("h"), DB_T("run"), DB_I(0), DB_T("hash")));
	totals("one", 1, 6, 8);
}

/* "CA": ids are one letter here. */
static void
expect_list(int statement, const char *agent, const char *before, const char *states,
    const char *expected)
{
	struct db_rows *r = db_query(world.db, statement,
	    (struct db_arg[]){DB_T(agent), DB_T(before), DB_T(states), DB_I(3), DB_I(0)},
	    states != NULL ? 5 : 4);
	char got[8] = "";

	while (db_next(r))
		strcat(got, db_text(r, 0));
	assert_string_equal(got, expected);
}

static void
lists_are_newest_first_and_limited(void **state)
{
	(void)state;
	static const char *const rows[] = {"'A', 'one', 'failed'", "'B', 'two', 'queued'",
	    "'C', 'one', 'queued'", "'D', 'one', 'answered'", "'E', 'one', 'failed'"};

	for (size_t i = 0; i < COUNT(rows); i++)
		world_sql("INSERT INTO messages (id, agent, state, host, channel, text, "
			  "created_at) VALUES (%s, 'h', 'cli', 'x', 0)",
		    rows[i]);
	expect_list(ST_MESSAGE_LIST, NULL, NULL, NULL, "EDC");
	expect_list(ST_MESSAGE_LIST, NULL, "C", NULL, "BA");
	expect_list(ST_MESSAGE_LIST_OF, "one", NULL, NULL, "EDC");
	expect_list(ST_MESSAGE_LIST_OF, "one", "D", NULL, "CA");
	expect_list(ST_MESSAGE_LIST_OF, "none", NULL, NULL, "");
	expect_list(ST_MESSAGE_LIST_IN, NULL, NULL, "[\"failed\",\"queued\"]", "ECB");
	expect_list(ST_MESSAGE_LIST_IN, NULL, "B", "[\"failed\",\"queued\"]", "A");
	expect_list(ST_MESSAGE_LIST_IN, "two", NULL, "[\"failed\",\"queued\"]", "B");
	expect_list(ST_MESSAGE_LIST_IN, NULL, NULL, "[]", "");
}

/* ---- retention ---- */

#define DAY INT64_C(86400000)
static const int64_t KEEP = INT64_C(10) * DAY;

static const char *
id_at(int64_t days_ago)
{
	static char ids[32][ULID_LEN + 1];
	static int turn;
	char *id = ids[turn++ % 32];

	ulid_first(id, world_wall - days_ago * DAY);
	snprintf(id + 20, ULID_LEN - 20 + 1, "%06d", turn);
	return id;
}

static const char *
old_session(int64_t days_ago)
{
	const char *id = id_at(days_ago);

	world_sql("INSERT INTO sessions (id, host, agent, driver_id, started_at) VALUES "
		  "('%s', 'h', 'one', 'd', %lld)",
	    id, (long long)(world_wall - days_ago * DAY));
	return id;
}

/* ended 0: it is open */
static const char *
old_turn(const char *session, int64_t days_ago, int64_t ended)
{
	const char *id = id_at(days_ago);

	world_sql("INSERT INTO turns (id, host, agent, session, origin, started_at, "
		  "ended_at) VALUES ('%s', 'h', 'one', '%s', 'message', 0, nullif(%lld, "
		  "0))",
	    id, session, (long long)(ended > 0 ? world_wall - ended * DAY : 0));
	return id;
}

static const char *
old_message(const char *turn, const char *how, int64_t days_ago, int64_t ended)
{
	const char *id = id_at(days_ago);

	world_sql("INSERT INTO messages (id, host, agent, channel, text, state, turn, "
		  "created_at, ended_at) VALUES ('%s', 'h', 'one', 'cli', 'x', '%s', "
		  "nullif('%s', ''), 0, nullif(%lld, 0))",
	    id, how, turn, (long long)(ended > 0 ? world_wall - ended * DAY : 0));
	return id;
}

static const char *
old_answer(const char *message, const char *how, int64_t days_ago)
{
	const char *id = id_at(days_ago);

	world_sql("INSERT INTO outbox (id, host, agent, channel, message, kind, text, "
		  "state, created_at) VALUES ('%s', 'h', 'one', 'cli', '%s', 'answer', "
		  "'x', '%s', %lld)",
	    id, message, how, (long long)(world_wall - days_ago * DAY));
	return id;
}

static void
expect_kept(const char *table, const char *id, bool kept)
{
	if (world_sql("SELECT 1 FROM %s WHERE id = '%s'", table, id)[0] !=
	    (kept ? '1' : '\0'))
		fail_msg("%s %s is %s", table, id, kept ? "gone" : "kept");
}

static void
what_is_over_goes_with_all_that_refers_to_it(void **state)
{
	(void)state;
	const char *s = old_session(30), *t = old_turn(s, 30, 29),
		   *m = old_message(t, "answered", 30, 29),
		   *o = old_answer(m, "sent", 29);
	const char *young = old_session(5);

	world_sql(
	    "INSERT INTO events (at, host, entity, id, actor) VALUES (%lld, '', '', "
	    "'old', ''), (%lld, '', '', 'young', '')",
	    (long long)(world_wall - 11 * DAY), (long long)(world_wall - 9 * DAY));
	world_sql("INSERT INTO approvals (id, host, agent, instance, seq, tool, input, "
		  "state, asked_at, expires_at) VALUES ('%s', '', '', '', 1, '', '', "
		  "'denied', 0, 0), ('%s', '', '', '', 2, '', '', 'open', 0, 0)",
	    id_at(30), id_at(30));
	retention_apply(world.db, 0);
	expect_kept("outbox", o, true);
	retention_apply(world.db, INT64_C(40) * DAY);
	expect_kept("outbox", o, true);
	retention_apply(world.db, KEEP);
	expect_kept("outbox", o, false);
	expect_kept("messages", m, false);
	expect_kept("turns", t, false);
	expect_kept("sessions", s, false);
	expect_kept("sessions", young, true);
	assert_string_equal(world_sql("SELECT group_concat(id) FROM events"), "young");
	assert_string_equal(
	    world_sql("SELECT group_concat(state) FROM approvals"), "open");
}

static void
what_is_open_or_referred_to_stays(void **state)
{
	(void)state;
	static const char *const open[] = {
	    "queued", "delivering", "delivered", "interrupted"};
	const char *m[4], *used = old_session(40), *current = old_session(39),
			  *free_one = old_session(38), *newest = old_session(37);
	const char *running = old_turn(used, 40, 0), *t = old_turn(used, 40, 39),
		   *late = old_message(t, "answered", 40, 2),
		   *told = old_message("", "answered", 40, 39),
		   *untold = old_answer(told, "queued", 9);

	world_agent("one", NULL, "{}");
	world_sql("UPDATE agents SET session = '%s'", current);
	for (int i = 0; i < 4; i++)
		m[i] = old_message("", open[i], 40, 0);
	retention_apply(world.db, KEEP);
	for (int i = 0; i < 4; i++)
		expect_kept("messages", m[i], true);
	expect_kept("turns", running, true);
	expect_kept("turns", t, true);
	expect_kept("messages", late, true);
	expect_kept("messages", told, true);
	expect_kept("outbox", untold, true);
	expect_kept("sessions", used, true);
	expect_kept("sessions", current, true);
	expect_kept("sessions", free_one, false);
	expect_kept("sessions", newest, true);
}

/* It kept its message and turn for ever. */
static void
an_answer_that_nobody_fetches_is_given_up(void **state)
{
	(void)state;
	const char *t = old_turn(old_session(30), 30, 29),
		   *m = old_message(t, "answered", 30, 29),
		   *o = old_answer(m, "queued", 29);

	world_sql("UPDATE outbox SET channel = 'ci'");
	retention_apply(world.db, 0);
	expect_kept("outbox", o, true);
	retention_apply(world.db, KEEP);
	expect_kept("outbox", o, false);
	expect_kept("messages", m, false);
	expect_kept("turns", t, false);
	assert_string_equal(
	    world_sql("SELECT entity || id || old || new || cause FROM events"),
	    world_sql("SELECT 'outbox%squeuedfailednobody served channel ci for "
		      "retention.keep'",
		o));
	retention_apply(world.db, KEEP);
	assert_string_equal(world_sql("SELECT count(*) FROM events"), "1");
}

/* Each is an event too: they count as what is deleted does. */
static void
answers_are_given_up_bit_by_bit(void **state)
{
	(void)state;
	world_sql(
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
	    "i < 700) INSERT INTO outbox (id, host, agent, channel, kind, state, "
	    "created_at, text) SELECT printf('00%%024d', i), '', '', 'ci', 'answer', "
	    "'queued', 1, '' FROM n");
	retention_apply(world.db, KEEP);
	assert_string_equal(
	    world_sql("SELECT count(*) || min(state) || max(state) FROM outbox"),
	    "700failedqueued");
	for (int i = 0; i < 3; i++)
		retention_apply(world.db, KEEP);
	assert_string_equal(world_sql("SELECT count(*) FROM outbox"), "0");
	assert_string_equal(world_sql("SELECT count(*) FROM events"), "700");
}

/* For an hour it was ten years later. Ids never go back, so all that came after is later
 * still, and nothing was deleted any more. */
static void
a_clock_that_was_ahead_holds_up_nothing(void **state)
{
	(void)state;
	enum { AHEAD = -3650 };
	const char *s = old_session(AHEAD), *t = old_turn(s, AHEAD, 30),
		   *m = old_message(t, "answered", AHEAD, 29),
		   *o = old_answer(m, "sent", AHEAD);
	const char *then = old_message("", "answered", AHEAD, 1),
		   *young = old_message("", "answered", AHEAD, 9);
	const char *newest = old_session(AHEAD);

	/* as it was once the clock was right again */
	world_sql(
	    "UPDATE outbox SET created_at = %lld", (long long)(world_wall - 29 * DAY));
	world_sql(
	    "UPDATE sessions SET started_at = %lld", (long long)(world_wall - 30 * DAY));
	/* as it was while the clock was ahead */
	world_sql("UPDATE messages SET ended_at = %lld WHERE id = '%s'",
	    (long long)(world_wall - AHEAD * DAY), then);
	world_sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
		  "i < 600) INSERT INTO events (at, host, entity, id, actor) SELECT "
		  "%lld, '', '', 'then', '' FROM n",
	    (long long)(world_wall - AHEAD * DAY));
	world_sql("INSERT INTO events (at, host, entity, id, actor) VALUES (%lld, '', "
		  "'', 'old', ''), (%lld, '', '', 'young', '')",
	    (long long)(world_wall - 11 * DAY), (long long)(world_wall - 9 * DAY));
	retention_apply(world.db, KEEP);
	expect_kept("outbox", o, false);
	expect_kept("messages", m, false);
	expect_kept("turns", t, false);
	expect_kept("sessions", s, false);
	expect_kept("sessions", newest, true);
	expect_kept("messages", then, true);
	expect_kept("messages", young, true);
	assert_string_equal(
	    world_sql("SELECT group_concat(DISTINCT id) FROM events"), "then,young");
}

/* For an hour it was years ago: what was done then is not old, its id says so. */
static void
a_clock_that_was_behind_loses_nothing(void **state)
{
	(void)state;
	const char *m = old_message("", "answered", 1, 3000);

	retention_apply(world.db, KEEP);
	expect_kept("messages", m, true);
	world_wall += KEEP;
	retention_apply(world.db, KEEP);
	expect_kept("messages", m, false);
	world_wall -= KEEP;
}

static void
it_goes_bit_by_bit(void **state)
{
	(void)state;
	world_sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
		  "i < 1200) INSERT INTO events (at, host, entity, id, actor) SELECT i, "
		  "'', '', '', '' FROM n");
	old_message("", "expired", 40, 39);
	retention_apply(world.db, KEEP);
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "0");
	assert_string_equal(
	    world_sql("SELECT count(*) || ' ' || min(seq) FROM events"), "701 500");
	retention_apply(world.db, KEEP);
	retention_apply(world.db, KEEP);
	assert_string_equal(world_sql("SELECT count(*) FROM events"), "0");
	retention_apply(world.db, KEEP);
	assert_string_equal(world_sql("SELECT seq FROM sqlite_sequence"), "1200");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(no_statement_reads_a_table_that_grows),
	    WORLD_TEST(every_foreign_key_has_an_index),
	    WORLD_TEST(totals_outlive_what_they_count),
	    WORLD_TEST(lists_are_newest_first_and_limited),
	    WORLD_TEST(what_is_over_goes_with_all_that_refers_to_it),
	    WORLD_TEST(what_is_open_or_referred_to_stays),
	    WORLD_TEST(an_answer_that_nobody_fetches_is_given_up),
	    WORLD_TEST(answers_are_given_up_bit_by_bit),
	    WORLD_TEST(a_clock_that_was_ahead_holds_up_nothing),
	    WORLD_TEST(a_clock_that_was_behind_loses_nothing),
	    WORLD_TEST(it_goes_bit_by_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
