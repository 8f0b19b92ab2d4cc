/*
 * The launcher, as a command sees it: a connection that is made anew where it was lost.
 * Functions that return a status have said on stderr what is wrong if it isn't CLI_OK.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

struct cli;
struct launcher;

enum launcher_how {
	LAUNCHER_ONCE, /* lost after it was sent: nobody can tell whether it took effect
			  (CLI_UNCERTAIN) */
	LAUNCHER_AGAIN /* asking again does no harm */
};

/* How long to go on trying where nobody listens; a launcher that is restarted is back in
 * a second. */
enum {
	PATIENCE_SHORT_MS = 3000,
	PATIENCE_LONG_MS = 30000,
	SAY_SO_MS = 2000,
	ANSWER_MS = 15000
};

struct launcher *launcher_new(const struct cli *cli, int patience_ms);
void launcher_free(struct launcher *l);
/* How long an answer may take (default ANSWER_MS; -1: for ever). */
void launcher_timeout(struct launcher *l, int ms);
/* An absolute end for everything asked of it (mono_ms; -1: none): then CLI_TIMEOUT, with
 * this hint. */
void launcher_deadline(struct launcher *l, int64_t deadline, const char *hint);
int launcher_fail_deadline(const struct launcher *l);
/* What to say, and to end with CLI_UNCERTAIN, when a request of LAUNCHER_AGAIN was sent
 * and no answer came: the launcher went away and didn't come back (default: CLI_DOWN), or
 * was silent for too long (default: CLI_TIMEOUT). */
void launcher_unsure(struct launcher *l, const char *hint);

/* One request, one answer (an object with "ok":true). Frees args (NULL: none). The caller
 * frees *answer. */
int launcher_ask(struct launcher *l, const char *op, yyjson_mut_doc *args,
    enum launcher_how how, yyjson_doc **answer);

struct rows {
	yyjson_doc **docs;
	yyjson_val **row; /* objects */
	size_t count;
};
/* One request that is answered with rows. Frees args. rows_free() in any case. */
int launcher_rows(
    struct launcher *l, const char *op, yyjson_mut_doc *args, struct rows *rows);
void rows_free(struct rows *rows);
yyjson_mut_doc *rows_json(const struct rows *rows); /* an array of copies */

/* ---- streams: several requests open at once ---- */
/* Connected, with patience; nothing is asked yet. */
int launcher_connect(struct launcher *l);
bool launcher_connected(const struct launcher *l);
/* The request's number, 0 if the connection is lost. Frees args. */
int64_t launcher_send(struct launcher *l, const char *op, yyjson_mut_doc *args);
/* The next line; NULL: nothing within timeout_ms (-1: none), or the connection is lost,
 * which launcher_connected() tells. *number is the request it belongs to. */
yyjson_doc *launcher_read(struct launcher *l, int timeout_ms, int64_t *number);
/* An answer's error as a status, said. CLI_OK if it is none. */
int launcher_error(const struct launcher *l, yyjson_val *answer);
#endif
