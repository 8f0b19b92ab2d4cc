/*
 * TOML 1.0 (toml.io/en/v1.0.0): text to a tree of nodes that know where they were
 * written. Bounded: TOML_MAX_BYTES of input, TOML_MAX_DEPTH levels of tables and arrays.
 * Parsing stops at the first error. Nodes, keys and strings belong to the document and
 * live until toml_free(). Columns count characters, from 1. Keys and strings are UTF-8,
 * end with a NUL, and may hold one inside
 * ("\u0000"): whoever takes them for C strings compares the length with strlen().
 */
#ifndef TOML_H
#define TOML_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOML_MAX_BYTES = 1 << 20, TOML_MAX_DEPTH = 64, TOML_ERROR_MAX = 384 };

enum toml_type {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
	TOML_DATETIME, /* with an offset from UTC */
	TOML_LOCAL_DATETIME,
	TOML_LOCAL_DATE,
	TOML_LOCAL_TIME,
	TOML_TYPES
};

/* What a type lacks is 0. */
struct toml_time {
	int year, month, day;
	int hour, minute, second; /* 60: a leap second */
	int nanosecond;
	int offset_min; /* TOML_DATETIME: minutes east of UTC */
};

struct toml_error {
	unsigned line, column;
	char text[TOML_ERROR_MAX]; /* `name:line:column: what is wrong and what would be
				      right` */
};

struct toml;
struct toml_node;

/* NULL with *error filled. `name` is what errors call the text (a file's name), borrowed
 * until it returns. */
struct toml *toml_parse(
    const char *name, const char *text, size_t len, struct toml_error *error);
void toml_free(struct toml *doc); /* NULL is fine */
const struct toml_node *toml_root(const struct toml *doc);

enum toml_type toml_type(const struct toml_node *node);
const char *toml_type_name(enum toml_type type);  /* "a string", "an integer", ... */
unsigned toml_line(const struct toml_node *node); /* of a value; of a table, its header */
unsigned toml_column(const struct toml_node *node);
unsigned toml_key_column(
    const struct toml_node *node); /* its key's; 0 for an array's element */

/* The key of a table's child; *len may be NULL. "" for an array's element and the root.
 */
const char *toml_key(const struct toml_node *node, size_t *len);

/* Children of a table or an array, in the order of the text; NULL and 0 for what has
 * none. */
const struct toml_node *toml_first(const struct toml_node *node);
const struct toml_node *toml_next(const struct toml_node *node);
size_t toml_count(const struct toml_node *node);
/* One child of a table, by hash; NULL if there is none, or `table` is no table. */
const struct toml_node *toml_get(
    const struct toml *doc, const struct toml_node *table, const char *key, size_t len);

/* A piece of text for a message: in quotes, control characters escaped, shortened to 40
 * bytes. */
enum { TOML_QUOTE_MAX = 96 };
const char *toml_quote(char out[static TOML_QUOTE_MAX], const char *text, size_t len);

/* Values. Asking for another type than the node has is a broken invariant (aborts). */
const char *toml_str(const struct toml_node *node, size_t *len); /* *len may be NULL */
int64_t toml_int(const struct toml_node *node);
double toml_float(const struct toml_node *node);
bool toml_bool(const struct toml_node *node);
const struct toml_time *toml_time(const struct toml_node *node);
#endif
