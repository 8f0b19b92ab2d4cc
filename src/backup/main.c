/*
 * berth-backup: a oneshot of root's, run by `berth backup` and `berth restore`, which
 * can't read what it reads.
 *
 *   backup create > FILE    a backup to standard output (manifest.h)
 *   backup check < FILE     is it whole, and could this berth use it?
 *   backup restore < FILE   unpacked beside what is there; the next start of the
 * appliance puts it to use (src/init/restore.c)
 *
 * What is packed and unpacked is tar's work. Killed at any instruction, it leaves nothing
 * that counts: the mark that makes a restore valid is written last.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "db.h"
#include "dirs.h"
#include "json.h"
#include "log.h"
#include "manifest.h"
#include "paths.h"
#include "xmalloc.h"

extern char **environ;

/* Its status; tar says 1 of files that changed while it read them, which agents' do. */
static int
run(const char *const *argv)
{
	pid_t pid;
	int status, error = posix_spawnp(
			&pid, argv[0], NULL, NULL, (char *const *)(void *)argv, environ);

	if (error != 0) {
		errno = error;
		fatal(EXIT_SYSTEM, "%s", argv[0]);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fatal(EXIT_SYSTEM, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
empty(const char *dir)
{
	const char *const argv[] = {"rm", "-rf", dir, NULL};

	if (run(argv) != 0)
		fatalx(EXIT_SYSTEM, "%s can't be removed", dir);
}

/* A directory of our own, and nobody else's run in it. The descriptor holds the lock. */
static int
begin(const char *dir)
{
	int fd;

	if (dir_ensure(dir, 0700, 0, 0) == -1)
		fatal(EXIT_SYSTEM, "%s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		fatal(EXIT_SYSTEM, "%s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		fatalx(EXIT_BAD_USAGE, "another backup or restore is under way");
	return fd;
}

/* ---- create ---- */

static int
create(void)
{
	static const char *const parts[] = {MANIFEST_PARTS};
	enum { FIXED = 7, PARTS = sizeof(parts) / sizeof(parts[0]) };
	const char *argv[FIXED + 2 + PARTS + 1] = {"tar", "-C", DATA_DIR,
	    "--numeric-owner", "-c", "-f", "-"},
					     *why;
	size_t n = FIXED;
	int lock = begin(BACKUP_DIR), status;

	if (isatty(STDOUT_FILENO))
		fatalx(EXIT_BAD_USAGE, "a backup is no text for a terminal");
	unlink(BACKUP_DIR "/" MANIFEST_DB);
	if (db_copy(DB_PATH, BACKUP_DIR "/" MANIFEST_DB, &why) == -1)
		fatalx(EXIT_SYSTEM, "%s", why);
	manifest_write(BACKUP_DIR);
	argv[n++] = ".backup/" MANIFEST_NAME;
	argv[n++] = ".backup/" MANIFEST_DB;
	for (size_t i = 0; i < PARTS; i++) {
		char *path = xasprintf(DATA_DIR "/%s", parts[i]);

		if (access(path, F_OK) == 0)
			argv[n++] = parts[i];
		free(path);
	}
	status = run(argv);
	empty(BACKUP_DIR);
	close(lock);
	if (status > 1)
		fatalx(EXIT_SYSTEM, "tar ended with status %d", status);
	return 0;
}

/* ---- check, restore ---- */

static void
report(const struct manifest *m)
{
	yyjson_mut_doc *doc = json_object();
	char *line;
	size_t len;

	json_add_str(doc, "berth", m->berth);
	json_add_int(doc, "schema", m->schema);
	json_add_str(doc, "host", m->host);
	json_add_int(doc, "created_at", m->created_at);
	json_add_int(doc, "db_bytes", m->db_bytes);
	line = json_line(doc, &len);
	puts(line);
	free(line);
}

/* Only what says whether it is good, or all of it. To the stream's end, which tar looks
 * for. */
static void
unpack(const char *dir, bool all)
{
	const char *const argv[] = {"tar", "-C", dir, "--numeric-owner", "-x", "-p", "-f",
	    "-", all ? NULL : ".backup/" MANIFEST_NAME, ".backup/" MANIFEST_DB, NULL};
	int status = run(argv);

	if (status != 0) {
		empty(dir);
		fatalx(EXIT_BAD_USAGE,
		    "it can't be unpacked (tar ended with status %d): is it whole, and a "
		    "backup of berth?",
		    status);
	}
}

static void
check(const char *dir, struct manifest *m)
{
	char *inner = xasprintf("%s/.backup", dir);
	const char *why;

	if (!manifest_check(inner, m, &why)) {
		empty(dir);
		fatalx(EXIT_BAD_USAGE, "%s", why);
	}
	free(inner);
}

static int
check_only(void)
{
	char dir[] = DATA_DIR "/.check.XXXXXX";
	struct manifest m;

	if (mkdtemp(dir) == NULL)
		fatal(EXIT_SYSTEM, "%s", dir);
	unpack(dir, false);
	check(dir, &m);
	empty(dir);
	report(&m);
	return 0;
}

/* The files were read after the database was copied: what was waiting then may have been
 * delivered in them. One that counts as typed is looked for there before it is typed. (An
 * agent's transcript proves nothing of others, so it isn't done for all.) */
static void
doubt_what_waited(void)
{
	static const char *const sql[] = {
	    "UPDATE messages SET delivery = 'restored' WHERE state = 'queued'"};
	static const char *const tables[] = {"messages", NULL};
	static const struct db_spec spec = {.service = "backup",
	    .sql = sql,
	    .sql_count = 1,
	    .write = tables,
	    .busy_timeout_ms = 5000};
	struct db *db;
	const char *why;

	if (db_migrate(RESTORE_DIR "/.backup/" MANIFEST_DB, &why) == -1)
		fatalx(EXIT_BAD_USAGE, "%s", why);
	db = db_open(RESTORE_DIR "/.backup/" MANIFEST_DB, &spec);
	db_must(db, 0, DB_NOARGS);
	db_close(db);
}

static int
restore(void)
{
	struct manifest m;
	int lock;

	empty(RESTORE_DIR);
	lock = begin(RESTORE_DIR);
	unpack(RESTORE_DIR, true);
	check(RESTORE_DIR, &m);
	doubt_what_waited();
	if (syncfs(lock) == -1 ||
	    file_replace(RESTORE_DIR "/ready", "", 0, 0600, 0, 0) == -1)
		fatal(EXIT_SYSTEM, RESTORE_DIR);
	close(lock);
	report(&m);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(void);
	} modes[] = {{"create", create}, {"check", check_only}, {"restore", restore}};

	log_init("backup");
	umask(077);
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].word) == 0)
			return modes[i].run();
	fatalx(EXIT_BAD_USAGE, "usage: backup create|check|restore");
}
