/*
 * JSON that must fit into one line of the launcher's socket: what is too long keeps its
 * shape, and its longest strings are cut.
 */
#ifndef SHRINK_H
#define SHRINK_H
#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

/* A copy of `value` in doc, at most `max` bytes when written. *cut tells whether anything
 * was cut; a cut string ends in SHRINK_MARK. As a last resort only the strings, numbers
 * and booleans that an object has at its top are left; NULL if even that is too long. */
yyjson_mut_val *shrink_copy(
    yyjson_mut_doc *doc, yyjson_val *value, size_t max, bool *cut);
#define SHRINK_MARK " [cut]"
/* How long text is as a JSON string, quotes included; at most, not exactly. */
size_t shrink_string_len(const char *text, size_t len);
#endif
