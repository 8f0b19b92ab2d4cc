/*
 * SQLite, the only place that knows it (db*.c). It knows no table but `events`: each
 * service brings a const table of its statements and the names of the tables it may
 * write; an authorizer refuses the rest. Busy and constraint are return codes, every
 * other error is fatal with code, message and SQL.
 *
 * Settings: WAL, synchronous=FULL, foreign keys, defensive, untrusted schema, mmap 0,
 * wal_autocheckpoint 0 (the launcher checkpoints; a commit that leaves the WAL over 16
 * MiB tries a passive checkpoint under a file lock). SQLite older than 3.51.3 is refused
 * at start: it can lose commits.
 */
#ifndef DB_H
#define DB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct db_rows;

struct db_spec {
	const char *service;    /* actor in events, name in errors */
	const char *const *sql; /* one statement each, indexed by the service's enum */
	size_t sql_count;
	/* Tables it may insert into, update or delete from; ends with NULL. Inserting
	 * into `events` is always allowed. */
	const char *const *write;
	int busy_timeout_ms; /* 250 in daemons, 5000 in oneshots */
};

enum db_result { DB_OK, DB_BUSY, DB_CONSTRAINT };

/* One bound value. Text and blobs are borrowed until the call returns. */
struct db_arg {
	enum { DB_ARG_NULL, DB_ARG_INT, DB_ARG_TEXT, DB_ARG_BLOB } type;
	int64_t i;
	const char *text;
	size_t len;
};
#define DB_I(v)     ((struct db_arg){.type = DB_ARG_INT, .i = (v)})
#define DB_T(v)     db_text_arg(v) /* NULL binds NULL */
#define DB_TN(v, n) ((struct db_arg){.type = DB_ARG_TEXT, .text = (v), .len = (n)})
#define DB_NULL     ((struct db_arg){.type = DB_ARG_NULL})
#define DB_ARGS(...)                                                                     \
	(struct db_arg[]){__VA_ARGS__},                                                  \
	    sizeof((struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg)
#define DB_NOARGS NULL, 0
struct db_arg db_text_arg(const char *text);

/* Opens an existing, migrated database; anything wrong is fatal (100 if it is newer than
 * this program, 101 for a statement that doesn't prepare or writes where it may not: all
 * are prepared here). spec is borrowed. Not across a fork. */
struct db *db_open(const char *path, const struct db_spec *spec);
void db_close(struct db *db); /* no checkpoint; NULL is fine */
/* Creates or migrates (init and tests only). -1 and a sentence in *why (static) if the
 * file is newer than we are, somebody else's, or damaged; each migration is one
 * transaction. Makes sure that -wal, -shm and .ckpt are there too, with the owner and
 * mode of the file: a service can't make them in a directory of root's. */
int db_migrate(const char *path, const char **why);
int db_schema_version(void); /* the newest migration we know */
/* A database that may be in use, as it is in one moment, into a file that isn't there
 * yet; checked whole, and on disk when this returns. 0, or -1 and a sentence in *why
 * (static). */
int db_copy(const char *from, const char *to, const char **why);
/* Is a file that nobody uses ours, whole, and not newer than we are? *version: its
 * schema's, also of a newer one. 0, or -1 and a sentence in *why (static). */
int db_inspect(const char *path, int *version, const char **why);
const char *db_sqlite_version(void);

/* Transactions nest; the outermost is BEGIN IMMEDIATE and only it commits. DB_BUSY:
 * nothing begun. A rollback inside makes every enclosing commit a rollback. None may be
 * open when the loop turns, nor rows be left unread: db_assert_idle(). */
enum db_result db_begin(struct db *db);
/* Anything but DB_OK: rolled back. DB_CONSTRAINT is a deferred foreign key, or a rollback
 * inside. */
enum db_result db_commit(struct db *db);
void db_rollback(struct db *db);
void db_assert_idle(struct db *db);

/* Runs a statement that returns no rows. *changed (or NULL) gets the number of rows. */
enum db_result db_run(
    struct db *db, int stmt, const struct db_arg *args, size_t count, int *changed);

/* What a change of state writes into `events` beside itself. Strings borrowed; NULL is
 * NULL. */
struct db_event {
	const char *entity; /* agent, message, turn, session, approval, config ... */
	const char *id;
	const char *old_state;
	const char *new_state;
	const char *cause;  /* in words: what made it so */
	const char *detail; /* JSON or NULL */
};
/* The statement and its event in one transaction; no event when it changed no row (then
 * *changed is 0). Inside of a transaction a refused statement (DB_CONSTRAINT) undoes
 * itself only. */
enum db_result db_change(struct db *db, const struct db_event *event, int stmt,
    const struct db_arg *args, size_t count, int *changed);

/* The same for what has to succeed: busy is tried again for as long as it takes, a
 * refusal (a constraint, a rollback inside) is a broken invariant, and fatal. For the
 * state of a daemon that would go on wrongly without the row. They return the number of
 * rows. */
int db_must(struct db *db, int stmt, const struct db_arg *args, size_t count);
int db_must_change(struct db *db, const struct db_event *event, int stmt,
    const struct db_arg *args, size_t count);
void db_must_begin(struct db *db);
void db_must_commit(struct db *db);

/* Reading. One result set per statement at a time; db_done() resets it; reading to the
 * end does too. Begin no transaction while rows are open: it would be DB_BUSY as soon as
 * somebody else has written since. */
struct db_rows *db_query(
    struct db *db, int stmt, const struct db_arg *args, size_t count);
bool db_next(struct db_rows *r);
void db_done(struct db_rows *r);
/* NULL if NULL; borrowed until db_next/db_done. */
const char *db_text(struct db_rows *r, int column);
size_t db_len(struct db_rows *r, int column);
int64_t db_int(struct db_rows *r, int column);
bool db_is_null(struct db_rows *r, int column);
/* First column of the first row, or `otherwise`. */
int64_t db_one_int(
    struct db *db, int stmt, const struct db_arg *args, size_t count, int64_t otherwise);
/* The same as text, malloc'd; NULL if there is none. */
char *db_one_text(struct db *db, int stmt, const struct db_arg *args, size_t count);

/* Host name written into rows; set once after db_open (default "localhost"). */
void db_set_host(struct db *db, const char *host);
const char *db_host(const struct db *db);
/* Free pages are used again by new rows. Beyond 16 MiB of them they go back to the file
 * system, 1 MiB a call. */
void db_shrink(struct db *db);
void db_checkpoint(struct db *db); /* passive; the launcher's timer and idle moments */
#endif
