/*
 * Time, and the identifiers that begin with it. The ULID generator never goes back,
 * whatever the wall clock does: ids are the order of delivery. Its state belongs to one
 * process: a fork starts afresh, or parent and child would make the same ones.
 */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static const int64_t YEAR_MS = INT64_C(365) * 86400 * 1000;

static int64_t
clock_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		fatal(EXIT_SYSTEM, "clock_gettime");
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
mono_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t
wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* ---- ULID ---- */

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

enum { ULID_RANDOM = 10 };

static struct {
	pid_t pid;
	int64_t ms;
	unsigned char random[ULID_RANDOM];
} ulid_last;

static void
ulid_reseed(void)
{
	ssize_t got = getrandom(ulid_last.random, sizeof(ulid_last.random), 0);

	if (got != (ssize_t)sizeof(ulid_last.random))
		fatal(EXIT_SYSTEM, "getrandom");
}

/* Counts the random part up by one; past its end (2^80) into the next millisecond. */
static void
ulid_increment(void)
{
	for (int i = ULID_RANDOM - 1; i >= 0; i--)
		if (++ulid_last.random[i] != 0)
			return;
	ulid_last.ms++;
}

/* `count` digits of five bits each, the lowest last. */
static void
ulid_digits(char *out, int count, uint64_t value)
{
	while (count-- > 0) {
		out[count] = crockford[value & 31];
		value >>= 5;
	}
}

static uint64_t
big_endian_40(const unsigned char *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 5; i++)
		value = value << 8 | bytes[i];
	return value;
}

void
ulid_new(char out[static ULID_LEN + 1])
{
	int64_t now = wall_ms();
	pid_t pid = getpid();

	if (ulid_last.pid == pid && now <= ulid_last.ms) {
		ulid_increment();
	} else {
		ulid_last.pid = pid;
		ulid_last.ms = now > ulid_last.ms ? now : ulid_last.ms + 1;
		ulid_reseed();
	}
	ulid_digits(out, 10, (uint64_t)ulid_last.ms);
	ulid_digits(out + 10, 8, big_endian_40(ulid_last.random));
	ulid_digits(out + 18, 8, big_endian_40(ulid_last.random + 5));
	out[ULID_LEN] = '\0';
}

void
ulid_first(char out[static ULID_LEN + 1], int64_t wall)
{
	ulid_digits(out, 10, (uint64_t)wall);
	ulid_digits(out + 10, ULID_LEN - 10, 0);
	out[ULID_LEN] = '\0';
}

bool
ulid_ok(const char *text)
{
	/* The first digit has three bits only: 48 bits of time in ten digits. */
	return text != NULL && strlen(text) == ULID_LEN &&
	       strspn(text, crockford) == ULID_LEN && text[0] <= '7';
}

static uint64_t
ulid_value(const char *digits, int count)
{
	uint64_t value = 0;

	while (count-- > 0)
		value = value << 5 | (uint64_t)(strchr(crockford, *digits++) - crockford);
	return value;
}

/* The next one is of the following ms, so its random part needn't be read. */
void
ulid_after(const char *id)
{
	int64_t ms = ulid_ok(id) ? (int64_t)ulid_value(id, 10) : 0;

	if (ms >= ulid_last.ms) {
		ulid_last.ms = ms;
		ulid_last.pid = 0;
	}
}

/* ---- durations ---- */

static const struct {
	const char *name;
	int64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum { UNITS = sizeof(units) / sizeof(units[0]) };

/* The unit at *text, of those from `first` on; *text is moved behind it. -1 if it is
 * none. */
static int
unit_parse(const char **text, int first)
{
	size_t len = strspn(*text, "dhms");

	for (int i = first; i < UNITS; i++) {
		if (strlen(units[i].name) == len &&
		    strncmp(*text, units[i].name, len) == 0) {
			*text += len;
			return i;
		}
	}
	return -1;
}

static bool
number_parse(const char **text, int64_t *value)
{
	const char *start = *text;

	for (*value = 0; **text >= '0' && **text <= '9'; (*text)++) {
		*value = *value * 10 + (**text - '0');
		if (*value > 10 * YEAR_MS)
			return false;
	}
	return *text != start;
}

/* Each unit once at most, the larger first: "30m1h" is more likely a slip than a sum. */
bool
duration_parse(const char *text, int64_t *ms)
{
	int64_t sum = 0, value;
	int unit = -1;

	do {
		if (!number_parse(&text, &value))
			return false;
		unit = unit_parse(&text, unit + 1);
		if (unit < 0 || value > 10 * YEAR_MS / units[unit].ms)
			return false;
		sum += value * units[unit].ms;
	} while (*text != '\0');
	if (sum > 10 * YEAR_MS)
		return false;
	*ms = sum;
	return true;
}

const char *
duration_human(int64_t ms, char *out, size_t size)
{
	int64_t s = ms < 0 ? 0 : ms / 1000;

	if (s < 60)
		snprintf(out, size, "%llds", (long long)s);
	else if (s < 3600)
		snprintf(out, size, "%lldm", (long long)(s / 60));
	else if (s < 86400)
		snprintf(out, size, "%lldh", (long long)(s / 3600));
	else
		snprintf(out, size, "%lldd", (long long)(s / 86400));
	return out;
}

const char *
time_rfc3339(int64_t wall, char *out, size_t size)
{
	int64_t ms = wall % 1000;
	time_t seconds = (time_t)(wall / 1000);
	struct tm tm;
	char day[64];

	/* Floor division: one ms before the epoch is .999 of the second before. */
	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	if (gmtime_r(&seconds, &tm) == NULL) {
		snprintf(out, size, "?");
		return out;
	}
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, size, "%s.%03dZ", day, (int)ms);
	return out;
}

/* ---- local time ---- */

static long
seconds_east(time_t at)
{
	struct tm tm;

	return localtime_r(&at, &tm) == NULL ? 0 : tm.tm_gmtoff;
}

/* mktime leaves both cases open: glibc and musl differ there. A change of the clocks is
 * between a day before and a day after, and no two of them are. */
time_t
time_from_local(const struct tm *told)
{
	struct tm tm = *told;
	time_t utc = timegm(&tm);
	time_t by_old = utc - seconds_east(utc - 86400);
	time_t by_new = utc - seconds_east(utc + 86400);

	bool old = by_old + seconds_east(by_old) == utc;
	bool new = by_new + seconds_east(by_new) == utc;

	return new && !old ? by_new : by_old;
}
