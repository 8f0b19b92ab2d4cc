/*
 * Hooks that the launcher has not acknowledged, in a file, in order: one JSON object a
 * line (docs/protocols.md). Only places are kept in memory, a line is read again when it
 * is sent. When everything is acknowledged the file is emptied.
 */
#ifndef SPOOL_H
#define SPOOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SPOOL_LINE_MAX = (16 << 20) + (1 << 16), /* a hook and what the spool adds */
	SPOOL_FILE_MAX = 256 << 20,              /* more is refused (EFBIG) */
	SPOOL_LINES_MAX = 200000,
	SPOOL_WINDOW = 32,           /* lines in flight ... */
	SPOOL_WINDOW_BYTES = 2 << 20 /* ... and their bytes, but always one */
};

struct spool;
/* Sends one line (borrowed); false when there is no launcher: spool_rewind() goes on
 * then. */
typedef bool spool_send_cb(const char *line, size_t len, uint64_t id, void *ctx);

/* Opens or makes the file, and takes in what earlier shims left there; NULL with errno if
 * it can't. Nothing is sent before spool_rewind(). */
struct spool *spool_open(const char *path, spool_send_cb *send, void *ctx);
void spool_free(struct spool *s); /* the file stays as it is */
/* Appends one line (without newline). -1 with errno: it isn't kept. `sync`: on the disk,
 * not only with the kernel, because no launcher is there to commit it soon. */
int spool_add(struct spool *s, const char *line, size_t len, bool sync);
void spool_acked(struct spool *s, uint64_t id);
void spool_rewind(struct spool *s); /* everything unacknowledged is sent (again) */
bool spool_empty(const struct spool *s);
#endif
