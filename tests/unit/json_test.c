#include "unit.h"
#include "json.h"
#include "utf8.h"

static yyjson_doc *
parse(const char *text)
{
	const char *why;
	yyjson_doc *doc = json_parse(text, strlen(text), &why);

	if (doc == NULL)
		fail_msg("%s: %s", text, why);
	return doc;
}

static void
refused(const char *text, size_t len)
{
	const char *why = NULL;
	yyjson_doc *doc = json_parse(text, len, &why);

	if (doc != NULL)
		fail_msg("accepted: %s", text);
	assert_non_null(why);
	assert_true(strlen(why) > 0);
}

static void
exactly_one_value_is_parsed(void **state)
{
	(void)state;
	static const char *const bad[] = {"", " ", "{", "{}{}", "{} x", "{'a':1}", "[1,]",
	    "nul", "\"\xff\"", "NaN", "\xef\xbb\xbf{}"};

	for (size_t i = 0; i < COUNT(bad); i++)
		refused(bad[i], strlen(bad[i]));
	refused("{}\0", 3);
	yyjson_doc_free(parse(" {\"a\": [1, 2.5, null]} "));
	yyjson_doc_free(parse("7"));
}

static void
nested(char *out, int depth, const char *open, const char *shut)
{
	out[0] = '\0';
	for (int i = 0; i < depth; i++)
		strcat(out, open);
	for (int i = 0; i < depth; i++)
		strcat(out, shut);
}

static void
nesting_has_a_limit(void **state)
{
	(void)state;
	char text[1024];

	nested(text, 64, "[", "]");
	yyjson_doc_free(parse(text));
	nested(text, 65, "[", "]");
	refused(text, strlen(text));
	/* Brackets in strings, behind escaped quotes, do not count. */
	text[0] = '"';
	nested(text + 1, 100, "[\\\"{", "");
	strcat(text, "\"");
	yyjson_doc_free(parse(text));
	/* They do after one. */
	strcpy(text, "[\"\\\\\",");
	nested(text + strlen(text), 64, "[", "]");
	strcat(text, "]");
	refused(text, strlen(text));
}

static void
members_are_typed(void **state)
{
	(void)state;
	yyjson_doc *doc = parse(
	    "{\"s\":\"text\",\"z\":\"a\\u0000b\",\"i\":-5,\"u\":9223372036854775807,"
	    "\"o\":9223372036854775808,\"r\":1.5,\"b\":true,\"n\":null}");
	yyjson_val *o = yyjson_doc_get_root(doc);

	assert_string_equal(json_str(o, "s", "no"), "text");
	assert_string_equal(json_str(o, "z", "no"), "no");
	assert_string_equal(json_str(o, "i", "no"), "no");
	assert_string_equal(json_str(o, "n", "no"), "no");
	assert_null(json_str(o, "absent", NULL));
	assert_int_equal(json_int(o, "i", 1), -5);
	assert_true(json_int(o, "u", 1) == INT64_MAX);
	assert_int_equal(json_int(o, "o", 1), 1);
	assert_int_equal(json_int(o, "r", 1), 1);
	assert_int_equal(json_int(o, "s", 1), 1);
	assert_true(json_bool(o, "b", false));
	assert_true(json_bool(o, "i", true));
	assert_null(json_get(o, "absent"));
	assert_null(json_get(NULL, "s"));
	assert_null(json_get(json_get(o, "s"), "s"));
	yyjson_doc_free(doc);
}

static void
an_answer_is_one_line(void **state)
{
	(void)state;
	yyjson_doc *given = parse("{\"deep\":[1,{\"x\":\"y\"}]}");
	yyjson_mut_doc *doc = json_object();
	char text[] = "two\nlines", key[] = "key";
	size_t len;

	json_add_str(doc, key, text);
	json_add_str(doc, "none", NULL);
	json_add_strn(doc, "part", "abcdef", 3);
	json_add_int(doc, "min", INT64_MIN);
	json_add_bool(doc, "yes", true);
	json_add_raw(doc, "raw", "{\"a\":\n1}");
	json_add_raw(doc, "broken", "{");
	json_add_raw(doc, "nothing", NULL);
	json_add_val(doc, "copy", yyjson_doc_get_root(given));
	json_add_val(doc, "novalue", NULL);
	/* Everything was copied. */
	yyjson_doc_free(given);
	memset(text, 'x', sizeof(text) - 1);
	memset(key, 'x', sizeof(key) - 1);
	char *line = json_line(doc, &len);
	assert_string_equal(line,
	    "{\"key\":\"two\\nlines\",\"none\":null,\"part\":\"abc\",\"min\":-"
	    "9223372036854775808,"
	    "\"yes\":true,\"raw\":{\"a\":1},\"broken\":null,\"nothing\":null,"
	    "\"copy\":{\"deep\":[1,{\"x\":\"y\"}]},\"novalue\":null}");
	assert_int_equal(len, strlen(line));
	free(line);
}

static void
text_from_anybody_can_be_written(void **state)
{
	(void)state;
	yyjson_mut_doc *doc = json_object();
	size_t len;

	json_add_str(doc, "a", "x\xff\xe2\x82");
	json_add_strn(doc, "b", "n\0n", 3);
	/* Added past our helpers. */
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	assert_true(yyjson_mut_obj_add_str(doc, root, "c", "\xc0\xaf"));
	assert_true(yyjson_mut_obj_add_real(doc, root, "d", 1e308 * 10));
	char *line = json_line(doc, &len);
	assert_true(utf8_valid(line, len));
	assert_string_equal(line,
	    "{\"a\":\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"b\":\"n\\u0000n\","
	    "\"c\":\"\xef\xbf\xbd\xef\xbf\xbd\",\"d\":null}");
	free(line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exactly_one_value_is_parsed),
	    cmocka_unit_test(nesting_has_a_limit),
	    cmocka_unit_test(members_are_typed),
	    cmocka_unit_test(an_answer_is_one_line),
	    cmocka_unit_test(text_from_anybody_can_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
