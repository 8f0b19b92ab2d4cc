/* Questions: open exactly as long as somebody waits for the answer. */
#include "world.h"

#include "json.h"
#include "launcher/approval.h"
#include "launcher/shimlink.h"

#define SHIM    "01JD3Y0N6Q8Z4V5W6X7Y8Z9A0B"
#define EARLIER "01JD3Y0N6Q8Z4V5W6X7Y8Z9A0A"

/* ---- what stands beside it ---- */

static char decided[1024]; /* "<seq> <output>;" each */

void
shimlink_decide(
    struct agent *a, const char *instance, int64_t seq, const char *output_json)
{
	size_t n = strlen(decided);

	assert_string_equal(a->name, "main");
	assert_int_equal(strlen(instance), ULID_LEN);
	snprintf(decided + n, sizeof(decided) - n, "%s%d %.20s;",
	    strcmp(instance, SHIM) == 0 ? "" : "earlier ", (int)seq, output_json);
}

int64_t
agent_spec_int(const struct agent *agent, const char *key, int64_t otherwise)
{
	return json_int(yyjson_doc_get_root(agent->spec), key, otherwise);
}

static struct agent *a;

static int
setup(void **state)
{
	world_setup(state);
	a = world_agent("main", NULL, "{}");
	snprintf(a->instance, sizeof(a->instance), "%s", SHIM);
	decided[0] = '\0';
	return 0;
}

/* ---- helpers ---- */

static void
ask(const char *instance, int64_t seq)
{
	static const char hook[] =
	    "{\"tool_name\":\"Bash\",\"tool_input\":{\"command\":\"ls\"}}";
	const char *why;
	yyjson_doc *doc = json_parse(hook, strlen(hook), &why);

	approval_ask(a, yyjson_doc_get_root(doc), instance, seq);
	yyjson_doc_free(doc);
}

static void
hello(const char *asks)
{
	const char *why;
	yyjson_doc *doc = json_parse(asks, strlen(asks), &why);

	decided[0] = '\0';
	approval_hello(a, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}

static const char *
state_of(int64_t seq)
{
	return world_sql("SELECT state FROM approvals WHERE seq = %d", (int)seq);
}

static const char *
id_of(int64_t seq)
{
	return world_sql("SELECT id FROM approvals WHERE seq = %d", (int)seq);
}

/* ---- tests ---- */

static void
the_first_answer_counts(void **state)
{
	char id[27];

	(void)state;
	ask(SHIM, 1);
	snprintf(id, sizeof(id), "%s", id_of(1));
	assert_true(approval_answer(&world, id, true, NULL, "cli"));
	assert_string_equal(decided, "1 {\"hookSpecificOutput;");
	assert_false(approval_answer(&world, id, false, "no", "cli"));
	assert_string_equal(state_of(1), "allowed");
	assert_string_equal(
	    world_sql("SELECT count(*) FROM events WHERE entity = 'approval'"), "2");
}

static void
a_question_answered_at_the_terminal_lets_its_hook_go(void **state)
{
	(void)state;
	ask(SHIM, 1);
	approval_withdraw(a, INT64_MAX, "answered at the terminal");
	assert_string_equal(state_of(1), "withdrawn");
	assert_string_equal(decided, "1 null;");
	decided[0] = '\0';
	approval_withdraw(a, INT64_MAX, "again");
	assert_string_equal(decided, "");
}

/* Its dialog may not show in the registry yet. */
static void
a_young_question_is_not_withdrawn_with_the_old(void **state)
{
	(void)state;
	ask(SHIM, 1);
	world_wall += 5000;
	ask(SHIM, 2);
	approval_withdraw(a, wall_ms() - 3000, "answered at the terminal");
	assert_string_equal(state_of(1), "withdrawn");
	assert_string_equal(state_of(2), "open");
}

/* Nor does it stay open when no dialog comes: it was answered while nobody looked. */
static void
a_question_whose_dialog_never_shows_is_withdrawn(void **state)
{
	(void)state;
	ask(SHIM, 1);
	a->registry = REG_BUSY;
	world_pass(1000);
	approval_no_dialog(a, false);
	assert_string_equal(state_of(1), "open");
	a->registry = REG_WAITING;
	world_pass(10000);
	assert_string_equal(state_of(1), "open");
	a->registry = REG_IDLE;
	approval_no_dialog(a, true);
	assert_string_equal(state_of(1), "withdrawn");
	ask(SHIM, 2);
	world_pass(1);
	approval_no_dialog(a, false);
	world_pass(2998);
	assert_string_equal(state_of(2), "open");
	world_pass(2);
	assert_string_equal(state_of(2), "withdrawn");
}

static void
a_shim_that_comes_back_hears_what_was_settled(void **state)
{
	(void)state;
	for (int seq = 1; seq <= 4; seq++)
		ask(SHIM, seq);
	approval_answer(&world, id_of(1), false, "no", "cli");
	world_sql("UPDATE approvals SET state = 'withdrawn' WHERE seq = 2");
	hello("[1, 2, 3, 9]"); /* 9 is in its spool yet */
	assert_string_equal(decided, "1 {\"hookSpecificOutput;2 null;4 null;");
	assert_string_equal(state_of(3), "open");
	assert_string_equal(state_of(4), "withdrawn"); /* nobody waits for it */
}

static void
questions_of_an_earlier_shim_are_over(void **state)
{
	(void)state;
	ask(EARLIER, 1);
	hello("[]");
	assert_string_equal(state_of(1), "withdrawn");
}

static void
unanswered_is_denied_in_time(void **state)
{
	(void)state;
	ask(SHIM, 1);
	approvals_expire(&world);
	assert_string_equal(state_of(1), "open");
	world_pass(600000);
	approvals_expire(&world);
	assert_string_equal(state_of(1), "expired");
	assert_string_equal(decided, "1 {\"hookSpecificOutput;");
}

/* Put forward by a day, then back by two. */
static void
a_clock_that_is_put_denies_nothing(void **state)
{
	(void)state;
	approvals_expire(&world);
	ask(SHIM, 1);
	world_wall += 86400000;
	approvals_expire(&world);
	world_pass(300000);
	world_wall -= 2 * 86400000;
	approvals_expire(&world);
	assert_string_equal(state_of(1), "open");
	world_pass(300000);
	approvals_expire(&world);
	assert_string_equal(state_of(1), "expired");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_first_answer_counts),
	    TEST(a_question_answered_at_the_terminal_lets_its_hook_go),
	    TEST(a_young_question_is_not_withdrawn_with_the_old),
	    TEST(a_question_whose_dialog_never_shows_is_withdrawn),
	    TEST(a_shim_that_comes_back_hears_what_was_settled),
	    TEST(questions_of_an_earlier_shim_are_over),
	    TEST(unanswered_is_denied_in_time),
	    TEST(a_clock_that_is_put_denies_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
