/* How a command fails, and remarks. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "text.h"
#include "xmalloc.h"

static const char *
status_name(int status)
{
	for (const struct cli_exit_row *row = cli_exits; row->name != NULL; row++)
		if (row->status == status)
			return row->name;
	return "error";
}

static void
fail_json(const struct cli *cli, int status, const char *code, const char *hint,
    const char *message)
{
	yyjson_mut_doc *doc = json_object();
	struct out err = cli->err;

	json_add_str(doc, "error", code);
	json_add_str(doc, "message", message);
	if (hint != NULL)
		json_add_str(doc, "hint", hint);
	json_add_int(doc, "exit", status);
	out_json(&err, doc);
}

static void
fail_human(const struct cli *cli, const char *hint, const char *message)
{
	struct out err = cli->err;
	struct buf lines = BUF_INIT;
	char *clean = text_cleaned(message, TEXT_LINES),
	     *whole = xasprintf("berth: %s", clean);

	text_wrap(&lines, whole, err.width, 0);
	out_styled(&err, STYLE_RED, "berth:");
	out_puts(&err, buf_str(&lines) + strlen("berth:"));
	free(whole);
	free(clean);
	if (hint != NULL)
		out_text(&err, hint, 2);
	buf_free(&lines);
}

int
cli_fail(const struct cli *cli, int status, const char *code, const char *hint,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *message = xvasprintf(format, ap);
	va_end(ap);
	fflush(stdout);
	if (cli->json)
		fail_json(cli, status, code == NULL ? status_name(status) : code, hint,
		    message);
	else
		fail_human(cli, hint, message);
	free(message);
	return status;
}

void
cli_note(const struct cli *cli, const char *format, ...)
{
	struct out err = cli->err;
	va_list ap;

	if (cli->json)
		return;
	va_start(ap, format);
	char *message = xvasprintf(format, ap);
	va_end(ap);
	out_puts(&err, "berth: ");
	char *clean = text_cleaned(message, TEXT_LINE);
	out_printf(&err, "%s\n", clean);
	free(clean);
	free(message);
}

const struct command *
cli_command_find(const char *name)
{
	for (const struct command *const *c = cli_commands; *c != NULL; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}
