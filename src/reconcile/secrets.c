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
#include "xmalloc.h"

enum { SECRET_MAX = 64 << 10 };

static bool
read_value(const char *ref, char *const *env, struct buf *value, const char *where)
{
	char *path;
	int rc;

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
	path = xasprintf(SECRETS_DIR "/%s", ref);
	rc = buf_read_file(value, path, SECRET_MAX);
	if (rc == -1)
		log_warn("%s: %s can't be read: not granted", where, path);
	free(path);
	return rc == 0;
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

static bool
granted(const struct config *c, const char *agent, const char *name)
{
	for (size_t i = 0; i < config_count(c, "agents.%s.secrets", agent); i++)
		if (strcmp(config_name_at(c, i, "agents.%s.secrets", agent), name) == 0)
			return true;
	return false;
}

/* c NULL: it is granted nothing. */
static void
revoke_others(const struct config *c, const char *agent, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    (c == NULL || !granted(c, agent, entry->d_name)))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

static bool
is_agent(const struct config *c, const char *name)
{
	for (size_t i = 0; i < config_count(c, "agents"); i++)
		if (strcmp(config_name_at(c, i, "agents"), name) == 0)
			return true;
	return false;
}

void
secrets_revoke(const struct config *c)
{
	DIR *d = opendir(GRANTED_DIR);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char *dir = xasprintf(GRANTED_DIR "/%s", entry->d_name);

		if (entry->d_name[0] != '.' && !is_agent(c, entry->d_name)) {
			revoke_others(NULL, entry->d_name, dir);
			rmdir(dir);
		}
		free(dir);
	}
	if (d != NULL)
		closedir(d);
}

uint64_t
secrets_grant(const struct config *c, const char *agent, char *const *env)
{
	char *dir = xasprintf(GRANTED_DIR "/%s", agent);
	uint64_t h = HASH_BEGIN;

	if (dir_ensure(dir, 0710, 0, UID_BERTH) == -1)
		fatal(EXIT_SYSTEM, "%s", dir);
	revoke_others(c, agent, dir);
	for (size_t i = 0; i < config_count(c, "agents.%s.secrets", agent); i++) {
		const char *name = config_name_at(c, i, "agents.%s.secrets", agent);
		char *path = xasprintf("%s/%s", dir, name);
		struct buf value = BUF_INIT;

		if (read_value(config_at(c, i, "agents.%s.secrets", agent), env, &value,
			config_where_at(c, i, "agents.%s.secrets", agent)))
			h = grant_one(dir, name, &value, h);
		else
			unlink(path);
		buf_free(&value);
		free(path);
	}
	free(dir);
	return h;
}
