/*
 * See apply.h. What an agent needs is there before its row says so, and what it no longer
 * may have goes after that: whoever reads a row, at any moment, finds what it names.
 * Files take their time (fsync) and others wait for the database, so the transaction is
 * only the rows. A run that is killed leaves too much, never too little; the next one
 * finishes or takes back.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "config.h"
#include "dirs.h"
#include "log.h"
#include "paths.h"
#include "rows.h"
#include "secrets.h"
#include "spec.h"
#include "users.h"
#include "warn.h"
#include "xmalloc.h"

/* The shim's two are only made: an agent that runs as its former user still needs them,
 * and spawn hands them over when it starts anew. */
static void
make_dirs(const char *agent, const struct agent_spec *s, gid_t users_own)
{
	const struct {
		const char *below;
		const char *name;
		mode_t mode;
		uid_t uid;
		gid_t gid;
		bool once;
	} dirs[] = {
	    {AGENT_DIR, agent, 0711, 0, 0, false},
	    {SHIM_DIR, agent, 0700, s->uid, s->gid, true},
	    {SPOOL_DIR, agent, 0700, s->uid, s->gid, true},
	    {HOME_DIR, s->user, 0700, s->uid, users_own, false},
	};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char *path = xasprintf("%s/%s", dirs[i].below, dirs[i].name);

		if ((!dirs[i].once || access(path, F_OK) == -1) &&
		    dir_ensure(path, dirs[i].mode, dirs[i].uid, dirs[i].gid) == -1)
			fatal(EXIT_SYSTEM, "%s", path);
		free(path);
	}
}

/* Two runs at once would mix the files of one with the rows of the other. Nobody but root
 * can open this folder, and so hold the lock. */
static int
lock(void)
{
	int fd = open(GRANTED_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1 || flock(fd, LOCK_EX) == -1)
		fatal(EXIT_SYSTEM, GRANTED_DIR);
	return fd;
}

/* It can come later; until then the agent doesn't start, and says so. */
static void
check_folder(const struct config *c, const char *agent, yyjson_mut_doc *doc,
    yyjson_mut_val *warnings)
{
	const char *cwd = config_str(c, "agents.%s.cwd", agent);
	char *why;

	if (cwd == NULL || cwd[0] == '\0' || access(cwd, F_OK) == 0 || errno != ENOENT)
		return;
	why = xasprintf("%s isn't there (yet)", cwd);
	warn_agent(
	    doc, warnings, agent, NULL, config_where(c, "agents.%s.cwd", agent), why);
	free(why);
}

static struct agent_spec *
prepare(const struct config *c, char *const *env, size_t count, yyjson_mut_doc *doc)
{
	yyjson_mut_val *warnings =
	    yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "warnings");
	struct agent_spec *specs = xcalloc(count + 1, sizeof(*specs));

	for (size_t i = 0; i < count; i++) {
		const char *name = config_name_at(c, i, "agents");
		struct agent_spec *s = &specs[i];

		spec_make(c, name, env, secrets_grant(c, name, env, doc, warnings), s);
		check_folder(c, name, doc, warnings);
		users_know(env, s->uid, s->gid);
		make_dirs(name, s, users_gid(s->uid, env));
	}
	return specs;
}

void
apply_config(struct db *db, const struct config *c, char *const *env, yyjson_mut_doc *doc,
    yyjson_mut_val *changes)
{
	size_t count = config_count(c, "agents");
	int locked = lock();
	struct agent_spec *specs = prepare(c, env, count, doc);

	rows_begin(db, c);
	for (size_t i = 0; i < count; i++)
		rows_agent(db, config_name_at(c, i, "agents"), &specs[i], doc, changes);
	rows_remove_others(db, c, doc, changes);
	rows_settings(db, c);
	rows_commit(db);
	secrets_revoke(c);
	for (size_t i = 0; i < count; i++)
		spec_free(&specs[i]);
	free(specs);
	close(locked);
}
