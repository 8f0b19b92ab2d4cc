/* See users.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "dirs.h"
#include "log.h"
#include "paths.h"
#include "users.h"
#include "xmalloc.h"

enum { OURS_FROM = 900, OURS_TO = 999, PASSWD_MAX = 1 << 20 };

bool
users_id_allowed(uint32_t id)
{
	return id != 0 && id != UINT32_MAX && (id < OURS_FROM || id > OURS_TO) &&
	       (id < GID_TERMINALS || id >= GID_TERMINALS + TERMINALS);
}

const char *
env_get(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env != NULL && *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* false: it is no number that an agent may have. */
static bool
id_parse(const char *text, unsigned *id)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (text[strspn(text, "0123456789")] != '\0' || n > UINT32_MAX ||
	    !users_id_allowed((uint32_t)n))
		return false;
	*id = (unsigned)n;
	return true;
}

static unsigned
id_of(char *const *env, const char *name)
{
	const char *text = env_get(env, name);
	unsigned id = UID_AGENT;

	if (text != NULL && *text != '\0')
		id_parse(text, &id);
	return id;
}

void
users_check(char *const *env)
{
	static const char *const names[] = {"PUID", "PGID"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = env_get(env, names[i]);
		unsigned id;

		if (text != NULL && *text != '\0' && !id_parse(text, &id))
			log_warnx("%s=%s can't be an agent's: a number, not 0 (root), "
				  "not 900 to 999 (berth's own) and not 64000 to 64999 "
				  "(terminals'); %d is used",
			    names[i], text, UID_AGENT);
	}
}

uid_t
users_default_uid(char *const *env)
{
	return id_of(env, "PUID");
}

gid_t
users_default_gid(char *const *env)
{
	return id_of(env, "PGID");
}

char *
users_name(uid_t uid, uid_t default_uid)
{
	return uid == default_uid ? xstrdup("agent") : xasprintf("agent%u", uid);
}

/* The third field; 0 if there is none. */
static unsigned
number_of(const char *line)
{
	const char *p = strchr(line, ':');

	p = p != NULL ? strchr(p + 1, ':') : NULL;
	return p != NULL ? (unsigned)strtoul(p + 1, NULL, 10) : 0;
}

static bool
has_line(const char *text, const char *line)
{
	for (const char *p = text; (p = strstr(p, line)) != NULL; p++)
		if (p == text || p[-1] == '\n')
			return true;
	return false;
}

/* Leaves out the lines of this name, or of this number; adds ours. */
static void
rewrite(const char *path, const char *name, unsigned id, const char *line)
{
	struct buf old = BUF_INIT, out = BUF_INIT;
	char *save = NULL, *text;

	if (buf_read_file(&old, path, PASSWD_MAX) == -1) {
		log_warn("%s", path);
		return;
	}
	if (has_line(buf_str(&old), line)) {
		buf_free(&old);
		return;
	}
	for (text = strtok_r(old.data, "\n", &save); text != NULL;
	    text = strtok_r(NULL, "\n", &save)) {
		size_t n = strlen(name);

		if (strncmp(text, name, n) == 0 && text[n] == ':')
			continue;
		if (number_of(text) == id)
			continue;
		buf_addf(&out, "%s\n", text);
	}
	buf_adds(&out, line);
	if (file_replace(path, out.data, out.len, 0644, 0, 0) == -1 && errno != EROFS)
		log_warn("%s", path);
	else if (errno == EROFS)
		log_info("%s is read-only: uid %u has the name that the image gives it, "
			 "if any",
		    path, id);
	buf_free(&old);
	buf_free(&out);
}

static void
know_group(gid_t gid, gid_t default_gid)
{
	char *name = users_name(gid, default_gid);
	char *line = xasprintf("%s:x:%u:\n", name, gid);

	errno = 0;
	rewrite(ETC_DIR "/group", name, gid, line);
	free(line);
	free(name);
}

gid_t
users_gid(uid_t uid, char *const *env)
{
	return uid == users_default_uid(env) ? users_default_gid(env) : uid;
}

/* Every line follows from its number alone, and not from which agent was looked at last:
 * agents of one uid may have different groups. */
void
users_know(char *const *env, uid_t uid, gid_t gid)
{
	gid_t default_gid = users_default_gid(env), main_gid = users_gid(uid, env);
	char *name = users_name(uid, users_default_uid(env));
	char *line = xasprintf("%s:x:%u:%u:berth agent:" HOME_DIR "/%s:/bin/bash\n", name,
	    uid, main_gid, name);

	know_group(main_gid, default_gid);
	if (gid != main_gid)
		know_group(gid, default_gid);
	errno = 0;
	rewrite(ETC_DIR "/passwd", name, uid, line);
	free(line);
	free(name);
}
