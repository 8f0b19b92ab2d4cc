/* The database layer, on tables of the test's own beside the product's `events`. */
#include "tmpdir.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "buf.h"
#include "clock.h"
#include "db.h"
#include "log.h"
#include "sql.h"

static char path[128], said[4096];

/* ---- the service under test ---- */

enum {
	ADD,
	SET,
	GET,
	ALL,
	HOW_MANY,
	EVENTS,
	LAST_EVENT,
	PORT,
	BUMP,
	VALUE,
	CARGO,
	ECHO,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    [ADD] = "INSERT INTO boats (name, state, port) VALUES (?, ?, ?)",
    [SET] = "UPDATE boats SET state = ?2 WHERE name = ?1",
    [GET] = "SELECT state FROM boats WHERE name = ?",
    [ALL] = "SELECT name FROM boats WHERE name >= ? ORDER BY name",
    [HOW_MANY] = "SELECT count(*) FROM boats",
    [EVENTS] = "SELECT count(*) FROM events",
    [LAST_EVENT] =
	("SELECT entity, id, old, new, cause, detail, host, actor, at FROM events"
	 " ORDER BY seq DESC LIMIT 1"),
    [PORT] = "INSERT INTO ports (name) VALUES (?)",
    [BUMP] = "UPDATE counter SET value = value + 1",
    [VALUE] = "SELECT value FROM counter",
    [CARGO] = "INSERT INTO cargo (bytes) VALUES (?)",
    [ECHO] = "SELECT ?, ?, ?, ?, ?",
};

static const char *const may_write[] = {"boats", "ports", "counter", "cargo", NULL};

static const struct db_spec spec = {.service = "harbour",
    .sql = sql,
    .sql_count = STATEMENTS,
    .write = may_write,
    .busy_timeout_ms = 1};

/* Past db.c: to prepare a file, and to see what is in it. */
static sqlite3 *
raw_open(void)
{
	sqlite3 *raw;

	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return raw;
}

static void
raw_exec(const char *statements)
{
	sqlite3 *raw = raw_open();
	char *error = NULL;

	if (sqlite3_exec(raw, statements, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", statements, error);
	sqlite3_close(raw);
}

/* All values of the result, "a|b|". */
static char *
raw_read(const char *query)
{
	sqlite3 *raw = raw_open();
	struct buf all = BUF_INIT;
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(raw, query, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const unsigned char *text = sqlite3_column_text(stmt, i);
			buf_addf(&all, "%s|", text == NULL ? "NULL" : (const char *)text);
		}
	sqlite3_finalize(stmt);
	sqlite3_close(raw);
	return buf_take(&all);
}

static void
expect_raw(const char *query, const char *expected)
{
	char *got = raw_read(query);

	assert_string_equal(got, expected);
	free(got);
}

static int
setup_empty(void **state)
{
	log_init("unit");
	dir_setup(state);
	snprintf(path, sizeof(path), "%s/berth.db", dir);
	return 0;
}

static int
setup(void **state)
{
	const char *why;

	setup_empty(state);
	if (db_migrate(path, &why) != 0)
		fail_msg("%s", why);
	raw_exec(
	    "CREATE TABLE ports (name TEXT PRIMARY KEY) STRICT;"
	    "CREATE TABLE boats (name TEXT PRIMARY KEY, state TEXT NOT NULL, port TEXT"
	    " REFERENCES ports (name) DEFERRABLE INITIALLY DEFERRED) STRICT;"
	    "CREATE TABLE counter (value INTEGER NOT NULL) STRICT;"
	    "CREATE TABLE cargo (bytes BLOB) STRICT;"
	    "CREATE TABLE others (name TEXT) STRICT;"
	    "INSERT INTO counter VALUES (0);");
	return 0;
}

static enum db_result
add_boat(struct db *db, const char *name)
{
	return db_run(db, ADD, DB_ARGS(DB_T(name), DB_T("moored"), DB_NULL), NULL);
}

static enum db_result
change_boat(struct db *db, const char *name, const char *to, int *changed)
{
	const struct db_event event = {.entity = "boat",
	    .id = name,
	    .old_state = "moored",
	    .new_state = to,
	    .cause = "the tide",
	    .detail = "{}"};

	return db_change(db, &event, SET, DB_ARGS(DB_T(name), DB_T(to)), changed);
}

static void
expect_count(struct db *db, int stmt, int64_t expected)
{
	assert_int_equal(db_one_int(db, stmt, DB_NOARGS, -1), expected);
}

/* ---- values ---- */

static void
values_come_back_as_they_went(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	char text[] = "abc";

	struct db_rows *r = db_query(db, ECHO,
	    DB_ARGS(DB_I(INT64_MIN), DB_T(text), DB_TN("a\0b", 3), DB_NULL,
		((struct db_arg){.type = DB_ARG_BLOB, .text = "\xff", .len = 1})));
	memset(text, 'x', 3); /* borrowed until the call returned */
	assert_true(db_next(r));
	assert_true(db_int(r, 0) == INT64_MIN);
	assert_string_equal(db_text(r, 1), "abc");
	assert_int_equal(db_len(r, 1), 3);
	assert_memory_equal(db_text(r, 2), "a\0b", 3);
	assert_int_equal(db_len(r, 2), 3);
	assert_true(db_is_null(r, 3));
	assert_null(db_text(r, 3));
	assert_int_equal(db_len(r, 4), 1);
	assert_false(db_next(r));
	assert_false(db_next(r));
	r = db_query(db, ECHO, DB_ARGS(DB_T(NULL), DB_T(""), DB_NULL, DB_NULL, DB_NULL));
	assert_true(db_next(r));
	assert_true(db_is_null(r, 0));
	assert_false(db_is_null(r, 1));
	assert_string_equal(db_text(r, 1), "");
	db_done(r);
	db_done(r);
	db_done(NULL);
	db_close(db);
	db_close(NULL);
}

static void
one_value_or_what_is_said_otherwise(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	int changed = -1;

	assert_null(db_one_text(db, GET, DB_ARGS(DB_T("ark"))));
	assert_int_equal(db_one_int(db, GET, DB_ARGS(DB_T("ark")), 7), 7);
	assert_int_equal(add_boat(db, "ark"), DB_OK);
	char *text = db_one_text(db, GET, DB_ARGS(DB_T("ark")));
	assert_string_equal(text, "moored");
	free(text);
	expect_count(db, HOW_MANY, 1);
	assert_int_equal(
	    db_run(db, SET, DB_ARGS(DB_T("ark"), DB_T("lost")), &changed), DB_OK);
	assert_int_equal(changed, 1);
	assert_int_equal(
	    db_run(db, SET, DB_ARGS(DB_T("no"), DB_T("lost")), &changed), DB_OK);
	assert_int_equal(changed, 0);
	db_close(db);
}

static void
rows_can_be_left_and_read_again(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	struct db_rows *r;
	int n = 0;

	assert_int_equal(add_boat(db, "a"), DB_OK);
	assert_int_equal(add_boat(db, "b"), DB_OK);
	r = db_query(db, ALL, DB_ARGS(DB_T("")));
	assert_true(db_next(r));
	db_done(r);
	for (r = db_query(db, ALL, DB_ARGS(DB_T("a"))); db_next(r); n++)
		assert_int_equal(db_text(r, 0)[0], 'a' + n);
	assert_int_equal(n, 2);
	db_assert_idle(db);
	db_close(db);
}

/* ---- what comes back, and what is fatal ---- */

static void
a_constraint_is_a_result(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);

	assert_int_equal(add_boat(db, "ark"), DB_OK);
	assert_int_equal(add_boat(db, "ark"), DB_CONSTRAINT);
	assert_int_equal(add_boat(db, NULL), DB_CONSTRAINT);
	assert_int_equal(
	    db_run(db, ADD, DB_ARGS(DB_T("x"), DB_NULL, DB_NULL), NULL), DB_CONSTRAINT);
	/* Foreign keys are on. */
	assert_int_equal(
	    db_run(db, ADD, DB_ARGS(DB_T("x"), DB_T("moored"), DB_T("nowhere")), NULL),
	    DB_CONSTRAINT);
	expect_count(db, HOW_MANY, 1);
	db_close(db);
}

static void
busy_is_a_result_and_nothing_has_begun(void **state)
{
	(void)state;
	struct db *one = db_open(path, &spec), *two = db_open(path, &spec);
	int changed = -1;

	assert_int_equal(db_begin(one), DB_OK);
	assert_int_equal(add_boat(one, "ark"), DB_OK);
	assert_int_equal(db_begin(two), DB_BUSY);
	db_assert_idle(two);
	assert_int_equal(add_boat(two, "raft"), DB_BUSY);
	assert_int_equal(change_boat(two, "ark", "lost", &changed), DB_BUSY);
	assert_int_equal(changed, 0);
	expect_count(two, HOW_MANY, 0); /* reading never waits */
	assert_int_equal(db_commit(one), DB_OK);
	assert_int_equal(add_boat(two, "raft"), DB_OK);
	expect_count(one, HOW_MANY, 2);
	db_close(one);
	db_close(two);
}

static void
must_add(void *arg)
{
	struct db *db = db_open(path, &spec);
	const struct db_event event = {
	    .entity = "boat", .id = arg, .new_state = "afloat"};

	db_must(db, ADD, DB_ARGS(DB_T(arg), DB_T("moored"), DB_NULL));
	assert_int_equal(
	    db_must_change(db, &event, SET, DB_ARGS(DB_T(arg), DB_T("afloat"))), 1);
	db_close(db);
}

/* The child begins before we open the database, which must not be open across a fork,
 * and writes once we hold it; it says that it is kept waiting before we let it go on. */
static void
what_must_be_waits_for_as_long_as_it_takes(void **state)
{
	(void)state;
	char name[] = "ark", c;
	int go[2], says[2], status;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(says), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(says[1], STDERR_FILENO);
		close(says[0]);
		close(says[1]);
		close(go[1]);
		if (read(go[0], &c, 1) == 1)
			must_add(name);
		_exit(0);
	}
	close(says[1]);
	struct db *db = db_open(path, &spec);
	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(write(go[1], "!", 1), 1);
	ssize_t got = read(says[0], said, sizeof(said) - 1);
	assert_true(got > 0);
	said[got] = '\0';
	assert_non_null(strstr(said, "somebody else has held it for 20 tries"));
	assert_int_equal(db_commit(db), DB_OK);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_raw("SELECT name, state FROM boats", "ark|afloat|");
	expect_count(db, EVENTS, 1);
	db_close(db);
	close(says[0]);
	close(go[0]);
	close(go[1]);
}

static void
must_commit_undone(void *arg)
{
	struct db *db = db_open(path, &spec);

	(void)arg;
	db_must_begin(db);
	db_must_begin(db);
	db_rollback(db);
	db_must_commit(db);
}

static void
must_change_refused(void *arg)
{
	struct db *db = db_open(path, &spec);
	const struct db_event event = {.entity = "boat", .id = arg, .new_state = "new"};

	db_must_change(db, &event, ADD, DB_ARGS(DB_T(arg), DB_T("moored"), DB_NULL));
	db_must_change(db, &event, ADD, DB_ARGS(DB_T(arg), DB_T("moored"), DB_NULL));
}

static void
what_must_be_and_is_refused_is_fatal(void **state)
{
	(void)state;
	char name[] = "ark", raft[] = "raft";

	assert_int_equal(
	    unit_in_child(must_change_refused, name, said, sizeof(said)), EXIT_BUG);
	assert_non_null(strstr(said, "UNIQUE constraint failed: boats.name: INSERT"));
	assert_int_equal(unit_in_child(must_add, name, said, sizeof(said)), EXIT_BUG);
	assert_non_null(strstr(said, "UNIQUE constraint failed: boats.name: INSERT"));
	assert_int_equal(
	    unit_in_child(must_commit_undone, raft, said, sizeof(said)), EXIT_BUG);
	assert_non_null(strstr(said, "rolled back inside: COMMIT"));
	expect_raw("SELECT name, state FROM boats", "ark|moored|");
}

static void
open_with(void *arg)
{
	const char *const one[] = {arg};
	const struct db_spec other = {
	    .service = "harbour", .sql = one, .sql_count = 1, .write = may_write};

	db_close(db_open(path, &other));
}

static void
a_service_writes_its_own_tables_only(void **state)
{
	(void)state;
	static const struct {
		const char *sql, *said; /* NULL: allowed */
	} cases[] = {
	    {"INSERT INTO events (at, host, entity, id, actor) VALUES (0, '', '', '', "
	     "'')",
		NULL},
	    {"SELECT max(name) FROM others", NULL},
	    {"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
	     "3) SELECT i"
	     " FROM n",
		NULL},
	    {"INSERT INTO boats (name, state) VALUES (?, ?) ON CONFLICT DO UPDATE SET "
	     "state = ?",
		NULL},
	    {"UPDATE others\n\tSET name = ?",
		"fatal: harbour may not update table others: UPDATE others SET name = ?"},
	    {"INSERT INTO others VALUES (?)", "harbour may not insert into table others"},
	    {"DELETE FROM others", "harbour may not delete from table others"},
	    {"UPDATE events SET new = ?", "harbour may not update table events"},
	    {"DELETE FROM events", "harbour may not delete from table events"},
	    {"INSERT INTO events (seq, at, host, entity, id, actor) VALUES (1, 0, '', "
	     "'', '', '')"
	     " ON CONFLICT (seq) DO UPDATE SET new = ?",
		"harbour may not update table events"},
	    {"CREATE TABLE mine (x)", "harbour may not"},
	    {"CREATE TEMP TABLE mine (x)", "harbour may not"},
	    {"DROP TABLE boats", "harbour may not"},
	    {"PRAGMA foreign_keys = 0", "harbour may not do anything but read"},
	    {"ATTACH 'other.db' AS other", "harbour may not do anything but read"},
	    {"SAVEPOINT here", "harbour may not do anything but read"},
	    {"SELECT 1; SELECT 2", "not exactly one statement"},
	    {"", "not exactly one statement"},
	    {"SELECT keel FROM boats", "no such column"},
	    {"SELECT \"moored\" FROM boats", "no such column"}, /* a typo is no string */
	    {NULL, "statement 0 is missing"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = unit_in_child(
		    open_with, (void *)(uintptr_t)cases[i].sql, said, sizeof(said));
		bool good =
		    cases[i].said == NULL
			? status == 0
			: status == EXIT_BUG && strstr(said, cases[i].said) != NULL;
		if (!good)
			fail_msg("%s: %d, %s", cases[i].sql, status, said);
	}
}

static void
a_trigger_cannot_write_for_a_service(void **state)
{
	(void)state;
	raw_exec("CREATE TRIGGER sly AFTER INSERT ON boats BEGIN INSERT INTO others "
		 "VALUES (new.name);"
		 " END");
	assert_int_equal(
	    unit_in_child(open_with, (void *)(uintptr_t)sql[ADD], said, sizeof(said)),
	    EXIT_BUG);
	assert_non_null(strstr(said, "harbour may not insert into table others"));
}

static void
misuse_wrong_count(void *arg)
{
	db_run(arg, ADD, DB_ARGS(DB_T("x")), NULL);
}

static void
misuse_rows_of_run(void *arg)
{
	db_run(arg, HOW_MANY, DB_NOARGS, NULL);
}

static void
misuse_query_twice(void *arg)
{
	db_query(arg, HOW_MANY, DB_NOARGS);
	db_query(arg, HOW_MANY, DB_NOARGS);
}

static void
misuse_number(void *arg)
{
	db_run(arg, STATEMENTS, DB_NOARGS, NULL);
}

static void
misuse_left_transaction(void *arg)
{
	db_begin(arg);
	db_assert_idle(arg);
}

static void
misuse_left_rows(void *arg)
{
	db_next(db_query(arg, HOW_MANY, DB_NOARGS));
	db_assert_idle(arg);
}

static void
misuse_commit(void *arg)
{
	db_commit(arg);
}

static void
misuse_rollback(void *arg)
{
	db_rollback(arg);
}

static void
misuse_event(void *arg)
{
	const struct db_event nameless = {.entity = "boat"};

	db_change(arg, &nameless, BUMP, DB_NOARGS, NULL);
}

static void
misuse_is_fatal_and_says_what(void **state)
{
	(void)state;
	static const struct {
		void (*call)(void *);
		const char *said;
	} cases[] = {
	    {misuse_wrong_count, "wrong number of values: INSERT INTO boats"},
	    {misuse_rows_of_run, "returns rows: SELECT count(*)"},
	    {misuse_query_twice, "used again before db_done(): SELECT count(*)"},
	    {misuse_number, "there is no statement"},
	    {misuse_left_transaction, "a transaction was left open"},
	    {misuse_left_rows, "left open: SELECT count(*)"},
	    {misuse_commit, "commit without a transaction"},
	    {misuse_rollback, "rollback without a transaction"},
	    {misuse_event, "NOT NULL constraint failed: events.id"},
	};
	struct db *db = db_open(path, &spec);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = unit_in_child(cases[i].call, db, said, sizeof(said));
		if (status != EXIT_BUG || strstr(said, cases[i].said) == NULL)
			fail_msg("%s: %d, %s", cases[i].said, status, said);
	}
	db_close(db);
}

/* ---- transactions ---- */

static void
only_the_outermost_commits(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec), *other = db_open(path, &spec);

	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(add_boat(db, "a"), DB_OK);
	assert_int_equal(db_commit(db), DB_OK);
	expect_count(other, HOW_MANY, 0);
	assert_int_equal(add_boat(db, "b"), DB_OK);
	assert_int_equal(db_commit(db), DB_OK);
	expect_count(other, HOW_MANY, 2);
	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(add_boat(db, "c"), DB_OK);
	db_rollback(db);
	expect_count(db, HOW_MANY, 2);
	db_close(db);
	db_close(other);
}

static void
a_rollback_inside_dooms_the_whole(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);

	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(add_boat(db, "a"), DB_OK);
	db_rollback(db);
	assert_int_equal(db_commit(db), DB_CONSTRAINT);
	/* Would commit by itself, had the rollback been made at once. */
	assert_int_equal(add_boat(db, "b"), DB_OK);
	assert_int_equal(db_commit(db), DB_CONSTRAINT);
	db_assert_idle(db);
	expect_count(db, HOW_MANY, 0);
	/* The next one is not doomed. */
	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(add_boat(db, "c"), DB_OK);
	assert_int_equal(db_commit(db), DB_OK);
	expect_count(db, HOW_MANY, 1);
	db_close(db);
}

static void
a_commit_may_fail_on_a_deferred_key(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);

	for (int known = 0; known < 2; known++) {
		assert_int_equal(db_begin(db), DB_OK);
		assert_int_equal(
		    db_run(
			db, ADD, DB_ARGS(DB_T("a"), DB_T("moored"), DB_T("here")), NULL),
		    DB_OK);
		if (known)
			assert_int_equal(
			    db_run(db, PORT, DB_ARGS(DB_T("here")), NULL), DB_OK);
		assert_int_equal(db_commit(db), known ? DB_OK : DB_CONSTRAINT);
		db_assert_idle(db);
		expect_count(db, HOW_MANY, known);
	}
	db_close(db);
}

/* ---- a change and its event ---- */

static void
a_change_writes_its_event(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	int64_t before = wall_ms();
	int changed = -1;

	assert_string_equal(db_host(db), "localhost");
	db_set_host(db, "pier-1");
	assert_int_equal(add_boat(db, "ark"), DB_OK);
	assert_int_equal(change_boat(db, "ark", "sailing", &changed), DB_OK);
	assert_int_equal(changed, 1);
	struct db_rows *r = db_query(db, LAST_EVENT, DB_NOARGS);
	static const char *const expected[] = {
	    "boat", "ark", "moored", "sailing", "the tide", "{}", "pier-1", "harbour"};
	assert_true(db_next(r));
	for (int i = 0; i < 8; i++)
		assert_string_equal(db_text(r, i), expected[i]);
	assert_true(db_int(r, 8) >= before && db_int(r, 8) <= wall_ms());
	db_done(r);
	db_close(db);
}

static void
no_event_without_a_change(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	const struct db_event event = {.entity = "boat", .id = "ark"};
	int changed = -1;

	assert_int_equal(change_boat(db, "ark", "sailing", &changed), DB_OK);
	assert_int_equal(changed, 0);
	assert_int_equal(add_boat(db, "ark"), DB_OK);
	changed = -1;
	assert_int_equal(db_change(db, &event, ADD,
			     DB_ARGS(DB_T("ark"), DB_T("x"), DB_NULL), &changed),
	    DB_CONSTRAINT);
	assert_int_equal(changed, 0);
	db_assert_idle(db);
	expect_count(db, EVENTS, 0);
	db_close(db);
}

static void
a_refused_change_does_not_doom_what_encloses_it(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	const struct db_event event = {.entity = "boat", .id = "ark"};

	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(add_boat(db, "ark"), DB_OK);
	assert_int_equal(
	    db_change(db, &event, ADD, DB_ARGS(DB_T("ark"), DB_T("x"), DB_NULL), NULL),
	    DB_CONSTRAINT);
	assert_int_equal(change_boat(db, "ark", "sailing", NULL), DB_OK);
	assert_int_equal(db_commit(db), DB_OK);
	expect_count(db, HOW_MANY, 1);
	expect_count(db, EVENTS, 1);
	db_close(db);
}

/* Changes the counter for ever, and tells on fd how often. */
static void
count_for_ever(int fd)
{
	const struct db_event event = {.entity = "counter", .id = "one"};
	struct db *db = db_open(path, &spec);

	for (;;) {
		enum db_result result = db_change(db, &event, BUMP, DB_NOARGS, NULL);
		if (result == DB_OK && write(fd, "x", 1) != 1)
			_exit(1);
	}
}

static void
killed_at_any_instruction_change_and_event_agree(void **state)
{
	(void)state;
	int64_t total = 0;

	for (int round = 0; round < 10; round++) {
		int ends[2];
		char told[16];
		fflush(NULL);
		assert_int_equal(pipe(ends), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			count_for_ever(ends[1]);
		close(ends[1]);
		for (int seen = 0; seen < 3 + round;)
			seen += (int)read(ends[0], told, 1);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		int64_t least = total + 3 + round;
		for (ssize_t n; (n = read(ends[0], told, sizeof(told))) > 0;)
			least += n;
		close(ends[0]);
		struct db *db = db_open(path, &spec);
		total = db_one_int(db, VALUE, DB_NOARGS, -1);
		/* What was told had been committed; one more may have been, untold. */
		assert_true(total == least || total == least + 1);
		expect_count(db, EVENTS, total);
		db_close(db);
	}
}

static void
count_to_100(void)
{
	const struct db_event event = {.entity = "counter", .id = "one"};
	struct db *db = db_open(path, &spec);

	for (int done = 0; done < 100;)
		done += db_change(db, &event, BUMP, DB_NOARGS, NULL) == DB_OK;
	db_close(db);
	_exit(0);
}

static void
two_writers_lose_nothing(void **state)
{
	(void)state;
	pid_t pids[2];
	int status;

	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			count_to_100();
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	expect_raw(
	    "SELECT value, (SELECT count(*) FROM events) FROM counter", "200|200|");
}

/* ---- the write-ahead log ---- */

static off_t
size_of(const char *suffix)
{
	char name[160];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? st.st_size : -1;
}

static void
add_cargo(struct db *db, int megabytes)
{
	static char bytes[1 << 20];

	for (int i = 0; i < megabytes; i++)
		assert_int_equal(
		    db_run(db, CARGO,
			DB_ARGS(((struct db_arg){
			    .type = DB_ARG_BLOB, .text = bytes, .len = sizeof(bytes)})),
			NULL),
		    DB_OK);
}

static void
the_log_stays_small_with_nobody_to_tend_it(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);

	add_cargo(db, 10);
	assert_true(size_of("-wal") > 10 << 20); /* not checkpointed at every turn */
	add_cargo(db, 50);
	assert_true(size_of("-wal") < 20 << 20);
	assert_true(size_of("") > 40 << 20);
	db_close(db);
}

static void
one_process_checkpoints_at_a_time(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);
	char name[160];

	snprintf(name, sizeof(name), "%s.ckpt", path);
	int other = open(name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX), 0);
	add_cargo(db, 24);
	db_checkpoint(db);
	assert_true(size_of("-wal") > 24 << 20);
	assert_true(size_of("") < 1 << 20);
	assert_int_equal(flock(other, LOCK_UN), 0);
	db_checkpoint(db);
	assert_true(size_of("") > 24 << 20);
	close(other);
	db_close(db);
}

static void
a_reader_in_the_way_of_a_checkpoint_is_no_error(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec), *reader = db_open(path, &spec);

	assert_int_equal(add_boat(db, "a"), DB_OK);
	assert_int_equal(add_boat(db, "b"), DB_OK);
	struct db_rows *r = db_query(reader, ALL, DB_ARGS(DB_T("")));
	assert_true(db_next(r));
	add_cargo(db, 24);
	db_checkpoint(db);
	assert_true(db_next(r));
	assert_false(db_next(r));
	/* Its own open rows neither. */
	r = db_query(db, ALL, DB_ARGS(DB_T("")));
	assert_true(db_next(r));
	add_cargo(db, 18);
	db_done(r);
	db_close(db);
	db_close(reader);
}

static int64_t
pages(const char *pragma)
{
	char *text = raw_read(pragma);
	int64_t n = atoll(text);

	free(text);
	return n;
}

/* By 256 pages, and SQLite's own notes about them. */
static void
expect_shrunk(int64_t had)
{
	int64_t gone = had - pages("PRAGMA page_count");

	assert_true(gone >= 256 && gone < 260);
}

static void
what_is_free_for_long_is_given_back(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);

	add_cargo(db, 20);
	raw_exec("DELETE FROM cargo");
	int64_t had = pages("PRAGMA page_count");
	assert_true(pages("PRAGMA freelist_count") > 5000);
	db_shrink(db);
	expect_shrunk(had);
	for (int i = 0; i < 20; i++)
		db_shrink(db);
	/* 16 MiB stay for new rows. */
	int64_t spare = pages("PRAGMA freelist_count");
	assert_true(spare <= 4096 && spare > 4096 - 260);
	db_checkpoint(db);
	assert_true(size_of("") < 18 << 20);
	db_close(db);
}

static void
nothing_is_given_back_while_somebody_writes(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec), *other = db_open(path, &spec);

	add_cargo(db, 20);
	raw_exec("DELETE FROM cargo");
	int64_t had = pages("PRAGMA page_count");
	assert_int_equal(db_begin(other), DB_OK);
	db_shrink(db);
	assert_int_equal(db_commit(other), DB_OK);
	assert_int_equal(pages("PRAGMA page_count"), had);
	db_shrink(db);
	expect_shrunk(had);
	db_close(db);
	db_close(other);
}

static void
the_last_to_close_leaves_the_log(void **state)
{
	(void)state;
	struct db *db = db_open(path, &spec);

	assert_int_equal(add_boat(db, "a"), DB_OK);
	db_close(db);
	assert_true(size_of("-wal") > 0);
	assert_true(size_of("-shm") > 0);
	expect_raw("SELECT name FROM boats", "a|");
}

/* ---- opening and migrating ---- */

#define SCHEMA "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"

static void
a_new_file_becomes_ours(void **state)
{
	(void)state;
	const char *why = "?";
	char version[32];
	struct stat st;

	assert_int_equal(db_migrate(path, &why), 0);
	assert_null(why);
	snprintf(version, sizeof(version), "%d|", db_schema_version());
	expect_raw("PRAGMA user_version", version);
	expect_raw("PRAGMA application_id", "1651668072|");
	expect_raw("PRAGMA journal_mode", "wal|");
	expect_raw("PRAGMA auto_vacuum", "2|");
	/* For those who may not make files here. */
	assert_true(size_of("-wal") >= 0);
	assert_true(size_of("-shm") >= 0);
	assert_true(size_of(".ckpt") == 0);
	assert_int_equal(stat(path, &st), 0);
	char *before = raw_read(SCHEMA);
	assert_int_equal(db_migrate(path, &why), 0);
	expect_raw(SCHEMA, before);
	free(before);
}

static void
the_lock_is_for_whom_the_database_is_for(void **state)
{
	(void)state;
	const char *why;
	char name[160];
	struct stat st;

	if (getuid() != 0)
		skip();
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(chown(path, 900, 901), 0);
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(db_migrate(path, &why), 0);
	static const char *const files[] = {"", "-wal", "-shm", ".ckpt"};
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s%s", path, files[i]);
		assert_int_equal(stat(name, &st), 0);
		if (st.st_uid != 900 || st.st_gid != 901 || (st.st_mode & 07777) != 0660)
			fail_msg("%s: %d:%d %o", name, (int)st.st_uid, (int)st.st_gid,
			    st.st_mode);
	}
}

static void
every_earlier_version_is_migrated(void **state)
{
	(void)state;
	const size_t newest = sizeof(sql_migrations) / sizeof(sql_migrations[0]);
	const char *why;
	char stamp[100];

	assert_int_equal(db_migrate(path, &why), 0);
	char *fresh = raw_read(SCHEMA);
	for (size_t have = 1; have < newest; have++) {
		unit_rmdir(dir);
		assert_int_equal(mkdir(dir, 0700), 0);
		for (size_t i = 0; i < have; i++)
			raw_exec(sql_migrations[i].sql);
		snprintf(stamp, sizeof(stamp),
		    "PRAGMA application_id=0x62727468;PRAGMA user_version=%d",
		    sql_migrations[have - 1].version);
		raw_exec(stamp);
		if (db_migrate(path, &why) != 0)
			fail_msg(
			    "from version %d: %s", sql_migrations[have - 1].version, why);
		expect_raw(SCHEMA, fresh);
	}
	for (size_t i = 1; i < newest; i++)
		assert_true(sql_migrations[i].version > sql_migrations[i - 1].version);
	free(fresh);
}

static void
open_spec(void *arg)
{
	(void)arg;
	db_close(db_open(path, &spec));
}

static void
expect_refused(int status, const char *text)
{
	assert_int_equal(unit_in_child(open_spec, NULL, said, sizeof(said)), status);
	if (strstr(said, text) == NULL)
		fail_msg("expected \"%s\" in: %s", text, said);
}

#define AWAY                                                                             \
	"; restore it from a backup, or move it away with its -wal and -shm: berth "     \
	"then "                                                                          \
	"begins with an empty one"

/* Whoever reads it in the container's log knows which file, and what to do. */
static void
expect_not_migrated(const char *text)
{
	char sentence[800];
	const char *why;

	snprintf(sentence, sizeof(sentence), "%s: %s", path, text);
	assert_int_equal(db_migrate(path, &why), -1);
	assert_string_equal(why, sentence);
}

static void
a_newer_database_is_refused(void **state)
{
	(void)state;
	char text[200];

	raw_exec("PRAGMA user_version=99999");
	snprintf(text, sizeof(text),
	    "it was made by a newer berth: its version is 99999, ours %d; run that "
	    "berth's image, or a newer one",
	    db_schema_version());
	expect_not_migrated(text);
	expect_refused(EXIT_BAD_USAGE, "made by a newer berth");
	expect_raw("PRAGMA user_version", "99999|");
}

static void
an_older_or_missing_database_is_not_opened(void **state)
{
	(void)state;
	expect_refused(EXIT_SYSTEM, "unable to open database file");
	assert_int_equal(size_of(""), -1);
	raw_exec("PRAGMA application_id=0x62727468; CREATE TABLE t (x)");
	expect_refused(EXIT_SYSTEM, "not migrated yet");
}

static void
somebody_elses_database_is_left_alone(void **state)
{
	(void)state;

	raw_exec("CREATE TABLE t (x)");
	expect_not_migrated("it is a database, but not berth's" AWAY);
	expect_refused(EXIT_BAD_USAGE, "not a database of berth");
	expect_raw("PRAGMA journal_mode", "delete|");
	expect_raw("SELECT name FROM sqlite_schema", "t|");
}

static void
what_is_no_database_is_said_to_be_damaged(void **state)
{
	(void)state;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is not a database\n", f);
	fclose(f);
	expect_not_migrated("the database is damaged: cannot be opened: file is not a "
			    "database (SQLite 26)" AWAY);
	expect_refused(EXIT_SYSTEM, "file is not a database");
	assert_int_equal(size_of(""), 23000);
	snprintf(path, sizeof(path), "%s/no/such/place", dir);
	expect_not_migrated("cannot be opened: unable to open database file (SQLite 14)");
}

/* ---- copies ---- */

static void
a_copy_is_of_what_is_committed(void **state)
{
	char copy[sizeof(path)], from[sizeof(path)];
	struct db *db = db_open(path, &spec);
	const char *why;
	int version = 0;

	(void)state;
	snprintf(copy, sizeof(copy), "%.100s/copy", dir);
	add_boat(db, "in time");
	assert_int_equal(db_begin(db), DB_OK);
	add_boat(db, "too late");
	assert_int_equal(db_copy(path, copy, &why), 0);
	db_must_commit(db);
	assert_int_equal(db_inspect(copy, &version, &why), 0);
	assert_int_equal(version, db_schema_version());
	assert_int_equal(db_copy(path, copy, &why), -1); /* what is there stays */
	assert_non_null(strstr(why, "cannot be copied: output file already exists"));
	memcpy(from, path, sizeof(from));
	memcpy(path, copy, sizeof(path));
	expect_raw("SELECT name FROM boats", "in time|");
	memcpy(path, from, sizeof(from));
	expect_raw("SELECT count(*) FROM boats", "2|");
	db_close(db);
}

static void
a_copy_that_is_damaged_or_newer_is_told(void **state)
{
	const char *why;
	int version = 0, fd;

	(void)state;
	raw_exec("PRAGMA journal_mode=DELETE; PRAGMA user_version=99999");
	assert_int_equal(db_inspect(path, &version, &why), -1);
	assert_int_equal(version, 99999);
	assert_non_null(strstr(why, "made by a newer berth"));
	raw_exec("PRAGMA user_version=1");
	assert_int_equal(db_inspect(path, &version, &why), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 4096 * 2), 8);
	close(fd);
	assert_int_equal(db_inspect(path, &version, &why), -1);
	assert_non_null(
	    strstr(why, "the database is damaged: PRAGMA integrity_check(1)"));
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(db_inspect(path, &version, &why), -1);
	assert_int_equal(access(path, F_OK), -1);
}

int
main(void)
{
#define DB_TEST(f)    cmocka_unit_test_setup_teardown(f, setup, dir_teardown)
#define EMPTY_TEST(f) cmocka_unit_test_setup_teardown(f, setup_empty, dir_teardown)
	const struct CMUnitTest tests[] = {
	    DB_TEST(values_come_back_as_they_went),
	    DB_TEST(one_value_or_what_is_said_otherwise),
	    DB_TEST(rows_can_be_left_and_read_again),
	    DB_TEST(a_constraint_is_a_result),
	    DB_TEST(busy_is_a_result_and_nothing_has_begun),
	    DB_TEST(what_must_be_waits_for_as_long_as_it_takes),
	    DB_TEST(what_must_be_and_is_refused_is_fatal),
	    DB_TEST(a_service_writes_its_own_tables_only),
	    DB_TEST(a_trigger_cannot_write_for_a_service),
	    DB_TEST(misuse_is_fatal_and_says_what),
	    DB_TEST(only_the_outermost_commits),
	    DB_TEST(a_rollback_inside_dooms_the_whole),
	    DB_TEST(a_commit_may_fail_on_a_deferred_key),
	    DB_TEST(a_change_writes_its_event),
	    DB_TEST(no_event_without_a_change),
	    DB_TEST(a_refused_change_does_not_doom_what_encloses_it),
	    DB_TEST(killed_at_any_instruction_change_and_event_agree),
	    DB_TEST(two_writers_lose_nothing),
	    DB_TEST(the_log_stays_small_with_nobody_to_tend_it),
	    DB_TEST(one_process_checkpoints_at_a_time),
	    DB_TEST(a_reader_in_the_way_of_a_checkpoint_is_no_error),
	    DB_TEST(what_is_free_for_long_is_given_back),
	    DB_TEST(nothing_is_given_back_while_somebody_writes),
	    DB_TEST(the_last_to_close_leaves_the_log),
	    EMPTY_TEST(a_new_file_becomes_ours),
	    EMPTY_TEST(the_lock_is_for_whom_the_database_is_for),
	    EMPTY_TEST(every_earlier_version_is_migrated),
	    DB_TEST(a_newer_database_is_refused),
	    EMPTY_TEST(an_older_or_missing_database_is_not_opened),
	    EMPTY_TEST(somebody_elses_database_is_left_alone),
	    EMPTY_TEST(what_is_no_database_is_said_to_be_damaged),
	    DB_TEST(a_copy_is_of_what_is_committed),
	    DB_TEST(a_copy_that_is_damaged_or_newer_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
