/*
 * Helpers over yyjson. What comes in is checked once, here: nesting is counted before
 * parsing, so that no recursion elsewhere can be driven deep. What goes out is always
 * valid UTF-8 on one line.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "utf8.h"

enum { MAX_DEPTH = 64 };

/* Brackets outside of strings. Text that is no JSON may be misjudged: the parser refuses
 * it anyway. */
static bool
too_deep(const char *text, size_t len)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{') && ++depth > MAX_DEPTH)
			return true;
		else if (!quoted && (c == ']' || c == '}'))
			depth--;
	}
	return false;
}

yyjson_doc *
json_parse(const char *text, size_t len, const char **why)
{
	yyjson_read_err error = {0};

	*why = NULL;
	if (too_deep(text, len)) {
		*why = "nested deeper than 64";
		return NULL;
	}
	/* Without YYJSON_READ_INSITU the text is only read. */
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, 0, NULL, &error);
	if (doc == NULL && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		fatalx(EXIT_SYSTEM, "out of memory: JSON of %zu bytes", len);
	if (doc == NULL)
		*why = error.msg == NULL ? "not JSON" : error.msg;
	return doc;
}

/* ---- looking up ---- */

yyjson_val *
json_get(yyjson_val *object, const char *key)
{
	return yyjson_obj_get(object, key);
}

const char *
json_str(yyjson_val *object, const char *key, const char *otherwise)
{
	yyjson_val *value = json_get(object, key);
	const char *text = yyjson_get_str(value);

	return text != NULL && strlen(text) == yyjson_get_len(value) ? text : otherwise;
}

int64_t
json_int(yyjson_val *object, const char *key, int64_t otherwise)
{
	yyjson_val *value = json_get(object, key);

	if (!yyjson_is_int(value))
		return otherwise;
	if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)
		return otherwise;
	return yyjson_get_sint(value);
}

bool
json_bool(yyjson_val *object, const char *key, bool otherwise)
{
	yyjson_val *value = json_get(object, key);

	return yyjson_is_bool(value) ? yyjson_get_bool(value) : otherwise;
}

/* ---- building ---- */

static void
must(bool done)
{
	if (!done)
		fatalx(EXIT_SYSTEM, "out of memory: JSON");
}

yyjson_mut_doc *
json_object(void)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

	must(doc != NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	must(root != NULL);
	yyjson_mut_doc_set_root(doc, root);
	return doc;
}

/* NULL as value: out of memory. */
static void
add(yyjson_mut_doc *doc, const char *key, yyjson_mut_val *value)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *name = yyjson_mut_strcpy(doc, key);

	if (!yyjson_mut_is_obj(root))
		fatalx(EXIT_BUG, "json: \"%s\" added to what is no object", key);
	must(value != NULL && name != NULL && yyjson_mut_obj_add(root, name, value));
}

void
json_add_str(yyjson_mut_doc *doc, const char *key, const char *text)
{
	if (text == NULL)
		add(doc, key, yyjson_mut_null(doc));
	else
		json_add_strn(doc, key, text, strlen(text));
}

void
json_add_strn(yyjson_mut_doc *doc, const char *key, const char *text, size_t len)
{
	struct buf repaired = BUF_INIT;

	if (text != NULL && utf8_valid(text, len)) {
		add(doc, key, yyjson_mut_strncpy(doc, text, len));
		return;
	}
	if (text == NULL) {
		add(doc, key, yyjson_mut_null(doc));
		return;
	}
	utf8_repair(&repaired, text, len);
	add(doc, key, yyjson_mut_strncpy(doc, repaired.data, repaired.len));
	buf_free(&repaired);
}

void
json_add_int(yyjson_mut_doc *doc, const char *key, int64_t value)
{
	add(doc, key, yyjson_mut_sint(doc, value));
}

void
json_add_bool(yyjson_mut_doc *doc, const char *key, bool value)
{
	add(doc, key, yyjson_mut_bool(doc, value));
}

void
json_add_raw(yyjson_mut_doc *doc, const char *key, const char *json_text)
{
	const char *why;
	yyjson_doc *parsed =
	    json_text == NULL ? NULL : json_parse(json_text, strlen(json_text), &why);

	json_add_val(doc, key, yyjson_doc_get_root(parsed));
	yyjson_doc_free(parsed);
}

void
json_add_val(yyjson_mut_doc *doc, const char *key, yyjson_val *value)
{
	add(doc, key,
	    value == NULL ? yyjson_mut_null(doc) : yyjson_val_mut_copy(doc, value));
}

/* Written with its invalid bytes as they are, and repaired: they can only be inside of
 * strings. */
static char *
write_repaired(yyjson_mut_doc *doc, size_t *len)
{
	struct buf out = BUF_INIT;
	char *raw = yyjson_mut_write_opts(doc,
	    YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_INF_AND_NAN_AS_NULL, NULL,
	    len, NULL);

	must(raw != NULL);
	utf8_repair(&out, raw, *len);
	free(raw);
	*len = out.len;
	return buf_take(&out);
}

char *
json_line(yyjson_mut_doc *doc, size_t *len)
{
	yyjson_write_err error = {0};
	char *line = yyjson_mut_write_opts(
	    doc, YYJSON_WRITE_INF_AND_NAN_AS_NULL, NULL, len, &error);

	if (line == NULL && error.code == YYJSON_WRITE_ERROR_INVALID_STRING)
		line = write_repaired(doc, len);
	if (line == NULL)
		fatalx(EXIT_BUG, "json: cannot write: %s", error.msg);
	yyjson_mut_doc_free(doc);
	return line;
}
