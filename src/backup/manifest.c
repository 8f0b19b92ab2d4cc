/* See manifest.h. */
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "db.h"
#include "dirs.h"
#include "hash.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

enum { MANIFEST_MAX = 65536 };

static char reason[1000];

__attribute__((format(printf, 1, 2))) static bool
refuse(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(reason, sizeof(reason), format, ap);
	va_end(ap);
	return false;
}

/* false, with errno: it can't be read. */
static bool
digest(const char *path, int64_t *bytes, char text[static HASH_TEXT])
{
	char piece[65536];
	uint64_t h = HASH_BEGIN;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = -1;

	*bytes = 0;
	while (fd != -1 && (n = read(fd, piece, sizeof(piece))) > 0) {
		h = hash_bytes(h, piece, (size_t)n);
		*bytes += n;
	}
	hash_text(h, text);
	if (fd != -1)
		close(fd);
	return n == 0;
}

void
manifest_write(const char *dir)
{
	char *path = xasprintf("%s/" MANIFEST_NAME, dir),
	     *db = xasprintf("%s/" MANIFEST_DB, dir), *text, hash[HASH_TEXT],
	     host[256] = "";
	yyjson_mut_doc *doc = json_object();
	int64_t bytes;
	size_t len;

	if (!digest(db, &bytes, hash))
		fatal(EXIT_SYSTEM, "%s", db);
	gethostname(host, sizeof(host) - 1);
	json_add_int(doc, "format", MANIFEST_FORMAT);
	json_add_str(doc, "berth", BERTH_VERSION);
	json_add_int(doc, "schema", db_schema_version());
	json_add_str(doc, "host", host);
	json_add_int(doc, "created_at", wall_ms());
	json_add_int(doc, "db_bytes", bytes);
	json_add_str(doc, "db_hash", hash);
	text = json_line(doc, &len);
	if (file_replace(path, text, len, 0600, 0, 0) == -1)
		fatal(EXIT_SYSTEM, "%s", path);
	free(text);
	free(db);
	free(path);
}

static bool
parse(const char *path, struct manifest *m)
{
	struct buf text = BUF_INIT;
	const char *why = NULL;
	yyjson_doc *doc = NULL;
	yyjson_val *root;

	if (buf_read_file(&text, path, MANIFEST_MAX) == -1)
		refuse("it is no backup of berth: it has no manifest");
	else if ((doc = json_parse(buf_str(&text), text.len, &why)) == NULL)
		refuse("its manifest isn't JSON: %s", why);
	root = yyjson_doc_get_root(doc);
	*m = (struct manifest){.format = (int)json_int(root, "format", 0),
	    .schema = (int)json_int(root, "schema", 0),
	    .created_at = json_int(root, "created_at", 0),
	    .db_bytes = json_int(root, "db_bytes", -1)};
	snprintf(m->berth, sizeof(m->berth), "%s", json_str(root, "berth", "?"));
	snprintf(m->host, sizeof(m->host), "%s", json_str(root, "host", "?"));
	snprintf(m->db_hash, sizeof(m->db_hash), "%s", json_str(root, "db_hash", ""));
	yyjson_doc_free(doc);
	buf_free(&text);
	return doc != NULL;
}

static bool
compare(const char *db, const struct manifest *m)
{
	char hash[HASH_TEXT];
	int64_t bytes;
	const char *why;
	int version;

	if (m->format != MANIFEST_FORMAT || m->schema > db_schema_version())
		return refuse(
		    "it was made by berth %s (format %d, database version %d), and "
		    "berth " BERTH_VERSION
		    " knows format %d and versions up to %d: restore it with that "
		    "berth's image, or a newer one",
		    m->berth, m->format, m->schema, MANIFEST_FORMAT, db_schema_version());
	if (!digest(db, &bytes, hash))
		return refuse("its database is missing: %s", strerror(errno));
	if (bytes != m->db_bytes || strcmp(hash, m->db_hash) != 0)
		return refuse(
		    "its database isn't the one that was backed up (%lld bytes of "
		    "%lld): the file is damaged",
		    (long long)bytes, (long long)m->db_bytes);
	return db_inspect(db, &version, &why) == 0 ? true : refuse("%s", why);
}

bool
manifest_check(const char *dir, struct manifest *m, const char **why)
{
	char *path = xasprintf("%s/" MANIFEST_NAME, dir),
	     *db = xasprintf("%s/" MANIFEST_DB, dir);
	bool good = parse(path, m) && compare(db, m);

	*why = good ? NULL : reason;
	free(db);
	free(path);
	return good;
}
