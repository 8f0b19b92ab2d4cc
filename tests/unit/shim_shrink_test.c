#include "unit.h"

#include "buf.h"
#include "json.h"
#include "shim/shrink.h"

/* Shrinks `text` to `max`; what comes out, malloc'd, or NULL. */
static char *
shrink(const char *text, size_t max, bool *cut)
{
	const char *why;
	yyjson_doc *doc = json_parse(text, strlen(text), &why);
	yyjson_mut_doc *out = json_object();
	assert_non_null(doc);
	yyjson_mut_val *value = shrink_copy(out, yyjson_doc_get_root(doc), max, cut);
	char *written = value == NULL ? NULL : yyjson_mut_val_write(value, 0, NULL);

	if (written != NULL)
		assert_true(strlen(written) <= max);
	yyjson_mut_doc_free(out);
	yyjson_doc_free(doc);
	return written;
}

static char *
repeat(const char *before, const char *what, size_t times, const char *after)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, before);
	while (times-- > 0)
		buf_adds(&b, what);
	buf_adds(&b, after);
	return buf_take(&b);
}

static void
what_fits_is_left_as_it_is(void **state)
{
	bool cut;

	(void)state;
	char *out = shrink("{\"a\":[1,2.5,null,{\"b\":\"x\"}]}", 100, &cut);
	assert_false(cut);
	assert_string_equal(out, "{\"a\":[1,2.5,null,{\"b\":\"x\"}]}");
	free(out);
}

static void
long_strings_are_cut_short_ones_kept(void **state)
{
	bool cut;

	(void)state;
	char *text =
	    repeat("{\"event\":\"Stop\",\"a\":{\"long\":\"", "x", 5000, "\",\"n\":1}}");
	char *out = shrink(text, 4000, &cut);
	assert_true(cut);
	assert_non_null(strstr(out, "\"event\":\"Stop\""));
	assert_non_null(strstr(out, "xx" SHRINK_MARK "\",\"n\":1}}"));
	assert_true(strlen(out) > 2000);
	free(out);
	free(text);
}

static void
characters_are_not_torn(void **state)
{
	bool cut;

	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		char *text = repeat("{\"a\":\"xxx", "\xf0\x9f\x99\x82", 1000, "\"}");
		memmove(text + 6, text + 6 + shift, strlen(text + 6 + shift) + 1);
		text[5] = '"';
		char *out =
		    shrink(text, 3000, &cut); /* would not be written if it were torn */
		assert_non_null(out);
		free(out);
		free(text);
	}
}

static void
many_values_leave_only_the_top(void **state)
{
	bool cut;

	(void)state;
	char *text = repeat("{\"event\":\"Stop\",\"n\":7,\"list\":[0", ",1", 5000, "]}");
	char *out = shrink(text, 1000, &cut);
	assert_true(cut);
	assert_string_equal(out, "{\"event\":\"Stop\",\"n\":7}");
	free(out);
	free(text);
	text = repeat("[0", ",1", 5000, "]");
	assert_null(shrink(text, 1000, &cut));
	free(text);
}

static void
string_length_is_never_too_small(void **state)
{
	static const struct {
		const char *text;
		size_t len, max;
	} cases[] = {{"", 0, 2}, {"abc", 3, 5}, {"\"\\\n", 3, 12}, {"é", 2, 4},
	    {"\xff\xff", 2, 8}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		yyjson_mut_doc *doc = json_object();
		size_t len;

		assert_int_equal(
		    shrink_string_len(cases[i].text, cases[i].len), cases[i].max);
		json_add_strn(doc, "k", cases[i].text, cases[i].len);
		free(json_line(doc, &len));
		assert_true(len - strlen("{\"k\":}") <= cases[i].max);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_fits_is_left_as_it_is),
	    cmocka_unit_test(long_strings_are_cut_short_ones_kept),
	    cmocka_unit_test(characters_are_not_torn),
	    cmocka_unit_test(many_values_leave_only_the_top),
	    cmocka_unit_test(string_length_is_never_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
