/*
 * berth send. The dedupe key is made before anything is sent, and the request is repeated
 * with it for as long as the launcher may be restarting: so it takes effect once, however
 * often it is asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents.h"
#include "args.h"
#include "buf.h"
#include "clock.h"
#include "cmd.h"
#include "json.h"
#include "message.h"
#include "text.h"
#include "utf8.h"
#include "when.h"
#include "xmalloc.h"

enum { MAX_TEXT = 1000000, MAX_FIELD = 256 };

struct sending {
	const struct cli *cli;
	const struct args *args;
	struct launcher *l;
	char agent[64];
	char waits[160]; /* why the agent won't take it soon; empty: it will */
	int first;       /* word of the text */
	struct buf text;
	char key[ULID_LEN + 1];
	const char *dedupe;
	int64_t not_before, expires_at, deadline;
};

/* ---- who ---- */

static bool
could_be_name(const char *word)
{
	return *word != '\0' &&
	       strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(word) &&
	       *word != '-';
}

/*
 * Where nobody is named with --to: the first word, if it is an agent's name and a text
 * follows. Else the only agent, or the one called main, for a text that cannot be a
 * mistyped name: one quoted sentence, or -. What could be one is refused, lest "mian do
 * it" reaches the wrong agent.
 */
static int
choose_agent(struct sending *s, const struct rows *agents, const char **name)
{
	const struct args *args = s->args;
	const char *asked = args_get(args, "to");
	bool named = asked == NULL && args->count > 1 &&
		     agents_find(agents, args->words[0]) != NULL;

	if (named) {
		s->first = 1;
		asked = args->words[0];
	} else if (asked == NULL && args->count == 1 &&
		   agents_find(agents, args->words[0]) != NULL) {
		return cli_fail(s->cli, CLI_USAGE, NULL,
		    "berth send AGENT TEXT; `-` as the text sends standard input",
		    "what is %s to be told?", args->words[0]);
	} else if (asked == NULL && agents->count > 0 && could_be_name(args->words[0]) &&
		   (args->count > 1 || agents->count > 1)) {
		return agents_unknown(s->cli, agents, args->words[0]);
	}
	return agents_choose(s->cli, agents, asked, name);
}

static void
note_state(struct sending *s, const char *state)
{
	const char *until = agents_until(state);

	if (until != NULL)
		snprintf(s->waits, sizeof(s->waits),
		    "%s is %s: the message waits until %s", s->agent, state, until);
}

static int
find_agent(struct sending *s)
{
	struct rows agents;
	const char *name;
	int status = agents_fetch(s->l, &agents);

	if (status == CLI_OK)
		status = choose_agent(s, &agents, &name);
	if (status == CLI_OK) {
		snprintf(s->agent, sizeof(s->agent), "%s", name);
		note_state(s, json_str(agents_find(&agents, name), "state", ""));
	}
	rows_free(&agents);
	return status;
}

/* ---- what ---- */

static int
read_stdin(struct sending *s)
{
	if (isatty(STDIN_FILENO))
		cli_note(s->cli, "type the message, then Ctrl-D on a line of its own");
	while (s->text.len <= MAX_TEXT) {
		buf_reserve(&s->text, 65536);
		ssize_t n = read(STDIN_FILENO, s->text.data + s->text.len, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(s->cli, CLI_SYSTEM, NULL, NULL,
			    "standard input: %s", strerror(errno));
		if (n == 0)
			break;
		s->text.len += (size_t)n;
		s->text.data[s->text.len] = '\0';
	}
	return CLI_OK;
}

/* An option in the middle of unquoted words, or after them: part of the text or not? */
static int
check_options(const struct sending *s)
{
	if (s->args->count - s->first < 2 || s->args->before_last <= s->first)
		return CLI_OK;
	return cli_fail(s->cli, CLI_USAGE, NULL,
	    "put options before the text, or the text in quotes; or -- before a text "
	    "that has dashes in it",
	    "there is an option among the words of the text");
}

static int
check_text(const struct sending *s)
{
	const struct buf *text = &s->text;

	if (text->len > MAX_TEXT)
		return cli_fail(s->cli, CLI_USAGE, "too-long",
		    "put it into a file under /projects, and tell the agent to read that",
		    "the text is longer than %d bytes", MAX_TEXT);
	if (text->len > 0 && memchr(text->data, '\0', text->len) != NULL)
		return cli_fail(s->cli, CLI_USAGE, "not-text", "is it a binary file?",
		    "the text has a NUL byte in it");
	if (!utf8_valid(buf_str(text), text->len))
		return cli_fail(s->cli, CLI_USAGE, "not-text",
		    "iconv -t UTF-8 converts it", "the text is not UTF-8");
	if (strspn(buf_str(text), " \t\r\n") == text->len)
		return cli_fail(s->cli, CLI_USAGE, "not-text", NULL, "the text is empty");
	return CLI_OK;
}

static int
find_text(struct sending *s)
{
	const struct args *args = s->args;
	int status = check_options(s);

	if (status != CLI_OK)
		return status;
	if (args->count - s->first == 1 && strcmp(args->words[s->first], "-") == 0)
		status = read_stdin(s);
	else
		for (int i = s->first; i < args->count; i++)
			buf_addf(
			    &s->text, "%s%s", i > s->first ? " " : "", args->words[i]);
	return status == CLI_OK ? check_text(s) : status;
}

/* ---- sending ---- */

/* The launcher keeps no more of these; a key that was cut would not be a key. */
static bool
check_lengths(const struct sending *s)
{
	static const char *const fields[] = {"from", "thread", "channel", "dedupe"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *value = args_get(s->args, fields[i]);
		if (value == NULL || (*value != '\0' && strlen(value) <= MAX_FIELD))
			continue;
		cli_fail(s->cli, CLI_USAGE, NULL, NULL, "--%s takes 1 to %d bytes",
		    fields[i], MAX_FIELD);
		return false;
	}
	return true;
}

static bool
read_options(struct sending *s)
{
	const struct args *args = s->args;
	int64_t timeout;

	s->dedupe = args_get(args, "dedupe");
	if (s->dedupe == NULL) {
		ulid_new(s->key);
		s->dedupe = s->key;
	}
	if (!check_lengths(s) || !args_when(args, s->cli, "at", &s->not_before) ||
	    !args_when(args, s->cli, "expires", &s->expires_at) ||
	    !args_duration(args, s->cli, "timeout", -1, &timeout))
		return false;
	s->deadline = timeout < 0 ? -1 : mono_ms() + timeout;
	if (timeout >= 0 && !args_has(args, "wait")) {
		cli_fail(s->cli, CLI_USAGE, NULL,
		    "add --wait; or did you mean --expires?",
		    "--timeout is about --wait");
		return false;
	}
	if (s->expires_at != 0 &&
	    s->expires_at <= (s->not_before != 0 ? s->not_before : cli_now())) {
		cli_fail(
		    s->cli, CLI_USAGE, NULL, NULL, "it would expire before it is sent");
		return false;
	}
	return true;
}

static yyjson_mut_doc *
request(const struct sending *s)
{
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "agent", s->agent);
	json_add_strn(doc, "text", s->text.data, s->text.len);
	json_add_str(doc, "dedupe", s->dedupe);
	if (args_has(s->args, "channel"))
		json_add_str(doc, "channel", args_get(s->args, "channel"));
	if (args_has(s->args, "from"))
		json_add_str(doc, "sender", args_get(s->args, "from"));
	if (args_has(s->args, "thread"))
		json_add_str(doc, "thread", args_get(s->args, "thread"));
	if (s->not_before != 0)
		json_add_int(doc, "not_before", s->not_before);
	if (s->expires_at != 0)
		json_add_int(doc, "expires_at", s->expires_at);
	return doc;
}

/* With a key of our own a repeat is one that we made ourselves, over a restart. */
static bool
sent_before(const struct sending *s, yyjson_val *answer)
{
	return s->dedupe != s->key && json_bool(answer, "repeated", false);
}

static void
print_accepted(const struct sending *s, yyjson_val *answer)
{
	const char *id = json_str(answer, "message", "?");
	int before = (int)json_int(answer, "position", 0);
	struct out out = s->cli->out;
	char at[WHEN_MAX];

	out_printf(&out, "%s  %s: ", id, s->agent);
	out_puts(&out, sent_before(s, answer) ? "was sent before, now " : "");
	char *state = text_cleaned(json_str(answer, "state", "queued"), TEXT_LINE);
	out_styled(&out, message_style(state), state);
	free(state);
	if (before > 0)
		out_printf(&out, ", %d before it", before);
	if (s->not_before != 0)
		out_printf(
		    &out, ", not before %s", when_stamp(s->not_before, cli_now(), at));
	out_puts(&out, "\n");
}

static int
after_accepted(const struct sending *s, yyjson_val *answer)
{
	struct out out = s->cli->out;

	if (s->waits[0] != '\0' && !sent_before(s, answer))
		cli_note(s->cli, "%s", s->waits);
	if (args_has(s->args, "wait"))
		return message_wait(
		    s->cli, s->l, json_str(answer, "message", ""), s->agent, s->deadline);
	if (!s->cli->json) {
		print_accepted(s, answer);
		return CLI_OK;
	}
	yyjson_mut_doc *doc = json_object();
	static const char *const members[] = {"agent", "state", "position", "repeated"};
	json_add_val(doc, "id", json_get(answer, "message"));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		json_add_val(doc, members[i], json_get(answer, members[i]));
	json_add_str(doc, "dedupe", s->dedupe);
	out_json(&out, doc);
	return CLI_OK;
}

static int
send_it(struct sending *s)
{
	yyjson_doc *answer;
	char *hint = xasprintf("this tells, and sends it if it wasn't: berth send "
			       "--dedupe %s ... (as before)",
	    s->dedupe);

	launcher_unsure(s->l, hint);
	launcher_deadline(s->l, s->deadline, hint);
	int status = launcher_ask(s->l, "send", request(s), LAUNCHER_AGAIN, &answer);
	launcher_unsure(s->l, NULL);
	launcher_deadline(s->l, -1, NULL);
	if (status == CLI_OK)
		status = after_accepted(s, yyjson_doc_get_root(answer));
	yyjson_doc_free(answer);
	free(hint);
	return status;
}

static int
send_exec(struct cli *cli, const struct args *args)
{
	struct sending s = {.cli = cli, .args = args};
	int status;

	if (!read_options(&s))
		return CLI_USAGE;
	s.l = launcher_new(cli, PATIENCE_LONG_MS);
	launcher_deadline(
	    s.l, s.deadline, "nothing was sent; `berth status` shows what is wrong");
	status = find_agent(&s);
	if (status == CLI_OK)
		status = find_text(&s);
	if (status == CLI_OK)
		status = send_it(&s);
	launcher_free(s.l);
	buf_free(&s.text);
	return status;
}

static const struct cli_option send_options[] = {
    {0, "to", "AGENT", "whom; then all words are the text", WHAT_AGENT},
    {'w', "wait", NULL, "wait for the answer and print it", WHAT_NONE},
    {'t', "timeout", "D", "with --wait: give up after 30s, 10m ... (the message stays)",
	WHAT_NONE},
    {0, "from", "NAME", "who says it; the agent is told", WHAT_NONE},
    {0, "thread", "T", "which conversation of the channel it belongs to", WHAT_NONE},
    {0, "channel", "C", "which channel the answer goes to (default cli)", WHAT_NONE},
    {0, "dedupe", "KEY",
	"your own key: sent once for as long as the message is kept (retention.keep)",
	WHAT_NONE},
    {0, "at", "TIME", "not before: 30m, 14:05, \"2026-11-20 14:05\"", WHAT_NONE},
    {0, "expires", "TIME", "don't deliver it after this time", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_send = {
    .name = "send",
    .synopsis = "[AGENT] [options] TEXT...|-",
    .brief = "send a message to an agent",
    .help = "Puts a message into the agent's queue and prints its id. It is kept on disk "
	    "from then on, "
	    "delivered when the agent is ready and nobody is typing, and taken as "
	    "delivered only when the "
	    "agent's own records show it. `-` reads the text from standard input.\n"
	    "\n"
	    "AGENT may be left out where there is one agent, or one called main, if the "
	    "text is one quoted "
	    "sentence. With --to, every word is text.\n"
	    "\n"
	    "Options stand before the text, or after a text that is one quoted argument. "
	    "If the launcher is "
	    "being restarted, the request is repeated for 30 s; it takes effect once.\n"
	    "\n"
	    "    berth send main 'run the tests and tell me what fails' --wait\n"
	    "    git diff | berth send main --from ci -\n"
	    "    berth send --to main --at 18:00 'write the daily summary'",
    .options = send_options,
    .what = WHAT_TEXT,
    .min_words = 1,
    .max_words = -1,
    .exec = send_exec,
};
