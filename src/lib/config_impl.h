/*
 * The inside of the configuration, for config*.c only: a row of the table, a value, and
 * what the files that read, check and show them share.
 */
#ifndef CONFIG_IMPL_H
#define CONFIG_IMPL_H
#include "config.h"

struct arena;
struct buf;
struct toml_node;

enum config_type {
	CONFIG_TABLE, /* a section: the rows up to the next section are its keys */
	CONFIG_STRING,
	CONFIG_INTEGER,
	CONFIG_BOOLEAN,
	CONFIG_DURATION,
	CONFIG_ENUM,
	CONFIG_LIST, /* of strings */
	CONFIG_MAP   /* of strings, by name */
};

enum config_flag {
	CONFIG_REQUIRED = 1,
	CONFIG_NEVER = 2, /* DURATION: may be "never" */
	CONFIG_ONE = 4,   /* LIST: a single one may be written as a plain string */
	CONFIG_SECRET =
	    8, /* values never appear in an error: a secret may stand there by mistake */
	CONFIG_MASK = 16 /* config_show hides parts: passwords in URLs, entries that are
			    named like secrets */
};

/* What is wrong with a text, to follow it in a sentence ("is not an absolute path"); NULL
 * if nothing is. */
typedef const char *config_check(const char *text);

struct config_row {
	const char
	    *path; /* "agents.*.driver"; at most one '*', as the last part of a section */
	enum config_type type;
	enum config_when when;
	unsigned flags;      /* enum config_flag */
	const char *initial; /* the default, as in a variable; NULL: not set, or empty */
	const char *unset;   /* what goes while it is not set, for people */
	int64_t min, max;    /* INTEGER, DURATION (ms) */
	const char *const *words; /* ENUM, ends with NULL */
	const char *noun;         /* ENUM: "a driver" */
	config_check *check;      /* STRING, LIST, MAP: of each text */
	config_check *check_name; /* MAP, and a section that ends with '*' */
	const char *(*check_number)(int64_t number);
	const char *const *drivers; /* in an agent's table: those that have this key, ends
				       with NULL; NULL: all */
	const char *help;
};

/* Ends with a NULL path. */
extern const struct config_row config_rows[];

enum config_origin { FROM_DEFAULT, FROM_LINE, FROM_VARIABLE };

struct config_from {
	enum config_origin origin;
	unsigned line;
	const char *where; /* "berth.toml:12", a variable, "default" */
};

struct config_item {
	const char *name; /* of a map's entry, else NULL */
	const char *text;
	struct config_from from;
};

struct config_value {
	struct config_from from;
	bool given;
	bool mentioned;   /* given or refused: an error about it has been told already */
	int64_t number;   /* INTEGER, BOOLEAN, DURATION */
	const char *text; /* STRING, ENUM */
	struct config_item *items; /* LIST, MAP */
	size_t count;
};

struct config_table {
	const struct config_row *row; /* of the section */
	const char *name;             /* what stands for the '*', else NULL */
	const char *path;             /* "agents.demo" */
	struct config_from from;
	struct config_value *values; /* for row[1], row[2], ... */
	struct config_table *next;
};

struct config_fault {
	struct config_from from;
	size_t order;
	const char *text;
};

struct config {
	struct arena *arena;
	struct config_table *tables, **tail;
	size_t table_count;
	bool too_many; /* said so */
	struct config_fault faults[CONFIG_MAX_ERRORS + 1];
	size_t fault_count;          /* all, also those that were not kept */
	struct config_from fallback; /* "default" */
	const char *host_name;
};

/* ---- the table (config_table.c) ---- */
const struct config_row *config_row_find(const char *pattern); /* "agents.*.cwd"; NULL */
bool config_row_within(const char *pattern); /* are there rows below it? "" is the root */
size_t config_row_keys(const struct config_row *section);
const char *config_row_key(const struct config_row *row); /* the last part of its path */
const char *config_row_title(
    const struct config_row *section, char *out, size_t size); /* "agents.<name>" */
/* The names one may write below a pattern, one after the other, without '*'; out is that
 * name. */
bool config_row_child(const char *pattern, size_t *iter, char *out, size_t size);

/* ---- what a text may be (config_check.c) ---- */
config_check config_check_agent_name, config_check_host_name, config_check_path,
    config_check_url, config_check_env_name, config_check_secret, config_check_filled;
const char *config_check_uid(int64_t number);
const char *config_check_gid(int64_t number);
/* What no single key can know (config_cross.c). */
void config_cross_check(struct config *c);
bool config_row_applies(
    const struct config_row *row, const struct config_table *t); /* by its driver */
void config_drivers(const struct config_row *row, const char *quote,
    struct buf *out); /* "a" or "b": those that have it */

/* ---- building (config.c) ---- */
void config_fail(struct config *c, struct config_from from, const char *path,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
struct config_table *config_table_find(const struct config *c, const char *path);
/* The table of a name under a section with '*', made with defaults if it is new. NULL:
 * refused and said so. */
struct config_table *config_table_named(struct config *c,
    const struct config_row *section, const char *name, struct config_from from);
struct config_value *config_table_value(
    const struct config_table *t, const char *key); /* NULL: no such key */
void config_fail_unknown(struct config *c, struct config_from from, const char *pattern,
    const char *path, const char *name, const char *thing);
void config_apply_environ(struct config *c, char *const *variables); /* config_env.c */

/* ---- one value (config_value.c) ---- */
struct config_read {
	struct config *c;
	const struct config_row *row;
	const char *path; /* "agents.demo.cwd", for errors */
	struct config_from from;
	struct config_value *out; /* unchanged if the value is refused */
};
bool config_read_node(const struct config_read *r, const struct toml_node *node);
bool config_read_text(const struct config_read *r, const char *text);
bool config_read_entry(
    const struct config_read *r, const char *name, const char *text); /* of a MAP */
struct config_from config_from_line(struct config *c, const char *file, unsigned line);
const char *config_duration(
    int64_t ms, char *out, size_t size); /* exact: "1h30m", "never" */
void config_range(
    const struct config_row *row, struct buf *out); /* "1 to 1000", "500ms to 1m" */
void config_words(
    const struct config_row *row, const char *quote, struct buf *out); /* "a, b, c" */
#endif
