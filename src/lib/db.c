/*
 * SQLite. What must stay true:
 * - What a service may write is decided when its statements are prepared, all of them in
 * db_open(): an authorizer knows nothing else than SELECT, our own transactions, INSERT
 * into `events`, and the tables of its list.
 * - A transaction exists exactly while depth > 0; `doomed` means that it will be rolled
 * back.
 * - Nothing but busy and constraint comes back to the caller.
 * - One process checkpoints at a time: it holds a lock on <db>.ckpt. (Never open the
 * database file itself for such a thing: closing any descriptor of it drops SQLite's own
 * locks.)
 */
#include "db.h"

#include <ctype.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "db_handle.h"
#include "log.h"
#include "xmalloc.h"

enum {
	/* A commit that leaves a larger WAL tries a checkpoint, and, if that could not do
	 * it, again after each step. */
	WAL_BYTES = 16 << 20,
	WAL_STEP = 2 << 20,
	/* Times the busy timeout: another process may be recovering the WAL. */
	READ_TRIES = 20,
	/* Of db_must(), before it is said that somebody keeps us waiting. */
	MUST_TRIES = 20,
	SPARE_BYTES = 16 << 20, /* free pages that are left to new rows */
};

enum own {
	OWN_BEGIN,
	OWN_COMMIT,
	OWN_ROLLBACK,
	OWN_EVENT,
	OWN_FREE_PAGES,
	OWN_SHRINK,
	OWN_COUNT
};

static const char *const own_sql[OWN_COUNT] = {
    [OWN_BEGIN] = "BEGIN IMMEDIATE",
    [OWN_COMMIT] = "COMMIT",
    [OWN_ROLLBACK] = "ROLLBACK",
    [OWN_EVENT] =
	("INSERT INTO events (at, host, entity, id, old, new, actor, cause, detail)"
	 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    [OWN_FREE_PAGES] = "PRAGMA freelist_count",
    [OWN_SHRINK] = "PRAGMA incremental_vacuum(256)", /* 1 MiB */
};

struct db_rows {
	struct db *db;
	sqlite3_stmt *stmt;
	bool active, stepped;
};

struct db {
	sqlite3 *handle;
	char *path, *host;
	const struct db_spec *spec;
	struct db_rows *rows; /* each statement of the spec, and its one result set */
	sqlite3_stmt *own[OWN_COUNT];
	int depth;
	bool doomed;
	char denied[128];  /* what the authorizer refused last */
	char refused[160]; /* what a constraint refused last */
	int lock;
	int64_t page_bytes;
	int64_t wal_bytes,
	    wal_tried; /* after the last commit; at the last try to checkpoint */
};

/* ---- failing ---- */

/* SQL as one line, for the log. */
static const char *
squeezed(const char *sql, char *out, size_t size)
{
	size_t len = 0;

	for (; *sql != '\0' && len + 1 < size; sql++) {
		bool space = isspace((unsigned char)*sql);
		if (!space)
			out[len++] = *sql;
		else if (len > 0 && out[len - 1] != ' ')
			out[len++] = ' ';
	}
	out[len] = '\0';
	return out;
}

__attribute__((noreturn)) static void
die(const struct db *db, const char *sql)
{
	int code = sqlite3_extended_errcode(db->handle), kind = code & 0xff;
	bool bug = kind == SQLITE_ERROR || kind == SQLITE_MISUSE ||
		   kind == SQLITE_RANGE || kind == SQLITE_AUTH || kind == SQLITE_MISMATCH;
	char line[400];

	fatalx(bug ? EXIT_BUG : EXIT_SYSTEM, "%s: %s: %s (SQLite %d): %s",
	    db->spec->service, db->path, sqlite3_errmsg(db->handle), code,
	    squeezed(sql, line, sizeof(line)));
}

__attribute__((noreturn)) static void
die_misused(const struct db *db, const char *what, const char *sql)
{
	char line[400];

	fatalx(EXIT_BUG, "%s: %s: %s: %s", db->spec->service, db->path, what,
	    squeezed(sql, line, sizeof(line)));
}

static enum db_result
result_of(const struct db *db, int rc, const char *sql)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return DB_OK;
	case SQLITE_BUSY:
		return DB_BUSY;
	case SQLITE_CONSTRAINT:
		return DB_CONSTRAINT;
	default:
		die(db, sql);
	}
}

/* ---- opening ---- */

static bool
listed(const char *const *tables, const char *table)
{
	for (; *tables != NULL; tables++)
		if (strcmp(*tables, table) == 0)
			return true;
	return false;
}

static int
authorize(void *arg, int action, const char *table, const char *more,
    const char *database, const char *trigger)
{
	struct db *db = arg;
	const char *verb = "do anything but read, write and transact: action";

	(void)more;
	(void)database;
	(void)trigger; /* a trigger's and a cascade's writes are this service's too */
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_FUNCTION:
	case SQLITE_RECURSIVE:
	case SQLITE_TRANSACTION:
		return SQLITE_OK;
	case SQLITE_INSERT:
		if (strcmp(table, "events") == 0)
			return SQLITE_OK;
		verb = "insert into";
		break;
	case SQLITE_UPDATE:
		verb = "update";
		if (strcmp(table, "events") != 0)
			break;
		snprintf(db->denied, sizeof(db->denied), "%s table %s", verb, table);
		return SQLITE_DENY; /* nobody, also who deletes old ones */
	case SQLITE_PRAGMA:         /* ours */
		if (strcmp(table, "freelist_count") == 0 ||
		    strcmp(table, "incremental_vacuum") == 0)
			return SQLITE_OK;
		snprintf(db->denied, sizeof(db->denied), "%s %d", verb, action);
		return SQLITE_DENY;
	case SQLITE_DELETE:
		verb = "delete from";
		break;
	default:
		snprintf(db->denied, sizeof(db->denied), "%s %d", verb, action);
		return SQLITE_DENY;
	}
	if (listed(db->spec->write, table))
		return SQLITE_OK;
	snprintf(db->denied, sizeof(db->denied), "%s table %s", verb, table);
	return SQLITE_DENY;
}

static sqlite3_stmt *
prepare(struct db *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	const char *rest = NULL;
	int rc = sqlite3_prepare_v3(
	    db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, &rest);
	char line[400];

	if ((rc & 0xff) == SQLITE_AUTH)
		fatalx(EXIT_BUG, "%s may not %s: %s", db->spec->service, db->denied,
		    squeezed(sql, line, sizeof(line)));
	if (rc != SQLITE_OK)
		die(db, sql);
	if (stmt == NULL || rest[strspn(rest, " \t\n;")] != '\0')
		die_misused(db, "not exactly one statement", sql);
	return stmt;
}

static void
prepare_all(struct db *db)
{
	const struct db_spec *spec = db->spec;

	for (int i = 0; i < OWN_COUNT; i++)
		db->own[i] = prepare(db, own_sql[i]);
	db->rows = xcalloc(spec->sql_count, sizeof(*db->rows));
	for (size_t i = 0; i < spec->sql_count; i++) {
		if (spec->sql[i] == NULL)
			fatalx(
			    EXIT_BUG, "%s: statement %zu is missing", spec->service, i);
		db->rows[i].db = db;
		db->rows[i].stmt = prepare(db, spec->sql[i]);
	}
}

static void
check_version(const struct db *db)
{
	int64_t application = 0, version = 0;

	if (db_handle_int(db->handle, "PRAGMA application_id", &application) !=
		SQLITE_OK ||
	    db_handle_int(db->handle, "PRAGMA user_version", &version) != SQLITE_OK)
		die(db, "PRAGMA user_version");
	if (application != DB_APPLICATION_ID)
		fatalx(EXIT_BAD_USAGE, "%s: not a database of berth", db->path);
	if (version > db_schema_version())
		fatalx(EXIT_BAD_USAGE,
		    "%s: made by a newer berth: its version is %d, ours %d", db->path,
		    (int)version, db_schema_version());
	if (version < db_schema_version())
		fatalx(EXIT_SYSTEM, "%s: not migrated yet: its version is %d, ours %d",
		    db->path, (int)version, db_schema_version());
}

static int
on_commit(void *arg, sqlite3 *handle, const char *database, int pages)
{
	struct db *db = arg;

	(void)handle;
	(void)database;
	db->wal_bytes = pages * db->page_bytes;
	return SQLITE_OK;
}

struct db *
db_open(const char *path, const struct db_spec *spec)
{
	struct db *db = xcalloc(1, sizeof(*db));
	bool wal;

	db->path = xstrdup(path);
	db->host = xstrdup("localhost");
	db->spec = spec;
	if (db_handle_open(path, 0, spec->busy_timeout_ms, &db->handle) != SQLITE_OK)
		die(db, "open");
	check_version(db);
	if (db_handle_is(db->handle, "PRAGMA journal_mode", "wal", &wal) != SQLITE_OK ||
	    db_handle_int(db->handle, "PRAGMA page_size", &db->page_bytes) != SQLITE_OK)
		die(db, "PRAGMA journal_mode");
	if (!wal)
		fatalx(EXIT_SYSTEM, "%s: not in WAL mode", path);
	db->lock = db_handle_lock(path);
	sqlite3_wal_hook(db->handle, on_commit, db);
	sqlite3_set_authorizer(db->handle, authorize, db);
	prepare_all(db);
	return db;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (size_t i = 0; i < db->spec->sql_count; i++)
		sqlite3_finalize(db->rows[i].stmt);
	for (int i = 0; i < OWN_COUNT; i++)
		sqlite3_finalize(db->own[i]);
	if (sqlite3_close(db->handle) != SQLITE_OK)
		die(db, "close");
	close(db->lock);
	free(db->rows);
	free(db->host);
	free(db->path);
	free(db);
}

void
db_set_host(struct db *db, const char *host)
{
	free(db->host);
	db->host = xstrdup(host);
}

const char *
db_host(const struct db *db)
{
	return db->host;
}

/* ---- checkpoints ---- */

/* A reader or another checkpointer in the way is no error: somebody comes by again. */
static void
checkpoint(struct db *db)
{
	if (flock(db->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			fatal(EXIT_SYSTEM, "%s.ckpt: lock", db->path);
		return;
	}
	int rc = sqlite3_wal_checkpoint_v2(
	    db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
		die(db, "checkpoint");
	flock(db->lock, LOCK_UN);
}

/* The WAL starts over with the first commit after a complete checkpoint, so wal_bytes
 * falls then. */
static void
after_commit(struct db *db)
{
	if (db->wal_bytes < db->wal_tried)
		db->wal_tried = 0;
	if (db->wal_bytes <= WAL_BYTES || db->wal_bytes < db->wal_tried + WAL_STEP)
		return;
	db->wal_tried = db->wal_bytes;
	checkpoint(db);
}

void
db_checkpoint(struct db *db)
{
	db_assert_idle(db);
	checkpoint(db);
}

/* Somebody else who writes is no error, as above. */
void
db_shrink(struct db *db)
{
	sqlite3_stmt *count = db->own[OWN_FREE_PAGES], *shrink = db->own[OWN_SHRINK];
	int64_t pages = 0;
	int rc = SQLITE_ROW;

	db_assert_idle(db);
	if (sqlite3_step(count) == SQLITE_ROW)
		pages = sqlite3_column_int64(count, 0);
	sqlite3_reset(count);
	if (pages * db->page_bytes <= SPARE_BYTES)
		return;
	while (rc == SQLITE_ROW) /* one for each page */
		rc = sqlite3_step(shrink);
	if (rc != SQLITE_DONE && (rc & 0xff) != SQLITE_BUSY)
		die(db, own_sql[OWN_SHRINK]);
	sqlite3_reset(shrink);
	if (rc == SQLITE_DONE)
		after_commit(db);
}

/* ---- running ---- */

struct db_arg
db_text_arg(const char *text)
{
	if (text == NULL)
		return DB_NULL;
	return (struct db_arg){.type = DB_ARG_TEXT, .text = text, .len = strlen(text)};
}

static void
bind(struct db *db, sqlite3_stmt *stmt, const struct db_arg *args, size_t count,
    sqlite3_destructor_type keep)
{
	if ((size_t)sqlite3_bind_parameter_count(stmt) != count)
		die_misused(db, "wrong number of values", sqlite3_sql(stmt));
	for (size_t i = 0; i < count; i++) {
		const struct db_arg *a = &args[i];
		int at = (int)i + 1, rc = SQLITE_OK;
		if (a->type == DB_ARG_NULL || (a->type == DB_ARG_TEXT && a->text == NULL))
			rc = sqlite3_bind_null(stmt, at);
		else if (a->type == DB_ARG_INT)
			rc = sqlite3_bind_int64(stmt, at, a->i);
		else if (a->type == DB_ARG_TEXT)
			rc = sqlite3_bind_text64(
			    stmt, at, a->text, a->len, keep, SQLITE_UTF8);
		else
			rc = sqlite3_bind_blob64(stmt, at, a->text, a->len, keep);
		if (rc != SQLITE_OK)
			die(db, sqlite3_sql(stmt));
	}
}

static enum db_result
run(struct db *db, sqlite3_stmt *stmt, int *changed)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		die_misused(db, "returns rows", sqlite3_sql(stmt));
	enum db_result result = result_of(db, rc, sqlite3_sql(stmt));
	if (result == DB_CONSTRAINT)
		snprintf(
		    db->refused, sizeof(db->refused), "%s", sqlite3_errmsg(db->handle));
	if (changed != NULL)
		*changed = result == DB_OK ? sqlite3_changes(db->handle) : 0;
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return result;
}

static struct db_rows *
idle_statement(struct db *db, int stmt)
{
	if (stmt < 0 || (size_t)stmt >= db->spec->sql_count)
		fatalx(EXIT_BUG, "%s: there is no statement %d", db->spec->service, stmt);
	if (db->rows[stmt].active)
		die_misused(
		    db, "used again before db_done()", sqlite3_sql(db->rows[stmt].stmt));
	return &db->rows[stmt];
}

enum db_result
db_run(struct db *db, int stmt, const struct db_arg *args, size_t count, int *changed)
{
	sqlite3_stmt *s = idle_statement(db, stmt)->stmt;

	bind(db, s, args, count, SQLITE_STATIC);
	enum db_result result = run(db, s, changed);
	if (result == DB_OK && db->depth == 0)
		after_commit(db);
	return result;
}

/* ---- transactions ---- */

enum db_result
db_begin(struct db *db)
{
	if (db->depth == 0) {
		enum db_result result = run(db, db->own[OWN_BEGIN], NULL);
		if (result != DB_OK)
			return result;
		db->doomed = false;
	}
	db->depth++;
	return DB_OK;
}

static void
must_be_open(const struct db *db, const char *what)
{
	if (db->depth == 0)
		fatalx(EXIT_BUG, "%s: %s without a transaction", db->spec->service, what);
}

static void
undo(struct db *db)
{
	db->depth = 0;
	if (run(db, db->own[OWN_ROLLBACK], NULL) != DB_OK)
		die(db, own_sql[OWN_ROLLBACK]);
}

enum db_result
db_commit(struct db *db)
{
	must_be_open(db, "commit");
	if (db->depth > 1) {
		db->depth--;
		return db->doomed ? DB_CONSTRAINT : DB_OK;
	}
	/* Deferred foreign keys are checked here, and leave the transaction open when
	 * they fail. */
	enum db_result result =
	    db->doomed ? DB_CONSTRAINT : run(db, db->own[OWN_COMMIT], NULL);
	if (result != DB_OK) {
		undo(db);
		return result;
	}
	db->depth = 0;
	after_commit(db);
	return DB_OK;
}

void
db_rollback(struct db *db)
{
	must_be_open(db, "rollback");
	if (db->depth == 1) {
		undo(db);
		return;
	}
	/* Not yet, or what the callers still do before they return would commit by
	 * itself. */
	db->depth--;
	db->doomed = true;
	snprintf(db->refused, sizeof(db->refused), "rolled back inside");
}

void
db_assert_idle(struct db *db)
{
	if (db->depth != 0)
		fatalx(EXIT_BUG, "%s: a transaction was left open", db->spec->service);
	for (size_t i = 0; i < db->spec->sql_count; i++)
		if (db->rows[i].active)
			die_misused(db, "left open", db->spec->sql[i]);
}

/* ---- a change and its event ---- */

static void
add_event(struct db *db, const struct db_event *e)
{
	sqlite3_stmt *stmt = db->own[OWN_EVENT];

	bind(db, stmt,
	    DB_ARGS(DB_I(wall_ms()), DB_T(db->host), DB_T(e->entity), DB_T(e->id),
		DB_T(e->old_state), DB_T(e->new_state), DB_T(db->spec->service),
		DB_T(e->cause), DB_T(e->detail)),
	    SQLITE_STATIC);
	/* Inside of a transaction it is never busy; and what an event must have, only we
	 * can forget. */
	if (run(db, stmt, NULL) != DB_OK)
		die_misused(db, db->refused, own_sql[OWN_EVENT]);
}

enum db_result
db_change(struct db *db, const struct db_event *event, int stmt,
    const struct db_arg *args, size_t count, int *changed)
{
	int n = 0;
	enum db_result result = db_begin(db);

	if (result == DB_OK) {
		result = db_run(db, stmt, args, count, &n);
		if (result == DB_OK && n > 0)
			add_event(db, event);
		/* A refused statement has undone itself: no reason to doom what encloses
		 * us. */
		if (result == DB_OK)
			result = db_commit(db);
		else if (db->depth > 1)
			db->depth--;
		else
			db_rollback(db);
	}
	if (changed != NULL)
		*changed = result == DB_OK ? n : 0;
	return result;
}

/* ---- what has to succeed ---- */

/* Inside of a transaction nothing is ever busy, so nothing is done twice. */
static bool
again(const struct db *db, enum db_result result, int *tries)
{
	if (result != DB_BUSY)
		return false;
	if (++*tries % MUST_TRIES == 0)
		log_warnx("%s: somebody else has held it for %d tries", db->path, *tries);
	return true;
}

static void
accepted(const struct db *db, enum db_result result, const char *sql)
{
	if (result != DB_OK)
		die_misused(db, db->refused, sql);
}

int
db_must(struct db *db, int stmt, const struct db_arg *args, size_t count)
{
	int changed = 0, tries = 0;
	enum db_result result;

	do
		result = db_run(db, stmt, args, count, &changed);
	while (again(db, result, &tries));
	accepted(db, result, db->spec->sql[stmt]);
	return changed;
}

int
db_must_change(struct db *db, const struct db_event *event, int stmt,
    const struct db_arg *args, size_t count)
{
	int changed = 0, tries = 0;
	enum db_result result;

	do
		result = db_change(db, event, stmt, args, count, &changed);
	while (again(db, result, &tries));
	accepted(db, result, db->spec->sql[stmt]);
	return changed;
}

void
db_must_begin(struct db *db)
{
	int tries = 0;

	while (again(db, db_begin(db), &tries))
		;
}

void
db_must_commit(struct db *db)
{
	accepted(db, db_commit(db), own_sql[OWN_COMMIT]);
}

/* ---- reading ---- */

struct db_rows *
db_query(struct db *db, int stmt, const struct db_arg *args, size_t count)
{
	struct db_rows *r = idle_statement(db, stmt);

	bind(db, r->stmt, args, count, SQLITE_TRANSIENT);
	r->active = true;
	r->stepped = false;
	return r;
}

bool
db_next(struct db_rows *r)
{
	int rc = SQLITE_BUSY;

	if (!r->active)
		return false;
	for (int i = 0; i < READ_TRIES && (rc & 0xff) == SQLITE_BUSY; i++) {
		rc = sqlite3_step(r->stmt);
		if (r->stepped)
			break; /* from the start again would be other rows */
	}
	r->stepped = true;
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		die(r->db, sqlite3_sql(r->stmt));
	db_done(r);
	return false;
}

void
db_done(struct db_rows *r)
{
	if (r == NULL || !r->active)
		return;
	r->active = false;
	sqlite3_reset(r->stmt);
	sqlite3_clear_bindings(r->stmt);
}

const char *
db_text(struct db_rows *r, int column)
{
	return (const char *)sqlite3_column_text(r->stmt, column);
}

size_t
db_len(struct db_rows *r, int column)
{
	return (size_t)sqlite3_column_bytes(r->stmt, column);
}

int64_t
db_int(struct db_rows *r, int column)
{
	return sqlite3_column_int64(r->stmt, column);
}

bool
db_is_null(struct db_rows *r, int column)
{
	return sqlite3_column_type(r->stmt, column) == SQLITE_NULL;
}

int64_t
db_one_int(
    struct db *db, int stmt, const struct db_arg *args, size_t count, int64_t otherwise)
{
	struct db_rows *r = db_query(db, stmt, args, count);
	int64_t value = db_next(r) && !db_is_null(r, 0) ? db_int(r, 0) : otherwise;

	db_done(r);
	return value;
}

char *
db_one_text(struct db *db, int stmt, const struct db_arg *args, size_t count)
{
	struct db_rows *r = db_query(db, stmt, args, count);
	char *text = db_next(r) ? xstrdup(db_text(r, 0)) : NULL;

	db_done(r);
	return text;
}
