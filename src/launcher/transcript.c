/*
 * See transcript.h. A prompt shows as a `queue-operation` (taken while busy), as a
 * queued_command attachment (absorbed into the running turn), or as a `user` line (a turn
 * of its own). Usage comes with each `assistant` line; several lines share one
 * message.id, which is counted once.
 */
#include <stdio.h>
#include <string.h>
#include "agent.h"
#include "json.h"
#include "transcript.h"
#include "turn.h"

enum { TOKENS_MAX = 1 << 30 }; /* of one message */

/* With no turn open, it is one that became a turn, or a line of long ago. */
static void
queue_operation(struct agent *a, yyjson_val *line)
{
	const char *content = json_str(line, "content", NULL);

	if (content == NULL || strcmp(json_str(line, "operation", ""), "enqueue") != 0)
		return;
	if (a->turn[0] != '\0')
		turn_prompt(a, content, "transcript");
	else
		turn_seen(a, content);
}

static void
attachment(struct agent *a, yyjson_val *line)
{
	yyjson_val *inner = json_get(line, "attachment");
	const char *prompt = json_str(inner, "prompt", NULL);

	if (prompt == NULL || strcmp(json_str(inner, "type", ""), "queued_command") != 0)
		return;
	turn_recorded(a, prompt);
	turn_absorbed(a, prompt);
}

static void
user_text(struct agent *a, const char *text)
{
	turn_recorded(a, text);
	turn_seen(a, text);
}

/* A prompt of a person is a string, or an array with text parts; tool results are arrays
 * too. */
static void
user(struct agent *a, yyjson_val *line)
{
	yyjson_val *content = json_get(json_get(line, "message"), "content"), *part;
	size_t i, n;

	if (json_bool(line, "isSidechain", false) || json_bool(line, "isMeta", false))
		return;
	if (yyjson_is_str(content))
		user_text(a, yyjson_get_str(content));
	yyjson_arr_foreach(
	    content, i, n, part) if (strcmp(json_str(part, "type", ""), "text") == 0)
	    user_text(a, json_str(part, "text", ""));
}

/* An agent may write anything there: sums of it must stay numbers. */
static int64_t
tokens(yyjson_val *usage, const char *key)
{
	int64_t n = json_int(usage, key, 0);

	return n >= 0 && n <= TOKENS_MAX ? n : 0;
}

static void
assistant(struct agent *a, yyjson_val *line)
{
	yyjson_val *message = json_get(line, "message"),
		   *usage = json_get(message, "usage");
	const char *id = json_str(message, "id", NULL);

	if (usage == NULL || id == NULL ||
	    strncmp(id, a->last_usage_id, sizeof(a->last_usage_id) - 1) == 0)
		return;
	snprintf(a->last_usage_id, sizeof(a->last_usage_id), "%s", id);
	turn_tokens(a, tokens(usage, "input_tokens"), tokens(usage, "output_tokens"),
	    tokens(usage, "cache_read_input_tokens"),
	    tokens(usage, "cache_creation_input_tokens"));
}

static const struct {
	const char *type;
	void (*apply)(struct agent *a, yyjson_val *line);
} table[] = {
    {"queue-operation", queue_operation},
    {"attachment", attachment},
    {"user", user},
    {"assistant", assistant},
};

void
transcript_apply(struct agent *a, const char *text)
{
	const char *why, *type;
	yyjson_doc *doc = text != NULL ? json_parse(text, strlen(text), &why) : NULL;

	if (doc == NULL)
		return;
	type = json_str(yyjson_doc_get_root(doc), "type", "");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].type, type) == 0)
			table[i].apply(a, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}
