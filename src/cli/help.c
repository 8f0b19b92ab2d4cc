/* Help for people at a terminal, and the same as docs/cli.md. */
#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "text.h"

enum { NAME_COLUMN = 11, OPTION_COLUMN = 22, MARKDOWN_WIDTH = 110 };

static const char overview[] = "berth keeps coding agents alive, delivers messages to "
			       "them and brings back their answers.";

static void
print_briefs(struct out *o)
{
	for (const struct command *const *c = cli_commands; *c != NULL; c++) {
		out_puts(o, "  ");
		out_styled(o, STYLE_BOLD, (*c)->name);
		out_printf(o, "%*s  %s\n", NAME_COLUMN - (int)strlen((*c)->name), "",
		    (*c)->brief);
	}
}

void
help_overview(struct out *o)
{
	out_text(o, overview, 0);
	out_puts(o, "\nusage: berth COMMAND ...\n\n");
	print_briefs(o);
	out_puts(o, "\n`berth help COMMAND` or `berth COMMAND --help` explains one. All "
		    "print JSON with "
		    "--json.\n`berth help exit-codes` lists the exit codes.\n");
}

/* "-t, --timeout D" */
static void
option_text(struct buf *out, const struct cli_option *option)
{
	if (option->letter != 0)
		buf_addf(out, "-%c, ", option->letter);
	buf_addf(out, "--%s", option->name);
	if (option->value != NULL)
		buf_addf(out, " %s", option->value);
}

static void
print_options(struct out *o, const struct cli_option *row)
{
	struct buf option = BUF_INIT;

	for (; row != NULL && row->name != NULL; row++) {
		buf_clear(&option);
		if (row->letter == 0)
			buf_adds(&option, "    ");
		option_text(&option, row);
		out_printf(o, "  %-*s  %s\n", OPTION_COLUMN, buf_str(&option), row->help);
	}
	buf_free(&option);
}

void
help_command(struct out *o, const struct command *command)
{
	out_puts(o, "usage: berth ");
	out_styled(o, STYLE_BOLD, command->name);
	out_printf(
	    o, "%s%s\n\n", *command->synopsis == '\0' ? "" : " ", command->synopsis);
	out_text(o, command->help, 0);
	out_puts(o, "\n");
	print_options(o, command->options);
	print_options(o, cli_common_options);
}

void
help_exits(struct out *o)
{
	for (const struct cli_exit_row *row = cli_exits; row->name != NULL; row++) {
		out_printf(o, "%3d  ", row->status);
		out_styled(o, STYLE_BOLD, row->name);
		out_puts(o, "\n");
		out_text(o, row->help, 5);
	}
}

/* ---- Markdown ---- */

static void
markdown_options(struct out *o, const struct cli_option *row)
{
	struct buf option = BUF_INIT;

	if (row == NULL)
		return;
	out_puts(o, "| option | |\n|---|---|\n");
	for (; row->name != NULL; row++) {
		buf_clear(&option);
		option_text(&option, row);
		out_printf(o, "| `%s` | %s |\n", buf_str(&option), row->help);
	}
	out_puts(o, "\n");
	buf_free(&option);
}

static void
markdown_command(struct out *o, const struct command *command)
{
	struct out wide = *o;

	wide.width = MARKDOWN_WIDTH;
	out_printf(o, "## %s\n\n", command->name);
	out_printf(o, "    berth %s%s%s\n\n", command->name,
	    *command->synopsis == '\0' ? "" : " ", command->synopsis);
	out_text(&wide, command->help, 0);
	out_puts(o, "\n");
	markdown_options(o, command->options);
}

static void
markdown_exits(struct out *o)
{
	out_puts(o, "## Exit codes\n\n| code | name | |\n|---|---|---|\n");
	for (const struct cli_exit_row *row = cli_exits; row->name != NULL; row++)
		out_printf(o, "| %d | %s | %s |\n", row->status, row->name, row->help);
}

static const char markdown_head[] =
    "# The berth command\n"
    "\n"
    "<!-- Made by `berth help --markdown` from the tables in src/cli; a test compares. "
    "-->\n"
    "\n"
    "It runs inside the container: `docker exec -it berth berth ...` (with Podman, say "
    "`podman`), or `./just berth ...`.\n"
    "\n"
    "- Every command takes `--help`, and `--json`: one JSON object or array on standard "
    "output, an error as "
    "`{\"error\",\"message\",\"hint\",\"exit\"}` on standard error; a command that goes "
    "on (`-f`, `--watch`) prints one "
    "object a line.\n"
    "- Colours only on a terminal; `NO_COLOR` is respected. Into a pipe, tables are as "
    "wide as they need to be, "
    "unless `COLUMNS` says otherwise.\n"
    "- What agents and senders wrote is printed with control characters spelled out "
    "(`\\x1b`); `--json` has it "
    "exactly.\n"
    "- Times are local (`TZ`).\n"
    "- `BERTH_RUN_DIR` names another folder than /run/berth for the sockets, "
    "`BERTH_CONFIG_FILE` another file than /data/berth.toml.\n"
    "- Ids may be shortened to their last 4 or more characters.\n";

void
help_markdown(struct out *o)
{
	struct out wide = *o;

	wide.width = MARKDOWN_WIDTH;
	out_text(&wide, markdown_head, 0);
	out_puts(o, "\n");
	out_puts(o, "| command | |\n|---|---|\n");
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		out_printf(
		    o, "| [%s](#%s) | %s |\n", (*c)->name, (*c)->name, (*c)->brief);
	out_puts(o, "\n");
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		markdown_command(o, *c);
	markdown_exits(o);
}
