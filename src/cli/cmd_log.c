/*
 * berth log: the turns, oldest first, and with -f those that come. Ids are in the order
 * of the turns, so what has been printed is all up to one id, but for the ends of those
 * that were still open: what happens in an outage of any length is told afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "args.h"
#include "cmd.h"
#include "json.h"
#include "launcher.h"
#include "turn.h"
#include "xmalloc.h"

enum { DEFAULT_TURNS = 10, MAX_TURNS = 1000, PAGE_TURNS = 50 };

struct logging {
	struct cli *cli;
	struct launcher *l;
	const char *agent;
	char *newest; /* id: all turns up to it have been printed; NULL: there was none */
	char **open;  /* ids of those whose end hasn't */
	size_t open_count;
};

/* The newest turns; `before` isn't NULL: of those with a smaller id. */
static int
fetch(const struct logging *g, int64_t limit, const char *before, struct rows *turns)
{
	yyjson_mut_doc *args = json_object();

	if (g->agent != NULL)
		json_add_str(args, "agent", g->agent);
	if (before != NULL)
		json_add_str(args, "before", before);
	json_add_int(args, "limit", limit);
	return launcher_rows(g->l, "turns", args, turns);
}

static const char *
turn_id(const struct rows *turns, size_t i)
{
	return json_str(turns->row[i], "id", "");
}

static bool
is_new(const struct logging *g, const char *id)
{
	return g->newest == NULL || strcmp(id, g->newest) > 0;
}

static void
set_newest(struct logging *g, const char *id)
{
	free(g->newest);
	g->newest = xstrdup(id);
}

static void
open_add(struct logging *g, const char *id)
{
	g->open = xreallocarray(g->open, g->open_count + 1, sizeof(*g->open));
	g->open[g->open_count++] = xstrdup(id);
}

/* true: it was one. */
static bool
open_remove(struct logging *g, const char *id)
{
	for (size_t i = 0; i < g->open_count; i++) {
		if (strcmp(g->open[i], id) != 0)
			continue;
		free(g->open[i]);
		g->open[i] = g->open[--g->open_count];
		return true;
	}
	return false;
}

static void
print(const struct logging *g, yyjson_val *turn, int parts)
{
	struct out out = g->cli->out;

	if (g->cli->json)
		out_value_line(&out, turn);
	else
		turn_print(&out, turn, parts, cli_now());
}

/* One turn, as far as it hasn't been printed; from older to newer. */
static void
show(struct logging *g, yyjson_val *turn)
{
	const char *id = json_str(turn, "id", "");
	bool ended = json_int(turn, "ended_at", 0) != 0;

	if (is_new(g, id)) {
		print(g, turn, ended ? TURN_PROMPT | TURN_ANSWER : TURN_PROMPT);
		set_newest(g, id);
		if (!ended)
			open_add(g, id);
	} else if (ended && open_remove(g, id)) {
		print(g, turn, TURN_ANSWER);
	}
}

static void
show_all(struct logging *g, const struct rows *turns)
{
	for (size_t i = turns->count; i-- > 0;) /* they come newest first */
		show(g, turns->row[i]);
}

/* Those that were open and are older than what was looked at; a turn is the newest of
 * those before the next possible id. */
static int
look_at_open(struct logging *g, const char *oldest)
{
	int status = CLI_OK;

	for (size_t i = g->open_count; i-- > 0 && status == CLI_OK;) {
		struct rows turns;
		if (strcmp(g->open[i], oldest) >= 0)
			continue;
		char *next = xasprintf("%s0", g->open[i]);
		status = fetch(g, 1, next, &turns);
		if (status == CLI_OK)
			show_all(g, &turns);
		free(next);
		rows_free(&turns);
	}
	return status;
}

/* Page by page, back to what is known. */
static int
look(struct logging *g)
{
	struct rows *pages = NULL;
	size_t count = 0;
	const char *oldest = NULL;
	bool more = true;
	int status = CLI_OK;

	while (more && status == CLI_OK) {
		pages = xreallocarray(pages, count + 1, sizeof(*pages));
		struct rows *page = &pages[count++];
		status = fetch(g, PAGE_TURNS, oldest, page);
		more = page->count == PAGE_TURNS;
		if (page->count > 0)
			oldest = turn_id(page, page->count - 1);
		more = more && is_new(g, oldest);
	}
	for (size_t i = count; status == CLI_OK && i-- > 0;)
		show_all(g, &pages[i]);
	if (status == CLI_OK && oldest != NULL)
		status = look_at_open(g, oldest);
	for (size_t i = 0; i < count; i++)
		rows_free(&pages[i]);
	free(pages);
	return status;
}

/* The last ones; for `-n 0` none, but it is known where the new ones begin. */
static int
first_look(struct logging *g, int64_t limit)
{
	struct rows turns;
	int status = fetch(g, limit == 0 ? 1 : limit, NULL, &turns);

	if (status == CLI_OK && limit > 0)
		show_all(g, &turns);
	else if (status == CLI_OK && turns.count > 0)
		set_newest(g, turn_id(&turns, 0));
	rows_free(&turns);
	return status;
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
	int status = CLI_OK;

	while (status == CLI_OK && (status = wait_for_turn(events)) == CLI_OK) {
		status = begun ? look(g) : first_look(g, limit);
		begun = true;
		fflush(g->cli->out.file);
	}
	launcher_free(events);
	return status;
}

static int
print_once(struct logging *g, int64_t limit)
{
	struct out out = g->cli->out;
	struct rows turns;
	int status = fetch(g, limit, NULL, &turns);

	if (status == CLI_OK && g->cli->json)
		out_json(&out, rows_json(&turns));
	else if (status == CLI_OK)
		for (size_t i = turns.count; i-- > 0;)
			print(g, turns.row[i], TURN_PROMPT | TURN_ANSWER);
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
	for (size_t i = 0; i < g.open_count; i++)
		free(g.open[i]);
	free(g.open);
	free(g.newest);
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
