/*
 * berth-reconcile: berth.toml to rows, and the directories and secrets that agents need.
 * A oneshot of root's: at boot (--boot), and whenever a byte comes through its FIFO. A
 * configuration with errors changes nothing: the last good one stays, and what is wrong
 * is said in the log and in `berth status`. Running it again changes nothing either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "apply.h"
#include "buf.h"
#include "clock.h"
#include "config.h"
#include "db.h"
#include "dirs.h"
#include "hash.h"
#include "home.h"
#include "infifo.h"
#include "ipc.h"
#include "json.h"
#include "log.h"
#include "paths.h"
#include "rows.h"
#include "users.h"
#include "xmalloc.h"

enum { ENV_MAX = 1 << 22 };

struct env {
	struct buf text;
	char **vars;
};

/* The container's environment, as /init kept it. */
static void
read_env(struct env *e)
{
	size_t n = 0;

	if (buf_read_file(&e->text, ENV_FILE, ENV_MAX) == -1)
		log_warn(ENV_FILE);
	for (size_t i = 0; i < e->text.len; i++)
		n += e->text.data[i] == '\0';
	e->vars = xcalloc(n + 1, sizeof(char *));
	n = 0;
	for (size_t at = 0; at < e->text.len; at += strlen(e->text.data + at) + 1)
		e->vars[n++] = e->text.data + at;
}

/* It may name what agents shouldn't know, and a copied or redirected file comes with any
 * mode. One that is mounted from outside is left as it is. */
static void
keep_private(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat file, dir;

	if (fd == -1)
		return;
	if (fstat(fd, &file) == 0 && stat(DATA_DIR, &dir) == 0 && S_ISREG(file.st_mode) &&
	    file.st_dev == dir.st_dev && (file.st_mode & 07) != 0 &&
	    fchmod(fd, file.st_mode & 0770) == 0)
		log_info("%s could be read by everybody: not any more", path);
	close(fd);
}

/* NULL with errno: it can't be read. */
static struct config *
load(const char *path, char *const *env, struct buf *text)
{
	const char *name = strrchr(path, '/') + 1;
	struct config_source source = {.name = name, .environ = env};

	if (config_read(text, path) == -1)
		return NULL;
	source.text = buf_str(text);
	source.len = text->len;
	return config_load(&source);
}

/* What the agents of an older configuration need of a fresh /run: the file is broken,
 * they go on. */
static bool
apply_last_good(
    struct db *db, char *const *env, yyjson_mut_doc *doc, yyjson_mut_val *changes)
{
	struct buf text = BUF_INIT;
	struct config *c = load(LAST_GOOD, env, &text);
	bool good = c != NULL && config_errors(c) == 0;

	if (c == NULL && errno != ENOENT)
		log_warn(LAST_GOOD);
	if (!good) { /* the environment may be what is wrong */
		config_free(c);
		buf_clear(&text);
		c = load(LAST_GOOD, NULL, &text);
		good = c != NULL && config_errors(c) == 0;
	}
	if (!good) {
		char *text_of_default = config_default_file(false);
		struct config_source builtin = {
		    .name = "default", .text = text_of_default};

		builtin.len = strlen(builtin.text);
		config_free(c);
		c = config_load(&builtin);
		free(text_of_default);
	}
	log_info(
	    "using %s", good ? "the last good configuration" : "the built-in default");
	apply_config(db, c, env, doc, changes);
	config_free(c);
	buf_free(&text);
	return good;
}

static void
add_unreadable(yyjson_mut_doc *doc, yyjson_mut_val *list, int error)
{
	const char *hint, *what = config_unreadable(error, &hint);
	char *text = xasprintf("%s: %s%s%s", CONFIG_FILE, what, hint != NULL ? "; " : "",
	    hint != NULL ? hint : "");

	json_add_str(doc, "error", text);
	yyjson_mut_arr_add_strcpy(doc, list, text);
	log_warnx("%s", text);
	free(text);
}

/* c NULL: it couldn't be read, for this errno. */
static void
add_errors(yyjson_mut_doc *doc, const struct config *c, int error)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc),
		       *list = yyjson_mut_obj_add_arr(doc, root, "errors");

	if (c == NULL) {
		add_unreadable(doc, list, error);
		return;
	}
	json_add_str(doc, "error", config_error(c, 0));
	for (size_t i = 0; i < config_errors(c); i++) {
		yyjson_mut_arr_add_strcpy(doc, list, config_error(c, i));
		log_warnx("%s", config_error(c, i));
	}
}

/* What was read, good or not: `berth status` sees by it that the file is another now. */
static void
add_hash(yyjson_mut_doc *doc, const struct buf *text)
{
	char hash[HASH_TEXT];

	hash_text(hash_bytes(HASH_BEGIN, buf_str(text), text->len), hash);
	json_add_str(doc, "hash", hash);
}

/* Nothing was applied: what was amiss with the agents still is. */
static void
keep_warnings(yyjson_mut_doc *doc, struct db *db)
{
	yyjson_doc *before = rows_last_state(db);

	json_add_val(doc, "warnings", json_get(yyjson_doc_get_root(before), "warnings"));
	yyjson_doc_free(before);
}

static void
run(bool boot)
{
	struct env e = {.text = BUF_INIT};
	struct buf text = BUF_INIT;
	int64_t began = mono_ms(); /* before the file is read: who changed it waits for a
				      later run */
	struct db *db = rows_open();
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *changes = yyjson_mut_arr(doc);
	struct config *c;
	char *state;
	size_t len;
	bool good;
	int error;

	infifo_make(UID_BERTH); /* the fifo service can't remove what is root's */
	read_env(&e);
	if (boot) {
		users_check(e.vars);
		home_take_over(HOME_DIR "/agent", users_default_uid(e.vars),
		    users_default_gid(e.vars));
	}
	keep_private(CONFIG_FILE);
	c = load(CONFIG_FILE, e.vars, &text);
	error = errno;
	good = c != NULL && config_errors(c) == 0;
	json_add_bool(doc, "ok", good);
	json_add_str(doc, "file", CONFIG_FILE);
	json_add_int(doc, "applied_at", wall_ms());
	json_add_int(doc, "began", began);
	if (c != NULL)
		add_hash(doc, &text);
	if (good) {
		apply_config(db, c, e.vars, doc, changes);
		if (file_replace(LAST_GOOD, buf_str(&text), text.len, 0640, 0, 0) == -1)
			log_warn(LAST_GOOD);
	} else {
		add_errors(doc, c, error);
		if (boot)
			apply_last_good(db, e.vars, doc, changes);
		else
			keep_warnings(doc, db);
	}
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), "changes", changes);
	state = json_line(doc, &len);
	rows_state(db, state);
	db_close(db);
	bell_ring(BELL_DIR, "launcher", "config");
	free(state);
	config_free(c);
	explicit_bzero(e.text.data, e.text.cap);
	buf_free(&e.text);
	free(e.vars);
	buf_free(&text);
}

int
main(int argc, char **argv)
{
	bool boot = argc == 2 && strcmp(argv[1], "--boot") == 0;

	log_init("reconcile");
	if (argc != 1 && !boot)
		fatalx(EXIT_BAD_USAGE, "usage: reconcile [--boot]");
	run(boot);
	return 0;
}
