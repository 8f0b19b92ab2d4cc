/*
 * See limit.h. The wording is the CLIs', seen with both versions: `resets 5:51pm (UTC)`,
 * with a date in front when it isn't today. Seconds after the minute are added, for
 * clocks differ, and a time that has only just passed is not a day, or a year, away.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "clock.h"
#include "limit.h"
#include "xmalloc.h"

enum { UNKNOWN_WAIT_MS = 3600 * 1000, LATE_S = 20, PASSED_S = 300 };

bool
limit_is_usage(const char *text)
{
	return strstr(text, "limit") != NULL &&
	       (strstr(text, "resets") != NULL || strstr(text, "hit your") != NULL);
}

struct when {
	int month, day; /* -1: today */
	int hour, minute;
	char zone[40];
};

static int
month_of(const char *word)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (strncasecmp(word, months + (size_t)i * 3, 3) == 0)
			return i;
	return -1;
}

/* One or two digits. */
static const char *
number(const char *p, int *n)
{
	size_t digits = strspn(p, "0123456789");

	if (digits == 0 || digits > 2)
		return NULL;
	*n = atoi(p);
	return p + digits;
}

/* A name that isn't known would silently be UTC. */
static bool
zone_known(const char *zone)
{
	struct stat st;
	char path[80];

	if (strcmp(zone, "UTC") == 0 || strcmp(zone, "GMT") == 0)
		return true;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
	return zone[0] != '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
parse_time(const char *p, struct when *w)
{
	bool am, pm;

	w->minute = 0;
	p = number(p, &w->hour);
	if (p != NULL && *p == ':')
		p = number(p + 1, &w->minute);
	if (p == NULL)
		return false;
	p += strspn(p, " ");
	am = strncasecmp(p, "am", 2) == 0;
	pm = strncasecmp(p, "pm", 2) == 0;
	if ((am || pm) && (w->hour < 1 || w->hour > 12))
		return false;
	if (am || pm)
		w->hour = w->hour % 12 + (pm ? 12 : 0);
	p = strchr(p, '(');
	if (p == NULL || sscanf(p, "(%39[A-Za-z0-9_/+-])", w->zone) != 1 ||
	    !zone_known(w->zone))
		w->zone[0] = '\0';
	return w->hour < 24 && w->minute < 60;
}

static bool
parse(const char *text, struct when *w)
{
	const char *p = strstr(text, "resets ");
	char word[16];
	int used = 0;

	if (p == NULL)
		return false;
	p += strlen("resets ");
	if (strncmp(p, "at ", 3) == 0)
		p += 3;
	w->month = w->day = -1;
	if (isalpha((unsigned char)*p)) {
		if (sscanf(p, "%15[A-Za-z] %2d%n", word, &w->day, &used) < 2 ||
		    (w->month = month_of(word)) < 0 || w->day < 1 || w->day > 31)
			return false;
		p += used;
		while (*p == ',' || *p == ' ')
			p++;
		if (strncmp(p, "at ", 3) == 0)
			p += 3;
	}
	return parse_time(p, w);
}

static time_t
time_on(const struct when *w, struct tm tm, int days, int years)
{
	tm.tm_year += years;
	tm.tm_mday += days;
	if (w->month >= 0) {
		tm.tm_mon = w->month;
		tm.tm_mday = w->day;
	}
	tm.tm_hour = w->hour;
	tm.tm_min = w->minute;
	tm.tm_sec = 0;
	return time_from_local(&tm);
}

/* The first that hasn't long passed, of yesterday, today and tomorrow, or of the last,
 * this and the next year's; -1 if a date's nearest has. */
static time_t
resolve(const struct when *w, time_t now)
{
	bool dated = w->month >= 0;
	time_t at = -1, before = 0;
	struct tm tm;

	localtime_r(&now, &tm);
	for (int i = -1; i <= 1; i++) {
		before = at;
		at = time_on(w, tm, dated ? 0 : i, dated ? i : 0);
		if (at + PASSED_S > now)
			break;
	}
	return dated && before != -1 && now - before < at - now ? -1 : at;
}

int64_t
limit_reset_time(const char *text, int64_t now_ms)
{
	struct when w;
	char *old = xstrdup(getenv("TZ"));
	time_t at;

	if (!parse(text, &w)) {
		free(old);
		return now_ms + UNKNOWN_WAIT_MS;
	}
	if (w.zone[0] != '\0') {
		setenv("TZ", w.zone, 1);
		tzset();
	}
	at = resolve(&w, (time_t)(now_ms / 1000));
	if (old != NULL)
		setenv("TZ", old, 1);
	else
		unsetenv("TZ");
	tzset();
	free(old);
	if (at == -1)
		return now_ms + UNKNOWN_WAIT_MS;
	at = at * 1000 > now_ms ? at : (time_t)(now_ms / 1000);
	return ((int64_t)at + LATE_S) * 1000;
}
