/* berth wait: for the end of a message that was sent before. */
#include "args.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "message.h"

static int
wait_exec(struct cli *cli, const struct args *args)
{
	struct launcher *l = launcher_new(cli, PATIENCE_LONG_MS);
	struct rows rows = {0};
	yyjson_val *message;
	int64_t timeout;
	int status = CLI_USAGE;

	if (args_duration(args, cli, "timeout", -1, &timeout))
		status = message_find(cli, l, args->words[0], &rows, &message);
	if (status == CLI_OK)
		status = message_wait(cli, l, json_str(message, "id", ""),
		    json_str(message, "agent", "?"),
		    timeout < 0 ? -1 : mono_ms() + timeout);
	rows_free(&rows);
	launcher_free(l);
	return status;
}

static const struct cli_option wait_options[] = {
    {'t', "timeout", "D", "give up after 30s, 10m ... (the message stays)", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_wait = {
    .name = "wait",
    .synopsis = "[options] ID",
    .brief = "wait for a message's answer",
    .help = "As `berth send --wait`, for a message that has been sent already. It prints "
	    "the answer, or "
	    "says why there is none, and outlasts restarts of the launcher.",
    .options = wait_options,
    .what = WHAT_NONE,
    .min_words = 1,
    .max_words = 1,
    .exec = wait_exec,
};
