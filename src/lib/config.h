/*
 * berth's configuration: text (berth.toml) and environment in, values or errors out. It
 * opens no file. What keys there are, and all that is known about each, is one table
 * (config_table.c); a new key is a row there.
 *
 * A variable BERTH__SECTION__KEY overrides the file:
 * BERTH__AGENTS__DEMO__CWD=/projects/x. Case doesn't matter, '-' and '_' are equal, but
 * an entry of a map keeps its spelling (BERTH__AGENTS__DEMO__ENV__Name=x). Strings,
 * durations and enums are taken as they are; the rest is written as in TOML (["a", "b"]).
 */
#ifndef CONFIG_H
#define CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_MAX_ERRORS = 50, CONFIG_MAX_TABLES = 256 };

struct buf;
struct config;

struct config_source {
	const char *name; /* what errors call the text: "berth.toml" */
	const char *text;
	size_t len;
	char *const *environ;  /* NULL: none */
	const char *host_name; /* default of host.name; NULL asks the machine */
};

/* The whole file, appended to text: 1 MiB at most, and no link is followed. -1 with
 * errno; config_unreadable() says what that means, and in *hint what to do (NULL: nothing
 * is known). */
int config_read(struct buf *text, const char *path);
const char *config_unreadable(int error, const char **hint);

/* Never NULL. With errors nobody should act on it: what is wrong has its default. */
struct config *config_load(const struct config_source *source);
void config_free(struct config *c); /* NULL is fine */

/* All that is wrong, by line, the environment's last: `berth.toml:12: agents.demo.driver:
 * ...`. After CONFIG_MAX_ERRORS one more says how many are left out. Lives as long as the
 * config. */
size_t config_errors(const struct config *c);
const char *config_error(const struct config *c, size_t index);

/*
 * Values, by path, which may be a format: config_str(c, "agents.%s.cwd", name). A path
 * that isn't in the table, an agent that isn't configured, or another type is a bug, and
 * fatal. Strings live as long as the config.
 */
#define CONFIG_PATH(n) __attribute__((format(printf, n, n + 1)))
const char *config_str(const struct config *c, const char *path, ...)
    CONFIG_PATH(2); /* and enums; NULL: not set */
int64_t config_int(const struct config *c, const char *path, ...)
    CONFIG_PATH(2); /* 0: not set */
bool config_bool(const struct config *c, const char *path, ...) CONFIG_PATH(2);
int64_t config_ms(const struct config *c, const char *path, ...)
    CONFIG_PATH(2); /* durations; -1: never */

/* Lists, maps, and tables with names of the user's choice ("agents"): how many, the text
 * of one (of a map, its value), the name of one (maps, tables). */
size_t config_count(const struct config *c, const char *path, ...) CONFIG_PATH(2);
const char *config_at(const struct config *c, size_t index, const char *path, ...)
    CONFIG_PATH(3);
const char *config_name_at(const struct config *c, size_t index, const char *path, ...)
    CONFIG_PATH(3);

/* Is there one of this name? */
bool config_has(const struct config *c, const char *name, const char *path, ...)
    CONFIG_PATH(3);

/* Was it given, by the file or the environment? And where, for errors that others find:
 * "berth.toml:12", the variable's name, or "default". */
bool config_given(const struct config *c, const char *path, ...) CONFIG_PATH(2);
const char *config_where(const struct config *c, const char *path, ...) CONFIG_PATH(2);
const char *config_where_at(const struct config *c, size_t index, const char *path, ...)
    CONFIG_PATH(3);

/* When a change of the key takes effect. */
enum config_when { CONFIG_AT_ONCE, CONFIG_AGENT_START, CONFIG_BERTH_START };
enum config_when config_when(const struct config *c, const char *path, ...)
    CONFIG_PATH(2);

/* All values as TOML, each with where it came from; what is secret, or looks so, is not
 * in it. Caller frees. */
char *config_show(const struct config *c);
/* docs/configuration.md, from the table. Caller frees. */
char *config_doc(void);
/* The commented berth.toml of a first start: the demo agent, and Claude Code's where that
 * is installed (else as an example). Caller frees. */
char *config_default_file(bool with_claude);
#endif
