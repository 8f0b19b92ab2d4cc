/* A connection's settings, and small questions: what db.c and db_migrate.c share. */
#include "db_handle.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db.h"
#include "log.h"
#include "xmalloc.h"

/* Older ones can lose commits when two processes checkpoint at once. */
enum { OLDEST_SQLITE = 3051003 };
_Static_assert(
    SQLITE_VERSION_NUMBER >= OLDEST_SQLITE, "berth needs SQLite 3.51.3 or newer");

int
db_handle_int(sqlite3 *handle, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int64(stmt, 0);
	int final = sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_ERROR : final;
}

int
db_handle_is(sqlite3 *handle, const char *sql, const char *text, bool *same)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL);

	*same = false;
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const char *got = (const char *)sqlite3_column_text(stmt, 0);
		*same = got != NULL && strcmp(got, text) == 0;
	}
	int final = sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : final;
}

/* Everything that belongs to a connection rather than to the file. */
static int
configure(sqlite3 *handle, int busy_ms)
{
	static const struct {
		int option, value;
	} options[] = {
	    {SQLITE_DBCONFIG_DEFENSIVE, 1},
	    {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	    {SQLITE_DBCONFIG_DQS_DML, 0},
	    {SQLITE_DBCONFIG_DQS_DDL, 0},
	    {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
	    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	    /* The last one out must not remove -wal and -shm: a service could not make
	       them anew. */
	    {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int rc =
		    sqlite3_db_config(handle, options[i].option, options[i].value, NULL);
		if (rc != SQLITE_OK)
			return rc;
	}
	sqlite3_busy_timeout(handle, busy_ms);
	sqlite3_wal_autocheckpoint(handle, 0);
	/* journal_size_limit: a WAL that once grew is cut when it starts over. */
	return sqlite3_exec(handle,
	    "PRAGMA synchronous=FULL; PRAGMA mmap_size=0; PRAGMA "
	    "journal_size_limit=16777216",
	    NULL, NULL, NULL);
}

const char *
db_sqlite_version(void)
{
	return sqlite3_libversion();
}

int
db_handle_open(const char *path, int flags, int busy_ms, sqlite3 **handle)
{
	if (sqlite3_libversion_number() < OLDEST_SQLITE)
		fatalx(EXIT_SYSTEM, "SQLite %s is too old: 3.51.3 or newer is needed",
		    sqlite3_libversion());
	int rc = sqlite3_open_v2(path, handle,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		SQLITE_OPEN_EXRESCODE | flags,
	    NULL);

	if (*handle == NULL)
		fatalx(EXIT_SYSTEM, "out of memory: %s", path);
	return rc == SQLITE_OK ? configure(*handle, busy_ms) : rc;
}

int
db_handle_lock(const char *path)
{
	char *name = xasprintf("%s.ckpt", path);
	struct stat st, own;
	int fd = open(name, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		fatal(EXIT_SYSTEM, "%s", name);
	if (stat(path, &st) != 0 || fstat(fd, &own) != 0)
		fatal(EXIT_SYSTEM, "%s", name);
	/* Only its owner (init, at first) can change it, and only root can give it away.
	 */
	if (own.st_uid == geteuid()) {
		bool other = own.st_uid != st.st_uid || own.st_gid != st.st_gid;
		if (other && fchown(fd, st.st_uid, st.st_gid) != 0)
			log_warn("%s: cannot give it to the database's owner", name);
		if (fchmod(fd, st.st_mode & 0660) != 0)
			fatal(EXIT_SYSTEM, "%s", name);
	}
	free(name);
	return fd;
}
