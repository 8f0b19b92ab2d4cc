/* Messages, one by one. */
#include "message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "clock.h"
#include "json.h"

static const struct state_row {
	const char *name;
	int exit;
	bool problem;
	enum style style;
} states[] = {
    {"queued", CLI_UNCERTAIN, false, STYLE_YELLOW},
    {"delivering", CLI_UNCERTAIN, false, STYLE_CYAN},
    {"delivered", CLI_UNCERTAIN, false, STYLE_CYAN},
    {"answered", CLI_OK, false, STYLE_GREEN},
    {"unanswered", CLI_UNANSWERED, true, STYLE_RED},
    {"interrupted", CLI_UNCERTAIN, true, STYLE_RED},
    {"indeterminate", CLI_UNCERTAIN, true, STYLE_RED},
    {"expired", CLI_UNDELIVERED, true, STYLE_RED},
    {"failed", CLI_UNDELIVERED, true, STYLE_RED},
    {"cancelled", CLI_UNDELIVERED, false, STYLE_DIM},
};
enum { STATES = sizeof(states) / sizeof(states[0]) };

const char *const message_states[] = {"queued", "delivering", "delivered", "answered",
    "unanswered", "interrupted", "indeterminate", "expired", "failed", "cancelled", NULL};
_Static_assert(
    sizeof(message_states) / sizeof(message_states[0]) == STATES + 1, "one name a state");

static const struct state_row *
find_state(const char *name)
{
	for (size_t i = 0; i < STATES; i++)
		if (strcmp(states[i].name, name) == 0)
			return &states[i];
	return NULL;
}

int
message_exit(const char *state)
{
	const struct state_row *row = find_state(state);

	return row == NULL ? -1 : row->exit;
}

bool
message_is_problem(const char *state)
{
	const struct state_row *row = find_state(state);

	return row != NULL && row->problem;
}

enum style
message_style(const char *state)
{
	const struct state_row *row = find_state(state);

	return row == NULL ? STYLE_PLAIN : row->style;
}

const char *
message_short(const char *id)
{
	size_t len = strlen(id);

	return len > MESSAGE_SHORT ? id + len - MESSAGE_SHORT : id;
}

/* ---- finding ---- */

static bool
ends_with(const char *id, const char *end)
{
	size_t len = strlen(id), end_len = strlen(end);

	return len >= end_len && strcasecmp(id + len - end_len, end) == 0;
}

static bool
looks_like_id(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]))
			return false;
	return len >= MESSAGE_SHORTEST && len <= ULID_LEN;
}

static int
fail_unknown(const struct cli *cli, const char *asked)
{
	return cli_fail(cli, CLI_NOT_FOUND, "no-message",
	    "an id is what `berth send` printed, or at least its last 4 characters, if "
	    "the message is "
	    "among the newest 1000; `berth inbox` lists them",
	    "there is no message \"%s\"", asked);
}

static int
pick(const struct cli *cli, const char *asked, const struct rows *rows,
    yyjson_val **message)
{
	*message = NULL;
	for (size_t i = 0; i < rows->count; i++) {
		if (!ends_with(json_str(rows->row[i], "id", ""), asked))
			continue;
		if (*message != NULL)
			return cli_fail(cli, CLI_USAGE, "ambiguous", "give more of it",
			    "several messages end with \"%s\": %s and %s", asked,
			    json_str(*message, "id", ""),
			    json_str(rows->row[i], "id", ""));
		*message = rows->row[i];
	}
	return *message == NULL ? fail_unknown(cli, asked) : CLI_OK;
}

int
message_find(const struct cli *cli, struct launcher *l, const char *asked,
    struct rows *rows, yyjson_val **message)
{
	yyjson_mut_doc *args = json_object();
	char id[ULID_LEN + 1] = "";

	*rows = (struct rows){0};
	if (!looks_like_id(asked)) {
		yyjson_mut_doc_free(args);
		return fail_unknown(cli, asked);
	}
	for (size_t i = 0; asked[i] != '\0'; i++)
		id[i] = (char)toupper((unsigned char)asked[i]);
	if (ulid_ok(id))
		json_add_str(args, "message", id);
	else
		json_add_int(args, "limit", MESSAGE_LOOK_BACK);
	int status = launcher_rows(l, "messages", args, rows);
	return status == CLI_OK ? pick(cli, asked, rows, message) : status;
}

int
message_position(struct launcher *l, yyjson_val *message)
{
	yyjson_mut_doc *args = json_object();
	yyjson_doc *answer;

	json_add_str(args, "message", json_str(message, "id", ""));
	int status = launcher_ask(l, "position", args, LAUNCHER_AGAIN, &answer);
	int before = (int)json_int(yyjson_doc_get_root(answer), "position", -1);
	yyjson_doc_free(answer);
	return status == CLI_OK ? before : -1;
}
