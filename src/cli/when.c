/* Times for people. localtime does the calendar, so TZ decides, daylight saving
 * included. */
#include "when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

const char when_forms[] =
    "30m, 1h30m, 14:05, \"2026-11-20 14:05\" or 2026-11-20T14:05:00+01:00";

static struct tm
local(int64_t at)
{
	time_t seconds = (time_t)(at / 1000);
	struct tm tm = {0};

	localtime_r(&seconds, &tm);
	return tm;
}

const char *
when_stamp(int64_t at, int64_t now, char out[static WHEN_MAX])
{
	struct tm then = local(at), today = local(now);

	if (then.tm_year != today.tm_year)
		strftime(out, WHEN_MAX, "%Y-%m-%d %H:%M", &then);
	else if (then.tm_yday != today.tm_yday)
		strftime(out, WHEN_MAX, "%b %e %H:%M", &then);
	else
		strftime(out, WHEN_MAX, "%H:%M", &then);
	return out;
}

const char *
when_exact(int64_t at, char out[static WHEN_MAX])
{
	struct tm tm = local(at);
	size_t len = strftime(out, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &tm);

	snprintf(out + len, WHEN_MAX - len, ".%03d", (int)(at % 1000));
	return out;
}

const char *
when_ago(int64_t at, int64_t now, char out[static WHEN_MAX])
{
	char age[WHEN_MAX - 8];

	duration_human(at > now ? at - now : now - at, age, sizeof(age));
	if (at > now)
		snprintf(out, WHEN_MAX, "in %s", age);
	else if (now - at < SECOND)
		snprintf(out, WHEN_MAX, "just now");
	else
		snprintf(out, WHEN_MAX, "%s ago", age);
	return out;
}

const char *
when_took(int64_t ms, char out[static WHEN_MAX])
{
	int s = (int)(ms / SECOND);

	if (ms < SECOND)
		snprintf(out, WHEN_MAX, "%dms", ms < 0 ? 0 : (int)ms);
	else if (ms < MINUTE)
		snprintf(out, WHEN_MAX, "%d.%ds", s, (int)(ms % SECOND / 100));
	else if (ms < HOUR)
		snprintf(out, WHEN_MAX, "%dm %02ds", s / 60, s % 60);
	else if (ms < DAY)
		snprintf(out, WHEN_MAX, "%dh %02dm", s / 3600, s / 60 % 60);
	else
		snprintf(out, WHEN_MAX, "%dd %dh", s / 86400, s / 3600 % 24);
	return out;
}

/* n in units of `step`, three digits at most: 1.2k, 34k. */
static const char *
scaled(int64_t n, int step, const char *const *units, const char *gap, char *out)
{
	int64_t tenths = n * 10;
	int unit = 0;

	while (tenths >= (int64_t)step * 10 && units[unit + 1] != NULL) {
		tenths /= step;
		unit++;
	}
	if (unit == 0 || tenths >= 100)
		snprintf(out, WHEN_MAX, "%lld%s%s", (long long)(tenths / 10), gap,
		    units[unit]);
	else
		snprintf(out, WHEN_MAX, "%lld.%lld%s%s", (long long)(tenths / 10),
		    (long long)(tenths % 10), gap, units[unit]);
	return out;
}

const char *
when_count(int64_t n, char out[static WHEN_MAX])
{
	static const char *const units[] = {"", "k", "M", "G", NULL};

	return scaled(n, 1000, units, "", out);
}

const char *
when_bytes(int64_t n, char out[static WHEN_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};

	return scaled(n, 1024, units, " ", out);
}

/* ---- reading ---- */

/* Two digits up to max, the text moved behind them. */
static bool
two(const char **text, int max, int *value)
{
	const char *p = *text;

	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*value = (p[0] - '0') * 10 + p[1] - '0';
	*text = p + 2;
	return *value <= max;
}

/* "14:05", "14:05:09" */
static bool
time_of_day(const char **text, struct tm *tm)
{
	tm->tm_sec = 0;
	if (!two(text, 23, &tm->tm_hour) || *(*text)++ != ':' ||
	    !two(text, 59, &tm->tm_min))
		return false;
	if (**text != ':')
		return true;
	(*text)++;
	return two(text, 59, &tm->tm_sec);
}

static bool
date(const char **text, struct tm *tm)
{
	int century, year;

	if (!two(text, 99, &century) || !two(text, 99, &year) || *(*text)++ != '-' ||
	    !two(text, 12, &tm->tm_mon) || *(*text)++ != '-' ||
	    !two(text, 31, &tm->tm_mday))
		return false;
	tm->tm_year = century * 100 + year - 1900;
	tm->tm_mon--;
	return tm->tm_mon >= 0 && tm->tm_mday >= 1;
}

/* "Z", "+01:00", or nothing: local time. Seconds east of UTC. */
static bool
zone(const char **text, bool *given, long *offset)
{
	int hours, minutes;
	char sign = **text;

	*given = sign == 'Z' || sign == '+' || sign == '-';
	*offset = 0;
	if (!*given)
		return true;
	(*text)++;
	if (sign == 'Z')
		return true;
	if (!two(text, 23, &hours) || *(*text)++ != ':' || !two(text, 59, &minutes))
		return false;
	*offset = (sign == '-' ? -60L : 60L) * (hours * 60 + minutes);
	return true;
}

static int64_t
from_local(struct tm tm)
{
	return (int64_t)time_from_local(&tm) * 1000;
}

/* Today at that time, or tomorrow if that is over. */
static bool
parse_next(const char *text, int64_t now, int64_t *at)
{
	struct tm tm = local(now);

	if (!time_of_day(&text, &tm) || *text != '\0')
		return false;
	*at = from_local(tm);
	if (*at <= now) {
		tm.tm_mday++;
		*at = from_local(tm);
	}
	return true;
}

static bool
parse_date(const char *text, int64_t *at)
{
	struct tm tm = {0};
	bool zoned = false;
	long offset = 0;

	if (!date(&text, &tm))
		return false;
	struct tm given = tm;
	if (*text == ' ' || *text == 'T') {
		text++;
		if (!time_of_day(&text, &tm) || !zone(&text, &zoned, &offset))
			return false;
	}
	if (*text != '\0')
		return false;
	*at = zoned ? ((int64_t)timegm(&tm) - offset) * 1000 : from_local(tm);
	/* 31 February is not the 3rd of March. */
	tm = given;
	tm.tm_hour = 12;
	timegm(&tm);
	return tm.tm_mday == given.tm_mday;
}

bool
when_parse(const char *text, int64_t now, int64_t *at)
{
	int64_t ms;

	if (duration_parse(text + (*text == '+'), &ms)) {
		*at = now + ms;
		return true;
	}
	return parse_next(text, now, at) || parse_date(text, at);
}
