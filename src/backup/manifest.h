/*
 * manifest.json, the first file of a backup: what it is, of which berth, and by what its
 * database is known again. A backup is a tar file of paths below /data: the manifest, a
 * copy of the database as it was in one moment, and then the files beside it, as they
 * were when they were read, which is later: what they have more than the database is
 * taken in by the next start, as after a crash.
 *
 *   .backup/manifest.json  .backup/berth.db  berth.toml  last-good.toml  secrets/  home/
 * spool/
 */
#ifndef MANIFEST_H
#define MANIFEST_H
#include <stdbool.h>
#include <stdint.h>

#define MANIFEST_NAME  "manifest.json"
#define MANIFEST_DB    "berth.db"
#define MANIFEST_PARTS "berth.toml", "last-good.toml", "secrets", "home", "spool"

enum { MANIFEST_FORMAT = 1 };

struct manifest {
	int format, schema;
	char berth[32], host[256];
	int64_t created_at; /* Unix ms */
	int64_t db_bytes;
	char db_hash[17]; /* src/lib/hash.h */
};

/* Of the database's copy in dir; host: of this appliance. Failure is fatal. */
void manifest_write(const char *dir);
/* Reads dir's, and compares: *why says (static) why it can't be used here. */
bool manifest_check(const char *dir, struct manifest *m, const char **why);
#endif
