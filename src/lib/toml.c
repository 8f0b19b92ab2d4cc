/*
 * The TOML parser above the characters: tables, headers, arrays, and the tree. What may
 * still be added to a table follows from how it was made (enum toml_made); that is the
 * whole of TOML's rules about defining things twice. Every child of a table is in one
 * hash index of the document, keyed by (table, key), so a file of a hundred thousand keys
 * costs no more than its length.
 */
#include "toml.h"
#include "arena.h"
#include "toml_lex.h"
#include "xmalloc.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct toml {
	struct arena *arena;
	struct toml_node *root;
	struct toml_node **slots; /* open addressing, never more than half full */
	size_t slot_count;        /* a power of two */
	size_t used;
};

struct parser {
	struct toml_lex lex;
	struct toml *doc;
};

/* One part of a key, and where it stands. */
struct part {
	struct toml_text text;
	struct toml_pos at;
};

static bool parse_value(struct parser *p, struct toml_node *parent, const char *where,
    struct toml_node **out);

/* ---- the tree ---- */

static size_t
hash(const struct toml_node *table, const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)(uintptr_t)table; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 29);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct toml_node **
find_slot(
    const struct toml *doc, const struct toml_node *table, const char *key, size_t len)
{
	size_t i = hash(table, key, len) & (doc->slot_count - 1);

	for (;; i = (i + 1) & (doc->slot_count - 1)) {
		const struct toml_node *n = doc->slots[i];

		if (n == NULL || (n->parent == table && n->key_len == len &&
				     memcmp(n->key, key, len) == 0))
			return &doc->slots[i];
	}
}

static void
grow_index(struct toml *doc)
{
	struct toml_node **old = doc->slots;
	size_t count = doc->slot_count;

	doc->slot_count = count == 0 ? 64 : count * 2;
	doc->slots = xcalloc(doc->slot_count, sizeof(struct toml_node *));
	for (size_t i = 0; i < count; i++)
		if (old[i] != NULL)
			*find_slot(doc, old[i]->parent, old[i]->key, old[i]->key_len) =
			    old[i];
	free(old);
}

static struct toml_node *
find(const struct toml *doc, const struct toml_node *table, struct toml_text key)
{
	return *find_slot(doc, table, key.data, key.len);
}

static struct toml_node *
node_new(
    struct parser *p, struct toml_node *parent, enum toml_type type, struct toml_pos at)
{
	bool nests = type == TOML_TABLE || type == TOML_ARRAY;
	struct toml_node *n;

	if (nests && parent != NULL && parent->depth == TOML_MAX_DEPTH) {
		toml_fail(&p->lex, at, "tables and arrays nest at most %d deep",
		    TOML_MAX_DEPTH);
		return NULL;
	}
	n = arena_alloc(p->doc->arena, sizeof(*n));
	n->parent = parent;
	n->depth = (uint16_t)(parent == NULL ? 0 : parent->depth + 1);
	n->type = (uint8_t)type;
	n->line = at.line;
	n->column = at.column;
	n->key = "";
	return n;
}

static void
link_child(struct toml_node *parent, struct toml_node *child)
{
	if (parent->u.children.last == NULL)
		parent->u.children.first = child;
	else
		parent->u.children.last->next = child;
	parent->u.children.last = child;
	parent->u.children.count++;
}

static void
link_key(
    struct toml *doc, struct toml_node *table, struct toml_node *child, struct part part)
{
	child->key = part.text.data;
	child->key_len = (uint32_t)part.text.len;
	child->key_column = part.at.column;
	link_child(table, child);
	if (++doc->used * 2 > doc->slot_count)
		grow_index(doc);
	*find_slot(doc, table, child->key, child->key_len) = child;
}

static struct toml_node *
add_table(
    struct parser *p, struct toml_node *parent, struct part part, enum toml_made made)
{
	struct toml_node *n = node_new(p, parent, TOML_TABLE, part.at);

	if (n == NULL)
		return NULL;
	n->made = (uint8_t)made;
	link_key(p->doc, parent, n, part);
	return n;
}

/* ---- keys ---- */

static bool
fail_defined(struct parser *p, struct part part, const struct toml_node *old)
{
	char quoted[TOML_QUOTE_MAX];

	return toml_fail(&p->lex, part.at, "%s is already defined on line %u, as %s",
	    toml_quote(quoted, part.text.data, part.text.len), old->line,
	    toml_type_name(toml_type(old)));
}

static bool
fail_closed(struct parser *p, struct part part, const struct toml_node *old)
{
	char quoted[TOML_QUOTE_MAX];

	if (old->type != TOML_TABLE)
		return toml_fail(&p->lex, part.at,
		    "%s is %s, defined on line %u, and has no keys of its own",
		    toml_quote(quoted, part.text.data, part.text.len),
		    toml_type_name(toml_type(old)), old->line);
	if (old->made == MADE_INLINE)
		return toml_fail(&p->lex, part.at,
		    "the table %s is complete as written on line %u: add the key there, "
		    "inside { }",
		    toml_quote(quoted, part.text.data, part.text.len), old->line);
	return toml_fail(&p->lex, part.at,
	    "the table %s has a header, on line %u: add the key there",
	    toml_quote(quoted, part.text.data, part.text.len), old->line);
}

static bool
read_part(struct parser *p, struct part *part)
{
	toml_skip_space(&p->lex);
	part->at = p->lex.at;
	if (!toml_read_key(&p->lex, &part->text))
		return false;
	toml_skip_space(&p->lex);
	return true;
}

/* Into `a` of `a.b = 1`: only a table that dotted keys of the same section made may get
 * more. */
static struct toml_node *
descend_dotted(struct parser *p, struct toml_node *table, struct part part)
{
	struct toml_node *n = find(p->doc, table, part.text);

	if (n == NULL)
		return add_table(p, table, part, MADE_DOTTED);
	if (n->type == TOML_TABLE && n->made == MADE_DOTTED)
		return n;
	fail_closed(p, part, n);
	return NULL;
}

/* Into `a` of `[a.b]`: any table but an inline one; of an array of tables, its last. */
static struct toml_node *
descend_header(struct parser *p, struct toml_node *table, struct part part)
{
	struct toml_node *n = find(p->doc, table, part.text);

	if (n == NULL)
		return add_table(p, table, part, MADE_IMPLICIT);
	if (n->type == TOML_ARRAY && n->made == MADE_TABLES)
		return n->u.children.last;
	if (n->type == TOML_TABLE && n->made != MADE_INLINE)
		return n;
	fail_closed(p, part, n);
	return NULL;
}

/* ---- values ---- */

/* key = value, into the table or, by its dots, below it. */
static bool
parse_pair(struct parser *p, struct toml_node *table)
{
	struct toml_node *value;
	char quoted[TOML_QUOTE_MAX];
	struct part part;

	for (;;) {
		if (!read_part(p, &part))
			return false;
		if (!toml_take(&p->lex, '.'))
			break;
		table = descend_dotted(p, table, part);
		if (table == NULL)
			return false;
	}
	if (!toml_take(&p->lex, '='))
		return toml_fail(&p->lex, p->lex.at, "expected \"=\" after the key %s",
		    toml_quote(quoted, part.text.data, part.text.len));
	value = find(p->doc, table, part.text);
	if (value != NULL)
		return fail_defined(p, part, value);
	toml_skip_space(&p->lex);
	if (!parse_value(p, table, "after \"=\"", &value))
		return false;
	link_key(p->doc, table, value, part);
	return true;
}

static bool
parse_array(struct parser *p, struct toml_node *array)
{
	struct toml_node *item;

	toml_step(&p->lex);
	for (;;) {
		toml_skip_lines(&p->lex);
		if (toml_take(&p->lex, ']'))
			return true;
		if (!parse_value(p, array, "or \"]\"", &item))
			return false;
		link_child(array, item);
		toml_skip_lines(&p->lex);
		if (toml_take(&p->lex, ']'))
			return true;
		if (!toml_take(&p->lex, ','))
			return toml_fail(&p->lex, p->lex.at,
			    "expected \",\" or \"]\" in the array that begins on line %u",
			    array->line);
	}
}

static bool
fail_inline(struct parser *p, const struct toml_node *table)
{
	if (toml_peek(&p->lex) == '\n' || toml_peek(&p->lex) == '#')
		return toml_fail(&p->lex, p->lex.at,
		    "expected \"}\": a table in { } stays on one line, without a "
		    "comment");
	return toml_fail(&p->lex, p->lex.at,
	    "expected \",\" or \"}\" in the table that begins at column %u",
	    table->column);
}

static bool
parse_inline(struct parser *p, struct toml_node *table)
{
	toml_step(&p->lex);
	toml_skip_space(&p->lex);
	if (toml_take(&p->lex, '}'))
		return true;
	for (;;) {
		toml_skip_space(&p->lex);
		if (toml_peek(&p->lex) == '\n' || toml_peek(&p->lex) == '#')
			return fail_inline(p, table);
		if (toml_peek(&p->lex) == '}')
			return toml_fail(&p->lex, p->lex.at,
			    "expected a key: no comma before \"}\" in a table");
		if (!parse_pair(p, table))
			return false;
		toml_skip_space(&p->lex);
		if (toml_take(&p->lex, '}'))
			return true;
		if (!toml_take(&p->lex, ','))
			return fail_inline(p, table);
	}
}

/* A new node, not yet linked to its parent. */
static bool
parse_value(
    struct parser *p, struct toml_node *parent, const char *where, struct toml_node **out)
{
	int c = toml_peek(&p->lex);
	enum toml_type type = c == '{' ? TOML_TABLE : c == '[' ? TOML_ARRAY : TOML_STRING;
	struct toml_node *n = node_new(p, parent, type, p->lex.at);

	*out = n;
	if (n == NULL)
		return false;
	n->made = MADE_INLINE;
	if (c == '{')
		return parse_inline(p, n);
	if (c == '[')
		return parse_array(p, n);
	if (c == '"' || c == '\'')
		return toml_read_string(&p->lex, &n->u.string);
	return toml_read_scalar(&p->lex, n, where);
}

/* ---- headers ---- */

static struct toml_node *
open_table(struct parser *p, struct toml_node *parent, struct part part)
{
	struct toml_node *n = find(p->doc, parent, part.text);

	if (n == NULL)
		return add_table(p, parent, part, MADE_HEADER);
	if (n->type != TOML_TABLE || n->made != MADE_IMPLICIT) {
		fail_defined(p, part, n);
		return NULL;
	}
	n->made = MADE_HEADER;
	n->line = part.at.line;
	n->column = n->key_column = part.at.column;
	return n;
}

static struct toml_node *
open_element(struct parser *p, struct toml_node *parent, struct part part)
{
	struct toml_node *array = find(p->doc, parent, part.text);
	struct toml_node *n;

	if (array == NULL) {
		array = node_new(p, parent, TOML_ARRAY, part.at);
		if (array == NULL)
			return NULL;
		array->made = MADE_TABLES;
		link_key(p->doc, parent, array, part);
	} else if (array->type != TOML_ARRAY || array->made != MADE_TABLES) {
		fail_defined(p, part, array);
		return NULL;
	}
	n = node_new(p, array, TOML_TABLE, part.at);
	if (n == NULL)
		return NULL;
	n->made = MADE_HEADER;
	link_child(array, n);
	return n;
}

/* [a.b] or [[a.b]]: the table that the following lines fill, or NULL. */
static struct toml_node *
parse_header(struct parser *p)
{
	struct toml_node *table = p->doc->root;
	bool element = toml_ahead(&p->lex, "[[");
	struct part part;

	toml_step(&p->lex);
	if (element)
		toml_step(&p->lex);
	for (;;) {
		if (!read_part(p, &part))
			return NULL;
		if (!toml_take(&p->lex, '.'))
			break;
		table = descend_header(p, table, part);
		if (table == NULL)
			return NULL;
	}
	if (!toml_ahead(&p->lex, element ? "]]" : "]")) {
		toml_fail(&p->lex, p->lex.at,
		    "expected \"%s\" at the end of the table's name",
		    element ? "]]" : "]");
		return NULL;
	}
	toml_step(&p->lex);
	if (element)
		toml_step(&p->lex);
	table = element ? open_element(p, table, part) : open_table(p, table, part);
	return table != NULL && toml_end_of_line(&p->lex, "the table's name") ? table
									      : NULL;
}

static bool
parse_document(struct parser *p)
{
	struct toml_node *table = p->doc->root;

	for (;;) {
		toml_skip_lines(&p->lex);
		if (toml_peek(&p->lex) == -1)
			return true;
		if (toml_peek(&p->lex) == '[') {
			table = parse_header(p);
			if (table == NULL)
				return false;
		} else if (!parse_pair(p, table) ||
			   !toml_end_of_line(&p->lex, "the value")) {
			return false;
		}
	}
}

struct toml *
toml_parse(const char *name, const char *text, size_t len, struct toml_error *error)
{
	struct toml *doc = xcalloc(1, sizeof(*doc));
	struct parser p = {
	    .doc = doc, .lex = {.at = {1, 1}, .name = name, .error = error}};
	bool ok;

	p.lex.p = len == 0 ? "" : text;
	p.lex.end = p.lex.p + len;
	*error = (struct toml_error){0};
	doc->arena = p.lex.arena = arena_new();
	doc->root = node_new(&p, NULL, TOML_TABLE, p.lex.at);
	doc->root->made = MADE_HEADER;
	grow_index(doc);
	ok = len <= TOML_MAX_BYTES ||
	     toml_fail(&p.lex, p.lex.at, "the text is larger than 1 MiB");
	ok = ok && toml_check_bytes(&p.lex) && parse_document(&p);
	buf_free(&p.lex.scratch);
	if (ok)
		return doc;
	toml_free(doc);
	return NULL;
}

void
toml_free(struct toml *doc)
{
	if (doc == NULL)
		return;
	arena_free(doc->arena);
	free(doc->slots);
	free(doc);
}

/* ---- what the header promises ---- */

const struct toml_node *
toml_root(const struct toml *doc)
{
	return doc->root;
}

enum toml_type
toml_type(const struct toml_node *node)
{
	return (enum toml_type)node->type;
}

const char *
toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
	    [TOML_TABLE] = "a table",
	    [TOML_ARRAY] = "an array",
	    [TOML_STRING] = "a string",
	    [TOML_INTEGER] = "an integer",
	    [TOML_FLOAT] = "a float",
	    [TOML_BOOLEAN] = "a boolean",
	    [TOML_DATETIME] = "a date and time with offset",
	    [TOML_LOCAL_DATETIME] = "a date and time",
	    [TOML_LOCAL_DATE] = "a date",
	    [TOML_LOCAL_TIME] = "a time of day",
	};
	_Static_assert(
	    sizeof(names) / sizeof(*names) == TOML_TYPES, "a name for each type");

	return names[type];
}

unsigned
toml_line(const struct toml_node *node)
{
	return node->line;
}

unsigned
toml_column(const struct toml_node *node)
{
	return node->column;
}

unsigned
toml_key_column(const struct toml_node *node)
{
	return node->key_column;
}

const char *
toml_key(const struct toml_node *node, size_t *len)
{
	if (len != NULL)
		*len = node->key_len;
	return node->key;
}

static bool
has_children(const struct toml_node *node)
{
	return node->type == TOML_TABLE || node->type == TOML_ARRAY;
}

const struct toml_node *
toml_first(const struct toml_node *node)
{
	return has_children(node) ? node->u.children.first : NULL;
}

const struct toml_node *
toml_next(const struct toml_node *node)
{
	return node->next;
}

size_t
toml_count(const struct toml_node *node)
{
	return has_children(node) ? node->u.children.count : 0;
}

const struct toml_node *
toml_get(
    const struct toml *doc, const struct toml_node *table, const char *key, size_t len)
{
	return *find_slot(doc, table, key, len);
}

const char *
toml_str(const struct toml_node *node, size_t *len)
{
	assert(node->type == TOML_STRING);
	if (len != NULL)
		*len = node->u.string.len;
	return node->u.string.data;
}

int64_t
toml_int(const struct toml_node *node)
{
	assert(node->type == TOML_INTEGER);
	return node->u.integer;
}

double
toml_float(const struct toml_node *node)
{
	assert(node->type == TOML_FLOAT);
	return node->u.real;
}

bool
toml_bool(const struct toml_node *node)
{
	assert(node->type == TOML_BOOLEAN);
	return node->u.boolean;
}

const struct toml_time *
toml_time(const struct toml_node *node)
{
	assert(node->type >= TOML_DATETIME);
	return &node->u.time;
}
