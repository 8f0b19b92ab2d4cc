/* The input line, driven by what a terminal would send. In what is wanted, '|' is the
 * cursor. */
#include "unit.h"

#include "buf.h"
#include "demo/editor.h"

#define UP    "\033[A"
#define DOWN  "\033[B"
#define LEFT  "\033[D"
#define RIGHT "\033[C"
#define HOME  "\033[H"
#define END   "\033[F"

static void
on_key(const struct key *key, void *arg)
{
	struct editor *e = arg;

	if (key->type == KEY_STASH)
		editor_stash(e);
	else
		editor_key(e, key);
}

static void
type(struct editor *e, const char *bytes)
{
	struct keys *k = keys_new(on_key, e);

	keys_feed(k, bytes, strlen(bytes));
	keys_free(k);
}

static void
shows(const struct editor *e, const char *wanted)
{
	struct buf text = BUF_INIT;
	size_t len, cursor;
	const char *line = editor_text(e, &len, &cursor);

	buf_add(&text, line, cursor);
	buf_addc(&text, '|');
	buf_add(&text, line + cursor, len - cursor);
	assert_string_equal(text.data, wanted);
	buf_free(&text);
}

static void
gives(const char *bytes, const char *wanted)
{
	struct editor *e = editor_new();

	type(e, bytes);
	shows(e, wanted);
	editor_free(e);
}

static void
submits(struct editor *e, const char *wanted)
{
	char *text = editor_submit(e);

	if (wanted == NULL)
		assert_null(text);
	else
		assert_string_equal(text, wanted);
	free(text);
}

static void
keys_edit_the_line(void **state)
{
	(void)state;
	gives("abc" LEFT LEFT "x", "ax|bc");
	gives("abc" HOME "x" END "y" RIGHT, "xabcy|");
	gives("abc\177\177", "a|");
	gives("\177" LEFT "\033[3~", "|");
	gives("abc" HOME "\033[3~", "|bc");
	gives("one two\027", "one |");
	gives("one two" LEFT "\025", "|o");
	gives("one two" HOME RIGHT "\013", "o|");
	gives("a\nbc" HOME "x", "a\nx|bc");
	gives("a\nb" HOME "\177", "a|b");
}

static void
characters_are_not_split(void **state)
{
	(void)state;
	gives("a\xe6\x97\xa5\177", "a|");
	gives("\xe6\x97\xa5\xc3\xa4" LEFT LEFT "x", "x|\xe6\x97\xa5\xc3\xa4");
	gives("xe\xcc\x81" LEFT, "x|e\xcc\x81"); /* e and a combining acute accent */
	gives("xe\xcc\x81\177", "x|");
	gives("\xe6\x97\xa5" HOME "\033[3~", "|");
}

static void
a_paste_goes_in_at_the_cursor(void **state)
{
	(void)state;
	gives("ab" LEFT "\033[200~1\r2\033[201~3", "a1\n23|b");
}

static void
submit_trims_and_empties(void **state)
{
	struct editor *e = editor_new();

	(void)state;
	submits(e, NULL);
	type(e, "  \n ");
	submits(e, NULL);
	editor_set(e, "");
	type(e, " say\nthis \n ");
	submits(e, " say\nthis");
	shows(e, "|");
	editor_free(e);
}

static void
a_backslash_before_enter_is_a_newline(void **state)
{
	struct editor *e = editor_new();

	(void)state;
	type(e, "one\\");
	submits(e, NULL);
	shows(e, "one\n|");
	type(e, "two");
	submits(e, "one\ntwo");
	editor_free(e);
}

static void
what_is_stashed_comes_back_after_the_submit(void **state)
{
	struct editor *e = editor_new();

	(void)state;
	type(e, "half\ntyped" LEFT "\023");
	shows(e, "|");
	type(e, "\033[200~message\033[201~");
	submits(e, "message");
	shows(e, "half\ntype|d");
	submits(e, "half\ntyped");
	shows(e, "|");
	editor_free(e);
}

static void
ctrl_s_on_an_empty_line_brings_it_back(void **state)
{
	struct editor *e = editor_new();

	(void)state;
	type(e, "\023");
	shows(e, "|");
	type(e, "half\023\023");
	shows(e, "half|");
	type(e, "\023other\023"); /* one stash, as in the CLI: the second replaces the
				     first */
	type(e, "\023");
	shows(e, "other|");
	editor_free(e);
}

static void
up_and_down_go_through_what_was_sent(void **state)
{
	struct editor *e = editor_new();

	(void)state;
	editor_remember(e, "first");
	editor_remember(e, "second\nline");
	editor_remember(e, "second\nline");
	type(e, "draft" UP);
	shows(e, "second\nline|");
	type(e, UP UP);
	shows(e, "first|");
	type(e, DOWN DOWN);
	shows(e, "draft|");
	for (int i = 0; i < 300; i++) {
		char text[16];
		snprintf(text, sizeof(text), "n%d", i);
		editor_remember(e, text);
	}
	type(e, UP);
	shows(e, "n299|");
	editor_free(e);
}

static void
up_moves_within_several_lines_first(void **state)
{
	(void)state;
	gives("long one\nxy" UP "!", "lo!|ng one\nxy");
	gives("xy\nlong one" UP "!", "xy!|\nlong one");
	gives("a\nb" UP DOWN "!", "a\nb!|");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_edit_the_line),
	    cmocka_unit_test(characters_are_not_split),
	    cmocka_unit_test(a_paste_goes_in_at_the_cursor),
	    cmocka_unit_test(submit_trims_and_empties),
	    cmocka_unit_test(a_backslash_before_enter_is_a_newline),
	    cmocka_unit_test(what_is_stashed_comes_back_after_the_submit),
	    cmocka_unit_test(ctrl_s_on_an_empty_line_brings_it_back),
	    cmocka_unit_test(up_and_down_go_through_what_was_sent),
	    cmocka_unit_test(up_moves_within_several_lines_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
