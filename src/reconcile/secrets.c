/* See secrets.h. Values are wiped after use and never logged. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "buf.h"
#include "config.h"
#include "dirs.h"
#include "hash.h"
#include "log.h"
#include "paths.h"
#include "secrets.h"
#include "users.h"
#include "warn.h"
#include "xmalloc.h"

enum { SECRET_MAX = 64 << 10 };

/* NULL: it is there; else why not. Owned by the caller. */
static char *
read_file(const char *name, struct buf *value)
{
	char *path = xasprintf(SECRETS_DIR "/%s", name), *why = NULL;

	if (buf_read_file(value, path, SECRET_MAX) == -1)
		why =
		    xasprintf("%s can't be read: %s: not granted", path, strerror(errno));
	free(path);
	return why;
}

/* false, nothing in *why: it isn't set. */
static bool
read_value(
    const char *ref, char *const *env, struct buf *value, const char *where, char **why)
{
	*why = NULL;

	if (strncmp(ref, "env:", 4) == 0) {
		const char *text = env_get(env, ref + 4);

		if (text == NULL || *text == '\0') {
			log_info("%s: %s isn't set in the container's environment: not "
				 "granted",
			    where, ref);
			return false;
		}
		buf_adds(value, text);
		return true;
	}
	*why = read_file(ref, value);
	return *why == NULL;
}

static uint64_t
grant_one(const char *dir, const char *name, struct buf *value, uint64_t h)
{
	char *path = xasprintf("%s/%s", dir, name);

	if (file_replace(path, buf_str(value), value->len, 0400, UID_BERTH, UID_BERTH) ==
	    -1)
		fatal(EXIT_SYSTEM, "%s", path);
	free(path);
	h = hash_bytes(h, name, strlen(name) + 1);
	h = hash_bytes(h, buf_str(value), value->len);
	explicit_bzero(value->data, value->cap);
	return h;
}

/* All but what it is granted; of who is no agent, all. */
static void
revoke_from(const struct config *c, const char *agent)
{
	bool is_agent = config_has(c, agent, "agents");
	char *path = xasprintf(GRANTED_DIR "/%s", agent);
	DIR *d = opendir(path);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    !(is_agent &&
			config_has(c, entry->d_name, "agents.%s.secrets", agent)))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
	if (!is_agent)
		rmdir(path);
	free(path);
}

void
secrets_revoke(const struct config *c)
{
	DIR *d = opendir(GRANTED_DIR);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			revoke_from(c, entry->d_name);
	if (d != NULL)
		closedir(d);
}

uint64_t
secrets_grant(const struct config *c, const char *agent, char *const *env,
    yyjson_mut_doc *doc, yyjson_mut_val *warnings)
{
	char *dir = xasprintf(GRANTED_DIR "/%s", agent);
	uint64_t h = HASH_BEGIN;

	if (dir_ensure(dir, 0710, 0, UID_BERTH) == -1)
		fatal(EXIT_SYSTEM, "%s", dir);
	for (size_t i = 0; i < config_count(c, "agents.%s.secrets", agent); i++) {
		const char *name = config_name_at(c, i, "agents.%s.secrets", agent);
		const char *where = config_where_at(c, i, "agents.%s.secrets", agent);
		char *path = xasprintf("%s/%s", dir, name), *why;
		struct buf value = BUF_INIT;

		if (read_value(config_at(c, i, "agents.%s.secrets", agent), env, &value,
			where, &why))
			h = grant_one(dir, name, &value, h);
		else
			unlink(path);
		if (why != NULL)
			warn_agent(doc, warnings, agent, "lacks a secret", where, why);
		free(why);
		buf_free(&value);
		free(path);
	}
	free(dir);
	return h;
}
