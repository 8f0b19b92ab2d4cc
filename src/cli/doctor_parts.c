/* berth doctor: users, sockets, programs, configuration. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "configfile.h"
#include "container.h"
#include "db.h"
#include "doctor.h"
#include "paths.h"
#include "run.h"
#include "text.h"
#include "xmalloc.h"

enum { ANY = -1 };

void
doctor_users(const struct cli *cli, struct finding *f)
{
	static const struct {
		const char *name;
		uid_t uid;
	} users[] = {{"berth", UID_BERTH}, {"berth-tmux", UID_TMUX}};

	(void)cli;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		const struct passwd *pw = getpwnam(users[i].name);
		buf_adds(&f->text, i == 0 ? "" : ", ");
		if (pw == NULL) {
			buf_addf(&f->text, "no user %s", users[i].name);
			doctor_say(f, DOCTOR_BAD,
			    container_hint("is this the container? ", " doctor"));
		} else {
			buf_addf(&f->text, "%s is %d", users[i].name, (int)pw->pw_uid);
			if (pw->pw_uid != users[i].uid)
				doctor_say(f, DOCTOR_BAD,
				    "the image is not berth's: build it anew");
		}
	}
	buf_addf(&f->text, ", this is %d", (int)geteuid());
	if (geteuid() != 0)
		doctor_say(f, DOCTOR_WARN, container_hint("root sees more: ", " doctor"));
}

static const struct socket_row {
	const char *path; /* under /run/berth */
	mode_t mode;
	int uid, gid;
} sockets[] = {
    {"launcher.sock", 0660, UID_BERTH, UID_BERTH},
    {"spawn.sock", 0660, 0, UID_BERTH},
    {"pane.sock", 0660, 0, UID_TMUX},
    {"tmux", 0750, UID_TMUX, UID_BERTH},
    {"agent", 0711, 0, ANY},
    {"in", 0620, UID_BERTH, GID_FIFO},
};

static bool
as_it_should_be(const struct socket_row *row, const struct stat *st)
{
	return (st->st_mode & 07777) == row->mode && (int)st->st_uid == row->uid &&
	       (row->gid == ANY || (int)st->st_gid == row->gid);
}

/* Who may open what is what keeps agents away from each other: docs/trust.md. */
void
doctor_sockets(const struct cli *cli, struct finding *f)
{
	struct stat st;

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		char *path = xasprintf("%s/%s", cli->run_dir, sockets[i].path);
		if (stat(path, &st) != 0) {
			buf_addf(&f->text, "%s%s: %s", f->text.len > 0 ? ", " : "",
			    sockets[i].path, strerror(errno));
			doctor_say(f, DOCTOR_BAD,
			    "`berth status` shows which service doesn't run");
		} else if (!as_it_should_be(&sockets[i], &st)) {
			buf_addf(&f->text, "%s%s has mode %04o, owner %d:%d",
			    f->text.len > 0 ? ", " : "", sockets[i].path,
			    st.st_mode & 07777, (int)st.st_uid, (int)st.st_gid);
			doctor_say(f, DOCTOR_BAD,
			    "somebody changed it; a restart of the container sets it "
			    "right");
		}
		free(path);
	}
	if (f->text.len == 0)
		buf_adds(&f->text, "all there, modes as they should be");
}

void
doctor_sqlite(const struct cli *cli, struct finding *f)
{
	(void)cli;
	buf_addf(
	    &f->text, "SQLite %s, schema %d", db_sqlite_version(), db_schema_version());
}

/* The first line of what a program prints about its version; false if it can't be run. */
static bool
version_of(const char *const *argv, struct finding *f)
{
	struct buf out = BUF_INIT;
	int status = run_capture(argv, &out);

	if (out.len > 0)
		out.data[strcspn(out.data, "\n")] = '\0';
	if (status == 0)
		text_clean(&f->text, buf_str(&out), TEXT_LINE);
	buf_free(&out);
	return status == 0;
}

void
doctor_tmux(const struct cli *cli, struct finding *f)
{
	static const char *const argv[] = {"tmux", "-V", NULL};

	(void)cli;
	if (version_of(argv, f))
		return;
	buf_adds(&f->text, "tmux doesn't run");
	doctor_say(f, DOCTOR_BAD, "build the image anew");
}

/* Where PATH has it; false if nowhere. */
static bool
in_path(const char *program, struct buf *where)
{
	const char *path = getenv("PATH");
	bool found = false;

	while (path != NULL && *path != '\0' && !found) {
		size_t len = strcspn(path, ":");
		char *file = xasprintf("%.*s/%s", (int)len, path, program);
		found = access(file, X_OK) == 0;
		if (found)
			buf_adds(where, file);
		free(file);
		path += len + (path[len] == ':');
	}
	return found;
}

void
doctor_s6(const struct cli *cli, struct finding *f)
{
	(void)cli;
	if (!in_path("s6-svscan", &f->text)) {
		buf_adds(&f->text, "no s6-svscan");
		doctor_say(f, DOCTOR_BAD, "build the image anew");
	}
}

/* A CLI may write to HOME even to tell its version; it gets none. */
static void
look_at_agent(struct finding *f, const char *program)
{
	const char *const argv[] = {"timeout", "10", "env", "HOME=/nonexistent",
	    "DISABLE_AUTOUPDATER=1", program, "--version", NULL};
	struct buf where = BUF_INIT;

	if (in_path(program, &where)) {
		buf_addf(&f->text, "%s%s: ", f->text.len > 0 ? ", " : "", program);
		if (!version_of(argv, f)) {
			buf_adds(&f->text, "doesn't run");
			doctor_say(
			    f, DOCTOR_BAD, "build the image anew with AGENTS=claude");
		}
	}
	buf_free(&where);
}

void
doctor_agents(const struct cli *cli, struct finding *f)
{
	static const char *const programs[] = {"claude", "codex", "gemini"};

	(void)cli;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		look_at_agent(f, programs[i]);
	if (f->text.len == 0) {
		buf_adds(&f->text, "none in this image; driver demo needs none");
		doctor_say(f, DOCTOR_WARN, "build it with one: AGENTS=claude ./just up");
	}
}

void
doctor_config(const struct cli *cli, struct finding *f)
{
	struct config *c;

	(void)cli;
	if (config_file_load(CONFIG_FILE, &c) != 0) {
		bool forbidden = errno == EACCES;
		const char *hint, *what = config_unreadable(errno, &hint);

		buf_addf(&f->text, "%s: %s", CONFIG_FILE, what);
		doctor_say(f, forbidden ? DOCTOR_WARN : DOCTOR_BAD,
		    forbidden ? "root may read it" : hint);
		return;
	}
	size_t errors = config_errors(c);
	buf_addf(&f->text, "%s: ", CONFIG_FILE);
	if (errors == 0) {
		buf_addf(&f->text, "good, %zu agents", config_count(c, "agents"));
	} else {
		buf_addf(&f->text, "%s", config_error(c, 0));
		if (errors > 1)
			buf_addf(&f->text, " (and %zu more)", errors - 1);
		doctor_say(
		    f, DOCTOR_BAD, "`berth config check` prints all; then `berth apply`");
	}
	config_free(c);
}
