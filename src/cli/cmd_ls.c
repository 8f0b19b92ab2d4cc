/* berth ls: the agents, once or for as long as one looks. */
#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "args.h"
#include "buf.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "log.h"
#include "table.h"
#include "when.h"

enum { REFRESH_MS = 1000, SETTLE_MS = 100 };

static const struct table_column columns[] = {
    {"AGENT", 0, 0, false, false},
    {"STATE", 0, 0, false, false},
    {"FOR", 0, 2, true, false},
    {"SOURCE", 0, 6, false, false},
    {"QUEUE", 0, 1, true, false},
    {"IN", 0, 4, true, false},
    {"OUT", 0, 4, true, false},
    {"SESSION", 8, 5, false, false},
    {"CWD", 12, 3, false, true},
};

static int64_t
tokens_read(yyjson_val *tokens)
{
	return json_int(tokens, "in", 0) + json_int(tokens, "cache_read", 0) +
	       json_int(tokens, "cache_write", 0);
}

static void
cell_count(struct table *t, int64_t n)
{
	char text[WHEN_MAX];

	table_cell(t, n == 0 ? "" : when_count(n, text), STYLE_PLAIN);
}

/* Under the table: why an agent doesn't work, and when it will be tried again. */
static void
print_why(struct out *o, yyjson_val *agent, int64_t now)
{
	const char *reason = json_str(agent, "reason", "");
	int64_t next = json_int(agent, "next_start_at", 0);
	struct buf why = BUF_INIT;
	char when[WHEN_MAX];

	buf_addf(&why, "%s: %s", json_str(agent, "name", "?"), reason);
	if (next > now)
		buf_addf(&why, "%snext start %s", *reason == '\0' ? "" : "; ",
		    when_ago(next, now, when));
	if (*reason != '\0' || next > now)
		out_text(o, buf_str(&why), 0);
	buf_free(&why);
}

static void
add_agent(struct table *t, yyjson_val *agent, int64_t now)
{
	const char *state = json_str(agent, "state", "?");
	int64_t state_at = json_int(agent, "state_at", 0);
	yyjson_val *tokens = json_get(agent, "tokens");
	char age[WHEN_MAX];

	table_cell(t, json_str(agent, "name", "?"), STYLE_BOLD);
	table_cell(t, state, agents_style(state));
	table_cell(t,
	    state_at == 0 ? "" : duration_human(now - state_at, age, sizeof(age)),
	    STYLE_PLAIN);
	table_cell(t, json_str(agent, "state_source", ""), STYLE_DIM);
	cell_count(t, json_int(agent, "queued", 0));
	cell_count(t, tokens_read(tokens));
	cell_count(t, json_int(tokens, "out", 0));
	table_cell(t, json_str(agent, "session", ""), STYLE_DIM);
	table_cell(t, json_str(agent, "cwd", ""), STYLE_PLAIN);
}

static void
print_agents(const struct cli *cli, const struct rows *agents)
{
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct out out = cli->out;

	for (size_t i = 0; i < agents->count; i++)
		add_agent(t, agents->row[i], cli_now());
	table_print(t, &out);
	for (size_t i = 0; i < agents->count; i++)
		print_why(&out, agents->row[i], cli_now());
	if (agents->count == 0)
		out_puts(&out,
		    "no agents: name one in /data/berth.toml, then `berth apply`\n");
	table_free(t);
}

static void
print_names(const struct cli *cli, const struct rows *agents)
{
	struct out out = cli->out;

	for (size_t i = 0; i < agents->count; i++)
		out_printf(&out, "%s\n", json_str(agents->row[i], "name", "?"));
}

/* ---- watching ---- */

struct watch {
	struct cli *cli;
	struct launcher *l;
	struct rows agents;
};

/* Over what stands there, line by line: the screen isn't cleared first, for that
 * flickers. */
static void
redraw_screen(const struct watch *w)
{
	struct out out = w->cli->out;
	struct cli cli = *w->cli;
	char *text = NULL;
	size_t len;

	out_measure(&cli.out);
	cli.out.file = open_memstream(&text, &len);
	if (cli.out.file == NULL)
		fatal(EXIT_SYSTEM, "open_memstream");
	print_agents(&cli, &w->agents);
	fclose(cli.out.file);
	out_puts(&out, "\033[H");
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL;
	    line = end + 1)
		out_printf(&out, "%.*s\033[K\n", (int)(end - line), line);
	out_puts(&out, "\033[J");
	free(text);
}

/* One object a line, as of every command that goes on. */
static void
print_line(const struct watch *w)
{
	yyjson_mut_doc *doc = rows_json(&w->agents);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	struct out out = w->cli->out;

	yyjson_mut_obj_add_val(doc, root, "agents", yyjson_mut_doc_get_root(doc));
	yyjson_mut_doc_set_root(doc, root);
	out_json_line(&out, doc);
}

static void
redraw(const struct watch *w)
{
	struct out out = w->cli->out;

	if (w->cli->json)
		print_line(w);
	else if (out.tty)
		redraw_screen(w);
	else
		print_agents(w->cli, &w->agents);
	fflush(out.file);
}

static int
subscribe(struct launcher *l)
{
	yyjson_mut_doc *args = json_object();
	int status = launcher_connect(l);

	json_add_raw(args, "entity", "[\"agent\",\"message\",\"turn\",\"session\"]");
	if (status == CLI_OK && launcher_send(l, "subscribe", args) == 0)
		return CLI_OK; /* lost again; the next look connects */
	if (status != CLI_OK)
		yyjson_mut_doc_free(args);
	return status;
}

/* Waits for news, and swallows what follows at once: a message's life is several events.
 * true: there is news. */
static bool
news(struct watch *w)
{
	int64_t number, settled = mono_ms() + SETTLE_MS;
	yyjson_doc *line = launcher_read(w->l, REFRESH_MS, &number);
	bool any = line != NULL;

	while (line != NULL && mono_ms() < settled) {
		yyjson_doc_free(line);
		line = launcher_read(w->l, SETTLE_MS, &number);
	}
	yyjson_doc_free(line);
	return any || !launcher_connected(w->l);
}

/* The subscription has a connection of its own, so that its events and the rows don't
 * mix. */
static int
watch_agents(struct cli *cli)
{
	struct watch w = {.cli = cli, .l = launcher_new(cli, PATIENCE_LONG_MS)};
	struct launcher *asking = launcher_new(cli, PATIENCE_LONG_MS);
	int status = CLI_OK;
	bool look = true;

	if (cli->out.tty && !cli->json)
		out_puts(&cli->out, "\033[2J");
	while (status == CLI_OK) {
		if (!launcher_connected(w.l))
			status = subscribe(w.l);
		if (status == CLI_OK && look) {
			rows_free(&w.agents);
			status = agents_fetch(asking, &w.agents);
		}
		if (status == CLI_OK && (look || (cli->out.tty && !cli->json)))
			redraw(&w);
		look = status == CLI_OK && news(&w);
	}
	rows_free(&w.agents);
	launcher_free(asking);
	launcher_free(w.l);
	return status;
}

static int
list_agents(struct cli *cli, bool names)
{
	struct launcher *l = launcher_new(cli, names ? 0 : PATIENCE_SHORT_MS);
	struct out out = cli->out;
	struct rows agents;
	int status = agents_fetch(l, &agents);

	if (status == CLI_OK && cli->json)
		out_json(&out, rows_json(&agents));
	else if (status == CLI_OK && names)
		print_names(cli, &agents);
	else if (status == CLI_OK)
		print_agents(cli, &agents);
	rows_free(&agents);
	launcher_free(l);
	return status;
}

static int
ls_exec(struct cli *cli, const struct args *args)
{
	return args_has(args, "watch") ? watch_agents(cli)
				       : list_agents(cli, args_has(args, "names"));
}

static const struct cli_option ls_options[] = {
    {'w', "watch", NULL, "go on, as things change, until Ctrl-C", WHAT_NONE},
    {0, "names", NULL, "only the names", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_ls = {
    .name = "ls",
    .synopsis = "[options]",
    .brief = "list the agents, and what each is doing",
    .help = "STATE is what the agent is doing, FOR how long, SOURCE who said so (hook, "
	    "registry, transcript, pane, process, "
	    "person). QUEUE counts messages that wait. IN and OUT are the tokens of all "
	    "its turns: read, the cache included, "
	    "and written. What keeps an agent from working is said under the table.\n"
	    "\n"
	    "Columns that don't fit the terminal are left out; --json has everything: an "
	    "array; with --watch an object a line, whose `agents` are all of them.",
    .options = ls_options,
    .what = WHAT_NONE,
    .min_words = 0,
    .max_words = 0,
    .exec = ls_exec,
};
