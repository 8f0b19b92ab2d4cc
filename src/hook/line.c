/* Whatever the CLI wrote, over however many lines, becomes one line. */
#include "line.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"

const char hook_denial[] =
    "{\"hookSpecificOutput\":{\"hookEventName\":\"PermissionRequest\","
    "\"decision\":{\"behavior\":\"deny\","
    "\"message\":\"Nobody answered in time.\",\"interrupt\":false}}}";

static int64_t
wait_of(const char *deadline_s)
{
	char *end;
	long long seconds;

	if (deadline_s == NULL || *deadline_s == '\0')
		return HOOK_WAIT_DEFAULT_S * 1000;
	seconds = strtoll(deadline_s, &end, 10);
	if (*end != '\0' || seconds < 0)
		return HOOK_WAIT_DEFAULT_S * 1000;
	return (seconds < HOOK_WAIT_MAX_S ? seconds : HOOK_WAIT_MAX_S) * 1000;
}

int
hook_line_build(struct hook_line *h, const struct buf *input, const char *deadline_s,
    const char **why)
{
	yyjson_doc *doc = json_parse(buf_str(input), input->len, why);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_mut_doc *out;
	size_t len;
	char *line;

	*h = (struct hook_line){.line = BUF_INIT};
	if (!yyjson_is_obj(root)) {
		if (doc != NULL)
			*why = "not an object";
		yyjson_doc_free(doc);
		return -1;
	}
	h->ask = strcmp(json_str(root, "hook_event_name", ""), "PermissionRequest") == 0;
	h->wait_ms = wait_of(deadline_s);
	out = json_object();
	json_add_val(out, "hook", root);
	json_add_int(out, "deadline", h->ask ? wall_ms() + h->wait_ms : 0);
	yyjson_doc_free(doc);
	line = json_line(out, &len);
	buf_add(&h->line, line, len);
	buf_addc(&h->line, '\n');
	free(line);
	return 0;
}
