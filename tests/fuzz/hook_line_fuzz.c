/* libFuzzer: what a CLI gives its hook, after a line that is the deadline. What the shim
 * gets is one line, and the hook's own object is in it. */
#include "hook/line.c"

#include <stdint.h>
#include "utf8.h"
#include "xmalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct hook_line *h)
{
	const char *text = buf_str(&h->line), *why;
	yyjson_doc *doc = json_parse(text, h->line.len, &why);
	yyjson_val *root = yyjson_doc_get_root(doc);

	if (strlen(text) != h->line.len || strchr(text, '\n') != text + h->line.len - 1 ||
	    !utf8_valid(text, h->line.len))
		abort();
	if (doc == NULL ? strstr(why, "nested") == NULL
			: !yyjson_is_obj(json_get(root, "hook")))
		abort();
	if (h->wait_ms < 0 || h->wait_ms > (int64_t)HOOK_WAIT_MAX_S * 1000 ||
	    (doc != NULL && h->ask != (json_int(root, "deadline", 0) > 0)))
		abort();
	yyjson_doc_free(doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t first = end != NULL ? (size_t)(end - data) : 0,
	       from = end != NULL ? first + 1 : 0;
	char *deadline = end != NULL ? xstrndup((const char *)data, first) : NULL;
	struct buf input = BUF_INIT;
	struct hook_line h;
	const char *why = NULL;

	buf_add(&input, data + from, size - from);
	if (hook_line_build(&h, &input, deadline, &why) == 0)
		check(&h);
	else if (why == NULL || h.line.len > 0)
		abort();
	buf_free(&h.line);
	buf_free(&input);
	free(deadline);
	return 0;
}
