#include "unit.h"
#include "clock.h"

static void
time_goes_forward(void **state)
{
	(void)state;
	int64_t first = mono_ms();

	assert_true(first > 0);
	assert_true(mono_ms() >= first);
	assert_true(wall_ms() > INT64_C(1600000000000));
}

static void
ulids_are_valid_and_increase(void **state)
{
	(void)state;
	char last[ULID_LEN + 1] = "", next[ULID_LEN + 1];

	for (int i = 0; i < 20000; i++) {
		ulid_new(next);
		assert_true(ulid_ok(next));
		assert_true(strcmp(next, last) > 0);
		memcpy(last, next, sizeof(last));
	}
}

/* "01..." of a ms that is `ahead` of now; its random part is the greatest. */
static void
future_ulid(int64_t ahead, char out[static ULID_LEN + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t ms = wall_ms() + ahead;

	memset(out, 'Z', ULID_LEN);
	for (int i = 9; i >= 0; i--, ms /= 32)
		out[i] = digits[ms % 32];
	out[ULID_LEN] = '\0';
}

/* As after a clock that was put back: what was made before it is the future. */
static void
ulids_increase_when_the_clock_goes_back(void **state)
{
	(void)state;
	char last[ULID_LEN + 1], next[ULID_LEN + 1];

	for (int64_t ahead = 3600000; ahead <= 7200000; ahead += 3600000) {
		future_ulid(ahead, last);
		ulid_after(last);
		for (int i = 0; i < 2000; i++) {
			ulid_new(next);
			assert_true(ulid_ok(next));
			assert_true(strcmp(next, last) > 0);
			memcpy(last, next, sizeof(last));
		}
	}
	/* what is older, or no ULID, changes nothing */
	ulid_after("01ARZ3NDEKTSV4RRFFQ69G5FAV");
	ulid_after("no ULID");
	ulid_after(NULL);
	ulid_new(next);
	assert_true(strcmp(next, last) > 0);
}

static void
a_ulid_begins_with_its_time(void **state)
{
	(void)state;
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	char id[ULID_LEN + 1];
	int64_t before = wall_ms(), ms = 0;

	ulid_new(id);
	for (int i = 0; i < 10; i++)
		ms = ms * 32 + (strchr(digits, id[i]) - digits);
	assert_true(ms >= before && ms <= wall_ms());
}

static void
print_ulids(void *arg)
{
	char id[ULID_LEN + 1];

	for (int i = 0; i < *(int *)arg; i++) {
		ulid_new(id);
		fprintf(stderr, "%s\n", id);
	}
}

static void
a_fork_makes_its_own_ulids(void **state)
{
	(void)state;
	char id[ULID_LEN + 1], mine[64][ULID_LEN + 1], theirs[4096];
	int count = 64;

	ulid_new(id);
	assert_int_equal(unit_in_child(print_ulids, &count, theirs, sizeof(theirs)), 0);
	for (int i = 0; i < count; i++) {
		ulid_new(mine[i]);
		assert_null(strstr(theirs, mine[i]));
	}
	/* Not a neighbour either: the random part was drawn anew, not counted up. */
	assert_true(strncmp(theirs + 10, id + 10, 8) != 0);
}

static void
ulid_ok_is_strict(void **state)
{
	(void)state;
	assert_true(ulid_ok("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
	assert_true(ulid_ok("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
	assert_false(ulid_ok("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
	assert_false(ulid_ok("01ARZ3NDEKTSV4RRFFQ69G5FA"));
	assert_false(ulid_ok("01ARZ3NDEKTSV4RRFFQ69G5FAVX"));
	assert_false(ulid_ok("01arz3ndektsv4rrffq69g5fav"));
	assert_false(ulid_ok("01ARZ3NDEKTSV4RRFFQ69G5FAU"));
	assert_false(ulid_ok(""));
	assert_false(ulid_ok(NULL));
}

static void
durations_are_parsed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"1500ms", 1500},
	    {"30s", 30000},
	    {"15m", 900000},
	    {"2h", 7200000},
	    {"1d", 86400000},
	    {"1h30m", 5400000},
	    {"1d2h3m4s5ms", 93784005},
	    {"0s", 0},
	    {"3650d", INT64_C(315360000000)},
	    {"3651d", -1},
	    {"3650d1ms", -1},
	    {"99999999999999999999999s", -1},
	    {"9223372036854775807d", -1},
	    {"30", -1},
	    {"", -1},
	    {"s", -1},
	    {"1x", -1},
	    {"1h30", -1},
	    {"30m1h", -1},
	    {"1h1h", -1},
	    {"1 h", -1},
	    {"-1s", -1},
	    {"+1s", -1},
	    {"1.5h", -1},
	    {"1sm", -1},
	    {"1H", -1},
	    {"1h ", -1},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = -1;
		bool good = duration_parse(cases[i].text, &ms);
		if (good != (cases[i].ms >= 0) || ms != cases[i].ms)
			fail_msg(
			    "\"%s\" gave %d, %lld", cases[i].text, good, (long long)ms);
	}
}

static void
ages_are_told_as_people_do(void **state)
{
	(void)state;
	char out[32];

	assert_string_equal(duration_human(-5, out, sizeof(out)), "0s");
	assert_string_equal(duration_human(3999, out, sizeof(out)), "3s");
	assert_string_equal(duration_human(59999, out, sizeof(out)), "59s");
	assert_string_equal(duration_human(12 * 60000, out, sizeof(out)), "12m");
	assert_string_equal(duration_human(2 * 3600000 + 1, out, sizeof(out)), "2h");
	assert_string_equal(
	    duration_human(INT64_C(5) * 86400000, out, sizeof(out)), "5d");
	assert_string_equal(duration_human(3000, out, 2), "3");
}

static void
rfc3339_is_utc_with_ms(void **state)
{
	(void)state;
	char out[64];

	setenv("TZ", "Asia/Tokyo", 1);
	assert_string_equal(time_rfc3339(INT64_C(1795190956185), out, sizeof(out)),
	    "2026-11-20T16:09:16.185Z");
	assert_string_equal(
	    time_rfc3339(0, out, sizeof(out)), "1970-01-01T00:00:00.000Z");
	assert_string_equal(
	    time_rfc3339(-1, out, sizeof(out)), "1969-12-31T23:59:59.999Z");
	assert_string_equal(time_rfc3339(INT64_C(253402300799999), out, sizeof(out)),
	    "9999-12-31T23:59:59.999Z");
	time_rfc3339(INT64_MAX, out, sizeof(out)); /* nobody's date, but no crash */
	time_rfc3339(INT64_MIN, out, sizeof(out));
}

/* Local time `hour`:`minute` of that day, as minutes UTC since its midnight. */
static int
minutes(const char *zone, int year, int month, int day, int hour, int minute)
{
	struct tm tm = {.tm_year = year - 1900,
	    .tm_mon = month - 1,
	    .tm_mday = day,
	    .tm_hour = hour,
	    .tm_min = minute};
	struct tm midnight = tm;

	midnight.tm_hour = midnight.tm_min = 0;
	setenv("TZ", zone, 1);
	tzset();
	return (int)((time_from_local(&tm) - timegm(&midnight)) / 60);
}

static void
local_times_are_where_clocks_show_them(void **state)
{
	(void)state;
	assert_int_equal(minutes("UTC0", 2026, 11, 20, 9, 30), 570);
	assert_int_equal(minutes("Europe/Berlin", 2026, 11, 20, 9, 30), 510);
	assert_int_equal(minutes("Europe/Berlin", 2026, 7, 1, 9, 30), 450);
	assert_int_equal(minutes("Pacific/Kiritimati", 2026, 7, 1, 9, 0), 540 - 840);
	assert_int_equal(minutes("Europe/Berlin", 2026, 11, 32, 9, 30), 510);
}

/* The same with every libc, and what a timer wants: it runs once, and on that day. */
static void
clocks_that_change_lose_no_time_and_double_none(void **state)
{
	(void)state;
	/* 29 March, 2:00 is 3:00 */
	assert_int_equal(minutes("Europe/Berlin", 2026, 3, 29, 1, 59), 59);
	assert_int_equal(minutes("Europe/Berlin", 2026, 3, 29, 2, 0), 60);
	assert_int_equal(minutes("Europe/Berlin", 2026, 3, 29, 2, 30), 90);
	assert_int_equal(minutes("Europe/Berlin", 2026, 3, 29, 3, 0), 60);
	/* 25 October, 3:00 is 2:00 */
	assert_int_equal(minutes("Europe/Berlin", 2026, 10, 25, 1, 59), -1);
	assert_int_equal(minutes("Europe/Berlin", 2026, 10, 25, 2, 30), 30);
	assert_int_equal(minutes("Europe/Berlin", 2026, 10, 25, 3, 0), 120);
	/* half an hour only, in the south */
	assert_int_equal(minutes("Australia/Lord_Howe", 2026, 10, 4, 2, 15), 135 - 630);
	assert_int_equal(minutes("Australia/Lord_Howe", 2026, 4, 5, 1, 45), 105 - 660);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_goes_forward),
	    cmocka_unit_test(ulids_are_valid_and_increase),
	    cmocka_unit_test(a_ulid_begins_with_its_time),
	    cmocka_unit_test(a_fork_makes_its_own_ulids),
	    cmocka_unit_test(ulids_increase_when_the_clock_goes_back),
	    cmocka_unit_test(ulid_ok_is_strict),
	    cmocka_unit_test(durations_are_parsed),
	    cmocka_unit_test(ages_are_told_as_people_do),
	    cmocka_unit_test(rfc3339_is_utc_with_ms),
	    cmocka_unit_test(local_times_are_where_clocks_show_them),
	    cmocka_unit_test(clocks_that_change_lose_no_time_and_double_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
