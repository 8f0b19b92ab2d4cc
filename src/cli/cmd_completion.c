/* berth completion: scripts for shells, made from the commands' rows. Agents' names are
 * asked at each use. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "json.h"
#include "log.h"

/* Where `berth` is a function around `docker exec -i`, the command would read what is
 * typed meanwhile. */
static const char ask_names[] = "berth ls --names < /dev/null 2> /dev/null";

static bool
has_letter(const struct cli_option *option)
{
	return option->letter != 0;
}

/* ---- bash ---- */

static void
bash_options(struct out *o, const struct cli_option *row)
{
	for (; row != NULL && row->name != NULL; row++)
		out_printf(o, " --%s", row->name);
}

static void
bash_first(struct out *o, const struct command *command)
{
	if (command->what == WHAT_AGENT || command->what == WHAT_TEXT)
		out_puts(o, " first=agents");
	else if (command->what == WHAT_COMMAND)
		out_puts(o, " first=commands");
	else if (command->what == WHAT_WORDS) {
		out_puts(o, " first='");
		for (const char *const *word = command->words; *word != NULL; word++)
			out_printf(o, "%s%s", word == command->words ? "" : " ", *word);
		out_puts(o, "'");
	}
}

/* Options with a value: what it is, for the word behind them. */
static void
bash_values(struct out *o, const struct command *command)
{
	for (const struct cli_option *row = command->options;
	    row != NULL && row->name != NULL; row++) {
		const char *what = row->what == WHAT_AGENT  ? "agents"
				   : row->what == WHAT_FILE ? "files"
							    : "none";
		if (row->value == NULL)
			continue;
		out_printf(o, "\t\t%s:--%s", command->name, row->name);
		if (has_letter(row))
			out_printf(o, " | %s:-%c", command->name, row->letter);
		out_printf(o, ") first=%s options= ;;\n", what);
	}
}

static void
bash(struct out *o)
{
	out_puts(o, "# berth for bash: source <(berth completion bash)\n"
		    "_berth() {\n"
		    "\tlocal current=${COMP_WORDS[COMP_CWORD]} "
		    "previous=${COMP_WORDS[COMP_CWORD-1]}\n"
		    "\tlocal command=${COMP_WORDS[1]} commands first= options=\n"
		    "\tcommands='");
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		out_printf(o, "%s%s", c == cli_commands ? "" : " ", (*c)->name);
	out_puts(o, "'\n\tcase $command in\n");
	for (const struct command *const *c = cli_commands; *c != NULL; c++) {
		out_printf(o, "\t\t%s)", (*c)->name);
		bash_first(o, *c);
		out_puts(o, " options='");
		bash_options(o, (*c)->options);
		bash_options(o, cli_common_options);
		out_puts(o, "' ;;\n");
	}
	out_puts(o,
	    "\tesac\n"
	    "\t[ \"$COMP_CWORD\" -le 2 ] || [ \"$first\" = commands ] || first=none\n"
	    "\t[ \"$COMP_CWORD\" = 1 ] && first=commands options='--help --version'\n"
	    "\tcase $command:$previous in\n");
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		bash_values(o, *c);
	out_printf(o,
	    "\tesac\n"
	    "\tcase $first in\n"
	    "\t\tagents) first=$(%s) ;;\n"
	    "\t\tcommands) first=$commands ;;\n"
	    "\t\tfiles) first= ; compopt -o default 2>/dev/null ;;\n"
	    "\t\tnone) first= ;;\n"
	    "\tesac\n"
	    "\tcase $current in\n"
	    "\t\t-*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\") "
	    ";;\n"
	    "\t\t*) mapfile -t COMPREPLY < <(compgen -W \"$first\" -- \"$current\") ;;\n"
	    "\tesac\n"
	    "}\n"
	    "complete -F _berth berth\n",
	    ask_names);
}

/* ---- zsh ---- */

/* Text inside '...' of a specification: what means something there is escaped. */
static void
zsh_text(struct out *o, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			out_puts(o, "'\\''");
		else
			out_printf(
			    o, "%s%c", strchr("[]:\\", *text) != NULL ? "\\" : "", *text);
	}
}

static void
zsh_option(struct out *o, const struct cli_option *row)
{
	static const char *const kinds[] = {[WHAT_TEXT] = " ",
	    [WHAT_NONE] = " ",
	    [WHAT_AGENT] = "_berth_agents",
	    [WHAT_FILE] = "_files",
	    [WHAT_COMMAND] = " ",
	    [WHAT_WORDS] = " "};

	out_puts(o, " \\\n\t\t");
	if (has_letter(row))
		out_printf(o, "'(-%c --%s)'{-%c,--%s}'[", row->letter, row->name,
		    row->letter, row->name);
	else
		out_printf(o, "'--%s[", row->name);
	zsh_text(o, row->help);
	out_puts(o, "]");
	if (row->value != NULL)
		out_printf(o, ":%s:%s", row->value, kinds[row->what]);
	out_puts(o, "'");
}

static void
zsh_first(struct out *o, const struct command *command)
{
	switch (command->what) {
	case WHAT_AGENT:
	case WHAT_TEXT:
		out_puts(o, " \\\n\t\t'1:agent:_berth_agents'");
		break;
	case WHAT_COMMAND:
		out_puts(o, " \\\n\t\t'1:command:_berth_commands'");
		break;
	case WHAT_WORDS:
		out_puts(o, " \\\n\t\t'1:what:(");
		for (const char *const *word = command->words; *word != NULL; word++)
			out_printf(o, "%s%s", word == command->words ? "" : " ", *word);
		out_puts(o, ")'");
		break;
	case WHAT_NONE:
	case WHAT_FILE:
		break;
	}
}

static void
zsh_command(struct out *o, const struct command *command)
{
	out_printf(o, "\t%s) _arguments -s", command->name);
	for (const struct cli_option *row = command->options;
	    row != NULL && row->name != NULL; row++)
		zsh_option(o, row);
	for (const struct cli_option *row = cli_common_options; row->name != NULL; row++)
		zsh_option(o, row);
	zsh_first(o, command);
	out_puts(o, " ;;\n");
}

static void
zsh(struct out *o)
{
	out_printf(o,
	    "#compdef berth\n"
	    "# berth for zsh: source <(berth completion zsh), or save as _berth in a "
	    "folder of $fpath\n"
	    "_berth_agents() {\n"
	    "\tlocal -a agents\n"
	    "\tagents=(${(f)\"$(%s)\"})\n"
	    "\t_describe agent agents\n"
	    "}\n"
	    "_berth_commands() {\n"
	    "\tlocal -a commands\n"
	    "\tcommands=(",
	    ask_names);
	for (const struct command *const *c = cli_commands; *c != NULL; c++) {
		out_printf(o, "\n\t\t'%s:", (*c)->name);
		zsh_text(o, (*c)->brief);
		out_puts(o, "'");
	}
	out_puts(o, ")\n\t_describe command commands\n"
		    "}\n"
		    "_berth() {\n"
		    "\tif (( CURRENT == 2 )); then\n"
		    "\t\t_berth_commands\n"
		    "\t\treturn\n"
		    "\tfi\n"
		    "\tshift words\n"
		    "\t(( CURRENT-- ))\n"
		    "\tcase $words[1] in\n");
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		zsh_command(o, *c);
	out_puts(o, "\tesac\n"
		    "}\n"
		    "if [ \"$funcstack[1]\" = _berth ]; then _berth \"$@\"; else compdef "
		    "_berth berth; fi\n");
}

/* ---- fish ---- */

static void
fish_text(struct out *o, const char *text)
{
	out_puts(o, "'");
	for (; *text != '\0'; text++)
		out_printf(o, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
	out_puts(o, "'");
}

static void
fish_option(struct out *o, const struct command *command, const struct cli_option *row)
{
	out_printf(o, "complete -c berth -n '__fish_seen_subcommand_from %s' -l %s",
	    command->name, row->name);
	if (has_letter(row))
		out_printf(o, " -s %c", row->letter);
	if (row->value != NULL)
		out_puts(o, row->what == WHAT_FILE ? " -r -F" : " -x");
	if (row->what == WHAT_AGENT)
		out_printf(o, " -a '(%s)'", ask_names);
	out_puts(o, " -d ");
	fish_text(o, row->help);
	out_puts(o, "\n");
}

static void
fish_first(struct out *o, const struct command *command)
{
	if (command->what == WHAT_NONE || command->what == WHAT_FILE)
		return;
	out_printf(o, "complete -c berth -n '__fish_seen_subcommand_from %s' -a '",
	    command->name);
	if (command->what == WHAT_AGENT || command->what == WHAT_TEXT)
		out_printf(o, "(%s)", ask_names);
	else if (command->what == WHAT_WORDS)
		for (const char *const *word = command->words; *word != NULL; word++)
			out_printf(o, "%s%s", word == command->words ? "" : " ", *word);
	else
		for (const struct command *const *c = cli_commands; *c != NULL; c++)
			out_printf(o, "%s%s", c == cli_commands ? "" : " ", (*c)->name);
	out_puts(o, "'\n");
}

static void
fish(struct out *o)
{
	out_puts(o, "# berth for fish: berth completion fish > "
		    "~/.config/fish/completions/berth.fish\n"
		    "complete -c berth -f\n");
	for (const struct command *const *c = cli_commands; *c != NULL; c++) {
		out_printf(o, "complete -c berth -n __fish_use_subcommand -a %s -d ",
		    (*c)->name);
		fish_text(o, (*c)->brief);
		out_puts(o, "\n");
		fish_first(o, *c);
		for (const struct cli_option *row = (*c)->options;
		    row != NULL && row->name != NULL; row++)
			fish_option(o, *c, row);
		for (const struct cli_option *row = cli_common_options; row->name != NULL;
		    row++)
			fish_option(o, *c, row);
	}
}

/* ---- */

static void
script(struct out *o, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		bash(o);
	else if (strcmp(shell, "zsh") == 0)
		zsh(o);
	else
		fish(o);
}

static void
print_json(struct out *o, const char *shell)
{
	yyjson_mut_doc *doc = json_object();
	struct out to = *o;
	char *text = NULL;
	size_t len;

	to.file = open_memstream(&text, &len);
	if (to.file == NULL)
		fatal(EXIT_SYSTEM, "open_memstream");
	script(&to, shell);
	fclose(to.file);
	json_add_str(doc, "shell", shell);
	json_add_str(doc, "script", text);
	out_json(o, doc);
	free(text);
}

static int
completion_exec(struct cli *cli, const struct args *args)
{
	struct out out = cli->out;

	if (cli->json)
		print_json(&out, args->words[0]);
	else
		script(&out, args->words[0]);
	return CLI_OK;
}

static const char *const completion_words[] = {"bash", "zsh", "fish", NULL};

const struct command cmd_completion = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .brief = "complete commands and agents in a shell",
    .help = "Prints a script for the shell. On the machine that runs the container, for "
	    "example:\n"
	    "\n"
	    "    berth() { docker exec -i berth berth \"$@\"; }    # or podman\n"
	    "    source <(berth completion bash)",
    .words = completion_words,
    .what = WHAT_WORDS,
    .min_words = 1,
    .max_words = 1,
    .exec = completion_exec,
};
