/* berth help, version. */
#include <string.h>

#include "args.h"
#include "buf.h"
#include "cmd.h"
#include "help.h"
#include "json.h"
#include "nearest.h"

int
cli_unknown_command(const struct cli *cli, const char *name)
{
	struct nearest near = {.typed = name};
	struct buf hint = BUF_INIT;

	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		nearest_try(&near, (*c)->name);
	if (near.best != NULL)
		buf_addf(&hint, "did you mean %s? ", near.best);
	buf_adds(&hint, "`berth help` lists the commands");
	cli_fail(cli, CLI_USAGE, "no-command", buf_str(&hint),
	    "there is no command \"%s\"", name);
	buf_free(&hint);
	return CLI_USAGE;
}

static void
add_options(yyjson_mut_doc *doc, yyjson_mut_val *row, const struct cli_option *option)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, row, "options");

	for (; option != NULL && option->name != NULL; option++) {
		yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
		yyjson_mut_obj_add_str(doc, one, "name", option->name);
		if (option->letter != 0)
			yyjson_mut_obj_add_strncpy(
			    doc, one, "letter", &option->letter, 1);
		if (option->value != NULL)
			yyjson_mut_obj_add_str(doc, one, "value", option->value);
		yyjson_mut_obj_add_str(doc, one, "help", option->help);
	}
}

static void
add_command(yyjson_mut_doc *doc, const struct command *command)
{
	yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, yyjson_mut_doc_get_root(doc));

	yyjson_mut_obj_add_str(doc, row, "command", command->name);
	yyjson_mut_obj_add_str(doc, row, "synopsis", command->synopsis);
	yyjson_mut_obj_add_str(doc, row, "brief", command->brief);
	yyjson_mut_obj_add_str(doc, row, "help", command->help);
	add_options(doc, row, command->options);
}

static void
help_json(const struct cli *cli, const struct command *only)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	struct out out = cli->out;

	yyjson_mut_doc_set_root(doc, yyjson_mut_arr(doc));
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		if (only == NULL || only == *c)
			add_command(doc, *c);
	out_json(&out, doc);
}

static void
exits_json(const struct cli *cli)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	struct out out = cli->out;

	yyjson_mut_doc_set_root(doc, list);
	for (const struct cli_exit_row *row = cli_exits; row->name != NULL; row++) {
		yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
		yyjson_mut_obj_add_sint(doc, one, "exit", row->status);
		yyjson_mut_obj_add_str(doc, one, "name", row->name);
		yyjson_mut_obj_add_str(doc, one, "help", row->help);
	}
	out_json(&out, doc);
}

static int
help_exec(struct cli *cli, const struct args *args)
{
	const char *topic = args->count > 0 ? args->words[0] : NULL;
	const struct command *command = topic == NULL ? NULL : cli_command_find(topic);
	bool exits = topic != NULL && strcmp(topic, "exit-codes") == 0;
	struct out out = cli->out;

	if (topic != NULL && command == NULL && !exits)
		return cli_unknown_command(cli, topic);
	if (args_has(args, "markdown"))
		help_markdown(&out);
	else if (exits && cli->json)
		exits_json(cli);
	else if (exits)
		help_exits(&out);
	else if (cli->json)
		help_json(cli, command);
	else if (command != NULL)
		help_command(&out, command);
	else
		help_overview(&out);
	return CLI_OK;
}

static int
version_exec(struct cli *cli, const struct args *args)
{
	struct out out = cli->out;

	(void)args;
	if (!cli->json) {
		out_puts(&out, "berth " BERTH_VERSION "\n");
		return CLI_OK;
	}
	yyjson_mut_doc *doc = json_object();
	json_add_str(doc, "version", BERTH_VERSION);
	out_json(&out, doc);
	return CLI_OK;
}

static const struct cli_option help_options[] = {
    {0, "markdown", NULL, "all of it, as docs/cli.md", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_help = {
    .name = "help",
    .synopsis = "[COMMAND|exit-codes]",
    .brief = "explain a command, or list them",
    .help = "Without a word, the commands; with one, what it does and its options. "
	    "`exit-codes` lists what the "
	    "shell gets.",
    .options = help_options,
    .what = WHAT_COMMAND,
    .min_words = 0,
    .max_words = 1,
    .exec = help_exec,
};

const struct command cmd_version = {
    .name = "version",
    .synopsis = "",
    .brief = "print berth's version",
    .help = "`berth doctor` prints those of the parts.",
    .what = WHAT_NONE,
    .min_words = 0,
    .max_words = 0,
    .exec = version_exec,
};
