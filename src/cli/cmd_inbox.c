/* berth inbox: messages and what became of them, those with problems first. */
#include <string.h>

#include "agents.h"
#include "args.h"
#include "buf.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "message.h"
#include "nearest.h"
#include "table.h"
#include "when.h"

enum { DEFAULT_MESSAGES = 20, MAX_MESSAGES = 1000 };

static const struct table_column columns[] = {
    {"ID", 0, 0, false, false},
    {"AGENT", 0, 0, false, false},
    {"STATE", 0, 0, false, false},
    {"AGE", 0, 1, true, false},
    {"FROM", 8, 2, false, false},
    {"WHY", 16, 0, false, false},
    {"TEXT", 16, 0, false, false},
};

static void
add_message(struct table *t, yyjson_val *m, int64_t now)
{
	const char *state = json_str(m, "state", "?"),
		   *sender = json_str(m, "sender", ""),
		   *again = json_str(m, "retried_as", "");
	int64_t later = json_int(m, "not_before", 0);
	char age[WHEN_MAX], at[WHEN_MAX];

	table_cell(t, message_short(json_str(m, "id", "?")), STYLE_DIM);
	table_cell(t, json_str(m, "agent", "?"), STYLE_BOLD);
	table_cell(t, state, message_style(state));
	table_cell(t,
	    duration_human(now - json_int(m, "created_at", now), age, sizeof(age)),
	    STYLE_PLAIN);
	table_cell(t, *sender != '\0' ? sender : json_str(m, "channel", ""), STYLE_PLAIN);
	if (strcmp(state, "queued") == 0 && later > now)
		table_cellf(t, STYLE_PLAIN, "not before %s", when_stamp(later, now, at));
	else if (*again != '\0')
		table_cellf(t, STYLE_PLAIN, "sent again: %s", message_short(again));
	else
		table_cell(t, json_str(m, "reason", ""), STYLE_PLAIN);
	table_cell(t, json_str(m, "text", ""), STYLE_PLAIN);
}

static void
print_messages(const struct cli *cli, const struct rows *rows)
{
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct out out = cli->out;

	for (size_t i = 0; i < rows->count; i++)
		add_message(t, rows->row[i], cli_now());
	table_print(t, &out);
	table_free(t);
}

/* ---- which ---- */

static bool
known_state(const struct cli *cli, const char *word, size_t len)
{
	char name[32] = "";
	struct nearest near = {.typed = name};
	struct buf hint = BUF_INIT;

	snprintf(name, sizeof(name), "%.*s", (int)len, word);
	for (int i = 0; message_states[i] != NULL; i++) {
		if (strcmp(message_states[i], name) == 0) {
			buf_free(&hint);
			return true;
		}
		nearest_try(&near, message_states[i]);
		buf_addf(&hint, "%s%s", i > 0 ? ", " : "states are ", message_states[i]);
	}
	if (near.best != NULL) {
		buf_clear(&hint);
		buf_addf(&hint, "did you mean %s?", near.best);
	}
	cli_fail(cli, CLI_USAGE, NULL, buf_str(&hint),
	    "--state: there is no state \"%s\"", name);
	buf_free(&hint);
	return false;
}

/* "failed,expired" as a JSON list; false: cli_fail() has said why. */
static bool
read_states(const struct cli *cli, const char *text, struct buf *list)
{
	const char *gap = "[";

	for (;;) {
		size_t len = strcspn(text, ",");
		if (!known_state(cli, text, len))
			return false;
		buf_addf(list, "%s\"%.*s\"", gap, (int)len, text);
		gap = ",";
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	buf_addc(list, ']');
	return true;
}

static void
states_where(struct buf *list, bool problem)
{
	const char *gap = "[";

	for (int i = 0; message_states[i] != NULL; i++) {
		if (message_is_problem(message_states[i]) != problem)
			continue;
		buf_addf(list, "%s\"%s\"", gap, message_states[i]);
		gap = ",";
	}
	buf_addc(list, ']');
}

static int
fetch(struct launcher *l, const char *agent, const char *states, bool open, int64_t limit,
    struct rows *rows)
{
	yyjson_mut_doc *args = json_object();

	if (agent != NULL)
		json_add_str(args, "agent", agent);
	json_add_raw(args, "state", states);
	if (open)
		json_add_bool(args, "open", true);
	json_add_int(args, "limit", limit);
	return launcher_rows(l, "messages", args, rows);
}

/* ---- all, problems first ---- */

static void
print_json(const struct cli *cli, const struct rows *problems, const struct rows *others)
{
	yyjson_mut_doc *doc = rows_json(problems);
	struct out out = cli->out;

	for (size_t i = 0; i < others->count; i++)
		yyjson_mut_arr_append(yyjson_mut_doc_get_root(doc),
		    yyjson_val_mut_copy(doc, others->row[i]));
	out_json(&out, doc);
}

static void
print_both(const struct cli *cli, const struct rows *problems, const struct rows *others)
{
	struct out out = cli->out;

	if (cli->json) {
		print_json(cli, problems, others);
		return;
	}
	if (problems->count > 0) {
		out_styled(&out, STYLE_BOLD, "Problems");
		out_puts(&out, " (berth show ID explains, berth retry ID asks again)\n");
		print_messages(cli, problems);
		out_puts(&out, others->count > 0 ? "\n" : "");
	}
	if (others->count > 0)
		print_messages(cli, others);
	if (problems->count + others->count == 0)
		cli_note(cli, "no messages");
}

static int
list_all(const struct cli *cli, struct launcher *l, const char *agent, int64_t limit)
{
	struct rows problems = {0}, others = {0};
	struct buf states = BUF_INIT;
	int status;

	states_where(&states, true);
	status = fetch(l, agent, buf_str(&states), true, limit, &problems);
	buf_clear(&states);
	states_where(&states, false);
	if (status == CLI_OK)
		status = fetch(l, agent, buf_str(&states), false, limit, &others);
	if (status == CLI_OK)
		print_both(cli, &problems, &others);
	rows_free(&problems);
	rows_free(&others);
	buf_free(&states);
	return status;
}

static int
list_some(const struct cli *cli, struct launcher *l, const char *agent,
    const char *states, int64_t limit)
{
	struct rows rows = {0}, none = {0};
	struct buf list = BUF_INIT;
	int status = CLI_USAGE;

	if (read_states(cli, states, &list))
		status = fetch(l, agent, buf_str(&list), false, limit, &rows);
	if (status == CLI_OK && cli->json)
		print_json(cli, &rows, &none);
	else if (status == CLI_OK)
		print_messages(cli, &rows);
	if (status == CLI_OK && rows.count == 0)
		cli_note(cli, "no messages in this state");
	rows_free(&rows);
	buf_free(&list);
	return status;
}

static int
inbox_exec(struct cli *cli, const struct args *args)
{
	const char *asked = args->count > 0 ? args->words[0] : NULL,
		   *states = args_get(args, "state");
	struct launcher *l = launcher_new(cli, PATIENCE_SHORT_MS);
	struct rows agents = {0};
	int64_t limit;
	int status = CLI_USAGE;

	if (args_count(args, cli, "number", DEFAULT_MESSAGES, MAX_MESSAGES, &limit))
		status = asked == NULL ? CLI_OK : agents_fetch(l, &agents);
	if (status == CLI_OK && asked != NULL && agents_find(&agents, asked) == NULL)
		status = agents_unknown(cli, &agents, asked);
	if (status == CLI_OK)
		status = states == NULL ? list_all(cli, l, asked, limit)
					: list_some(cli, l, asked, states, limit);
	rows_free(&agents);
	launcher_free(l);
	return status;
}

static const struct cli_option inbox_options[] = {
    {'s', "state", "S,...", "only messages in these states", WHAT_NONE},
    {'n', "number", "N", "how many, of problems and of others (default 20)", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_inbox = {
    .name = "inbox",
    .synopsis = "[AGENT] [options]",
    .brief = "messages, and what became of them",
    .help = "Problems first (failed, indeterminate, interrupted, unanswered, expired), "
	    "then the others, newest "
	    "first. What was sent again (berth retry) is none any more; --state shows "
	    "it. WHY is the reason of the state. ID is the end of the message's id: "
	    "enough for `berth show`, "
	    "`wait`, `cancel` and `retry`.\n"
	    "\n"
	    "States: queued, delivering, delivered, answered; unanswered (the turn ended "
	    "without an answer), "
	    "interrupted (the turn was cut), indeterminate (a crash, and nothing can "
	    "tell), expired, failed, "
	    "cancelled.",
    .options = inbox_options,
    .what = WHAT_AGENT,
    .min_words = 0,
    .max_words = 1,
    .exec = inbox_exec,
};
