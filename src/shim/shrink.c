/* Tries shorter and shorter limits for every string until the whole fits. */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static const size_t limits[] = {
    512 << 10, 128 << 10, 32 << 10, 8 << 10, 2 << 10, 256, 64};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };

size_t
shrink_string_len(const char *text, size_t len)
{
	/* an invalid byte becomes U+FFFD, three bytes */
	size_t high = utf8_valid(text, len) ? 1 : 3, sum = 2;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		sum += c >= 0x80 ? high : c < 0x20 ? 6 : c == '"' || c == '\\' ? 2 : 1;
	}
	return sum;
}

/* Not in the middle of a character. */
static size_t
cut_at(const char *text, size_t limit)
{
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

static yyjson_mut_val *
copy_string(yyjson_mut_doc *doc, yyjson_val *value, size_t limit)
{
	const char *text = yyjson_get_str(value);
	size_t len = yyjson_get_len(value);
	yyjson_mut_val *out;
	char *shorter;

	if (len <= limit)
		return yyjson_mut_strncpy(doc, text, len);
	len = cut_at(text, limit);
	shorter = malloc(len + sizeof(SHRINK_MARK));
	if (shorter == NULL)
		return NULL;
	memcpy(shorter, text, len);
	memcpy(shorter + len, SHRINK_MARK, sizeof(SHRINK_MARK));
	out = yyjson_mut_strncpy(doc, shorter, len + sizeof(SHRINK_MARK) - 1);
	free(shorter);
	return out;
}

static yyjson_mut_val *copy_cut(
    yyjson_mut_doc *doc, yyjson_val *value, size_t limit, bool flat);

static yyjson_mut_val *
copy_members(yyjson_mut_doc *doc, yyjson_val *object, size_t limit, bool flat)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	size_t i, max;
	yyjson_val *key, *member;

	yyjson_obj_foreach(object, i, max, key, member)
	{
		if (flat && yyjson_is_ctn(member))
			continue;
		yyjson_mut_obj_add(out,
		    yyjson_mut_strncpy(doc, yyjson_get_str(key), yyjson_get_len(key)),
		    copy_cut(doc, member, limit, false));
	}
	return out;
}

static yyjson_mut_val *
copy_cut(yyjson_mut_doc *doc, yyjson_val *value, size_t limit, bool flat)
{
	yyjson_mut_val *out;
	size_t i, max;
	yyjson_val *element;

	if (yyjson_is_str(value))
		return copy_string(doc, value, limit);
	if (yyjson_is_obj(value))
		return copy_members(doc, value, limit, flat);
	if (!yyjson_is_arr(value))
		return yyjson_val_mut_copy(doc, value);
	out = yyjson_mut_arr(doc);
	yyjson_arr_foreach(value, i, max, element)
	    yyjson_mut_arr_append(out, copy_cut(doc, element, limit, false));
	return out;
}

static size_t
written_len(yyjson_mut_val *value)
{
	size_t len = 0;
	char *text =
	    yyjson_mut_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len);

	free(text);
	return text == NULL ? SIZE_MAX : len;
}

yyjson_mut_val *
shrink_copy(yyjson_mut_doc *doc, yyjson_val *value, size_t max, bool *cut)
{
	yyjson_mut_val *out = yyjson_val_mut_copy(doc, value);

	*cut = false;
	for (int i = 0; i < LIMITS && written_len(out) > max; i++) {
		*cut = true;
		out = copy_cut(doc, value, limits[i], false);
	}
	if (written_len(out) > max)
		out = copy_cut(doc, value, limits[LIMITS - 1], true);
	return written_len(out) > max ? NULL : out;
}
