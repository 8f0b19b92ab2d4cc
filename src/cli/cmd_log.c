/* berth log: the turns, oldest first, and with -f those that come. */
#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "args.h"
#include "cmd.h"
#include "json.h"
#include "launcher.h"
#include "turn.h"
#include "xmalloc.h"

enum { DEFAULT_TURNS = 10, MAX_TURNS = 1000, FOLLOW_TURNS = 50 };

struct seen {
	char *id;
	bool ended;
};

struct logging {
	struct cli *cli;
	struct launcher *l;
	const char *agent;
	struct seen *seen; /* turns that have been printed */
	size_t count;
	char *first; /* id of the oldest turn to show */
};

static int
fetch(const struct logging *g, int64_t limit, struct rows *turns)
{
	yyjson_mut_doc *args = json_object();

	if (g->agent != NULL)
		json_add_str(args, "agent", g->agent);
	json_add_int(args, "limit", limit);
	return launcher_rows(g->l, "turns", args, turns);
}

static struct seen *
seen_find(struct logging *g, const char *id)
{
	for (size_t i = g->count; i-- > 0;)
		if (strcmp(g->seen[i].id, id) == 0)
			return &g->seen[i];
	return NULL;
}

static void
seen_add(struct logging *g, const char *id, bool ended)
{
	g->seen = xreallocarray(g->seen, g->count + 1, sizeof(*g->seen));
	g->seen[g->count++] = (struct seen){xstrdup(id), ended};
}

/* Where to begin: with the oldest of the first look; none of them for -n 0. */
static void
begin(struct logging *g, const struct rows *turns, int64_t limit)
{
	if (turns->count == 0)
		return;
	size_t oldest = limit == 0 ? 0 : turns->count - 1;
	g->first = xstrdup(json_str(turns->row[oldest], "id", ""));
	if (limit == 0)
		seen_add(g, g->first, true);
}

/* One turn, as far as it hasn't been printed. `whole`: without waiting for its end. */
static void
show(struct logging *g, yyjson_val *turn, bool following)
{
	const char *id = json_str(turn, "id", "");
	struct seen *before = seen_find(g, id);
	bool ended = json_int(turn, "ended_at", 0) != 0;
	struct out out = g->cli->out;
	int parts = 0;

	if (before == NULL)
		parts = ended || !following ? TURN_PROMPT | TURN_ANSWER : TURN_PROMPT;
	else if (ended && !before->ended)
		parts = TURN_ANSWER;
	if (parts == 0)
		return;
	if (g->cli->json)
		out_value_line(&out, turn);
	else
		turn_print(&out, turn, parts, cli_now());
	if (before == NULL)
		seen_add(g, id, ended);
	else
		before->ended = true;
}

static void
show_all(struct logging *g, const struct rows *turns, bool following)
{
	for (size_t i = turns->count; i-- > 0;) /* they come newest first */
		if (g->first == NULL ||
		    strcmp(json_str(turns->row[i], "id", ""), g->first) >= 0)
			show(g, turns->row[i], following);
	fflush(g->cli->out.file);
}

static int
wait_for_turn(struct launcher *events)
{
	int64_t number;
	int status = CLI_OK;

	if (!launcher_connected(events)) {
		yyjson_mut_doc *args = json_object();
		json_add_raw(args, "entity", "[\"turn\"]");
		status = launcher_connect(events);
		if (status != CLI_OK)
			yyjson_mut_doc_free(args);
		else
			launcher_send(events, "subscribe", args);
		return status; /* and look: something may have happened before */
	}
	yyjson_doc_free(launcher_read(events, -1, &number));
	return CLI_OK;
}

static int
follow(struct logging *g, int64_t limit)
{
	struct launcher *events = launcher_new(g->cli, PATIENCE_LONG_MS);
	bool begun = false;
	struct rows turns;
	int status = CLI_OK;

	while (status == CLI_OK && (status = wait_for_turn(events)) == CLI_OK) {
		status = fetch(g, begun ? FOLLOW_TURNS : limit == 0 ? 1 : limit, &turns);
		if (status == CLI_OK && !begun)
			begin(g, &turns, limit);
		if (status == CLI_OK)
			show_all(g, &turns, true);
		begun = begun || status == CLI_OK;
		rows_free(&turns);
	}
	launcher_free(events);
	return status;
}

static int
print_once(struct logging *g, int64_t limit)
{
	struct out out = g->cli->out;
	struct rows turns;
	int status = fetch(g, limit, &turns);

	if (status == CLI_OK && g->cli->json)
		out_json(&out, rows_json(&turns));
	else if (status == CLI_OK)
		show_all(g, &turns, false);
	if (status == CLI_OK && turns.count == 0)
		cli_note(g->cli, "no turns yet");
	rows_free(&turns);
	return status;
}

static int
check_agent(const struct logging *g)
{
	struct rows agents;
	int status = agents_fetch(g->l, &agents);

	if (status == CLI_OK && agents_find(&agents, g->agent) == NULL)
		status = agents_unknown(g->cli, &agents, g->agent);
	rows_free(&agents);
	return status;
}

static int
log_exec(struct cli *cli, const struct args *args)
{
	struct logging g = {.cli = cli, .agent = args->count > 0 ? args->words[0] : NULL};
	bool following = args_has(args, "follow");
	int64_t limit;
	int status = CLI_OK;

	if (!args_count(args, cli, "number", DEFAULT_TURNS, MAX_TURNS, &limit))
		return CLI_USAGE;
	g.l = launcher_new(cli, following ? PATIENCE_LONG_MS : PATIENCE_SHORT_MS);
	if (g.agent != NULL)
		status = check_agent(&g);
	if (status == CLI_OK)
		status = following ? follow(&g, limit) : print_once(&g, limit);
	for (size_t i = 0; i < g.count; i++)
		free(g.seen[i].id);
	free(g.seen);
	free(g.first);
	launcher_free(g.l);
	return status;
}

static const struct cli_option log_options[] = {
    {'f', "follow", NULL, "go on as turns begin and end, until Ctrl-C", WHAT_NONE},
    {'n', "number", "N", "how many turns (default 10)", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_log = {
    .name = "log",
    .synopsis = "[AGENT] [-f] [-n N]",
    .brief = "what was asked, and what was answered",
    .help =
	"The last turns, oldest first: when, who asked, how long it took and what it "
	"cost, the prompt, the "
	"answer, and how it ended if not with an answer. Without AGENT, of all agents.\n"
	"\n"
	"With --json: an array, newest first; with -f one object a line, when a turn "
	"begins and again "
	"when it has ended.",
    .options = log_options,
    .what = WHAT_AGENT,
    .min_words = 0,
    .max_words = 1,
    .exec = log_exec,
};
