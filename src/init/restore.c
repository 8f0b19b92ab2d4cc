/*
 * See restore.h. The mark `ready` says that all is unpacked; it names the folder where
 * what was there goes, from the moment that this begins. First all that was there goes;
 * the new database's other name says that this is done, and nothing goes any more. Then
 * the new comes; the mark goes last. A second run does what is left of it.
 */
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "dirs.h"
#include "log.h"
#include "paths.h"
#include "xmalloc.h"

#define MARK RESTORE_DIR "/ready"

/* Where a part waits, and what it replaces; what belongs to the database goes with it. */
static const struct {
	const char *waits, *place;
} parts[] = {
    {RESTORE_DIR "/none", DATA_DIR "/berth.db-shm"},
    {RESTORE_DIR "/.backup/berth.db-wal", DATA_DIR "/berth.db-wal"},
    {RESTORE_DIR "/.backup/next.db", DATA_DIR "/berth.db"},
    {RESTORE_DIR "/berth.toml", DATA_DIR "/berth.toml"},
    {RESTORE_DIR "/last-good.toml", DATA_DIR "/last-good.toml"},
    {RESTORE_DIR "/secrets", DATA_DIR "/secrets"},
    {RESTORE_DIR "/home", DATA_DIR "/home"},
    {RESTORE_DIR "/spool", DATA_DIR "/spool"},
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static bool
there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void
move(const char *from, const char *to)
{
	if (rename(from, to) == -1 && errno != ENOENT)
		fatal(EXIT_SYSTEM, "%s to %s", from, to);
}

static void
sync_volume(void)
{
	int fd = open(DATA_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || syncfs(fd) == -1)
		fatal(EXIT_SYSTEM, DATA_DIR);
	close(fd);
}

/* The same on a second run. */
static void
choose_folder(struct buf *away)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	if (buf_read_file(away, MARK, 256) == -1)
		fatal(EXIT_SYSTEM, MARK);
	if (away->len == 0) {
		gmtime_r(&now, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
		buf_addf(away, DATA_DIR "/before-restore-%s", stamp);
		if (file_replace(MARK, buf_str(away), away->len, 0600, 0, 0) == -1)
			fatal(EXIT_SYSTEM, MARK);
	}
	if (dir_ensure(buf_str(away), 0700, 0, 0) == -1)
		fatal(EXIT_SYSTEM, "%s", buf_str(away));
}

/* What was there goes as long as the new database waits: then nothing new has come yet.
 */
static void
clear_place(const char *away)
{
	for (size_t i = 0; i < PARTS; i++) {
		char *old = xasprintf("%s%s", away, strrchr(parts[i].place, '/'));

		if (!there(old))
			move(parts[i].place, old);
		free(old);
	}
	sync_volume();
	if (rename(RESTORE_DIR "/.backup/berth.db", RESTORE_DIR "/.backup/next.db") == -1)
		fatal(EXIT_SYSTEM, RESTORE_DIR);
	sync_volume();
}

void
restore_put_to_use(void)
{
	static const char *const left[] = {RESTORE_DIR "/.backup/manifest.json",
	    RESTORE_DIR "/.backup/berth.db-shm", RESTORE_DIR "/.backup/berth.db.ckpt"};
	struct buf away = BUF_INIT;

	if (!there(MARK))
		return;
	choose_folder(&away);
	if (there(RESTORE_DIR "/.backup/berth.db"))
		clear_place(buf_str(&away));
	for (size_t i = 0; i < PARTS; i++)
		move(parts[i].waits, parts[i].place);
	sync_volume();
	if (unlink(MARK) == -1)
		fatal(EXIT_SYSTEM, MARK);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		unlink(left[i]);
	rmdir(RESTORE_DIR "/.backup");
	rmdir(RESTORE_DIR); /* what else the file held stays there */
	log_info(
	    "a backup was put to use; what was there before is in %s", buf_str(&away));
	buf_free(&away);
}
