/*
 * The configuration as a whole: a list of tables (one for each section, one for each
 * agent), each with a value for every key of its section, defaults first. The file's tree
 * is walked along the rows' paths, then the environment goes over it, then what no single
 * key can know is checked. Nothing stops at the first error but broken TOML.
 */
#include "config_impl.h"
#include "arena.h"
#include "buf.h"
#include "nearest.h"
#include "toml.h"
#include "xmalloc.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SHOWN = 200, NAME_MAX_LEN = 64 };

struct walk {
	struct config *c;
	const char *file;
};

static void walk_table(const struct walk *w, const struct toml_node *node,
    const char *pattern, const char *path, struct config_table *into);

/* ---- errors ---- */

void
config_fail(
    struct config *c, struct config_from from, const char *path, const char *format, ...)
{
	size_t kept = c->fault_count;
	va_list ap;
	char *text;

	c->fault_count++;
	if (kept >= CONFIG_MAX_ERRORS)
		return;
	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	c->faults[kept] = (struct config_fault){.from = from,
	    .order = kept,
	    .text = arena_printf(c->arena, "%s: %s: %s", from.where, path, text)};
	free(text);
}

static unsigned
fault_line(const struct config_fault *f)
{
	return f->from.origin == FROM_LINE ? f->from.line
					   : UINT_MAX; /* the environment's last */
}

static int
by_line(const void *a, const void *b)
{
	const struct config_fault *x = a, *y = b;

	if (fault_line(x) != fault_line(y))
		return fault_line(x) < fault_line(y) ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
sort_faults(struct config *c)
{
	size_t left =
	    c->fault_count < CONFIG_MAX_ERRORS ? 0 : c->fault_count - CONFIG_MAX_ERRORS;
	size_t kept = c->fault_count - left;

	qsort(c->faults, kept, sizeof(*c->faults), by_line);
	if (left > 0)
		c->faults[kept].text =
		    arena_printf(c->arena, "%zu more errors are not shown", left);
}

/* The section that has a key of this name, if it is another one. */
static const struct config_row *
elsewhere(const char *pattern, const char *name)
{
	const struct config_row *section = NULL;

	for (const struct config_row *row = config_rows; row->path != NULL; row++) {
		if (row->type == CONFIG_TABLE)
			section = row;
		else if (strcmp(config_row_key(row), name) == 0 &&
			 strcmp(section->path, pattern) != 0)
			return section;
	}
	return NULL;
}

static void
add_known(const char *pattern, struct buf *out)
{
	char known[64] = "";
	size_t iter = 0, count = 0;

	while (config_row_child(pattern, &iter, known, sizeof(known)))
		buf_addf(out, "%s%s", count++ == 0 ? " (known: " : ", ", known);
	if (count > 0)
		buf_addc(out, ')');
}

void
config_fail_unknown(struct config *c, struct config_from from, const char *pattern,
    const char *path, const char *name, const char *thing)
{
	const struct config_row *other = *thing == 'k' ? elsewhere(pattern, name) : NULL;
	struct nearest near = {.typed = name};
	struct buf hint = BUF_INIT;
	char known[64] = "";
	size_t iter = 0;

	while (config_row_child(pattern, &iter, known, sizeof(known))) {
		nearest_try(&near, known);
		if (near.best == known)
			near.best = arena_strdup(
			    c->arena, known); /* `known` is about to change */
	}
	if (near.best != NULL)
		buf_addf(&hint, "; did you mean \"%s\"?", near.best);
	else if (other != NULL)
		buf_addf(&hint, "; it belongs into [%s]",
		    config_row_title(other, known, sizeof(known)));
	else
		add_known(pattern, &hint);
	config_fail(c, from, path, "there is no such %s%s", thing, buf_str(&hint));
	buf_free(&hint);
}

/* ---- tables ---- */

struct config_table *
config_table_find(const struct config *c, const char *path)
{
	struct config_table *t = c->tables;

	while (t != NULL && strcmp(t->path, path) != 0)
		t = t->next;
	return t;
}

struct config_value *
config_table_value(const struct config_table *t, const char *key)
{
	size_t count = config_row_keys(t->row);

	for (size_t i = 0; i < count; i++)
		if (strcmp(config_row_key(&t->row[i + 1]), key) == 0)
			return &t->values[i];
	return NULL;
}

static struct config_table *
table_new(struct config *c, const struct config_row *section, const char *name,
    struct config_from from)
{
	struct config_table *t = arena_alloc(c->arena, sizeof(*t));
	size_t count = config_row_keys(section);

	t->row = section;
	t->name = name == NULL ? NULL : arena_strdup(c->arena, name);
	t->path = name == NULL ? section->path
			       : arena_printf(c->arena, "%.*s%s",
				     (int)strlen(section->path) - 1, section->path, name);
	t->from = from;
	t->values = arena_alloc(c->arena, count * sizeof(*t->values));
	for (size_t i = 0; i < count; i++) {
		struct config_read r = {
		    c, &section[i + 1], section[i + 1].path, c->fallback, &t->values[i]};

		t->values[i].from = c->fallback;
		if (r.row->initial != NULL)
			config_read_text(&r, r.row->initial);
	}
	*c->tail = t;
	c->tail = &t->next;
	return t;
}

struct config_table *
config_table_named(struct config *c, const struct config_row *section, const char *name,
    struct config_from from)
{
	const char *wrong =
	    section->check_name == NULL ? NULL : section->check_name(name);
	char *path =
	    xasprintf("%.*s%s", (int)strlen(section->path) - 1, section->path, name);
	struct config_table *t = config_table_find(c, path);
	char quoted[TOML_QUOTE_MAX];

	free(path);
	if (t != NULL)
		return t;
	path = xasprintf("%.*s", (int)strlen(section->path) - 2, section->path);
	if (wrong != NULL) {
		config_fail(c, from, path, "%s %s",
		    toml_quote(quoted, name, strlen(name)), wrong);
	} else if (c->table_count == CONFIG_MAX_TABLES) {
		if (!c->too_many)
			config_fail(c, from, path, "are more than %d", CONFIG_MAX_TABLES);
		c->too_many = true;
	} else {
		c->table_count++;
		t = table_new(c, section, name, from);
	}
	free(path);
	return t;
}

static void
make_fixed_tables(struct config *c)
{
	for (const struct config_row *row = config_rows; row->path != NULL; row++)
		if (row->type == CONFIG_TABLE && row->path[strlen(row->path) - 1] != '*')
			table_new(c, row, NULL, c->fallback);
}

/* ---- the file ---- */

/* Could it be the name of a key or a table of ours? If not it is only ever shown, in
 * quotes. */
static bool
is_plain(const char *name, size_t len)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return len > 0 && len <= NAME_MAX_LEN && strspn(name, plain) == len;
}

static void
walk_below(const struct walk *w, const struct toml_node *node,
    const struct config_row *row, const char *pattern, const char *path)
{
	struct config_from from = config_from_line(w->c, w->file, toml_line(node));
	struct config_table *into = NULL;
	size_t len;
	const char *name = toml_key(node, &len);

	if (toml_type(node) != TOML_TABLE) {
		config_fail(w->c, from, path, "must be a table ([%s]), not %s", path,
		    toml_type_name(toml_type(node)));
		return;
	}
	if (row != NULL)
		into = strcmp(row->path, path) == 0
			   ? config_table_find(w->c, path)
			   : config_table_named(
				 w->c, row, strlen(name) == len ? name : "", from);
	if (row == NULL || into != NULL)
		walk_table(w, node, pattern, path, into);
}

static void
walk_key(const struct walk *w, const struct toml_node *node, const struct config_row *row,
    const char *path, struct config_table *into)
{
	struct config_read r = {.c = w->c,
	    .row = row,
	    .path = path,
	    .from = config_from_line(w->c, w->file, toml_line(node)),
	    .out = config_table_value(into, config_row_key(row))};

	r.out->mentioned = true;
	config_read_node(&r, node);
}

static void
walk_unknown(const struct walk *w, const struct toml_node *node, const char *pattern,
    const char *path)
{
	const char *thing = toml_type(node) == TOML_TABLE ? "table" : "key";
	struct config_from from = config_from_line(w->c, w->file, toml_line(node));
	size_t len;
	const char *name = toml_key(node, &len);

	config_fail_unknown(
	    w->c, from, pattern, path, is_plain(name, len) ? name : "", thing);
}

static void
walk_child(const struct walk *w, const struct toml_node *node, const char *pattern,
    const char *path, struct config_table *into)
{
	size_t len;
	const char *name = toml_key(node, &len);
	const char *dot = *pattern == '\0' ? "" : ".";
	bool plain = is_plain(name, len);
	char quoted[TOML_QUOTE_MAX];
	const char *shown = plain ? name : toml_quote(quoted, name, len);
	char *below = xasprintf("%s%s%s", pattern, dot, plain ? name : "?");
	char *star = xasprintf("%s%s*", pattern, dot);
	char *full = xasprintf("%s%s%s", path, dot, shown);
	const struct config_row *row = config_row_find(below);

	if (row != NULL && row->type != CONFIG_TABLE)
		walk_key(w, node, row, full, into);
	else if (row != NULL || config_row_within(below))
		walk_below(w, node, row, below, full);
	else if (config_row_find(star) != NULL)
		walk_below(w, node, config_row_find(star), star, full);
	else
		walk_unknown(w, node, pattern, full);
	free(full);
	free(star);
	free(below);
}

/* Recursion ends with the rows' paths: what is no row's path is not walked into. */
static void
walk_table(const struct walk *w, const struct toml_node *node, const char *pattern,
    const char *path, struct config_table *into)
{
	for (const struct toml_node *n = toml_first(node); n != NULL; n = toml_next(n))
		walk_child(w, n, pattern, path, into);
}

/* False if it isn't TOML: then no more can be said. */
static bool
apply_file(struct config *c, const struct config_source *source)
{
	struct walk w = {c, source->name};
	struct toml_error error;
	struct toml *doc = toml_parse(source->name, source->text, source->len, &error);

	if (doc == NULL) {
		c->faults[c->fault_count++].text = arena_strdup(c->arena, error.text);
		return false;
	}
	walk_table(&w, toml_root(doc), "", "", NULL);
	toml_free(doc);
	return true;
}

/* ---- what is known only at the end ---- */

/* The machine's name as a host's name may be: "Box_1.lan" is "box-1", "3f2a" is "h3f2a".
 */
static void
default_host_name(struct config *c, const char *given)
{
	struct config_value *v = config_table_value(config_table_find(c, "host"), "name");
	char name[80] = "h";
	size_t used = 0;

	if (v->text != NULL)
		return;
	if (given != NULL)
		snprintf(name + 1, sizeof(name) - 1, "%s", given);
	else if (gethostname(name + 1, sizeof(name) - 1) != 0 || name[1] == '\0')
		snprintf(name, sizeof(name), "hlocalhost");
	name[sizeof(name) - 1] = '\0';
	for (char *p = name; *p != '\0' && *p != '.' && used < 63; p++) {
		char ch = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

		name[used++] =
		    (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ? ch : '-';
	}
	name[used] = '\0';
	v->text =
	    arena_strdup(c->arena, name[1] >= 'a' && name[1] <= 'z' ? name + 1 : name);
}

static void
check_required(struct config *c)
{
	struct buf words = BUF_INIT;

	for (struct config_table *t = c->tables; t != NULL; t = t->next) {
		for (size_t i = 0; i < config_row_keys(t->row); i++) {
			const struct config_row *row = &t->row[i + 1];

			if (!(row->flags & CONFIG_REQUIRED) || t->values[i].mentioned)
				continue;
			buf_clear(&words);
			if (row->type == CONFIG_ENUM)
				config_words(row, "\"", &words);
			config_fail(c, t->from, t->path, "%s is missing%s%s",
			    config_row_key(row), words.len > 0 ? ", one of " : "",
			    buf_str(&words));
		}
	}
	buf_free(&words);
}

struct config *
config_load(const struct config_source *source)
{
	struct config *c = xcalloc(1, sizeof(*c));

	c->arena = arena_new();
	c->tail = &c->tables;
	c->fallback = (struct config_from){FROM_DEFAULT, 0, "default"};
	make_fixed_tables(c);
	if (apply_file(c, source)) {
		if (source->environ != NULL)
			config_apply_environ(c, source->environ);
		check_required(c);
		config_cross_check(c);
		sort_faults(c);
	}
	default_host_name(c, source->host_name);
	return c;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_free(c->arena);
	free(c);
}

size_t
config_errors(const struct config *c)
{
	return c->fault_count > CONFIG_MAX_ERRORS ? CONFIG_MAX_ERRORS + 1
						  : c->fault_count;
}

const char *
config_error(const struct config *c, size_t index)
{
	return index < config_errors(c) ? c->faults[index].text : NULL;
}
