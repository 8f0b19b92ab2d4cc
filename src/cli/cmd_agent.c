/* berth start, stop, restart, hold: what an agent shall do. */
#include <string.h>

#include "agents.h"
#include "args.h"
#include "cmd.h"
#include "json.h"
#include "launcher.h"

/* Answered when it is done: an agent may need its time to end, its shim to kill it, and a
 * restart both and a start. */
enum { DONE_MS = 120000 };

static int
ask(const struct cli *cli, struct launcher *l, const char *op, const struct args *args,
    yyjson_doc **answer)
{
	yyjson_mut_doc *request = json_object();

	json_add_str(request, "agent", args->words[0]);
	if (args_has(args, "reason"))
		json_add_str(request, "reason", args_get(args, "reason"));
	if (strcmp(op, "stop") == 0)
		json_add_bool(request, "now", args_has(args, "now"));
	launcher_timeout(l, DONE_MS);
	launcher_unsure(l, "look at `berth ls` before you ask for it again");
	if (strcmp(op, "start") != 0 && cli->err.tty)
		cli_note(cli, "waiting for %s to end%s", args->words[0],
		    strcmp(op, "restart") == 0 ? " and start again" : "");
	return launcher_ask(l, op, request,
	    strcmp(op, "restart") == 0 ? LAUNCHER_ONCE : LAUNCHER_AGAIN, answer);
}

static int
known(const struct cli *cli, struct launcher *l, const char *name)
{
	struct rows agents;
	int status = agents_fetch(l, &agents);

	if (status == CLI_OK && agents_find(&agents, name) == NULL)
		status = agents_unknown(cli, &agents, name);
	rows_free(&agents);
	return status;
}

static void
print_state(const struct cli *cli, const char *name, yyjson_val *answer)
{
	const char *state = json_str(answer, "state", "?");
	struct out out = cli->out;

	if (cli->json) {
		yyjson_mut_doc *doc = json_object();
		json_add_str(doc, "agent", name);
		json_add_str(doc, "state", state);
		out_json(&out, doc);
		return;
	}
	out_printf(&out, "%s: ", name);
	out_styled(&out, agents_style(state), state);
	out_puts(&out, "\n");
}

static int
change(struct cli *cli, const struct args *args, const char *op)
{
	struct launcher *l = launcher_new(cli, PATIENCE_LONG_MS);
	yyjson_doc *answer = NULL;
	int status = known(cli, l, args->words[0]);

	if (status == CLI_OK)
		status = ask(cli, l, op, args, &answer);
	if (status == CLI_OK)
		print_state(cli, args->words[0], yyjson_doc_get_root(answer));
	yyjson_doc_free(answer);
	launcher_free(l);
	return status;
}

static int
start_exec(struct cli *cli, const struct args *args)
{
	return change(cli, args, "start");
}

static int
stop_exec(struct cli *cli, const struct args *args)
{
	return change(cli, args, "stop");
}

static int
restart_exec(struct cli *cli, const struct args *args)
{
	return change(cli, args, "restart");
}

static int
hold_exec(struct cli *cli, const struct args *args)
{
	return change(cli, args, "hold");
}

static const struct cli_option reason_options[] = {
    {0, "reason", "TEXT", "why; it is shown and kept", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

static const struct cli_option stop_options[] = {
    {0, "now", NULL, "kill it at once, instead of asking it to end", WHAT_NONE},
    {0, "reason", "TEXT", "why; it is shown and kept", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_start = {
    .name = "start",
    .synopsis = "AGENT",
    .brief = "start an agent that is stopped or held",
    .help = "Starts the agent and resumes its conversation. It also ends a hold, and "
	    "forgets the crashes that "
	    "led to it.",
    .options = reason_options,
    .what = WHAT_AGENT,
    .min_words = 1,
    .max_words = 1,
    .exec = start_exec,
};

const struct command cmd_stop = {
    .name = "stop",
    .synopsis = "AGENT [--now] [--reason TEXT]",
    .brief = "stop an agent; it stays stopped",
    .help = "Asks the agent to end, and waits until it has. It stays stopped, over "
	    "restarts of the container too, "
	    "until `berth start`. Its messages wait in the queue; the conversation is "
	    "resumed later.",
    .options = stop_options,
    .what = WHAT_AGENT,
    .min_words = 1,
    .max_words = 1,
    .exec = stop_exec,
};

const struct command cmd_restart = {
    .name = "restart",
    .synopsis = "AGENT [--reason TEXT]",
    .brief = "stop an agent and start it again",
    .help = "Waits until it runs again. The conversation is resumed. A turn that is cut "
	    "by it is taken up again as "
	    "berth.toml says (on_cut).",
    .options = reason_options,
    .what = WHAT_AGENT,
    .min_words = 1,
    .max_words = 1,
    .exec = restart_exec,
};

const struct command cmd_hold = {
    .name = "hold",
    .synopsis = "AGENT [--reason TEXT]",
    .brief = "stop an agent until somebody has looked at it",
    .help = "As stop, but shown as a problem by `berth status`, with the reason.",
    .options = reason_options,
    .what = WHAT_AGENT,
    .min_words = 1,
    .max_words = 1,
    .exec = hold_exec,
};
