/* libFuzzer: a line that should be JSON, as text, as a part of what we write, and as a
 * string in it. What we write is one line of valid UTF-8, and JSON again. */
#include "json.h"
#include <stdlib.h>
#include <string.h>
#include "utf8.h"
#include "xmalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(yyjson_mut_doc *doc)
{
	const char *why;
	size_t len;
	char *line = json_line(doc, &len);
	yyjson_doc *again;

	if (strlen(line) != len || strchr(line, '\n') != NULL || !utf8_valid(line, len))
		abort();
	/* One level deeper than what was taken, at most. */
	again = json_parse(line, len, &why);
	if (again == NULL && strstr(why, "nested") == NULL)
		abort();
	yyjson_doc_free(again);
	free(line);
}

static void
look_up(yyjson_val *root)
{
	size_t i, n;
	yyjson_val *key, *value;

	yyjson_obj_foreach(root, i, n, key, value)
	{
		const char *name = yyjson_get_str(key);

		/* Of several with one name, the first; none, with a NUL in it. */
		yyjson_val *first = json_get(root, name);

		if (strlen(json_str(root, name, "")) >
		    (first != NULL ? yyjson_get_len(first) : 0))
			abort();
		json_int(root, name, 0);
		json_bool(root, name, false);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = "";
	char *text = xstrndup((const char *)data, size);
	yyjson_doc *doc = json_parse((const char *)data, size, &why);
	yyjson_mut_doc *out = json_object();

	if ((doc == NULL) != (why != NULL))
		abort();
	if (yyjson_is_obj(yyjson_doc_get_root(doc)))
		look_up(yyjson_doc_get_root(doc));
	json_add_val(out, "value", yyjson_doc_get_root(doc));
	json_add_raw(out, "raw", text);
	json_add_strn(out, "bytes", (const char *)data, size);
	json_add_str(out, text, text);
	yyjson_doc_free(doc);
	check_line(out);
	free(text);
	return 0;
}
