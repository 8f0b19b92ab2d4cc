/* berth apply: the configuration put to use now. */
#include "args.h"
#include "cmd.h"
#include "json.h"
#include "launcher.h"

enum { APPLY_MS = 60000 };

static size_t
print_list(const struct cli *cli, yyjson_val *list)
{
	struct out out = cli->out;
	yyjson_val *line;
	size_t i, max;

	yyjson_arr_foreach(list, i, max, line)
	{
		if (yyjson_is_str(line))
			out_line(&out, yyjson_get_str(line));
	}
	return yyjson_arr_size(list);
}

static void
print_warnings(const struct cli *cli, yyjson_val *warnings)
{
	yyjson_val *row;
	size_t i, max;

	yyjson_arr_foreach(warnings, i, max, row)
	{
		cli_note(cli, "%s", json_str(row, "text", "?"));
	}
}

static int
report(const struct cli *cli, yyjson_val *answer)
{
	yyjson_val *errors = json_get(answer, "errors"),
		   *changes = json_get(answer, "changes");
	bool good = json_bool(answer, "good", yyjson_arr_size(errors) == 0);
	struct out out = cli->out;

	if (cli->json) {
		yyjson_mut_doc *doc = json_object();
		json_add_bool(doc, "good", good);
		json_add_val(doc, "changes", changes);
		json_add_val(doc, "errors", errors);
		json_add_val(doc, "warnings", json_get(answer, "warnings"));
		out_json(&out, doc);
		return good ? CLI_OK : CLI_NO;
	}
	if (!good) {
		print_list(cli, errors);
		return cli_fail(cli, CLI_NO, "config",
		    "correct /data/berth.toml; `berth config check` checks it",
		    "nothing was applied: the configuration has errors");
	}
	if (print_list(cli, changes) == 0)
		out_puts(&out, "nothing to change\n");
	print_warnings(cli, json_get(answer, "warnings"));
	return CLI_OK;
}

static int
apply_exec(struct cli *cli, const struct args *args)
{
	struct launcher *l = launcher_new(cli, PATIENCE_LONG_MS);
	yyjson_doc *answer;

	(void)args;
	launcher_timeout(l, APPLY_MS);
	launcher_unsure(l, "`berth status` shows which configuration is in use");
	int status = launcher_ask(l, "apply", NULL, LAUNCHER_AGAIN, &answer);
	if (status == CLI_OK)
		status = report(cli, yyjson_doc_get_root(answer));
	yyjson_doc_free(answer);
	launcher_free(l);
	return status;
}

const struct command cmd_apply = {
    .name = "apply",
    .synopsis = "",
    .brief = "put a changed berth.toml to use",
    .help = "Reads /data/berth.toml, and makes what runs agree with it: agents are "
	    "added, removed, or restarted if "
	    "what they are started with has changed. It prints what changed. A file with "
	    "errors changes nothing; "
	    "the exit code is 1.",
    .what = WHAT_NONE,
    .min_words = 0,
    .max_words = 0,
    .exec = apply_exec,
};
