/*
 * Variables BERTH__SECTION__KEY over the file. Parts are compared in lower case with '-'
 * as '_', so BERTH__AGENTS__MY_BOT__CWD finds the agent "my-bot", or makes it. What
 * follows a map's part is the entry's name as it is. Variables are taken in the order of
 * their names, so that errors don't depend on the environment's.
 */
#include "config_impl.h"
#include "arena.h"
#include "toml.h"
#include "xmalloc.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char prefix[] = "BERTH__";

enum { PART_MAX = 80, PATTERN_MAX = 256, SHOWN_MAX = 200 };

struct variable {
	struct config *c;
	struct config_from from;
	const char *rest; /* of the name, what isn't matched yet; NULL: nothing is left */
	const char *value;
	char pattern[PATTERN_MAX]; /* "agents.*" */
	char path[PATTERN_MAX];    /* "agents.demo" */
	struct config_table *table;
	const struct config_row *row; /* of a key */
};

static bool
same_part(const char *a, const char *b)
{
	for (; *a != '\0' || *b != '\0'; a++, b++) {
		int x = *a == '-' ? '_' : tolower((unsigned char)*a);
		int y = *b == '-' ? '_' : tolower((unsigned char)*b);

		if (x != y)
			return false;
	}
	return true;
}

/* The next part of the name, up to "__". */
static bool
next_part(struct variable *v, char part[static PART_MAX])
{
	const char *end = strstr(v->rest, "__");
	size_t len = end == NULL ? strlen(v->rest) : (size_t)(end - v->rest);

	if (len == 0 || len >= PART_MAX)
		return false;
	memcpy(part, v->rest, len);
	part[len] = '\0';
	v->rest = end == NULL ? NULL : end + 2;
	return true;
}

static bool
append(char out[static PATTERN_MAX], const char *part)
{
	size_t used = strlen(out);

	return snprintf(out + used, PATTERN_MAX - used, "%s%s", used == 0 ? "" : ".",
		   part) < (int)(PATTERN_MAX - used);
}

static bool
enter(struct variable *v, const char *in_pattern, const char *in_path)
{
	const struct config_row *row;

	if (!append(v->pattern, in_pattern) || !append(v->path, in_path))
		return false;
	row = config_row_find(v->pattern);
	if (row != NULL && row->type != CONFIG_TABLE)
		v->row = row;
	else if (row != NULL && v->table == NULL)
		v->table = config_table_find(v->c, v->path);
	return true;
}

static bool
enter_known(struct variable *v, const char *part)
{
	char known[PART_MAX] = "";
	size_t iter = 0;

	while (config_row_child(v->pattern, &iter, known, sizeof(known)))
		if (same_part(known, part))
			return enter(v, known, known);
	return false;
}

/* The agent that the part means: one of the file, or a new one with '-' for '_'. */
static struct config_table *
named_table(struct variable *v, const struct config_row *section, char *part)
{
	for (struct config_table *t = v->c->tables; t != NULL; t = t->next)
		if (t->row == section && same_part(t->name, part))
			return t;
	for (char *p = part; *p != '\0'; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	return config_table_named(v->c, section, part, v->from);
}

/* False: refused, and said so. */
static bool
enter_named(struct variable *v, const struct config_row *section, char *part)
{
	v->table = named_table(v, section, part);
	return v->table != NULL && enter(v, "*", v->table->name);
}

static void
fail_unknown(struct variable *v, const char *part)
{
	char path[2 * PATTERN_MAX];
	char lower[PART_MAX];
	size_t i = 0;

	for (; part[i] != '\0' && i + 1 < sizeof(lower); i++)
		lower[i] = (char)tolower((unsigned char)part[i]);
	lower[i] = '\0';
	snprintf(
	    path, sizeof(path), "%s%s%s", v->path, *v->path == '\0' ? "" : ".", lower);
	config_fail_unknown(
	    v->c, v->from, v->pattern, path, lower, v->rest == NULL ? "key" : "table");
}

/* From the name to a key's row; false: refused, and said so. */
static bool
match(struct variable *v)
{
	char star[PATTERN_MAX + 2];
	char part[PART_MAX];

	while (v->rest != NULL && v->row == NULL) {
		const struct config_row *section;

		if (!next_part(v, part)) {
			config_fail(v->c, v->from,
			    *v->path == '\0' ? "configuration" : v->path,
			    "the variable's name must be like %sSECTION__KEY", prefix);
			return false;
		}
		snprintf(star, sizeof(star), "%s.*", v->pattern);
		section = config_row_find(star);
		if (section != NULL) {
			if (!enter_named(v, section, part))
				return false;
		} else if (!enter_known(v, part)) {
			fail_unknown(v, part);
			return false;
		}
	}
	return true;
}

static void
set_whole(struct variable *v, struct config_value *out)
{
	struct config_read r = {v->c, v->row, v->path, v->from, out};

	if (out->from.origin == FROM_VARIABLE)
		config_fail(v->c, v->from, v->path, "is set by %s too", out->from.where);
	else
		config_read_text(&r, v->value);
}

static void
apply(struct variable *v)
{
	struct config_value *out;
	struct config_read r;

	if (!match(v))
		return;
	if (v->row == NULL) {
		config_fail(v->c, v->from, v->path,
		    "is a table: name a key in it (%s...__KEY)", prefix);
		return;
	}
	out = config_table_value(v->table, config_row_key(v->row));
	out->mentioned = true;
	r = (struct config_read){v->c, v->row, v->path, v->from, out};
	if (v->rest == NULL)
		set_whole(v, out);
	else if (v->row->type == CONFIG_MAP)
		config_read_entry(&r, v->rest, v->value);
	else
		config_fail(v->c, v->from, v->path,
		    "has nothing below it: \"%.40s\" is too much", v->rest);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Not "name" alone: what has no '=' is no variable. */
static bool
is_ours(const char *variable)
{
	return strncasecmp(variable, prefix, sizeof(prefix) - 1) == 0 &&
	       strchr(variable, '=') != NULL;
}

static void
apply_one(struct config *c, const char *variable)
{
	size_t len = strcspn(variable, "=");
	char *name = arena_strndup(c->arena, variable, len);
	struct variable v = {
	    .c = c, .rest = name + sizeof(prefix) - 1, .value = variable + len + 1};
	char quoted[TOML_QUOTE_MAX];

	for (const char *p = name; *p != '\0'; p++) {
		if (isalnum((unsigned char)*p) || *p == '_' || *p == '-')
			continue;
		toml_quote(quoted, name,
		    len); /* anything can stand there; a log line must stay one */
		v.from = (struct config_from){FROM_VARIABLE, 0, "environment"};
		config_fail(
		    c, v.from, quoted, "is no name of a variable (A-Z, 0-9 and \"_\")");
		return;
	}
	v.from = (struct config_from){FROM_VARIABLE, 0,
	    len <= SHOWN_MAX ? name : arena_printf(c->arena, "%.*s...", SHOWN_MAX, name)};
	apply(&v);
}

void
config_apply_environ(struct config *c, char *const *variables)
{
	const char **ours;
	size_t count = 0, all = 0;

	while (variables[all] != NULL)
		all++;
	ours = xreallocarray(NULL, all + 1, sizeof(*ours));
	for (size_t i = 0; i < all; i++)
		if (is_ours(variables[i]))
			ours[count++] = variables[i];
	qsort(ours, count, sizeof(*ours), by_name);
	for (size_t i = 0; i < count; i++)
		apply_one(c, ours[i]);
	free(ours);
}
