/* Values of a loaded configuration, by path. A path that isn't there is a bug, and says
 * which. */
#include "config_impl.h"
#include "log.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PATH = 256 };

struct found {
	const struct config_row *row;
	const struct config_value *value;
};

static void make_path(char out[static MAX_PATH], const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
static struct found find(const struct config *c, unsigned types, const char *format,
    va_list ap) __attribute__((format(printf, 3, 0)));

static void
make_path(char out[static MAX_PATH], const char *format, va_list ap)
{
	int len = vsnprintf(out, MAX_PATH, format, ap);

	if (len < 0 || len >= MAX_PATH)
		fatalx(EXIT_BUG, "config: the path %s... is too long", out);
}

static struct found
find(const struct config *c, unsigned types, const char *format, va_list ap)
{
	char path[MAX_PATH];
	const struct config_table *t = NULL;
	const struct config_value *v = NULL;
	const struct config_row *row;
	char *dot;

	make_path(path, format, ap);
	dot = strrchr(path, '.');
	if (dot != NULL) {
		*dot = '\0';
		t = config_table_find(c, path);
		*dot = '.';
	}
	if (t != NULL)
		v = config_table_value(t, dot + 1);
	if (v == NULL)
		fatalx(EXIT_BUG, "config: there is no %s", path);
	row = &t->row[1 + (v - t->values)];
	if (!(types & 1u << row->type))
		fatalx(EXIT_BUG, "config: %s is not of the type asked for", path);
	return (struct found){row, v};
}

/* What each getter begins with; va_start must stand in the variadic function itself. */
#define FIND(f, types)                                                                   \
	va_list ap;                                                                      \
	struct found f;                                                                  \
	va_start(ap, path);                                                              \
	f = find(c, (types), path, ap);                                                  \
	va_end(ap)

enum {
	TEXTS = 1u << CONFIG_STRING | 1u << CONFIG_ENUM,
	SETS = 1u << CONFIG_LIST | 1u << CONFIG_MAP,
	ALL = ~0u >> 1
};

const char *
config_str(const struct config *c, const char *path, ...)
{
	FIND(f, TEXTS);
	return f.value->text;
}

int64_t
config_int(const struct config *c, const char *path, ...)
{
	FIND(f, 1u << CONFIG_INTEGER);
	return f.value->number;
}

bool
config_bool(const struct config *c, const char *path, ...)
{
	FIND(f, 1u << CONFIG_BOOLEAN);
	return f.value->number != 0;
}

int64_t
config_ms(const struct config *c, const char *path, ...)
{
	FIND(f, 1u << CONFIG_DURATION);
	return f.value->number;
}

bool
config_given(const struct config *c, const char *path, ...)
{
	FIND(f, ALL);
	return f.value->given;
}

const char *
config_where(const struct config *c, const char *path, ...)
{
	FIND(f, ALL);
	return f.value->from.where;
}

enum config_when
config_when(const struct config *c, const char *path, ...)
{
	FIND(f, ALL);
	return f.row->when;
}

static const struct config_item *
item_at(struct found f, size_t index)
{
	if (index >= f.value->count)
		fatalx(EXIT_BUG, "config: %s has no entry %zu", f.row->path, index);
	return &f.value->items[index];
}

const char *
config_at(const struct config *c, size_t index, const char *path, ...)
{
	FIND(f, SETS);
	return item_at(f, index)->text;
}

const char *
config_where_at(const struct config *c, size_t index, const char *path, ...)
{
	FIND(f, SETS);
	return item_at(f, index)->from.where;
}

/* "agents" is the tables of the section "agents.*" */
static bool
is_tables(const struct config_table *t, const char *path)
{
	size_t len = strlen(path);

	return t->name != NULL && strncmp(t->row->path, path, len) == 0 &&
	       strcmp(t->row->path + len, ".*") == 0;
}

static bool
names_tables(const char *path)
{
	char pattern[MAX_PATH + 2];

	snprintf(pattern, sizeof(pattern), "%s.*", path);
	return config_row_find(pattern) != NULL;
}

static size_t
count_tables(const struct config *c, const char *path)
{
	size_t count = 0;

	for (const struct config_table *t = c->tables; t != NULL; t = t->next)
		count += is_tables(t, path);
	return count;
}

static const char *
table_name(const struct config *c, size_t index, const char *path)
{
	for (const struct config_table *t = c->tables; t != NULL; t = t->next)
		if (is_tables(t, path) && index-- == 0)
			return t->name;
	fatalx(EXIT_BUG, "config: %s has fewer tables than asked for", path);
}

size_t
config_count(const struct config *c, const char *path, ...)
{
	char text[MAX_PATH];
	struct found f;
	va_list ap;

	va_start(ap, path);
	make_path(text, path, ap);
	va_end(ap);
	if (names_tables(text))
		return count_tables(c, text);
	va_start(ap, path);
	f = find(c, SETS, path, ap);
	va_end(ap);
	return f.value->count;
}

const char *
config_name_at(const struct config *c, size_t index, const char *path, ...)
{
	char text[MAX_PATH];
	struct found f;
	va_list ap;

	va_start(ap, path);
	make_path(text, path, ap);
	va_end(ap);
	if (names_tables(text))
		return table_name(c, index, text);
	va_start(ap, path);
	f = find(c, 1u << CONFIG_MAP, path, ap);
	va_end(ap);
	return item_at(f, index)->name;
}

bool
config_has(const struct config *c, const char *name, const char *path, ...)
{
	char text[MAX_PATH];
	size_t count;
	va_list ap;

	va_start(ap, path);
	make_path(text, path, ap);
	va_end(ap);
	count = config_count(c, "%s", text);
	for (size_t i = 0; i < count; i++)
		if (strcmp(config_name_at(c, i, "%s", text), name) == 0)
			return true;
	return false;
}
