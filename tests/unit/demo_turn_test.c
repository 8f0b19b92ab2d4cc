/* How a usage limit is worded: others read the time out of it. */
#include "unit.h"

#include "demo/turn.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

static void
words(int64_t resets_at, int64_t now, const char *wanted)
{
	char text[LIMIT_TEXT_MAX];

	assert_string_equal(turn_limit_text(resets_at, now, text), wanted);
}

static void
a_limit_is_worded_as_the_cli_does(void **state)
{
	const int64_t midnight = 1795132800; /* 2026-11-20, UTC */
#define LIMIT "You've hit your 5-hour limit \xc2\xb7 resets "

	(void)state;
	words(midnight + 17 * HOUR + 51 * 60, midnight, LIMIT "5:51pm (UTC)");
	words(midnight + 17 * HOUR, midnight, LIMIT "5pm (UTC)");
	words(midnight + 5 * 60, midnight, LIMIT "12:05am (UTC)");
	words(midnight + 12 * HOUR, midnight, LIMIT "12pm (UTC)");
	words(midnight + 9 * HOUR + 1, midnight,
	    LIMIT "9:01am (UTC)"); /* never too early */
	words(midnight + 2 * DAY + 9 * HOUR, midnight, LIMIT "Nov 22, 9am (UTC)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_limit_is_worded_as_the_cli_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
