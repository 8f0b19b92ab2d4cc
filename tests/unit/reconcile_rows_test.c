/* The rows that reconcile writes, and what it says of them. */
#include "unit.h"

#include "config.h"
#include "db.h"
#include "json.h"
#include "paths.h"
#include "reconcile/rows.h"
#include "reconcile/spec.h"

enum { ST_EVENTS, ST_COUNT };
static const char *const statements[ST_COUNT] = {
    [ST_EVENTS] = "SELECT group_concat(host || ' ' || id || ' ' || new, ', ' "
		  "ORDER BY seq) FROM events"};

static int
setup(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(system("rm -rf '" DATA_DIR "' && mkdir -p '" DATA_DIR "'"), 0);
	assert_int_equal(db_migrate(DB_PATH, &why), 0);
	return 0;
}

static struct config *
load(const char *text)
{
	struct config_source source = {.name = "berth.toml", .text = text};
	struct config *c;

	source.len = strlen(text);
	c = config_load(&source);
	if (config_errors(c) > 0)
		fail_msg("%s", config_error(c, 0));
	return c;
}

static void
apply(const char *text)
{
	struct agent_spec s = {.json = "{}", .hash = "0123"};
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *changes = yyjson_mut_arr(doc);
	struct config *c = load(text);
	struct db *db = rows_open();

	rows_begin(db, c);
	for (size_t i = 0; i < config_count(c, "agents"); i++)
		rows_agent(db, config_name_at(c, i, "agents"), &s, doc, changes);
	rows_remove_others(db, c, doc, changes);
	rows_settings(db, c);
	rows_commit(db);
	db_close(db);
	config_free(c);
	yyjson_mut_doc_free(doc);
}

static void
expect_events(const char *text)
{
	static const struct db_spec spec = {
	    .service = "test", .sql = statements, .sql_count = ST_COUNT};
	struct db *db = db_open(DB_PATH, &spec);
	char *have = db_one_text(db, ST_EVENTS, DB_NOARGS);

	assert_non_null(have);
	assert_string_equal(have, text);
	free(have);
	db_close(db);
}

static void
events_name_the_host_that_is_configured(void **state)
{
	(void)state;
	apply("[host]\nname = \"lab\"\n[agents.main]\ndriver = \"demo\"\n");
	expect_events("lab main 0123");
	apply("[host]\nname = \"attic\"\n");
	expect_events("lab main 0123, attic main removed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(events_name_the_host_that_is_configured, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
