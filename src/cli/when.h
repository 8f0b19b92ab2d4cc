/* Times, durations and numbers as people read and write them. Times are Unix ms; local
 * time. */
#ifndef WHEN_H
#define WHEN_H
#include <stdbool.h>
#include <stdint.h>

enum { WHEN_MAX = 40 };

/* "14:05" today, "Nov 19 14:05" this year, else "2025-11-19 14:05". */
const char *when_stamp(int64_t at, int64_t now, char out[static WHEN_MAX]);
/* "2026-11-20 14:05:09.123" */
const char *when_exact(int64_t at, char out[static WHEN_MAX]);
/* "just now", "5m ago", "in 2h" */
const char *when_ago(int64_t at, int64_t now, char out[static WHEN_MAX]);
/* "840ms", "12.3s", "2m 05s", "1h 02m", "3d 4h" */
const char *when_took(int64_t ms, char out[static WHEN_MAX]);
/* "987", "1.2k", "34k", "1.2M" */
const char *when_count(int64_t n, char out[static WHEN_MAX]);
/* "512 B", "3.4 MiB" */
const char *when_bytes(int64_t n, char out[static WHEN_MAX]);

/* A point in time: "30m", "+1h30m" (from now), "14:05" (the next one), "2026-11-20
 * 14:05[:09]" (also with T, and with Z or an offset: +01:00), "2026-11-20". false if it
 * is none. */
bool when_parse(const char *text, int64_t now, int64_t *at);
extern const char when_forms[]; /* for errors */
#endif
