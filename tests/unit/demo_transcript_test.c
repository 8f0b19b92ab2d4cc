/* The transcript: its lines, and what a resumed session reads back from it. */
#include "unit.h"

#include <sys/stat.h>
#include <yyjson.h>

#include "buf.h"
#include "demo/home.h"
#include "demo/transcript.h"
#include "json.h"

#define SID "11111111-2222-4333-8444-555555555555"

struct fixture {
	char home[64];
	struct transcript *t;
	struct buf said;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	unit_tmpdir(f->home);
	f->t = transcript_new(f->home, "/projects/x", SID);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	transcript_free(f->t);
	buf_free(&f->said);
	unit_rmdir(f->home);
	free(f);
	return 0;
}

static void
note(bool user, const char *text, void *arg)
{
	struct fixture *f = arg;

	buf_addf(&f->said, "%c:%s\n", user ? 'u' : 'a', text);
}

/* Another process reads what this one wrote. */
static bool
resume(struct fixture *f)
{
	transcript_free(f->t);
	f->t = transcript_new(f->home, "/projects/x", SID);
	buf_clear(&f->said);
	return transcript_replay(f->t, note, f);
}

static void
read_whole(struct fixture *f, struct buf *out)
{
	assert_int_equal(buf_read_file(out, transcript_path(f->t), 1 << 20), 0);
}

static void
add_raw(struct fixture *f, const char *bytes)
{
	FILE *file = fopen(transcript_path(f->t), "ae");

	assert_non_null(file);
	fputs(bytes, file);
	fclose(file);
}

static yyjson_doc *
line_number(struct fixture *f, int number)
{
	struct buf all = BUF_INIT;
	const char *why;

	read_whole(f, &all);
	char *at = all.data;
	while (number-- > 0)
		at = strchr(at, '\n') + 1;
	yyjson_doc *doc = json_parse(at, strcspn(at, "\n"), &why);
	assert_non_null(doc);
	buf_free(&all);
	return doc;
}

static void
the_file_appears_with_the_first_prompt(void **state)
{
	struct fixture *f = *state;
	char wanted[256];
	struct stat st;

	snprintf(wanted, sizeof(wanted),
	    "%s/.berth-demo/projects/-projects-x/" SID ".jsonl", f->home);
	assert_string_equal(transcript_path(f->t), wanted);
	assert_false(transcript_exists(f->t));
	transcript_prompt(f->t, "hello");
	assert_true(transcript_exists(f->t));
	assert_int_equal(stat(wanted, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
an_answer_has_an_id_and_its_usage(void **state)
{
	struct fixture *f = *state;

	transcript_prompt(f->t, "hello");
	transcript_assistant(f->t, "hi", &(struct usage){1, 2, 3, 4});
	yyjson_doc *user = line_number(f, 0), *doc = line_number(f, 1);
	yyjson_val *line = yyjson_doc_get_root(doc);
	yyjson_val *message = json_get(line, "message"),
		   *usage = json_get(message, "usage");

	assert_string_equal(json_str(line, "type", ""), "assistant");
	assert_string_equal(json_str(line, "sessionId", ""), SID);
	assert_memory_equal(json_str(message, "id", ""), "msg_", 4);
	assert_int_equal(json_int(usage, "input_tokens", 0), 1);
	assert_int_equal(json_int(usage, "output_tokens", 0), 2);
	assert_int_equal(json_int(usage, "cache_read_input_tokens", 0), 3);
	assert_int_equal(json_int(usage, "cache_creation_input_tokens", 0), 4);
	assert_string_equal(json_str(line, "parentUuid", ""),
	    json_str(yyjson_doc_get_root(user), "uuid", "none"));
	yyjson_doc_free(doc);
	yyjson_doc_free(user);
}

static void
what_was_said_is_read_back(void **state)
{
	struct fixture *f = *state;

	transcript_prompt(f->t, "one\nline");
	transcript_tool_use(f->t, "toolu_1", "Bash", "{\"command\":\"ls\"}");
	transcript_tool_result(f->t, "toolu_1", "fine", false);
	transcript_assistant(f->t, "answer \xe6\x97\xa5", &(struct usage){0});
	transcript_system(f->t, "turn_duration", 5);
	transcript_queue(f->t, "enqueue", "later", NULL);
	assert_false(resume(f));
	assert_string_equal(f->said.data, "u:one\nline\na:answer \xe6\x97\xa5\n");
}

static void
a_cut_turn_is_told_from_an_interrupted_one(void **state)
{
	struct fixture *f = *state;

	transcript_prompt(f->t, "one");
	assert_true(resume(f));
	transcript_close_turn(f->t);
	assert_false(resume(f));
	transcript_prompt(f->t, "two");
	transcript_interrupted(f->t);
	assert_false(resume(f));
	assert_string_equal(f->said.data,
	    "u:one\na:No response requested.\nu:two\nu:[Request interrupted by user]\n");
	transcript_prompt(f->t, "three");
	transcript_tool_use(f->t, "toolu_1", "Bash", "{}");
	assert_true(resume(f));
}

static void
a_torn_line_costs_itself_only(void **state)
{
	struct fixture *f = *state;

	transcript_prompt(f->t, "one");
	add_raw(f, "{\"type\":\"user\",\"mess");
	resume(f);
	transcript_prompt(f->t, "two");
	resume(f);
	assert_string_equal(f->said.data, "u:one\nu:two\n");
	add_raw(f, "[]\n3\n\nnothing\n{\"type\":\"user\",\"message\":\"odd\"}\n");
	resume(f);
	assert_string_equal(f->said.data, "u:one\nu:two\n");
}

static void
the_conversation_stays_linked_after_a_resume(void **state)
{
	struct fixture *f = *state;

	transcript_prompt(f->t, "one");
	resume(f);
	transcript_prompt(f->t, "two");
	yyjson_doc *first = line_number(f, 0), *second = line_number(f, 1);
	assert_string_equal(json_str(yyjson_doc_get_root(second), "parentUuid", ""),
	    json_str(yyjson_doc_get_root(first), "uuid", "none"));
	yyjson_doc_free(first);
	yyjson_doc_free(second);
}

static void
directories_are_named_as_the_cli_names_them(void **state)
{
	char path[301];
	char *name = home_mangle("/tmp/\xc3\x9cn\xc3\xaf_x");

	(void)state;
	assert_string_equal(name, "-tmp--n--x");
	free(name);
	name = home_mangle("/\xf0\x9f\x98\x80"); /* two UTF-16 units */
	assert_string_equal(name, "---");
	free(name);
	memset(path, 'a', 300);
	path[300] = '\0';
	name = home_mangle(path);
	assert_int_equal(strlen(name), 209);
	free(name);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(the_file_appears_with_the_first_prompt),
	    T(an_answer_has_an_id_and_its_usage),
	    T(what_was_said_is_read_back),
	    T(a_cut_turn_is_told_from_an_interrupted_one),
	    T(a_torn_line_costs_itself_only),
	    T(the_conversation_stays_linked_after_a_resume),
	    cmocka_unit_test(directories_are_named_as_the_cli_names_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
