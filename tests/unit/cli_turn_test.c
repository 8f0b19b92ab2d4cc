#include "unit.h"
#include "buf.h"
#include "cli/turn.h"

#define ID_1 "01KAG9Q0G0ABCDEFGHJKMNPQ01"
#define ID_2 "01KAG9Q0G0ABCDEFGHJKMNPQ02"

static void
reads(const char *prompt, const char *text, const char *who)
{
	struct buf t = BUF_INIT, w = BUF_INIT;

	turn_prompt(prompt, &t, &w);
	assert_string_equal(buf_str(&t), text);
	assert_string_equal(buf_str(&w), who);
	buf_free(&t);
	buf_free(&w);
}

static void
headers_become_senders(void **state)
{
	(void)state;
	reads("[berth " ID_1 " 14:05 telegram from Anna, thread 42] do it\nnow",
	    "do it\nnow", "telegram from Anna, thread 42");
	reads("[berth " ID_1 " 14:05 cli] one\n\n[berth " ID_2
	      " 14:06 telegram from Ben] two",
	    "one\n\n(telegram from Ben) two", "cli and 1 more");
	reads("[berth " ID_1 " 14:05 cli]", "", "cli");
}

static void
what_the_cli_wraps_a_paste_in_is_not_shown(void **state)
{
	(void)state;
	reads("\n\n<pasted_content id=\"d7a7\">\n[berth " ID_1
	      " 14:05 cli] one\n\n[berth " ID_2
	      " 14:06 cli] two\n</pasted_content id=\"d7a7\">\n",
	    "one\n\n(cli) two\n", "cli and 1 more");
	reads("<pasted_content id=d7a7>\n<pasted_content id=\"",
	    "<pasted_content id=d7a7>\n"
	    "<pasted_content id=\"",
	    "");
}

static void
what_is_no_header_stays(void **state)
{
	static const char *const texts[] = {"plain", "", "[berth] x", "[berth " ID_1 "]",
	    "[berth " ID_1 " 14:05 cli", "[berth XXKAG9Q0G0ABCDEFGHJKMNPQ01 14:05 cli] x",
	    "say [berth " ID_1 " 14:05 cli] x", "\\[berth " ID_1 " 14:05 cli] x"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		reads(texts[i], texts[i], "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_become_senders),
	    cmocka_unit_test(what_the_cli_wraps_a_paste_in_is_not_shown),
	    cmocka_unit_test(what_is_no_header_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
