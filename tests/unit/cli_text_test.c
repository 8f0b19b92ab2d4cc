#include "unit.h"
#include "buf.h"
#include "cli/text.h"

static void
same(const char *text, enum text_how how, const char *expected)
{
	char *clean = text_cleaned(text, how);

	assert_string_equal(clean, expected);
	free(clean);
}

static void
controls_are_spelled_out(void **state)
{
	(void)state;
	same("a\033[31mb\a", TEXT_LINES, "a\\x1b[31mb\\x07");
	same("\x7f", TEXT_LINE, "\\x7f");
	same("\xc2\x9b"
	     "31m",
	    TEXT_LINE, "\\u009b31m"); /* CSI as one C1 character */
	same("\xe2\x80\xae"
	     "x",
	    TEXT_LINE, "\\u202ex"); /* right-to-left override */
	same("\xef\xbb\xbf", TEXT_LINE, "\\ufeff");
	same("\xf3\xa0\x81\x81", TEXT_LINE, "\\U000e0041"); /* a tag character */
}

static void
invalid_bytes_are_replaced(void **state)
{
	(void)state;
	same("a\xff"
	     "b\xc3",
	    TEXT_LINES,
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd");
	same("\xc0\x80", TEXT_LINE, "\xef\xbf\xbd\xef\xbf\xbd");
}

static void
lines_stay_lines_or_become_one(void **state)
{
	(void)state;
	same("a\r\nb\tc\n", TEXT_LINES, "a\nb\tc\n");
	same("a\rb", TEXT_LINES, "a\\x0db");
	same(" a \r\n\n\t b ", TEXT_LINE, "a b");
	same(NULL, TEXT_LINE, "");
	same("", TEXT_LINES, "");
}

static void
joiners_of_emoji_stay(void **state)
{
	(void)state;
	same("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", TEXT_LINE,
	    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb");
}

static void
fits(void (*fit)(struct buf *, const char *, int), const char *text, int width,
    const char *expected)
{
	struct buf b = BUF_INIT;

	fit(&b, text, width);
	assert_string_equal(buf_str(&b), expected);
	assert_true(text_width(buf_str(&b)) <= width);
	buf_free(&b);
}

static void
what_is_too_long_is_cut(void **state)
{
	(void)state;
	fits(text_fit, "hello", 5, "hello");
	fits(text_fit, "hello", 4, "hel…");
	fits(text_fit, "hello world", 7, "hello…"); /* no blank before the dots */
	fits(text_fit, "日本語", 6, "日本語");
	fits(text_fit, "日本語", 5, "日本…");
	fits(text_fit, "日本語", 4, "日…"); /* half a character doesn't fit */
	fits(text_fit, "hello", 1, "…");
	fits(text_fit, "hello", 0, "");
	fits(text_fit_tail, "/projects/shop", 6, "…/shop");
	fits(text_fit_tail, "/日本語", 4, "…語");
	fits(text_fit_tail, "abc", 3, "abc");
}

static void
a_mark_stays_with_its_letter(void **state)
{
	(void)state;
	fits(text_fit, "e\xcc\x81xyz", 2, "e\xcc\x81…");
}

static void
wraps(const char *text, int width, int indent, const char *expected)
{
	struct buf b = BUF_INIT;

	text_wrap(&b, text, width, indent);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void
words_are_wrapped(void **state)
{
	(void)state;
	wraps("one two three four five six", 20, 0, "one two three four\nfive six\n");
	wraps("one two three four five six", 24, 2, "  one two three four\n  five six\n");
	wraps("", 20, 0, "");
	wraps("a\n\nb", 20, 0, "a\n\nb\n");
	wraps("a\n", 20, 0, "a\n");
	wraps("exactly twenty chars", 20, 0, "exactly twenty chars\n");
	wraps("one  two", 20, 0, "one  two\n"); /* blanks inside a line are its own */
	wraps("one two three four five six", 0, 1, " one two three four five six\n");
}

static void
wide_words_are_broken(void **state)
{
	(void)state;
	wraps("日本語日本語日本語日本語", 20, 0, "日本語日本語日本語日\n本語\n");
	wraps("abcdefghijklmnopqrstuvwxyz", 20, 0, "abcdefghijklmnopqrst\nuvwxyz\n");
}

static void
list_items_hang(void **state)
{
	(void)state;
	wraps("- one two three four five", 20, 0, "- one two three four\n  five\n");
	wraps("12. one two three four", 20, 0, "12. one two three\n    four\n");
}

static void
code_and_addresses_stay_whole(void **state)
{
	(void)state;
	wraps("    a_line_of_code(that, is, long)", 20, 0,
	    "    a_line_of_code(that, is, long)\n");
	wraps("```\nsome long line of code here\n```", 20, 0,
	    "```\nsome long line of code here\n```\n");
	wraps("```\na b c d e f g h i j k l m\n```\na b c d e f g h i j k l m", 20, 0,
	    "```\na b c d e f g h i j k l m\n```\na b c d e f g h i j\nk l m\n");
	wraps("see https://example.org/a/b/c now", 20, 0,
	    "see\nhttps://example.org/a/b/c\nnow\n");
	wraps("a\tb", 20, 0, "a    b\n");
}

static void
a_narrow_terminal_still_gets_text(void **state)
{
	(void)state;
	wraps("one two three four five", 4, 2, "  one two three four\n  five\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(controls_are_spelled_out),
	    cmocka_unit_test(invalid_bytes_are_replaced),
	    cmocka_unit_test(lines_stay_lines_or_become_one),
	    cmocka_unit_test(joiners_of_emoji_stay),
	    cmocka_unit_test(what_is_too_long_is_cut),
	    cmocka_unit_test(a_mark_stays_with_its_letter),
	    cmocka_unit_test(words_are_wrapped),
	    cmocka_unit_test(wide_words_are_broken),
	    cmocka_unit_test(list_items_hang),
	    cmocka_unit_test(code_and_addresses_stay_whole),
	    cmocka_unit_test(a_narrow_terminal_still_gets_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
