#include "unit.h"
#include "buf.h"
#include "utf8.h"

static void
scalars_are_decoded(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		int len; /* -1: refused */
		uint32_t scalar;
	} cases[] = {
	    {"A", 1, 'A'},
	    {"\x7f", 1, 0x7f},
	    {"\xc2\x80", 2, 0x80},
	    {"\xdf\xbf", 2, 0x7ff},
	    {"\xe0\xa0\x80", 3, 0x800},
	    {"\xed\x9f\xbf", 3, 0xd7ff},
	    {"\xee\x80\x80", 3, 0xe000},
	    {"\xef\xbf\xbf", 3, 0xffff},
	    {"\xf0\x90\x80\x80", 4, 0x10000},
	    {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	    {"\x80", -1, 0},
	    {"\xc0\xaf", -1, 0}, /* overlong "/" */
	    {"\xc1\xbf", -1, 0},
	    {"\xe0\x9f\xbf", -1, 0},
	    {"\xf0\x8f\xbf\xbf", -1, 0},
	    {"\xed\xa0\x80", -1, 0}, /* surrogate */
	    {"\xed\xbf\xbf", -1, 0},
	    {"\xf4\x90\x80\x80", -1, 0}, /* over U+10FFFF */
	    {"\xf8\x88\x80\x80\x80", -1, 0},
	    {"\xff", -1, 0},
	    {"\xe2\x82", -1, 0}, /* cut off */
	    {"\xe2\x28\xa1", -1, 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t scalar = 0;
		int len = utf8_next(cases[i].bytes, strlen(cases[i].bytes), &scalar);
		if (len != cases[i].len || scalar != cases[i].scalar)
			fail_msg("case %zu gave %d, U+%04X", i, len, scalar);
		assert_int_equal(
		    utf8_valid(cases[i].bytes, strlen(cases[i].bytes)), len > 0);
	}
}

static void
nothing_is_read_past_the_length(void **state)
{
	(void)state;
	/* Heap memory of exactly this size, so that ASan sees one byte too many. */
	char *cut = malloc(2);
	uint32_t scalar;

	assert_non_null(cut);
	memcpy(cut, "\xe2\x82", 2);
	assert_int_equal(utf8_next(cut, 2, &scalar), -1);
	assert_false(utf8_valid(cut, 2));
	free(cut);
}

static void
each_invalid_byte_is_replaced(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;

	utf8_repair(&b, "a\xff\xc3\xa9\xe2\x82z\0y", 9);
	assert_int_equal(b.len, 1 + 3 + 2 + 6 + 3);
	assert_memory_equal(
	    b.data, "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz\0y", 15);
	assert_true(utf8_valid(b.data, b.len));
	buf_free(&b);
}

static void
widths_are_those_of_a_terminal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int columns;
	} cases[] = {
	    {"", 0},
	    {"berth", 5},
	    {"\xc3\xa9", 1},                 /* U+00E9 */
	    {"e\xcc\x81", 1},                /* e, U+0301 */
	    {"\xe6\x97\xa5\xe6\x9c\xac", 4}, /* U+65E5 U+672C */
	    {"\xef\xbc\xa1", 2},             /* U+FF21, fullwidth A */
	    {"\xf0\x9f\x9a\xa2", 2},         /* U+1F6A2, a ship */
	    {"\xe2\x80\x8b", 0},             /* U+200B */
	    {"\xc2\xad", 1},                 /* U+00AD */
	    {"\xef\xb8\x8f", 0},             /* U+FE0F */
	    {"\xe1\x85\xa0", 0},             /* U+1160 */
	    {"\xea\xb0\x80", 2},             /* U+AC00 */
	    {"\x1b\n\x7f", 0},
	    {"\xff", 1},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		if (utf8_width(cases[i].text, strlen(cases[i].text)) != cases[i].columns)
			fail_msg("case %zu gave %d", i,
			    utf8_width(cases[i].text, strlen(cases[i].text)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scalars_are_decoded),
	    cmocka_unit_test(nothing_is_read_past_the_length),
	    cmocka_unit_test(each_invalid_byte_is_replaced),
	    cmocka_unit_test(widths_are_those_of_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
