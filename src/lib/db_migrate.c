/*
 * From any earlier version of the schema to ours: each migration in a transaction of its
 * own, with its version, so that a crash leaves one of them complete or not begun.
 * Whatever is wrong with the file is said in words; it is changed only when it is empty
 * or ours. And copies: whole, checked, on disk.
 */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db_handle.h"
#include "sql.h"

enum { MIGRATE_BUSY_MS = 5000 };
enum { MIGRATIONS = sizeof(sql_migrations) / sizeof(sql_migrations[0]) };

int
db_schema_version(void)
{
	return sql_migrations[MIGRATIONS - 1].version;
}

/* What to do about a file that no berth can use. */
#define AWAY                                                                             \
	"; restore it from a backup, or move it away with its -wal and -shm: berth "     \
	"then "                                                                          \
	"begins with an empty one"

/* What is wrong; one at a time is enough for init. */
static char reason[500];

__attribute__((format(printf, 1, 2))) static bool
refuse(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(reason, sizeof(reason), format, ap);
	va_end(ap);
	return false;
}

static bool
refuse_for(sqlite3 *handle, const char *what)
{
	int code = sqlite3_extended_errcode(handle), kind = code & 0xff;
	bool damaged = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB;

	return refuse("%s%s: %s (SQLite %d)%s",
	    damaged ? "the database is damaged: " : "", what, sqlite3_errmsg(handle),
	    code,
	    damaged               ? AWAY
	    : kind == SQLITE_FULL ? "; make room on its volume"
				  : "");
}

/* Whose file is it? Changes nothing. */
static bool
recognize(sqlite3 *handle, int64_t *version)
{
	int64_t application = 0, objects = 0;

	if (db_handle_int(handle, "PRAGMA user_version", version) != SQLITE_OK ||
	    db_handle_int(handle, "PRAGMA application_id", &application) != SQLITE_OK ||
	    db_handle_int(handle, "SELECT count(*) FROM sqlite_schema", &objects) !=
		SQLITE_OK)
		return refuse_for(handle, "cannot be read");
	bool empty = *version == 0 && application == 0 && objects == 0;
	if (!empty && application != DB_APPLICATION_ID)
		return refuse("it is a database, but not berth's" AWAY);
	if (*version > db_schema_version())
		return refuse("it was made by a newer berth: its version is %d, ours "
			      "%d; run that berth's image, or a newer one",
		    (int)*version, db_schema_version());
	return true;
}

/* auto_vacuum: so that db_shrink() can give back what rows that were deleted have left.
 * It is decided with a file's first page, and does nothing to one that has it. */
static bool
use_wal(sqlite3 *handle)
{
	bool wal;

	if (sqlite3_exec(handle, "PRAGMA auto_vacuum=INCREMENTAL", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return refuse_for(handle, "cannot be set up");
	if (db_handle_is(handle, "PRAGMA journal_mode=WAL", "wal", &wal) != SQLITE_OK)
		return refuse_for(handle, "cannot use a write-ahead log");
	return wal ? true : refuse("its file system cannot hold a write-ahead log");
}

static bool
passes(sqlite3 *handle, const char *check)
{
	bool ok;

	if (db_handle_is(handle, check, "ok", &ok) != SQLITE_OK)
		return refuse_for(handle, "cannot be checked");
	return ok ? true : refuse("the database is damaged: %s tells where" AWAY, check);
}

static bool
is_sound(sqlite3 *handle)
{
	return passes(handle, "PRAGMA quick_check(1)");
}

/* Inside of its transaction; foreign keys are off meanwhile, so that tables can be
 * rebuilt. */
static int
apply(sqlite3 *handle, int version, const char *sql)
{
	char stamp[100];
	bool broken;

	int rc = sqlite3_exec(handle, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	rc = db_handle_is(handle, "SELECT 'broken' FROM pragma_foreign_key_check LIMIT 1",
	    "broken", &broken);
	if (rc != SQLITE_OK || broken)
		return rc != SQLITE_OK ? rc : SQLITE_CONSTRAINT_FOREIGNKEY;
	snprintf(stamp, sizeof(stamp), "PRAGMA application_id=%d; PRAGMA user_version=%d",
	    DB_APPLICATION_ID, version);
	return sqlite3_exec(handle, stamp, NULL, NULL, NULL);
}

static bool
migrate_one(sqlite3 *handle, int version, const char *sql)
{
	int64_t have = 0;
	char what[64];

	snprintf(what, sizeof(what), "migration %d", version);
	if (sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return refuse_for(handle, what);
	/* Somebody else may have been faster. */
	int rc = db_handle_int(handle, "PRAGMA user_version", &have);
	if (rc == SQLITE_OK && have < version)
		rc = apply(handle, version, sql);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return true;
	if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
		refuse("%s: a row refers to one that is not there", what);
	else
		refuse_for(handle, what);
	sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

static bool
migrate(sqlite3 *handle)
{
	int64_t version = 0;

	if (!recognize(handle, &version) || !use_wal(handle))
		return false;
	if (version > 0 && version < db_schema_version() && !is_sound(handle))
		return false;
	sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
	for (int i = 0; i < MIGRATIONS; i++)
		if (sql_migrations[i].version > version &&
		    !migrate_one(
			handle, sql_migrations[i].version, sql_migrations[i].sql))
			return false;
	/* Reading once more makes sure that -wal and -shm are there, for those who cannot
	 * make them. */
	return recognize(handle, &version);
}

/* 0, or -1 with what was refused of that file. */
static int
told(const char *path, bool done, const char **why)
{
	static char sentence[sizeof(reason) + 200];

	snprintf(sentence, sizeof(sentence), "%.180s: %s", path, reason);
	*why = done ? NULL : sentence;
	return done ? 0 : -1;
}

int
db_migrate(const char *path, const char **why)
{
	sqlite3 *handle = NULL;
	int rc = db_handle_open(path, SQLITE_OPEN_CREATE, MIGRATE_BUSY_MS, &handle);
	bool done =
	    rc == SQLITE_OK ? migrate(handle) : refuse_for(handle, "cannot be opened");

	sqlite3_close(handle);
	if (done)
		close(db_handle_lock(path));
	return told(path, done, why);
}

/* ---- copies ---- */

static bool
vacuum_into(const char *from, const char *to)
{
	sqlite3 *handle = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t version;
	bool done = db_handle_open(from, 0, MIGRATE_BUSY_MS, &handle) == SQLITE_OK
			? recognize(handle, &version)
			: refuse_for(handle, "cannot be opened");

	if (done &&
	    (sqlite3_prepare_v2(handle, "VACUUM INTO ?1", -1, &stmt, NULL) != SQLITE_OK ||
		sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC) != SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_DONE))
		done = refuse_for(handle, "cannot be copied");
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	return done;
}

static bool
synced(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool done = fd != -1 && fsync(fd) == 0;

	if (!done)
		refuse("its copy can't be written: %s", strerror(errno));
	if (fd != -1)
		close(fd);
	return done;
}

int
db_copy(const char *from, const char *to, const char **why)
{
	int version;

	if (!vacuum_into(from, to) || !synced(to))
		return told(from, false, why);
	return db_inspect(to, &version, why);
}

int
db_inspect(const char *path, int *version, const char **why)
{
	sqlite3 *handle = NULL;
	int64_t v = 0;
	bool done =
	    db_handle_open(path, 0, MIGRATE_BUSY_MS, &handle) == SQLITE_OK
		? recognize(handle, &v) && passes(handle, "PRAGMA integrity_check(1)")
		: refuse_for(handle, "cannot be opened");

	*version = (int)v;
	sqlite3_close(handle);
	return told(path, done, why);
}
