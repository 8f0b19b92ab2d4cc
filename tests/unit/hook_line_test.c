#include "unit.h"

#include "buf.h"
#include "clock.h"
#include "hook/line.h"
#include "json.h"

static int
build(struct hook_line *h, const char *input, const char *deadline, const char **why)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, input);
	int result = hook_line_build(h, &b, deadline, why);
	buf_free(&b);
	return result;
}

static void
many_lines_become_one(void **state)
{
	struct hook_line h;
	const char *why;

	(void)state;
	assert_int_equal(
	    build(&h, "{\n \"hook_event_name\": \"Stop\",\r\n\t\"text\": \"a\\nb\"}\n\n",
		NULL, &why),
	    0);
	assert_string_equal(buf_str(&h.line), "{\"hook\":{\"hook_event_name\":\"Stop\","
					      "\"text\":\"a\\nb\"},\"deadline\":0}\n");
	assert_int_equal(h.line.len, strlen(h.line.data));
	assert_false(h.ask);
	buf_free(&h.line);
}

static void
a_question_has_a_deadline(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {{NULL, 600}, {"", 600}, {"10", 10}, {"0", 0}, {"-1", 600},
	    {"1x", 600}, {"99999999999999999999", HOOK_WAIT_MAX_S}};
	struct hook_line h;
	const char *why;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t before = wall_ms();

		assert_int_equal(build(&h, "{\"hook_event_name\":\"PermissionRequest\"}",
				     cases[i].text, &why),
		    0);
		assert_true(h.ask);
		assert_int_equal(h.wait_ms, cases[i].seconds * 1000);
		yyjson_doc *doc = json_parse(h.line.data, h.line.len, &why);
		int64_t deadline = json_int(yyjson_doc_get_root(doc), "deadline", 0);
		assert_true(
		    deadline >= before + h.wait_ms && deadline <= wall_ms() + h.wait_ms);
		yyjson_doc_free(doc);
		buf_free(&h.line);
	}
}

static void
what_is_no_object_is_refused_in_words(void **state)
{
	static const char *const inputs[] = {
	    "", "   ", "not json", "[1]", "\"x\"", "{\"a\":1} x", "{\"a\":\"\xff\"}"};
	struct hook_line h;

	(void)state;
	for (size_t i = 0; i < COUNT(inputs); i++) {
		const char *why = NULL;

		assert_int_equal(build(&h, inputs[i], NULL, &why), -1);
		assert_non_null(why);
	}
}

static void
the_denial_is_what_the_cli_takes(void **state)
{
	const char *why;

	(void)state;
	yyjson_doc *doc = json_parse(hook_denial, strlen(hook_denial), &why);
	assert_non_null(doc);
	yyjson_val *out = json_get(yyjson_doc_get_root(doc), "hookSpecificOutput");
	assert_string_equal(json_str(out, "hookEventName", ""), "PermissionRequest");
	assert_string_equal(json_str(json_get(out, "decision"), "behavior", ""), "deny");
	yyjson_doc_free(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(many_lines_become_one),
	    cmocka_unit_test(a_question_has_a_deadline),
	    cmocka_unit_test(what_is_no_object_is_refused_in_words),
	    cmocka_unit_test(the_denial_is_what_the_cli_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
