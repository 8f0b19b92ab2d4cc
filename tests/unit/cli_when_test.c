#include "unit.h"
#include <time.h>
#include "cli/when.h"

/* 2025-11-20 12:00:00 UTC, 13:00 in Berlin */
static const int64_t now = INT64_C(1763640000000);
static const int64_t hour = INT64_C(3600000);
static const int64_t day = 24 * INT64_C(3600000);

static int
in_berlin(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return 0;
}

static void
stamps_say_what_is_needed(void **state)
{
	char out[WHEN_MAX];

	(void)state;
	assert_string_equal(when_stamp(now - hour, now, out), "12:00");
	assert_string_equal(when_stamp(now - 14 * hour, now, out), "Nov 19 23:00");
	assert_string_equal(when_stamp(now - 12 * day, now, out), "Nov  8 13:00");
	assert_string_equal(when_stamp(now - 365 * day, now, out), "2024-11-20 13:00");
	assert_string_equal(when_exact(now + 7, out), "2025-11-20 13:00:00.007");
}

static void
ages_and_durations(void **state)
{
	char out[WHEN_MAX];

	(void)state;
	assert_string_equal(when_ago(now, now, out), "just now");
	assert_string_equal(when_ago(now - 5 * 60000, now, out), "5m ago");
	assert_string_equal(when_ago(now + 2 * hour, now, out), "in 2h");
	assert_string_equal(when_took(-5, out), "0ms");
	assert_string_equal(when_took(840, out), "840ms");
	assert_string_equal(when_took(12345, out), "12.3s");
	assert_string_equal(when_took(59999, out), "59.9s");
	assert_string_equal(when_took(125000, out), "2m 05s");
	assert_string_equal(when_took(hour + 120000, out), "1h 02m");
	assert_string_equal(when_took(3 * day + 4 * hour, out), "3d 4h");
}

static void
numbers_are_short(void **state)
{
	char out[WHEN_MAX];

	(void)state;
	assert_string_equal(when_count(0, out), "0");
	assert_string_equal(when_count(999, out), "999");
	assert_string_equal(when_count(1000, out), "1.0k");
	assert_string_equal(when_count(12345, out), "12k");
	assert_string_equal(when_count(999999, out), "999k");
	assert_string_equal(when_count(1234567, out), "1.2M");
	assert_string_equal(when_bytes(512, out), "512 B");
	assert_string_equal(when_bytes(3565158, out), "3.3 MiB");
}

static void
parses(const char *text, int64_t expected)
{
	int64_t at = 0;

	assert_true(when_parse(text, now, &at));
	assert_int_equal(at, expected);
}

static void
times_are_read(void **state)
{
	(void)state;
	parses("30m", now + hour / 2);
	parses("+1h30m", now + hour + hour / 2);
	parses("14:05", now + hour + 5 * 60000); /* today */
	parses("12:59", now + day - 60000);      /* is over: tomorrow */
	parses("13:00", now + day);              /* now is over too */
	parses("2025-11-20 14:05", now + hour + 5 * 60000);
	parses("2025-11-20T14:05:09", now + hour + 5 * 60000 + 9000);
	parses("2025-11-20T14:05Z", now + 2 * hour + 5 * 60000);
	parses("2025-11-20T14:05:00+03:00", now - hour + 5 * 60000);
	parses("2025-11-20T14:05:00-01:30", now + 3 * hour + 35 * 60000);
	parses("2025-11-21", now + 11 * hour); /* local midnight */
	parses("2024-02-29", INT64_C(1709161200000));
}

static void
tomorrow_at_the_same_time_over_a_change_of_clocks(void **state)
{
	int64_t at, before = INT64_C(1761400800000); /* 2025-10-25 16:00 CEST */

	(void)state;
	assert_true(when_parse("15:00", before, &at));
	assert_int_equal(at, before + day); /* 24 hours later it is 15:00 CET */
}

static void
what_is_no_time_is_refused(void **state)
{
	static const char *const wrong[] = {"", "+", "soon", "5", "25:00", "14:60",
	    "14:5", "14:05x", "2025-11-20 ", "2025-11-20 14", "2025-13-01", "2025-02-31",
	    "2025-02-29", "2025-1-1", "2025-11-20 14:05+1", "20:25-11", "-30m",
	    "1700000000"};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (when_parse(wrong[i], now, &at))
			fail_msg("\"%s\" was taken for a time", wrong[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stamps_say_what_is_needed),
	    cmocka_unit_test(ages_and_durations),
	    cmocka_unit_test(numbers_are_short),
	    cmocka_unit_test(times_are_read),
	    cmocka_unit_test(tomorrow_at_the_same_time_over_a_change_of_clocks),
	    cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, in_berlin, NULL);
}
