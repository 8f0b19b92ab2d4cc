/* A configuration is put to use in an order in which a run may be killed anywhere. */
#include "unit.h"

#include <signal.h>

#include "clock.h"
#include "config.h"
#include "db.h"
#include "json.h"
#include "paths.h"
#include "reconcile/apply.h"
#include "reconcile/rows.h"

enum { ST_AGENTS, ST_EVENTS, ST_COUNT };
static const char *const statements[ST_COUNT] = {
    [ST_AGENTS] = "SELECT group_concat(name, ' ' ORDER BY name) FROM desired_agents",
    [ST_EVENTS] = "SELECT count(*) FROM events"};
static const struct db_spec spec = {
    .service = "test", .sql = statements, .sql_count = ST_COUNT};
static char *const env[] = {"TOKEN=t", "OTHER=o", NULL};

static const char before[] =
    "[agents.kept]\ndriver = \"demo\"\nsecrets.OLD = \"env:TOKEN\"\n"
    "[agents.gone]\ndriver = \"demo\"\nsecrets.TOKEN = \"env:TOKEN\"\n";
static const char after[] =
    "[agents.kept]\ndriver = \"demo\"\nsecrets.NEW = \"env:OTHER\"\n"
    "[agents.made]\ndriver = \"demo\"\nuid = 2000\nsecrets.TOKEN = \"env:TOKEN\"\n";

static int
setup(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(system("rm -rf '" DATA_DIR "' '" RUN_DIR "' '" ETC_DIR "' && "
				"mkdir -p '" HOME_DIR "' '" SPOOL_DIR "' '" GRANTED_DIR
				"' '" AGENT_DIR "' '" SHIM_DIR "' '" ETC_DIR "' && "
				"touch '" ETC_DIR "/passwd' '" ETC_DIR "/group'"),
	    0);
	assert_int_equal(db_migrate(DB_PATH, &why), 0);
	return 0;
}

static void
apply(const char *text)
{
	struct config_source source = {.name = "berth.toml", .text = text};
	yyjson_mut_doc *doc = json_object();
	struct db *db = rows_open();
	struct config *c;

	source.len = strlen(text);
	c = config_load(&source);
	if (config_errors(c) > 0)
		fail_msg("%s", config_error(c, 0));
	apply_config(db, c, env, doc, yyjson_mut_arr(doc));
	config_free(c);
	db_close(db);
	yyjson_mut_doc_free(doc);
}

static void
expect(const char *agents)
{
	struct db *db = db_open(DB_PATH, &spec);
	char *have = db_one_text(db, ST_AGENTS, DB_NOARGS);

	assert_non_null(have);
	assert_string_equal(have, agents);
	free(have);
	db_close(db);
}

static int64_t
events(void)
{
	struct db *db = db_open(DB_PATH, &spec);
	int64_t count = db_one_int(db, ST_EVENTS, DB_NOARGS, -1);

	db_close(db);
	return count;
}

static bool
granted(const char *secret)
{
	char path[256];

	snprintf(path, sizeof(path), GRANTED_DIR "/%s", secret);
	return access(path, F_OK) == 0;
}

/* In a child, which begins when it gets a byte: nothing of SQLite's may be open across
 * fork(2). */
static pid_t
run_later(const char *text, int *go)
{
	int ends[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(ends[1]);
		if (read(ends[0], &c, 1) == 1)
			apply(text);
		_exit(0);
	}
	close(ends[0]);
	*go = ends[1];
	return pid;
}

/* Somebody else writes to the database for as long as this run lives. */
static void
kill_before_its_rows(const char *text)
{
	int64_t until = mono_ms() + 8000;
	int go, status;
	pid_t pid = run_later(text, &go);
	struct db *db = db_open(DB_PATH, &spec);

	assert_int_equal(db_begin(db), DB_OK);
	assert_int_equal(write(go, "", 1), 1);
	while (access(HOME_DIR "/agent2000", F_OK) == -1 && mono_ms() < until)
		usleep(2000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	db_rollback(db);
	db_close(db);
	close(go);
}

static void
others_wait_for_rows_only_and_a_killed_run_takes_nothing_away(void **state)
{
	(void)state;
	apply(before);
	expect("gone kept");
	kill_before_its_rows(after);

	assert_true(granted("made/TOKEN")); /* ready for its row */
	assert_true(granted("kept/NEW"));
	assert_int_equal(access(SHIM_DIR "/made", F_OK), 0);
	assert_int_equal(access(SPOOL_DIR "/made", F_OK), 0);
	expect("gone kept");
	assert_true(granted("gone/TOKEN")); /* it still has its row */
	assert_true(granted("kept/OLD"));

	apply(after);
	expect("kept made");
	assert_true(granted("made/TOKEN"));
	assert_false(granted("gone"));
	assert_false(granted("kept/OLD"));
}

static void
what_a_killed_run_prepared_is_taken_back(void **state)
{
	int64_t count;

	(void)state;
	apply(before);
	count = events();
	kill_before_its_rows(after);
	apply(before);
	expect("gone kept");
	assert_int_equal(events(), count);
	assert_false(granted("made"));
	assert_false(granted("kept/NEW"));
	assert_true(granted("kept/OLD"));
	assert_true(granted("gone/TOKEN"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    TEST(others_wait_for_rows_only_and_a_killed_run_takes_nothing_away),
	    TEST(what_a_killed_run_prepared_is_taken_back),
	};

	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
