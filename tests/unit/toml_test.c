/*
 * What the official suite can't know about our TOML parser: the words of its errors,
 * positions, limits, and that hostile input costs neither time nor memory out of
 * proportion.
 */
#include "clock.h"
#include "toml.h"
#include "xmalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct toml *
parse_ok(const char *text, size_t len)
{
	struct toml_error error;
	struct toml *doc = toml_parse("t", text, len, &error);

	if (doc == NULL)
		fail_msg("refused: %s", error.text);
	return doc;
}

static void
refuses_bytes(const char *text, size_t len, const char *wanted)
{
	struct toml_error error;
	struct toml *doc = toml_parse("berth.toml", text, len, &error);

	if (doc != NULL)
		fail_msg("accepted, wanted: %s", wanted);
	assert_string_equal(error.text, wanted);
}

static void
refuses(const char *text, const char *wanted)
{
	refuses_bytes(text, strlen(text), wanted);
}

/* a.b.c by names between dots */
static const struct toml_node *
at(const struct toml *doc, const char *path)
{
	const struct toml_node *n = toml_root(doc);

	while (n != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		n = toml_get(doc, n, path, len);
		path += len + (path[len] == '.');
	}
	return n;
}

static void
errors_say_where_what_and_what_would_be_right(void **state)
{
	(void)state;
	refuses("\n\nab = \n", "berth.toml:3:6: expected a value after \"=\"");
	refuses("a", "berth.toml:1:2: expected \"=\" after the key \"a\"");
	refuses("a = demo",
	    "berth.toml:1:5: expected a value after \"=\": text needs quotes "
	    "(\"...\"), a switch is true or false");
	refuses("a = True", "berth.toml:1:5: expected true or false, in lower case");
	refuses("a = 007",
	    "berth.toml:1:5: \"007\" begins with a zero: write the number without "
	    "it, or quotes around text");
	refuses("a = 10s",
	    "berth.toml:1:5: \"10s\" is not a number (1000, 1_000, 0xff, 0.5, 1e6); "
	    "text needs quotes");
	refuses("a = 2023-02-29", "berth.toml:1:5: \"2023-02-29\" is not a date or time "
				  "(2024-05-27, 07:32:00, 2024-05-27T07:32:00Z)");
	refuses("a = 9223372036854775808",
	    "berth.toml:1:5: this integer is out of range "
	    "(-9223372036854775808 to 9223372036854775807)");
	refuses("a = [1 2]",
	    "berth.toml:1:8: expected \",\" or \"]\" in the array that begins on line 1");
	refuses("a = { b = 1\n}",
	    "berth.toml:1:12: expected \"}\": a table in { } stays on one "
	    "line, without a comment");
	refuses("a = { b = 1, }",
	    "berth.toml:1:14: expected a key: no comma before \"}\" in a table");
	refuses("a = \"x", "berth.toml:1:5: expected a closing \" on the same line");
	refuses("a = '''x\n\n", "berth.toml:1:5: expected a closing '''");
	refuses("a = \"\\d\"",
	    "berth.toml:1:6: unknown escape after \\ (known: \\b \\t \\n \\f \\r \\\" "
	    "\\\\ \\uXXXX "
	    "\\UXXXXXXXX; for a backslash write \\\\, or use single quotes)");
	refuses("a = \"\\ud800\"", "berth.toml:1:6: U+D800 is not a Unicode character");
	refuses("a = 1 b = 2",
	    "berth.toml:1:7: expected the end of the line after the value");
	refuses("[a", "berth.toml:1:3: expected \"]\" at the end of the table's name");
	refuses(
	    "caf\xc3\xa9 = 1", "berth.toml:1:4: expected \"=\" after the key \"caf\"");
	refuses("\xc3\xa9 = 1",
	    "berth.toml:1:1: expected a key, found \"\xc3\xa9\" (a key of other "
	    "characters than A-Z a-z 0-9 _ - needs quotes)");
}

static void
errors_about_defining_twice_name_the_first_line(void **state)
{
	(void)state;
	refuses("a = 1\nb = 2\na = 3",
	    "berth.toml:3:1: \"a\" is already defined on line 1, as an integer");
	refuses("[a]\n[b]\n[a]",
	    "berth.toml:3:2: \"a\" is already defined on line 1, as a table");
	refuses("a = []\n[[a]]",
	    "berth.toml:2:3: \"a\" is already defined on line 1, as an array");
	refuses("a = 1\n[a.b]", "berth.toml:2:2: \"a\" is an integer, defined on line 1, "
				"and has no keys of its own");
	refuses("a = {}\na.b = 1",
	    "berth.toml:2:1: the table \"a\" is complete as written on line "
	    "1: add the key there, inside { }");
	refuses("[a.b]\n[a]\nb.c = 1",
	    "berth.toml:3:1: the table \"b\" has a header, on line 1: add the key there");
}

/* A value without quotes may be a token pasted in a hurry; logs must not get it. */
static void
errors_do_not_repeat_what_may_be_a_secret(void **state)
{
	static const char *const texts[] = {
	    "K = sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
	    "K = 123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K",
	    "K = \"sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
	    "K = \"sk-ant-api03-abcdefghijklmnopqrstuvwxyz\\q\"",
	};
	struct toml_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_null(toml_parse("t", texts[i], strlen(texts[i]), &error));
		assert_null(strstr(error.text, "api03"));
		assert_null(strstr(error.text, "AAEh"));
	}
}

static void
errors_shorten_and_escape_what_they_repeat(void **state)
{
	char text[600] = "\"\\u001b[31m\"";

	(void)state;
	refuses(text, "berth.toml:1:13: expected \"=\" after the key \"\\u001B[31m\"");
	memset(text, 'k', 500);
	text[500] = '\0';
	refuses(text, "berth.toml:1:501: expected \"=\" after the key "
		      "\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...\"");
}

static void
bytes_that_are_no_text_are_refused_with_their_place(void **state)
{
	(void)state;
	refuses_bytes("a = \"x\0y\"", 9,
	    "berth.toml:1:7: the control character 0x00 is not allowed (in a string, "
	    "write "
	    "\\u0000)");
	refuses("a = 1\rb = 2",
	    "berth.toml:1:6: a carriage return must be followed by a newline "
	    "(in a string, write \\r)");
	refuses("a = 1\r",
	    "berth.toml:1:6: a carriage return must be followed by a newline "
	    "(in a string, write \\r)");
	refuses("# \xff", "berth.toml:1:3: expected UTF-8 text, found the byte 0xFF");
	refuses("# \xe2\x82", "berth.toml:1:3: expected UTF-8 text, found the byte 0xE2");
	refuses("a = 1\n\xef\xbb\xbf"
		"b = 2",
	    "berth.toml:2:1: expected a key, found \"\xef\xbb\xbf\" (a key of other "
	    "characters "
	    "than A-Z a-z 0-9 _ - needs quotes)");
}

static void
mark_and_crlf_count_as_nothing_and_one_line(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "a = 1\r\nb = \"\"\"x\r\ny\"\"\"\r\nc = 3";
	struct toml *doc = parse_ok(text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(toml_column(at(doc, "a")), 5);
	assert_string_equal(toml_str(at(doc, "b"), NULL), "x\ny");
	assert_int_equal(toml_line(at(doc, "c")), 4);
	toml_free(doc);
}

static void
nodes_know_line_column_and_key(void **state)
{
	static const char doc_text[] = "# x\n"
				       "[agents.demo]\n"
				       "  driver = \"\xc3\xa9\" # y\n"
				       "  a.\"b c\" = [ 1,\n"
				       "     { z = true } ]\n"
				       "[agents]\n";
	struct toml *doc = parse_ok(doc_text, sizeof(doc_text) - 1);
	const struct toml_node *list = at(doc, "agents.demo.a.b c");
	size_t len;

	(void)state;
	assert_int_equal(toml_line(at(doc, "agents.demo")), 2);
	assert_int_equal(toml_key_column(at(doc, "agents.demo")), 9);
	assert_int_equal(
	    toml_line(at(doc, "agents")), 6); /* its own header, not the implied one */
	assert_int_equal(toml_line(at(doc, "agents.demo.driver")), 3);
	assert_int_equal(toml_column(at(doc, "agents.demo.driver")), 12);
	assert_int_equal(toml_key_column(at(doc, "agents.demo.driver")), 3);
	assert_string_equal(toml_key(list, &len), "b c");
	assert_int_equal(len, 3);
	assert_int_equal(toml_key_column(list), 5);
	assert_int_equal(toml_column(list), 13);
	assert_int_equal(toml_count(list), 2);
	assert_int_equal(toml_line(toml_next(toml_first(list))), 5);
	assert_int_equal(toml_column(toml_next(toml_first(list))), 6);
	toml_free(doc);
}

static void
columns_count_characters(void **state)
{
	(void)state;
	refuses("\"\xc3\xa9\xe2\x82\xac\" = \"\xf0\x9f\x8c\x8a\" x",
	    "berth.toml:1:12: expected the end of the line after the value");
}

static void
strings_may_hold_a_nul_and_say_their_length(void **state)
{
	static const char text[] = "\"k\\u0000\" = \"a\\u0000b\"";
	struct toml *doc = parse_ok(text, sizeof(text) - 1);
	const struct toml_node *n = toml_first(toml_root(doc));
	size_t len;

	(void)state;
	assert_memory_equal(toml_key(n, &len), "k", 2);
	assert_int_equal(len, 2);
	assert_memory_equal(toml_str(n, &len), "a\0b", 4);
	assert_int_equal(len, 3);
	toml_free(doc);
}

static void
values_have_their_types(void **state)
{
	static const char text[] = "i = -0x10\n";
	static const char good[] = "i = -1_000\nh = 0xFF\nf = 2.5e1\nb = true\n"
				   "t = 1979-05-27 07:32:00.5-07:30\n";
	struct toml *doc = parse_ok(good, sizeof(good) - 1);
	const struct toml_time *t = toml_time(at(doc, "t"));

	(void)state;
	assert_int_equal(toml_int(at(doc, "i")), -1000);
	assert_int_equal(toml_int(at(doc, "h")), 255);
	assert_true(toml_float(at(doc, "f")) > 24.9 && toml_float(at(doc, "f")) < 25.1);
	assert_true(toml_bool(at(doc, "b")));
	assert_int_equal(toml_type(at(doc, "t")), TOML_DATETIME);
	assert_int_equal(t->nanosecond, 500000000);
	assert_int_equal(t->offset_min, -450);
	assert_null(toml_first(at(doc, "i")));
	assert_null(toml_get(doc, at(doc, "i"), "x", 1));
	toml_free(doc);
	refuses(text,
	    "berth.toml:1:5: \"-0x10\" is not a number (1000, 1_000, 0xff, 0.5, 1e6); "
	    "text needs quotes");
}

static void
an_empty_text_is_an_empty_table(void **state)
{
	struct toml *doc = parse_ok(NULL, 0);

	(void)state;
	assert_int_equal(toml_count(toml_root(doc)), 0);
	toml_free(doc);
}

static char *
repeat(const char *unit, size_t count)
{
	size_t len = strlen(unit);
	char *out = xmalloc(len * count + 1);

	for (size_t i = 0; i < count; i++)
		memcpy(out + i * len, unit, len);
	out[len * count] = '\0';
	return out;
}

static void
depth_is_limited(const char *unit, const char *close, size_t fits, const char *wanted)
{
	struct toml_error error;

	for (size_t extra = 0; extra < 2; extra++) {
		char *open = repeat(unit, fits + extra);
		char *tail = repeat(close, fits + extra);
		char *text = xasprintf("a = %s1%s", open, tail);
		struct toml *doc = toml_parse("t", text, strlen(text), &error);

		if (extra == 0)
			assert_non_null(doc);
		else
			assert_null(doc);
		toml_free(doc);
		free(open);
		free(tail);
		free(text);
	}
	assert_string_equal(error.text, wanted);
}

static void
nesting_stops_at_64(void **state)
{
	char *dots = repeat("a.", 70);
	char *text = xasprintf("[%sa]", dots);

	(void)state;
	depth_is_limited("[", "]", 64, "t:1:69: tables and arrays nest at most 64 deep");
	depth_is_limited(
	    "{a=", "}", 64, "t:1:197: tables and arrays nest at most 64 deep");
	refuses(text, "berth.toml:1:130: tables and arrays nest at most 64 deep");
	refuses(text + 1, "berth.toml:1:129: tables and arrays nest at most 64 deep");
	free(text);
	free(dots);
}

static void
a_megabyte_of_brackets_is_no_stack_overflow(void **state)
{
	char *text = repeat("[", TOML_MAX_BYTES - 4);

	(void)state;
	memcpy(text, "a = ", 4);
	refuses(text, "berth.toml:1:69: tables and arrays nest at most 64 deep");
	free(text);
}

static void
more_than_a_megabyte_is_refused(void **state)
{
	char *text = repeat("\n", TOML_MAX_BYTES + 1);
	struct toml *doc = parse_ok(text, TOML_MAX_BYTES);

	(void)state;
	toml_free(doc);
	refuses(text, "berth.toml:1:1: the text is larger than 1 MiB");
	free(text);
}

/* 90,000 keys in one table, and 250,000 items on one line: both took minutes with a list
 * per table and with columns counted from the start of the line. */
static void
size_costs_linear_time(void **state)
{
	int64_t begin = mono_ms();
	char *text = xmalloc(TOML_MAX_BYTES);
	size_t len = 0;
	struct toml *doc;

	(void)state;
	for (int i = 0; i < 90000; i++)
		len += (size_t)sprintf(text + len, "k%d=%d\n", i, i % 10);
	doc = parse_ok(text, len);
	assert_int_equal(toml_count(toml_root(doc)), 90000);
	assert_int_equal(toml_int(at(doc, "k89999")), 9);
	toml_free(doc);

	len = (size_t)sprintf(text, "a=[");
	for (int i = 0; i < 250000; i++)
		len += (size_t)sprintf(text + len, "[],");
	text[len++] = ']';
	doc = parse_ok(text, len);
	assert_int_equal(toml_count(at(doc, "a")), 250000);
	toml_free(doc);
	free(text);
	assert_true(mono_ms() - begin < 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_say_where_what_and_what_would_be_right),
	    cmocka_unit_test(errors_about_defining_twice_name_the_first_line),
	    cmocka_unit_test(errors_do_not_repeat_what_may_be_a_secret),
	    cmocka_unit_test(errors_shorten_and_escape_what_they_repeat),
	    cmocka_unit_test(bytes_that_are_no_text_are_refused_with_their_place),
	    cmocka_unit_test(mark_and_crlf_count_as_nothing_and_one_line),
	    cmocka_unit_test(nodes_know_line_column_and_key),
	    cmocka_unit_test(columns_count_characters),
	    cmocka_unit_test(strings_may_hold_a_nul_and_say_their_length),
	    cmocka_unit_test(values_have_their_types),
	    cmocka_unit_test(an_empty_text_is_an_empty_table),
	    cmocka_unit_test(nesting_stops_at_64),
	    cmocka_unit_test(a_megabyte_of_brackets_is_no_stack_overflow),
	    cmocka_unit_test(more_than_a_megabyte_is_refused),
	    cmocka_unit_test(size_costs_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
