/* berth approvals, approve, deny: what agents ask leave for. */
#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "args.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "launcher.h"
#include "message.h"
#include "table.h"
#include "text.h"
#include "when.h"

/* What a person wants to see of a tool's input: a command, a file, an address; else all
 * of it. */
static void
cell_input(struct table *t, yyjson_val *input)
{
	static const char *const telling[] = {
	    "command", "file_path", "path", "url", "query", "prompt"};

	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		const char *text = json_str(input, telling[i], NULL);
		if (text != NULL) {
			table_cell(t, text, STYLE_PLAIN);
			return;
		}
	}
	char *all = yyjson_val_write(input, YYJSON_WRITE_NOFLAG, NULL);
	table_cell(t, all, STYLE_PLAIN);
	free(all);
}

static void
print_approvals(struct out *o, const struct rows *rows, int64_t now)
{
	static const struct table_column columns[] = {{"ID", 0, 0, false, false},
	    {"AGENT", 0, 0, false, false}, {"ASKED", 0, 1, true, false},
	    {"EXPIRES", 0, 2, true, false}, {"TOOL", 8, 0, false, false},
	    {"FOR", 20, 0, false, false}};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char when[WHEN_MAX];

	for (size_t i = 0; i < rows->count; i++) {
		yyjson_val *row = rows->row[i];
		table_cell(t, message_short(json_str(row, "id", "?")), STYLE_DIM);
		table_cell(t, json_str(row, "agent", "?"), STYLE_BOLD);
		table_cell(
		    t, when_ago(json_int(row, "asked_at", now), now, when), STYLE_PLAIN);
		table_cell(t, when_ago(json_int(row, "expires_at", now), now, when),
		    STYLE_PLAIN);
		table_cell(t, json_str(row, "tool", "?"), STYLE_YELLOW);
		cell_input(t, json_get(row, "input"));
	}
	table_print(t, o);
	table_free(t);
}

static int
fetch(struct launcher *l, const char *agent, struct rows *rows)
{
	yyjson_mut_doc *args = json_object();

	if (agent != NULL)
		json_add_str(args, "agent", agent);
	return launcher_rows(l, "approvals", args, rows);
}

static int
approvals_exec(struct cli *cli, const struct args *args)
{
	const char *agent = args->count > 0 ? args->words[0] : NULL;
	struct launcher *l = launcher_new(cli, PATIENCE_SHORT_MS);
	struct rows rows = {0}, agents = {0};
	struct out out = cli->out;
	int status = agent == NULL ? CLI_OK : agents_fetch(l, &agents);

	if (status == CLI_OK && agent != NULL && agents_find(&agents, agent) == NULL)
		status = agents_unknown(cli, &agents, agent);
	if (status == CLI_OK)
		status = fetch(l, agent, &rows);
	if (status == CLI_OK && cli->json)
		out_json(&out, rows_json(&rows));
	else if (status == CLI_OK)
		print_approvals(&out, &rows, cli_now());
	if (status == CLI_OK && rows.count == 0)
		cli_note(cli, "nobody is waiting for leave");
	rows_free(&agents);
	rows_free(&rows);
	launcher_free(l);
	return status;
}

/* ---- answering ---- */

/* The open one whose id ends so; else cli_fail() has said why. */
static int
find(
    const struct cli *cli, const struct rows *rows, const char *asked, yyjson_val **found)
{
	size_t len = strlen(asked);

	*found = NULL;
	for (size_t i = 0; i < rows->count; i++) {
		const char *id = json_str(rows->row[i], "id", "");
		size_t id_len = strlen(id);
		if (len < MESSAGE_SHORTEST || len > id_len ||
		    strcasecmp(id + id_len - len, asked) != 0)
			continue;
		if (*found != NULL)
			return cli_fail(cli, CLI_USAGE, "ambiguous", "give more of it",
			    "several requests end with \"%s\"", asked);
		*found = rows->row[i];
	}
	if (*found == NULL)
		return cli_fail(cli, CLI_NOT_FOUND, "no-approval",
		    "it may have been answered, or have expired; `berth approvals` lists "
		    "what is open",
		    "there is no open request \"%s\"", asked);
	return CLI_OK;
}

static int
answer(struct cli *cli, struct launcher *l, const struct args *args, yyjson_val *row,
    bool allow)
{
	const char *reason = allow ? NULL : args_get(args, "message");
	yyjson_mut_doc *request = json_object();
	struct out out = cli->out;
	yyjson_doc *reply;

	json_add_str(request, "approval", json_str(row, "id", ""));
	json_add_str(request, "behavior", allow ? "allow" : "deny");
	if (reason != NULL)
		json_add_str(request, "reason", reason);
	int status = launcher_ask(l, "answer", request, LAUNCHER_ONCE, &reply);
	if (status == CLI_OK && cli->json)
		out_value(&out, yyjson_doc_get_root(reply));
	else if (status == CLI_OK) {
		char *tool = text_cleaned(json_str(row, "tool", "?"), TEXT_LINE);
		out_printf(&out, "%s: %s %s\n", json_str(row, "agent", "?"), tool,
		    allow ? "allowed" : "denied");
		free(tool);
	}
	yyjson_doc_free(reply);
	return status;
}

static int
decide(struct cli *cli, const struct args *args, bool allow)
{
	struct launcher *l = launcher_new(cli, PATIENCE_SHORT_MS);
	struct rows rows;
	yyjson_val *row;
	int status = fetch(l, NULL, &rows);

	if (status == CLI_OK)
		status = find(cli, &rows, args->words[0], &row);
	if (status == CLI_OK)
		status = answer(cli, l, args, row, allow);
	rows_free(&rows);
	launcher_free(l);
	return status;
}

static int
approve_exec(struct cli *cli, const struct args *args)
{
	return decide(cli, args, true);
}

static int
deny_exec(struct cli *cli, const struct args *args)
{
	return decide(cli, args, false);
}

const struct command cmd_approvals = {
    .name = "approvals",
    .synopsis = "[AGENT]",
    .brief = "what agents ask leave for",
    .help = "The open requests: which tool an agent wants to use, and for what. One that "
	    "nobody answers before it "
	    "expires is denied. --json has the tool's whole input.",
    .what = WHAT_AGENT,
    .min_words = 0,
    .max_words = 1,
    .exec = approvals_exec,
};

const struct command cmd_approve = {
    .name = "approve",
    .synopsis = "ID",
    .brief = "allow what an agent asks for, this once",
    .help = "ID as `berth approvals` shows it.",
    .what = WHAT_NONE,
    .min_words = 1,
    .max_words = 1,
    .exec = approve_exec,
};

static const struct cli_option deny_options[] = {
    {'m', "message", "TEXT", "what the agent is told", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_deny = {
    .name = "deny",
    .synopsis = "ID [--message TEXT]",
    .brief = "refuse what an agent asks for",
    .help = "ID as `berth approvals` shows it. The agent goes on without it.",
    .options = deny_options,
    .what = WHAT_NONE,
    .min_words = 1,
    .max_words = 1,
    .exec = deny_exec,
};
