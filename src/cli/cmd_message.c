/* berth show, cancel, retry: one message. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "message.h"
#include "text.h"
#include "when.h"

/* ---- show ---- */

static void
fact(struct out *o, const char *name, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	char *clean = text_cleaned(text, TEXT_LINE);
	out_style(o, STYLE_DIM);
	out_printf(o, "%-10s  ", name);
	out_style(o, STYLE_PLAIN);
	out_printf(o, "%s\n", clean);
	free(clean);
}

static void
step(struct out *o, yyjson_val *m, const char *name, const char *key, int64_t *last)
{
	int64_t at = json_int(m, key, 0);
	char when[WHEN_MAX], took[WHEN_MAX];

	if (at == 0)
		return;
	out_style(o, STYLE_DIM);
	out_printf(o, "%-10s  ", name);
	out_style(o, STYLE_PLAIN);
	out_puts(o, when_exact(at, when));
	if (*last != 0)
		out_printf(o, "  after %s", when_took(at - *last, took));
	out_puts(o, "\n");
	*last = at;
}

static void
print_steps(struct out *o, yyjson_val *m)
{
	const char *state = json_str(m, "state", "?");
	char *end = text_cleaned(state, TEXT_LINE);
	int64_t last = 0, none = 0;

	step(o, m, "not before", "not_before", &none);
	none = 0;
	step(o, m, "expires", "expires_at", &none);
	step(o, m, "queued", "created_at", &last);
	step(o, m, "delivering", "delivering_at", &last);
	step(o, m, "delivered", "delivered_at", &last);
	step(o, m, end, "ended_at", &last);
	free(end);
}

static void
print_state(struct out *o, struct launcher *l, yyjson_val *m)
{
	const char *state = json_str(m, "state", "?");
	int before = strcmp(state, "queued") == 0 ? message_position(l, m) : 0;
	char *clean = text_cleaned(state, TEXT_LINE),
	     *reason = text_cleaned(json_str(m, "reason", ""), TEXT_LINE);

	out_style(o, STYLE_DIM);
	out_puts(o, "state       ");
	out_style(o, STYLE_PLAIN);
	out_styled(o, message_style(state), clean);
	if (*reason != '\0')
		out_printf(o, ": %s", reason);
	if (before > 0)
		out_printf(o, " (%d before it)", before);
	out_puts(o, "\n");
	free(clean);
	free(reason);
}

static void
block(struct out *o, const char *name, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	out_puts(o, "\n");
	out_styled(o, STYLE_DIM, name);
	out_puts(o, "\n");
	out_text(o, text, 2);
}

static void
print_message(struct out *o, struct launcher *l, yyjson_val *m)
{
	int64_t attempts = json_int(m, "attempts", 0);

	fact(o, "message", json_str(m, "id", "?"));
	fact(o, "agent", json_str(m, "agent", NULL));
	print_state(o, l, m);
	fact(o, "from", json_str(m, "sender", NULL));
	fact(o, "channel", json_str(m, "channel", NULL));
	fact(o, "thread", json_str(m, "thread", NULL));
	print_steps(o, m);
	fact(o, "proof", json_str(m, "proof", NULL));
	if (attempts > 1)
		out_printf(o, "tried       %d times\n", (int)attempts);
	if (json_int(m, "together", 0) > 0)
		out_printf(o, "together    with %d more in its turn\n",
		    (int)json_int(m, "together", 0));
	fact(o, "continues", json_str(m, "parent", NULL));
	fact(o, "cut, then", json_str(m, "continued_by", NULL));
	fact(o, "sent again", json_str(m, "retried_as", NULL));
	block(o, "text", json_str(m, "text", NULL));
	block(o, "answer", json_str(m, "answer", NULL));
}

static int
show_exec(struct cli *cli, const struct args *args)
{
	struct launcher *l = launcher_new(cli, PATIENCE_SHORT_MS);
	struct out out = cli->out;
	struct rows rows;
	yyjson_val *message;
	int status = message_find(cli, l, args->words[0], &rows, &message);

	if (status == CLI_OK && cli->json)
		out_value(&out, message);
	else if (status == CLI_OK)
		print_message(&out, l, message);
	rows_free(&rows);
	launcher_free(l);
	return status;
}

/* ---- cancel, retry ---- */

static void
print_change(
    const struct cli *cli, const char *op, yyjson_val *message, yyjson_val *answer)
{
	const char *id = json_str(message, "id", "?"),
		   *agent = json_str(message, "agent", "?");
	struct out out = cli->out;

	if (strcmp(op, "retry") == 0)
		out_printf(&out, "%s  %s: queued again (it was %s)\n",
		    json_str(answer, "message", "?"), agent, id);
	else
		out_printf(&out, "%s  %s: %s\n", id, agent,
		    json_str(answer, "state", "cancelled"));
}

static int
change(struct cli *cli, const struct args *args, const char *op)
{
	struct launcher *l = launcher_new(cli, PATIENCE_SHORT_MS);
	struct out out = cli->out;
	yyjson_mut_doc *request = json_object();
	yyjson_doc *answer = NULL;
	struct rows rows;
	yyjson_val *message;
	int status = message_find(cli, l, args->words[0], &rows, &message);

	if (status == CLI_OK) {
		json_add_str(request, "message", json_str(message, "id", ""));
		status = launcher_ask(l, op, request, LAUNCHER_ONCE, &answer);
	} else {
		yyjson_mut_doc_free(request);
	}
	if (status == CLI_OK && cli->json)
		out_value(&out, yyjson_doc_get_root(answer));
	else if (status == CLI_OK)
		print_change(cli, op, message, yyjson_doc_get_root(answer));
	yyjson_doc_free(answer);
	rows_free(&rows);
	launcher_free(l);
	return status;
}

static int
cancel_exec(struct cli *cli, const struct args *args)
{
	return change(cli, args, "cancel");
}

static int
retry_exec(struct cli *cli, const struct args *args)
{
	return change(cli, args, "retry");
}

const struct command cmd_show = {
    .name = "show",
    .synopsis = "ID",
    .brief = "one message and its whole life",
    .help = "What was sent, by whom, what became of it and when, how its delivery was "
	    "proven, and the answer. "
	    "ID is what `berth send` printed, or its last 4 or more characters.",
    .what = WHAT_NONE,
    .min_words = 1,
    .max_words = 1,
    .exec = show_exec,
};

const struct command cmd_cancel = {
    .name = "cancel",
    .synopsis = "ID",
    .brief = "take a queued message back",
    .help = "Only a message that is still queued can be cancelled; for another the exit "
	    "code is 1.",
    .what = WHAT_NONE,
    .min_words = 1,
    .max_words = 1,
    .exec = cancel_exec,
};

const struct command cmd_retry = {
    .name = "retry",
    .synopsis = "ID",
    .brief = "send a message that went wrong again",
    .help = "Queues a new message with the same text, for one that is failed, expired, "
	    "unanswered, interrupted, "
	    "indeterminate or cancelled, and was not sent again before. berth itself "
	    "never sends a message twice; "
	    "whether to is yours to "
	    "decide: an indeterminate one may have arrived. An interrupted one can't be "
	    "retried while another message asks "
	    "the agent to go on with it.",
    .what = WHAT_NONE,
    .min_words = 1,
    .max_words = 1,
    .exec = retry_exec,
};
