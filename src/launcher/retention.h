/* How long what is over is kept: setting `retention.keep`. */
#ifndef RETENTION_H
#define RETENTION_H
#include <stdint.h>

struct db;

enum { RETENTION_ROWS = 500 }; /* that one call changes at most */

/* One short transaction; called once a minute. keep_ms 0: for ever. Nothing goes that is
 * open, waits or was not delivered, nor what a row that stays refers to, nor an agent's
 * newest conversation; but an answer that nobody fetched meanwhile, for its channel is
 * served by nobody (until a notifier exists), has failed then. Then gives back what the
 * file has to spare. */
void retention_apply(struct db *db, int64_t keep_ms);
#endif
