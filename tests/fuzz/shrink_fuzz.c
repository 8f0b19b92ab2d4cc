/* libFuzzer: JSON that must fit, the first two bytes say into how much. It fits, or there
 * is none; what fitted is left alone. */
#include "shim/shrink.c"

#include <stdint.h>
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(yyjson_val *root, size_t max)
{
	yyjson_mut_doc *out = json_object();
	bool cut;
	yyjson_mut_val *copy = shrink_copy(out, root, max, &cut);
	size_t len = 0, whole = 0;
	char *text = copy != NULL ? yyjson_mut_val_write(
					copy, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &len)
				  : NULL,
	     *before = yyjson_val_write(root, 0, &whole);

	if (copy != NULL && (text == NULL || len > max))
		abort();
	if (!cut && (copy == NULL || len != whole || memcmp(text, before, len) != 0))
		abort();
	free(text);
	free(before);
	yyjson_mut_doc_free(out);
}

static void
check_length(const char *bytes, size_t size)
{
	yyjson_mut_doc *out = json_object();
	size_t len;

	json_add_strn(out, "", bytes, size);
	free(json_line(out, &len)); /* {"":...} */
	if (len - 5 > shrink_string_len(bytes, size))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why;
	yyjson_doc *doc;

	if (size < 2)
		return 0;
	doc = json_parse((const char *)data + 2, size - 2, &why);
	if (doc != NULL)
		check(yyjson_doc_get_root(doc), (size_t)data[0] << 4 | data[1] >> 4);
	check_length((const char *)data + 2, size - 2);
	yyjson_doc_free(doc);
	return 0;
}
