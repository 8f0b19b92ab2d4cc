/*
 * Small helpers over yyjson (include <yyjson.h> for the rest): typed look-ups in objects
 * that came from outside, and building one-line answers.
 */
#ifndef JSON_H
#define JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

/* Parses exactly one value; NULL with a sentence in *why (static) if it is not JSON or
 * nested deeper than 64. */
yyjson_doc *json_parse(const char *text, size_t len, const char **why);

/* Members of an object; `otherwise` if absent, null or of another type. Strings are
 * borrowed from the document; a string with a NUL byte inside counts as absent. */
const char *json_str(yyjson_val *object, const char *key, const char *otherwise);
int64_t json_int(yyjson_val *object, const char *key, int64_t otherwise);
bool json_bool(yyjson_val *object, const char *key, bool otherwise);
/* NULL if absent; object may be NULL. */
yyjson_val *json_get(yyjson_val *object, const char *key);

/* The mutable document as one line (no newline), malloc'd, *len set. Frees the document.
 * Bytes that are not UTF-8 are replaced by U+FFFD before, so it cannot fail. */
char *json_line(yyjson_mut_doc *doc, size_t *len);
/* An empty object as root of a new document. */
yyjson_mut_doc *json_object(void);
/* Adds to the root object, copying; NULL text adds null. Invalid UTF-8 is replaced by
 * U+FFFD. */
void json_add_str(yyjson_mut_doc *doc, const char *key, const char *text);
void json_add_strn(yyjson_mut_doc *doc, const char *key, const char *text, size_t len);
void json_add_int(yyjson_mut_doc *doc, const char *key, int64_t value);
void json_add_bool(yyjson_mut_doc *doc, const char *key, bool value);
/* Adds a value parsed from text (as the database has it); null if it does not parse. */
void json_add_raw(yyjson_mut_doc *doc, const char *key, const char *json_text);
/* Adds a deep copy of a parsed value; null if NULL. */
void json_add_val(yyjson_mut_doc *doc, const char *key, yyjson_val *value);
#endif
