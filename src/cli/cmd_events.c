/* berth events: what changed, as it was committed. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "json.h"
#include "launcher.h"
#include "message.h"
#include "text.h"
#include "when.h"

enum { DEFAULT_LAST = 50 };

struct following {
	struct cli *cli;
	int64_t after; /* the last that was printed; -1: none yet */
	int64_t last;
	bool follow;
};

static void
print_event(const struct cli *cli, yyjson_val *event)
{
	struct out out = cli->out;
	char *entity = text_cleaned(json_str(event, "entity", "?"), TEXT_LINE);
	char *id = text_cleaned(json_str(event, "id", ""), TEXT_LINE);
	char *old = text_cleaned(json_str(event, "old", ""), TEXT_LINE);
	char *new = text_cleaned(json_str(event, "new", ""), TEXT_LINE);
	char *cause = text_cleaned(json_str(event, "cause", ""), TEXT_LINE);
	char when[WHEN_MAX];

	out_styled(&out, STYLE_DIM, when_exact(json_int(event, "at", 0), when));
	out_printf(&out, "  %lld  %s ", (long long)json_int(event, "seq", 0), entity);
	out_styled(&out, STYLE_BOLD, id);
	out_printf(&out, "  %s%s", old, *old != '\0' && *new != '\0' ? " -> " : "");
	out_styled(&out, message_style(new), new);
	if (*cause != '\0')
		out_printf(&out, "  (%s)", cause);
	out_puts(&out, "\n");
	free(entity);
	free(id);
	free(old);
	free(new);
	free(cause);
}

static yyjson_mut_doc *
request(const struct following *f)
{
	yyjson_mut_doc *args = json_object();

	if (f->after >= 0)
		json_add_int(args, "after", f->after);
	else
		json_add_int(args, "last", f->last);
	json_add_bool(args, "follow", f->follow);
	return args;
}

static int
list(struct following *f, struct launcher *l)
{
	struct out out = f->cli->out;
	struct rows rows;
	int status = launcher_rows(l, "subscribe", request(f), &rows);

	if (status == CLI_OK && f->cli->json)
		out_json(&out, rows_json(&rows));
	else if (status == CLI_OK)
		for (size_t i = 0; i < rows.count; i++)
			print_event(f->cli, rows.row[i]);
	rows_free(&rows);
	return status;
}

static void
on_event(struct following *f, yyjson_val *event)
{
	struct out out = f->cli->out;

	f->after = json_int(event, "seq", f->after);
	if (f->cli->json)
		out_value_line(&out, event);
	else
		print_event(f->cli, event);
	fflush(out.file);
}

/* After a lost connection it goes on behind the last event that was printed: none is
 * missed. */
static int
follow(struct following *f, struct launcher *l)
{
	int64_t number;
	int status = CLI_OK;

	while (status == CLI_OK) {
		if (!launcher_connected(l)) {
			status = launcher_connect(l);
			if (status == CLI_OK)
				launcher_send(l, "subscribe", request(f));
			continue;
		}
		yyjson_doc *line = launcher_read(l, -1, &number);
		yyjson_val *root = yyjson_doc_get_root(line),
			   *event = json_get(root, "event");
		if (event != NULL)
			on_event(f, event);
		else if (line != NULL)
			status = launcher_error(l, root);
		yyjson_doc_free(line);
	}
	return status;
}

static int
events_exec(struct cli *cli, const struct args *args)
{
	struct following f = {
	    .cli = cli, .after = -1, .follow = args_has(args, "follow")};
	struct launcher *l =
	    launcher_new(cli, f.follow ? PATIENCE_LONG_MS : PATIENCE_SHORT_MS);
	int status = CLI_USAGE;

	if (args_count(args, cli, "after", -1, INT64_MAX, &f.after) &&
	    args_count(args, cli, "number", DEFAULT_LAST, 1000000, &f.last))
		status = f.follow ? follow(&f, l) : list(&f, l);
	launcher_free(l);
	return status;
}

static const struct cli_option events_options[] = {
    {'f', "follow", NULL, "go on as things happen, until Ctrl-C", WHAT_NONE},
    {0, "after", "SEQ", "those after this sequence number", WHAT_NONE},
    {'n', "number", "N", "how many of the past (default 50)", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_events = {
    .name = "events",
    .synopsis = "[-f] [--after SEQ] [-n N]",
    .brief = "every change of state, in order",
    .help = "When, sequence number, what, from which state to which, and why. With -f it "
	    "goes on, over restarts of "
	    "the launcher, without missing any. --json prints an array; with -f one "
	    "object a line.",
    .options = events_options,
    .what = WHAT_NONE,
    .min_words = 0,
    .max_words = 0,
    .exec = events_exec,
};
