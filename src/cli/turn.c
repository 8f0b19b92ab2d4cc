/* Rendering of turns. */
#include "turn.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "out.h"
#include "text.h"
#include "when.h"

static const char opening[] = "[berth ";
enum { OPENING = sizeof(opening) - 1, TIME_LEN = 5 };

/* "[berth ID 14:05 who] " at the beginning of a line: its length, and who; 0 if there is
 * none. */
static size_t
header(const char *line, size_t len, const char **who, size_t *who_len)
{
	const char *end = memchr(line, ']', len);
	size_t before = OPENING + ULID_LEN + 1 + TIME_LEN + 1;
	char id[ULID_LEN + 1] = "";

	if (end == NULL || strncmp(line, opening, OPENING) != 0 ||
	    (size_t)(end - line) < before)
		return 0;
	memcpy(id, line + OPENING, ULID_LEN);
	if (!ulid_ok(id))
		return 0;
	*who = line + before;
	*who_len = (size_t)(end - *who);
	return (size_t)(end - line) + 1 + (end + 1 < line + len && end[1] == ' ');
}

/* A line that Claude Code puts around a long paste: <pasted_content id="d7a7">, and its
 * end. */
static bool
is_wrapper(const char *line, size_t len)
{
	static const char word[] = "pasted_content id=\"";
	size_t at = len > 1 && line[1] == '/' ? 2 : 1;

	return len > at + sizeof(word) && line[0] == '<' &&
	       strncmp(line + at, word, sizeof(word) - 1) == 0 &&
	       memcmp(line + len - 2, "\">", 2) == 0;
}

void
turn_prompt(const char *prompt, struct buf *text, struct buf *who)
{
	const char *name;
	size_t name_len;
	int messages = 0;

	while (*prompt != '\0') {
		size_t len = strcspn(prompt, "\n"),
		       skip = header(prompt, len, &name, &name_len);
		if (skip > 0 && messages++ == 0) {
			buf_add(who, name, name_len);
		} else if (skip > 0) {
			buf_addc(text, '(');
			buf_add(text, name, name_len);
			buf_adds(text, ") ");
		}
		if (!is_wrapper(prompt, len) && (len > skip || text->len > 0))
			buf_add(text, prompt + skip, len - skip + (prompt[len] == '\n'));
		prompt += len + (prompt[len] == '\n');
	}
	if (messages > 1)
		buf_addf(who, " and %d more", messages - 1);
}

static void
print_who(struct out *o, yyjson_val *turn, const struct buf *who)
{
	const char *origin = json_str(turn, "origin", "");
	char *clean = text_cleaned(buf_str(who), TEXT_LINE);

	if (*clean != '\0')
		out_puts(o, clean);
	else if (strcmp(origin, "terminal") == 0)
		out_puts(o, "typed at the terminal");
	else if (strcmp(origin, "agent") == 0)
		out_puts(o, "the agent by itself");
	else
		out_puts(o, "a message");
	free(clean);
}

static void
print_facts(struct out *o, yyjson_val *turn, int64_t now)
{
	int64_t started = json_int(turn, "started_at", 0),
		ended = json_int(turn, "ended_at", 0);
	yyjson_val *tokens = json_get(turn, "tokens");
	char took[WHEN_MAX], in[WHEN_MAX], written[WHEN_MAX];
	int64_t read = json_int(tokens, "in", 0) + json_int(tokens, "cache_read", 0) +
		       json_int(tokens, "cache_write", 0);

	out_style(o, STYLE_DIM);
	out_printf(o, "  %s%s", ended == 0 ? "running for " : "",
	    when_took((ended == 0 ? now : ended) - started, took));
	if (read > 0 || json_int(tokens, "out", 0) > 0)
		out_printf(o, ", %s tokens in, %s out", when_count(read, in),
		    when_count(json_int(tokens, "out", 0), written));
	out_style(o, STYLE_PLAIN);
}

static void
print_end(struct out *o, yyjson_val *turn)
{
	char *end = text_cleaned(json_str(turn, "end", ""), TEXT_LINE);

	if (*end != '\0' && strcmp(end, "answered") != 0) {
		out_puts(o, "  ");
		out_styled(o, STYLE_RED, end);
	}
	free(end);
}

static void
print_head(struct out *o, yyjson_val *turn, int64_t at, int64_t now)
{
	char when[WHEN_MAX];
	char *agent = text_cleaned(json_str(turn, "agent", "?"), TEXT_LINE);

	out_styled(o, STYLE_DIM, when_stamp(at, now, when));
	out_puts(o, "  ");
	out_styled(o, STYLE_BOLD, agent);
	out_puts(o, "  ");
	free(agent);
}

static void
print_prompt(struct out *o, const struct buf *text)
{
	struct buf lines = BUF_INIT, clean = BUF_INIT;
	const char *line, *end;

	text_clean(&clean, buf_str(text), TEXT_LINES);
	while (clean.len > 0 && clean.data[clean.len - 1] == '\n')
		clean.data[--clean.len] = '\0';
	text_wrap(&lines, buf_str(&clean), o->width > 4 ? o->width - 4 : 0, 0);
	for (line = buf_str(&lines); *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		out_styled(o, STYLE_DIM, "  >");
		out_printf(o, "%s%.*s\n", end > line ? " " : "", (int)(end - line), line);
	}
	buf_free(&lines);
	buf_free(&clean);
}

void
turn_print(struct out *o, yyjson_val *turn, int parts, int64_t now)
{
	struct buf text = BUF_INIT, who = BUF_INIT;
	const char *answer = json_str(turn, "answer", "");
	bool whole = (parts & TURN_PROMPT) != 0;

	turn_prompt(json_str(turn, "prompt", ""), &text, &who);
	print_head(o, turn, json_int(turn, whole ? "started_at" : "ended_at", 0), now);
	if (whole)
		print_who(o, turn, &who);
	else
		out_puts(o, "ended");
	if (parts & TURN_ANSWER) {
		print_facts(o, turn, now);
		print_end(o, turn);
	}
	out_puts(o, "\n");
	if (whole)
		print_prompt(o, &text);
	if (parts & TURN_ANSWER)
		out_text(o, *answer != '\0' ? answer : json_str(turn, "reason", ""), 2);
	out_puts(o, "\n");
	buf_free(&text);
	buf_free(&who);
}
