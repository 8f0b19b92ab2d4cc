/*
 * Time. Deadlines are monotonic milliseconds (CLOCK_BOOTTIME: it goes on through a
 * suspend); the wall clock is only for what people and databases see, and may jump at any
 * time.
 */
#ifndef CLOCK_H
#define CLOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t mono_ms(void);
int64_t wall_ms(void); /* Unix time in ms */

/* ULID (github.com/ulid/spec): 26 characters of Crockford base32, ms time and 80 random
 * bits; within one process strictly increasing, also when the wall clock is put back. */
enum { ULID_LEN = 26 };
void ulid_new(char out[static ULID_LEN + 1]);
/* All that are made from now on are greater than this one of an earlier process; NULL and
 * what is no ULID are ignored. */
void ulid_after(const char *id);
bool ulid_ok(const char *text);
/* The first one of that time: what is before it in order is older. */
void ulid_first(char out[static ULID_LEN + 1], int64_t wall);

/* "1500ms", "30s", "15m", "2h", "1d" (and sums: "1h30m") to ms. false if it is none of
 * these or over 10 years; a bare number is refused, for nobody can tell its unit. */
bool duration_parse(const char *text, int64_t *ms);
/* "3s", "12m", "2h", "5d": how people say an age. */
const char *duration_human(int64_t ms, char *out, size_t size);
/* RFC 3339, UTC, with ms: "2026-11-20T16:09:16.185Z". */
const char *time_rfc3339(int64_t wall, char *out, size_t size);
/* Unix time of a local date and time (tm_year to tm_sec, which may be out of their
 * ranges, as for mktime). A time that comes twice, when clocks are put back, is the
 * first; one that is jumped over is as much later as the clocks are put forward. */
time_t time_from_local(const struct tm *told);
#endif
