/* What the CLIs say at a usage limit, and until when to wait then. */
#include "unit.h"

#include <time.h>

#include "launcher/limit.h"

/* Unix ms of a UTC time. */
static int64_t
utc(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = {.tm_year = year - 1900,
	    .tm_mon = month - 1,
	    .tm_mday = day,
	    .tm_hour = hour,
	    .tm_min = minute,
	    .tm_sec = second};

	return (int64_t)timegm(&tm) * 1000;
}

/* Not before the time that is told, and not much after it. */
static void
assert_until(const char *text, int64_t now, int64_t expected)
{
	int64_t got = limit_reset_time(text, now), late = got - expected;

	if (late < 0 || late > 60000)
		fail_msg(
		    "%s: %lld s after what was expected", text, (long long)late / 1000);
}

static void
both_wordings_are_limits(void **state)
{
	(void)state;
	assert_true(
	    limit_is_usage("You've hit your session limit \xc2\xb7 resets 5:50pm (UTC)"));
	assert_true(
	    limit_is_usage("You've hit your 5-hour limit \xc2\xb7 resets 5:51pm (UTC)"));
	assert_true(limit_is_usage(
	    "You've hit your weekly limit \xc2\xb7 resets Nov 23, 9am (Europe/Berlin)"));
	assert_true(limit_is_usage("You've hit your limit"));
	assert_false(limit_is_usage("API Error: 429 slow down"));
	assert_false(limit_is_usage("API Error: Rate limit reached"));
	assert_false(limit_is_usage("Connection reset by peer"));
	assert_false(limit_is_usage(""));
}

static void
a_time_today_is_today(void **state)
{
	int64_t now = utc(2026, 11, 20, 16, 9, 16);

	(void)state;
	assert_until("hit your session limit \xc2\xb7 resets 5:50pm (UTC)", now,
	    utc(2026, 11, 20, 17, 50, 0));
	assert_until("limit \xc2\xb7 resets 5pm (UTC)", now, utc(2026, 11, 20, 17, 0, 0));
	assert_until("limit, resets at 5pm (UTC)", now, utc(2026, 11, 20, 17, 0, 0));
	assert_until("limit, resets 17:05 (UTC)", now, utc(2026, 11, 20, 17, 5, 0));
	assert_until("limit, resets 5:50 PM (UTC)", now, utc(2026, 11, 20, 17, 50, 0));
	assert_until("limit, resets 11:59pm (UTC) continuing automatically at 5:51pm",
	    now, utc(2026, 11, 20, 23, 59, 0));
}

static void
a_time_that_is_over_is_tomorrow(void **state)
{
	int64_t now = utc(2026, 11, 30, 16, 9, 16);

	(void)state;
	assert_until("limit, resets 3am (UTC)", now, utc(2026, 12, 1, 3, 0, 0));
	assert_until("limit, resets 12am (UTC)", now, utc(2026, 12, 1, 0, 0, 0));
	assert_until("limit, resets 12:30pm (UTC)", now, utc(2026, 12, 1, 12, 30, 0));
	assert_until("limit, resets 2am (UTC)", utc(2026, 12, 31, 23, 0, 0),
	    utc(2027, 1, 1, 2, 0, 0));
}

/* The CLI tells minutes, and clocks differ: what has just passed is not a day away. */
static void
a_time_that_has_just_passed_is_now(void **state)
{
	(void)state;
	for (int second = 0; second < 60; second++) {
		int64_t now = utc(2026, 11, 20, 17, 50, second);

		assert_until("limit, resets 5:50pm (UTC)", now, now);
	}
	assert_until("limit, resets 5:50pm (UTC)", utc(2026, 11, 20, 17, 53, 0),
	    utc(2026, 11, 20, 17, 53, 0));
	/* over midnight, too */
	assert_until("limit, resets 11:59pm (UTC)", utc(2026, 11, 21, 0, 0, 5),
	    utc(2026, 11, 21, 0, 0, 5));
}

/* Each wait ends later than now, lest a text that stays wrong is asked again at once. */
static void
never_in_the_past(void **state)
{
	static const char *const texts[] = {"limit, resets 5:50pm (UTC)",
	    "limit, resets Nov 20, 9am (UTC)", "limit, resets Nov 19, 9am (UTC)",
	    "limit, resets Jan 1 (UTC)", "limit, resets Dec 31, 11:59pm (UTC)",
	    "limit, resets Feb 29, 1am (UTC)", "limit, resets 12am (Asia/Kolkata)"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		for (int hour = 0; hour < 48; hour++) {
			int64_t now = utc(2026, 11, 20, hour, 17, 3);

			assert_true(limit_reset_time(texts[i], now) >= now + 10000);
		}
}

static void
a_date_is_the_nearest_of_its_name(void **state)
{
	int64_t now = utc(2026, 11, 20, 16, 0, 0);

	(void)state;
	assert_until("limit, resets Nov 23, 9am (UTC)", now, utc(2026, 11, 23, 9, 0, 0));
	assert_until(
	    "limit, resets Nov 23 at 9:30am (UTC)", now, utc(2026, 11, 23, 9, 30, 0));
	assert_until(
	    "limit, resets November 23, 9am (UTC)", now, utc(2026, 11, 23, 9, 0, 0));
	assert_until("limit, resets Dec 1, 12am (UTC)", now, utc(2026, 12, 1, 0, 0, 0));
	assert_until("limit, resets Jan 2, 9am (UTC)", now, utc(2027, 1, 2, 9, 0, 0));
	assert_until("limit, resets Jan 1, 9am (UTC)", utc(2026, 12, 31, 23, 0, 0),
	    utc(2027, 1, 1, 9, 0, 0));
	/* told just before midnight, read just after it */
	assert_until("limit, resets Dec 31, 11:59pm (UTC)", utc(2027, 1, 1, 0, 0, 2),
	    utc(2027, 1, 1, 0, 0, 2));
}

static void
zones_are_theirs(void **state)
{
	int64_t now = utc(2026, 11, 20, 16, 0, 0);

	(void)state;
	assert_until(
	    "limit, resets Nov 23, 9am (Europe/Berlin)", now, utc(2026, 11, 23, 8, 0, 0));
	assert_until(
	    "limit, resets 5pm (America/New_York)", now, utc(2026, 11, 20, 22, 0, 0));
	assert_until(
	    "limit, resets 10:45pm (Asia/Kolkata)", now, utc(2026, 11, 20, 17, 15, 0));
	/* tomorrow there is today here */
	assert_until(
	    "limit, resets 9am (Pacific/Auckland)", now, utc(2026, 11, 20, 20, 0, 0));
	assert_until("limit, resets Nov 21, 9am (Pacific/Auckland)", now,
	    utc(2026, 11, 20, 20, 0, 0));
}

static void
an_unknown_zone_is_the_local_one(void **state)
{
	int64_t now = utc(2026, 11, 20, 10, 0, 0);

	(void)state;
	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	assert_until(
	    "limit, resets 5:30pm (Mars/Olympus)", now, utc(2026, 11, 20, 12, 0, 0));
	assert_until("limit, resets 5:30pm (IST)", now, utc(2026, 11, 20, 12, 0, 0));
	assert_until(
	    "limit, resets 5:30pm (/etc/passwd)", now, utc(2026, 11, 20, 12, 0, 0));
	assert_until("limit, resets 5:30pm", now, utc(2026, 11, 20, 12, 0, 0));
	assert_until("limit, resets 5:30pm (", now, utc(2026, 11, 20, 12, 0, 0));
	assert_until("limit, resets 5:30pm (UTC)", now, utc(2026, 11, 20, 17, 30, 0));
	setenv("TZ", "UTC", 1);
	tzset();
}

static void
clocks_that_change_overnight(void **state)
{
	(void)state;
	/* 2026-10-25: back an hour at 3:00 in Berlin; 2026-03-29: an hour ahead at 2:00
	 */
	assert_until("limit, resets 9am (Europe/Berlin)", utc(2026, 10, 24, 20, 0, 0),
	    utc(2026, 10, 25, 8, 0, 0));
	assert_until("limit, resets 9am (Europe/Berlin)", utc(2026, 3, 28, 20, 0, 0),
	    utc(2026, 3, 29, 7, 0, 0));
	assert_until("limit, resets 2:30am (Europe/Berlin)", utc(2026, 3, 28, 20, 0, 0),
	    utc(2026, 3, 29, 1, 30, 0));
}

static void
nonsense_waits_an_hour(void **state)
{
	static const char *const texts[] = {"", "limit", "limit, resets ",
	    "limit, resets soon", "limit, resets in 2 hours", "limit, resets tomorrow",
	    "limit, resets Friday 5pm", "limit, resets 99pm", "limit, resets 25:00",
	    "limit, resets 5:99pm", "limit, resets Foo 3, 9am", "limit, resets -5pm",
	    "limit, resets Nov 99, 9am (UTC)", "limit, resets Nov -1, 9am (UTC)",
	    "limit, resets Nov", "limit, resets 99999999999999999999pm",
	    "limit, resets Nov 99999999999, 9am", "limit, resets (UTC)",
	    "limit, resets 14pm"};
	int64_t now = utc(2026, 11, 20, 16, 0, 0);

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		int64_t wait = limit_reset_time(texts[i], now) - now;

		if (wait != 3600 * 1000)
			fail_msg("%s: %lld ms", texts[i], (long long)wait);
	}
}

static void
our_own_zone_is_back_afterwards(void **state)
{
	time_t t = 1800000000;
	struct tm tm;

	(void)state;
	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	limit_reset_time(
	    "limit, resets 9am (America/New_York)", utc(2026, 11, 20, 16, 0, 0));
	assert_string_equal(getenv("TZ"), "Asia/Kolkata");
	localtime_r(&t, &tm);
	assert_int_equal(tm.tm_hour, 13);
	unsetenv("TZ");
	tzset();
	limit_reset_time(
	    "limit, resets 9am (America/New_York)", utc(2026, 11, 20, 16, 0, 0));
	assert_null(getenv("TZ"));
	setenv("TZ", "UTC", 1);
	tzset();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_wordings_are_limits),
	    cmocka_unit_test(a_time_today_is_today),
	    cmocka_unit_test(a_time_that_is_over_is_tomorrow),
	    cmocka_unit_test(a_time_that_has_just_passed_is_now),
	    cmocka_unit_test(never_in_the_past),
	    cmocka_unit_test(a_date_is_the_nearest_of_its_name),
	    cmocka_unit_test(zones_are_theirs),
	    cmocka_unit_test(an_unknown_zone_is_the_local_one),
	    cmocka_unit_test(clocks_that_change_overnight),
	    cmocka_unit_test(nonsense_waits_an_hour),
	    cmocka_unit_test(our_own_zone_is_back_afterwards),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
