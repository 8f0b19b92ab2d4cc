/*
 * One value: from a TOML node or from a variable's text to what the row says it is, or a
 * sentence why not. A refused value leaves the old one (the default) in place. Everything
 * is copied into the configuration's arena, so the TOML document can go.
 */
#include "config_impl.h"
#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "nearest.h"
#include "toml.h"
#include "utf8.h"
#include "xmalloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
fail(const struct config_read *r, const char *sentence)
{
	config_fail(r->c, r->from, r->path, "%s", sentence);
	return false;
}

/* `"x" is not ...`; where a secret may stand: `the value is not ...` */
static bool
fail_text(const struct config_read *r, const char *text, const char *wrong)
{
	char quoted[TOML_QUOTE_MAX] = "the value";

	if (!(r->row->flags & CONFIG_SECRET))
		toml_quote(quoted, text, strlen(text));
	config_fail(r->c, r->from, r->path, "%s %s", quoted, wrong);
	return false;
}

static const char *
wanted(const struct config_row *row)
{
	static const char *const names[] = {
	    [CONFIG_TABLE] = "a table",
	    [CONFIG_STRING] = "a string",
	    [CONFIG_INTEGER] = "an integer",
	    [CONFIG_BOOLEAN] = "true or false",
	    [CONFIG_DURATION] =
		"a duration in quotes, such as \"500ms\", \"30s\" or \"1h30m\"",
	    [CONFIG_ENUM] = "a string",
	    [CONFIG_LIST] = "a list of strings, such as [\"a\", \"b\"]",
	    [CONFIG_MAP] = "a table of strings, such as { NAME = \"text\" }",
	};

	return names[row->type];
}

static bool
fail_type(const struct config_read *r, const char *got)
{
	config_fail(r->c, r->from, r->path, "must be %s, not %s", wanted(r->row), got);
	return false;
}

static void
given(const struct config_read *r)
{
	r->out->from = r->from;
	r->out->given = r->from.origin != FROM_DEFAULT;
}

/* ---- durations ---- */

const char *
config_duration(int64_t ms, char *out, size_t size)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
	    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
	size_t used = 0;

	if (ms <= 0) {
		snprintf(out, size, "%s", ms < 0 ? "never" : "0s");
		return out;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (ms < units[i].ms)
			continue;
		used += (size_t)snprintf(out + used, used < size ? size - used : 0,
		    "%lld%s", (long long)(ms / units[i].ms), units[i].name);
		ms %= units[i].ms;
	}
	return out;
}

static const char *
number_text(const struct config_row *row, int64_t number, char *out, size_t size)
{
	if (row->type == CONFIG_DURATION)
		return config_duration(number, out, size);
	snprintf(out, size, "%lld", (long long)number);
	return out;
}

void
config_range(const struct config_row *row, struct buf *out)
{
	char text[64];

	buf_adds(out, number_text(row, row->min, text, sizeof(text)));
	buf_adds(out, " to ");
	buf_adds(out, number_text(row, row->max, text, sizeof(text)));
	if (row->flags & CONFIG_NEVER)
		buf_adds(out, ", or never");
}

static bool
take_number(const struct config_read *r, int64_t number)
{
	const char *wrong =
	    r->row->check_number == NULL ? NULL : r->row->check_number(number);
	struct buf range = BUF_INIT;
	char text[64];

	number_text(r->row, number, text, sizeof(text));
	if (wrong != NULL) {
		config_fail(r->c, r->from, r->path, "%s %s", text, wrong);
		return false;
	}
	if (number < r->row->min || number > r->row->max) {
		config_range(r->row, &range);
		config_fail(
		    r->c, r->from, r->path, "must be %s, not %s", buf_str(&range), text);
		buf_free(&range);
		return false;
	}
	given(r);
	r->out->number = number;
	return true;
}

static bool
take_duration(const struct config_read *r, const char *text)
{
	int64_t ms;

	if ((r->row->flags & CONFIG_NEVER) && strcmp(text, "never") == 0) {
		given(r);
		r->out->number = -1;
		return true;
	}
	if (!duration_parse(text, &ms))
		return fail_text(r, text,
		    r->row->flags & CONFIG_NEVER
			? "is not a duration (\"500ms\", \"30s\", \"1h30m\") or \"never\""
			: "is not a duration (\"500ms\", \"30s\", \"1h30m\")");
	return take_number(r, ms);
}

/* ---- texts ---- */

void
config_words(const struct config_row *row, const char *quote, struct buf *out)
{
	for (const char *const *w = row->words; *w != NULL; w++)
		buf_addf(out, "%s%s%s%s", w == row->words ? "" : ", ", quote, *w, quote);
}

static bool
take_enum(const struct config_read *r, const char *text)
{
	struct nearest near = {.typed = text};
	struct buf wrong = BUF_INIT;

	for (const char *const *w = r->row->words; *w != NULL; w++) {
		if (strcmp(*w, text) == 0) {
			given(r);
			r->out->text = *w;
			return true;
		}
		nearest_try(&near, *w);
	}
	buf_addf(&wrong, "is not %s (", r->row->noun);
	config_words(r->row, "", &wrong);
	buf_addc(&wrong, ')');
	if (near.best != NULL)
		buf_addf(&wrong, "; did you mean \"%s\"?", near.best);
	fail_text(r, text, buf_str(&wrong));
	buf_free(&wrong);
	return false;
}

/* An empty text is how a variable takes back what the file sets, where nothing is a
 * choice. */
static bool
take_string(const struct config_read *r, const char *text)
{
	bool unset = *text == '\0' && r->row->initial == NULL;
	const char *wrong = unset || r->row->check == NULL ? NULL : r->row->check(text);

	if (wrong != NULL)
		return fail_text(r, text, wrong);
	given(r);
	r->out->given = r->out->given && !unset;
	r->out->text = unset ? NULL : arena_strdup(r->c->arena, text);
	return true;
}

static bool
take_text(const struct config_read *r, const char *text)
{
	if (r->row->type == CONFIG_DURATION)
		return take_duration(r, text);
	if (r->row->type == CONFIG_ENUM)
		return take_enum(r, text);
	return take_string(r, text);
}

/* NULL, having said so, if the node is no string or holds a NUL, which no C program gets
 * to see whole. `which` is "" or names the list's entry. */
static const char *
string_node(const struct config_read *r, const struct toml_node *node, const char *which)
{
	const char *text;
	size_t len;

	if (toml_type(node) != TOML_STRING) {
		config_fail(r->c, r->from, r->path, "%smust be a string, not %s", which,
		    toml_type_name(toml_type(node)));
		return NULL;
	}
	text = toml_str(node, &len);
	if (strlen(text) == len)
		return text;
	config_fail(r->c, r->from, r->path, "%smust not hold a NUL character", which);
	return NULL;
}

/* ---- lists and maps ---- */

enum { MAX_ITEMS = 1000 };

static bool
fail_many(const struct config_read *r)
{
	config_fail(r->c, r->from, r->path, "has more than %d entries", MAX_ITEMS);
	return false;
}

struct config_from
config_from_line(struct config *c, const char *file, unsigned line)
{
	return (struct config_from){
	    FROM_LINE, line, arena_printf(c->arena, "%s:%u", file, line)};
}

/* The place of a node inside a value: its own line where there is a file, else the
 * variable. */
static struct config_from
inner_from(const struct config_read *r, const struct toml_node *node)
{
	const char *colon = strrchr(r->from.where, ':');

	if (r->from.origin != FROM_LINE || toml_line(node) == r->from.line ||
	    colon == NULL)
		return r->from;
	return (struct config_from){FROM_LINE, toml_line(node),
	    arena_printf(r->c->arena, "%.*s:%u", (int)(colon - r->from.where),
		r->from.where, toml_line(node))};
}

static bool
take_item(const struct config_read *r, const char *text, struct config_item *out)
{
	const char *wrong = r->row->check == NULL ? NULL : r->row->check(text);

	if (wrong != NULL)
		return fail_text(r, text, wrong);
	*out = (struct config_item){
	    .text = arena_strdup(r->c->arena, text), .from = r->from};
	return true;
}

/* `count` nodes from the first on. The first that is refused is the one that is told. */
static bool
read_items(const struct config_read *list, const struct toml_node *node, size_t count)
{
	struct config_item *items =
	    arena_alloc(list->c->arena, (count + 1) * sizeof(*items));
	struct config_read r = *list;

	if (count > MAX_ITEMS)
		return fail_many(list);
	for (size_t i = 0; i < count; i++, node = toml_next(node)) {
		char which[40];
		const char *text;

		r.from = inner_from(list, node);
		snprintf(which, sizeof(which), "entry %zu ", i + 1);
		text = string_node(&r, node, which);
		if (text == NULL || !take_item(&r, text, &items[i]))
			return false;
	}
	given(list);
	list->out->items = items;
	list->out->count = count;
	return true;
}

static bool
take_single(const struct config_read *r, const char *text)
{
	struct config_item *item = arena_alloc(r->c->arena, sizeof(*item));

	if (!take_item(r, text, item))
		return false;
	given(r);
	r->out->items = item;
	r->out->count = 1;
	return true;
}

static bool
read_list(const struct config_read *r, const struct toml_node *node)
{
	if (toml_type(node) == TOML_ARRAY)
		return read_items(r, toml_first(node), toml_count(node));
	if (toml_type(node) == TOML_STRING && (r->row->flags & CONFIG_ONE))
		return read_items(r, node, 1);
	return fail_type(r, toml_type_name(toml_type(node)));
}

static struct config_item *
add_entry(const struct config_read *r)
{
	struct config_value *v = r->out;

	if ((v->count & (v->count - 1)) == 0) { /* 0, 1, 2, 4 ... are full */
		struct config_item *more =
		    arena_alloc(r->c->arena, (v->count * 2 + 1) * sizeof(*more));

		if (v->count > 0)
			memcpy(more, v->items, v->count * sizeof(*more));
		v->items = more;
	}
	return &v->items[v->count++];
}

static bool
put_entry(const struct config_read *r, const char *name, const char *text)
{
	struct config_value *v = r->out;
	struct config_item *item = v->items;

	while (
	    item != NULL && item < v->items + v->count && strcmp(item->name, name) != 0)
		item++;
	if (item == NULL || item == v->items + v->count) {
		if (v->count == MAX_ITEMS)
			return fail_many(r);
		item = add_entry(r);
	} else if (r->from.origin == FROM_VARIABLE &&
		   item->from.origin == FROM_VARIABLE) {
		config_fail(r->c, r->from, r->path, "is set by %s too", item->from.where);
		return false;
	}
	item->name = arena_strdup(r->c->arena, name);
	item->text = arena_strdup(r->c->arena, text);
	item->from = r->from;
	v->given = true;
	return true;
}

/* False, having said so, unless an entry may have this name. */
static bool
check_entry_name(const struct config_read *r, const char *name, size_t len)
{
	char quoted[TOML_QUOTE_MAX] = "this";
	const char *wrong;

	if (strlen(name) != len)
		wrong = "is no name: it holds a NUL character";
	else
		wrong = r->row->check_name == NULL ? NULL : r->row->check_name(name);
	if (wrong == NULL)
		return true;
	if (!(r->row->flags & CONFIG_SECRET))
		toml_quote(quoted, name, len);
	config_fail(r->c, r->from, r->path, "%s %s", quoted, wrong);
	return false;
}

/* An entry whose name is checked; r->path is the entry's. */
static bool
take_entry(const struct config_read *r, const char *name, const char *text)
{
	const char *wrong = r->row->check == NULL ? NULL : r->row->check(text);

	return wrong == NULL ? put_entry(r, name, text) : fail_text(r, text, wrong);
}

static bool
read_node_entry(const struct config_read *map, const struct toml_node *node)
{
	struct config_read r = *map;
	size_t len;
	const char *name = toml_key(node, &len);
	const char *text;
	bool ok;
	char *path;

	r.from = inner_from(map, node);
	if (!check_entry_name(&r, name, len))
		return false;
	r.path = path = xasprintf("%s.%s", map->path, name);
	text = string_node(&r, node, "");
	ok = text != NULL && take_entry(&r, name, text);
	free(path);
	return ok;
}

static bool
read_map(const struct config_read *map, const struct toml_node *node)
{
	bool ok = true;

	if (toml_type(node) != TOML_TABLE)
		return fail_type(map, toml_type_name(toml_type(node)));
	given(map);
	map->out->count = 0;
	map->out->items = NULL;
	for (const struct toml_node *n = toml_first(node); n != NULL; n = toml_next(n))
		ok = read_node_entry(map, n) && ok;
	return ok;
}

/* ---- from a file, from a variable ---- */

bool
config_read_node(const struct config_read *r, const struct toml_node *node)
{
	enum toml_type type = toml_type(node);
	const char *text;

	switch (r->row->type) {
	case CONFIG_INTEGER:
		return type == TOML_INTEGER ? take_number(r, toml_int(node))
					    : fail_type(r, toml_type_name(type));
	case CONFIG_BOOLEAN:
		if (type != TOML_BOOLEAN)
			return fail_type(r, toml_type_name(type));
		given(r);
		r->out->number = toml_bool(node);
		return true;
	case CONFIG_LIST:
		return read_list(r, node);
	case CONFIG_MAP:
		return read_map(r, node);
	default:
		if (type != TOML_STRING)
			return fail_type(r, toml_type_name(type));
		text = string_node(r, node, "");
		return text != NULL && take_text(r, text);
	}
}

/* Numbers, booleans, lists and maps are written as in TOML, so they are read as TOML: `v
 * = text`. */
static bool
read_as_toml(const struct config_read *r, const char *text)
{
	char *line = xasprintf("v = %s", text);
	struct toml_error error;
	struct toml *doc = toml_parse("", line, strlen(line), &error);
	char quoted[TOML_QUOTE_MAX] = "what the variable says";
	bool ok;

	if (r->row->type == CONFIG_INTEGER || r->row->type == CONFIG_BOOLEAN)
		toml_quote(quoted, text, strlen(text));
	if (doc == NULL || toml_count(toml_root(doc)) != 1)
		ok = fail_type(r, quoted);
	else
		ok = config_read_node(r, toml_first(toml_root(doc)));
	toml_free(doc);
	free(line);
	return ok;
}

bool
config_read_text(const struct config_read *r, const char *text)
{
	if (!utf8_valid(text, strlen(text)))
		return fail(r, "must be UTF-8 text");
	if (r->row->type == CONFIG_STRING || r->row->type == CONFIG_ENUM ||
	    r->row->type == CONFIG_DURATION)
		return take_text(r, text);
	if ((r->row->flags & CONFIG_ONE) && *text != '[')
		return take_single(r, text);
	return read_as_toml(r, text);
}

bool
config_read_entry(const struct config_read *map, const char *name, const char *text)
{
	struct config_read r = *map;
	bool ok;
	char *path;

	if (!check_entry_name(&r, name, strlen(name)))
		return false;
	r.path = path = xasprintf("%s.%s", map->path, name);
	ok = utf8_valid(text, strlen(text)) ? take_entry(&r, name, text)
					    : fail(&r, "must be UTF-8 text");
	free(path);
	return ok;
}
