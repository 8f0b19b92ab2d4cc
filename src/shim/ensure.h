/*
 * Directories and members of JSON files that must be there before the agent starts
 * (docs/protocols.md, `ensure`). The files are the user's too: nothing else in them
 * changes.
 */
#ifndef ENSURE_H
#define ENSURE_H
#include <yyjson.h>

struct buf;

/* How long another's lock is waited for, and when a lock counts as left behind. */
enum { ENSURE_WAIT_MS = 5000, ENSURE_STALE_MS = 10000, ENSURE_FILE_MAX = 64 << 20 };

int ensure_dir(const char *path); /* mkdir -p, 0700; -1 with errno */
/* All of an `ensure` list. What had to be left alone is said in `warning`, a sentence
 * each, joined by "; ". */
void ensure_files(yyjson_val *list, struct buf *warning);
#endif
