/* berth config: berth.toml checked, shown with what is default, explained. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#include "args.h"
#include "buf.h"
#include "cmd.h"
#include "config.h"
#include "configfile.h"
#include "container.h"
#include "json.h"
#include "paths.h"
#include "text.h"

static int
fail_read(const struct cli *cli, const char *path)
{
	int error = errno;
	const char *hint, *what = config_unreadable(error, &hint);

	if (error == EACCES)
		hint = container_hint("root may read it: ", " config ...");
	return cli_fail(cli, error == EACCES ? CLI_FORBIDDEN : CLI_NOT_FOUND,
	    "cannot-read", hint, "%s: %s", path, what);
}

/* ---- words ---- */

static void
print_errors(const struct cli *cli, const struct config *c)
{
	struct out out = cli->out;
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *list =
	    yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "errors");

	json_add_bool(doc, "good", config_errors(c) == 0);
	for (size_t i = 0; i < config_errors(c); i++) {
		yyjson_mut_arr_add_strcpy(doc, list, config_error(c, i));
		if (!cli->json)
			out_line(&out, config_error(c, i));
	}
	if (cli->json)
		out_json(&out, doc);
	else
		yyjson_mut_doc_free(doc);
}

static int
check(const struct cli *cli, const char *path)
{
	struct out out = cli->out;
	struct config *c;

	if (config_file_load(path, &c) != 0)
		return fail_read(cli, path);
	size_t errors = config_errors(c);
	print_errors(cli, c);
	if (errors == 0 && !cli->json)
		out_printf(&out, "%s is good\n", path);
	config_free(c);
	return errors == 0 ? CLI_OK : CLI_NO;
}

static void
print_whole(const struct cli *cli, const char *member, const char *text)
{
	struct out out = cli->out;

	if (!cli->json) {
		char *clean = text_cleaned(text, TEXT_LINES);
		out_puts(&out, clean);
		free(clean);
		return;
	}
	yyjson_mut_doc *doc = json_object();
	json_add_str(doc, member, text);
	out_json(&out, doc);
}

static int
show(const struct cli *cli, const char *path)
{
	struct config *c;
	int status = CLI_OK;

	if (config_file_load(path, &c) != 0)
		return fail_read(cli, path);
	if (config_errors(c) > 0) {
		print_errors(cli, c);
		status = cli_fail(cli, CLI_NO, "config",
		    "correct them, then `berth config check`", "%s has errors", path);
	} else {
		char *text = config_show(c);
		print_whole(cli, "toml", text);
		free(text);
	}
	config_free(c);
	return status;
}

static int
config_exec(struct cli *cli, const struct args *args)
{
	const char *word = args->words[0],
		   *path = args->count > 1 ? args->words[1] : CONFIG_FILE;

	if (strcmp(word, "check") == 0)
		return check(cli, path);
	if (strcmp(word, "show") == 0)
		return show(cli, path);
	if (args->count > 1)
		return cli_fail(
		    cli, CLI_USAGE, NULL, NULL, "config %s takes no file", word);
	if (strcmp(word, "doc") == 0) {
		char *text = config_doc();
		print_whole(cli, "markdown", text);
		free(text);
	} else {
		char *text = config_default_file(access(CLAUDE_PROGRAM, X_OK) == 0);
		print_whole(cli, "toml", text);
		free(text);
	}
	return CLI_OK;
}

static const char *const config_words[] = {"check", "show", "doc", "default", NULL};

const struct command cmd_config = {
    .name = "config",
    .synopsis = "check|show [FILE], doc|default",
    .brief = "check, show and explain the configuration",
    .help = "- check: everything that is wrong in the file (default /data/berth.toml) "
	    "and in the container's BERTH__ "
	    "variables; exit code 1 if there is something.\n"
	    "- show: all values and where each comes from, without secrets.\n"
	    "- doc: every key, its type, default and meaning.\n"
	    "- default: the commented file of a first start.\n"
	    "\n"
	    "None of them changes anything; `berth apply` puts a changed file to use.",
    .words = config_words,
    .what = WHAT_WORDS,
    .min_words = 1,
    .max_words = 2,
    .exec = config_exec,
};
