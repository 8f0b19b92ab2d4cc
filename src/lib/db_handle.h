/* SQLite connections as berth sets them up. Private to db.c and db_migrate.c. */
#ifndef DB_HANDLE_H
#define DB_HANDLE_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { DB_APPLICATION_ID = 0x62727468 /* "brth" */ };

/* All three return SQLite's code. *handle is never NULL, and to be closed also after an
 * error. */
int db_handle_open(const char *path, int flags, int busy_ms, sqlite3 **handle);
/* First column of the first row; no row is SQLITE_ERROR. */
int db_handle_int(sqlite3 *handle, const char *sql, int64_t *value);
/* Is the first column of the first row this text? */
int db_handle_is(sqlite3 *handle, const char *sql, const char *text, bool *same);
/* A descriptor of <path>.ckpt, the file that whoever checkpoints locks; a new one gets
 * the owner and mode of the database. Failure is fatal. */
int db_handle_lock(const char *path);
#endif
