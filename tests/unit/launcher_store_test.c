/* The launcher's statements on the real schema: what SQLite reads for each. */
#include "world.h"

#include "buf.h"

/* Reading a whole table is for tables that stay small, and for what is said here. */
static const struct {
	int statement;
	const char *plan, *why;
} may_scan[] = {
    {ST_DESIRED, "SCAN desired_agents", "all of them, a row an agent"},
    {ST_REMOVED_AGENTS, "SCAN agents", "a row an agent"},
    {ST_MESSAGE_COUNTS, "SCAN messages USING COVERING INDEX messages_by_state",
	"only when a person asks, and no row is read: 60 bytes a message"},
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
	    DB_ARGS(DB_T(agent), DB_T(before), DB_T(states), DB_I(3)));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(no_statement_reads_a_table_that_grows),
	    WORLD_TEST(every_foreign_key_has_an_index),
	    WORLD_TEST(totals_outlive_what_they_count),
	    WORLD_TEST(lists_are_newest_first_and_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
