/* What a CLI says when a usage limit is reached, and when that ends. */
#ifndef LIMIT_H
#define LIMIT_H
#include <stdbool.h>
#include <stdint.h>

/* "You've hit your session limit · resets 5:50pm (UTC)" and its relatives; a plain "429,
 * slow down" is none. */
bool limit_is_usage(const char *text);
/* Unix ms of the next such time after now ("resets 5:50pm (UTC)", "resets Nov 23, 9am
 * (Europe/Berlin)", "resets 14:05"); a zone that isn't known counts as local. One hour
 * from now if the text has no time. */
int64_t limit_reset_time(const char *text, int64_t now_ms);
#endif
