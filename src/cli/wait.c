/*
 * Waiting for a message's end. One connection carries the question, what happens to
 * messages (for the progress on a terminal), and how many are before this one; where it
 * is lost, all is asked anew. What must stay true: the message is the launcher's from
 * before this begins, so nothing here can lose it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents.h"
#include "buf.h"
#include "cli.h"
#include "clock.h"
#include "json.h"
#include "message.h"
#include "text.h"
#include "when.h"
#include "xmalloc.h"

enum { TICK_MS = 1000 };

struct waiting {
	const struct cli *cli;
	struct launcher *l;
	const char *id, *agent;
	bool progress;    /* on a terminal */
	struct buf drawn; /* what stands there now */
	int64_t since;
	int64_t wait, events, queue; /* numbers of the open requests */
	int before;                  /* messages before this one; -1: not known */
	bool stale;                  /* something happened since this was asked */
	char *state;
	yyjson_doc *answer;
};

/* ---- Ctrl-C ---- */

static char interrupted_text[160];

static void
on_interrupt(int signo)
{
	ssize_t ignored =
	    write(STDERR_FILENO, interrupted_text, strlen(interrupted_text));

	(void)ignored;
	_exit(128 + signo);
}

static void
catch_interrupt(const struct waiting *w)
{
	snprintf(interrupted_text, sizeof(interrupted_text),
	    "\nberth: not waiting any more; the message stays. berth wait %s\n", w->id);
	signal(SIGINT, on_interrupt);
}

/* ---- progress ---- */

static void
progress_clear(struct waiting *w)
{
	struct out err = w->cli->err;

	if (w->drawn.len > 0)
		out_puts(&err, "\r\033[K");
	buf_clear(&w->drawn);
}

/* Drawn anew when it says something else; the time is shown from the first second on. */
static void
progress_draw(struct waiting *w)
{
	struct out err = w->cli->err;
	int64_t waited = (cli_now() - w->since) / 1000;
	char took[WHEN_MAX];
	struct buf text = BUF_INIT;

	buf_adds(&text, w->state);
	if (strcmp(w->state, "queued") == 0 && w->before > 0)
		buf_addf(&text, " (%d before it)", w->before);
	if (waited > 0)
		buf_addf(&text, " %s", duration_human(waited * 1000, took, sizeof(took)));
	if (w->progress && strcmp(buf_str(&text), buf_str(&w->drawn)) != 0) {
		progress_clear(w);
		char *clean = text_cleaned(buf_str(&text), TEXT_LINE);
		out_printf(&err, "%s: ", w->agent);
		out_styled(&err, message_style(w->state), clean);
		fflush(err.file);
		free(clean);
		buf_adds(&w->drawn, buf_str(&text));
	}
	buf_free(&text);
}

static void
ask_queue(struct waiting *w)
{
	yyjson_mut_doc *args = json_object();

	json_add_str(args, "message", w->id);
	w->stale = false;
	w->queue = launcher_send(w->l, "position", args);
}

/* ---- lines ---- */

/* What the agent came to while it worked on the message, or before it could. */
static int
on_agent(struct waiting *w, yyjson_val *event)
{
	const char *state = json_str(event, "new", ""), *until = agents_until(state);
	char *hint;

	if (strcmp(json_str(event, "id", ""), w->agent) != 0 || until == NULL)
		return CLI_OK;
	progress_clear(w);
	if (strcmp(json_str(event, "cause", ""), "the appliance stopped") != 0) {
		cli_note(w->cli, "%s is %s: it goes on when %s", w->agent, state, until);
		return CLI_OK;
	}
	hint = xasprintf("the message stays: `berth wait %s` when it is up again", w->id);
	cli_fail(w->cli, CLI_UNCERTAIN, "stopping", hint, "the appliance is stopping");
	free(hint);
	return CLI_UNCERTAIN;
}

static int
on_event(struct waiting *w, yyjson_val *event)
{
	if (strcmp(json_str(event, "entity", ""), "agent") == 0)
		return on_agent(w, event);
	if (strcmp(json_str(event, "id", ""), w->id) == 0) {
		free(w->state);
		w->state = xstrdup(json_str(event, "new", "?"));
	} else if (w->progress && strcmp(w->state, "queued") == 0 && w->before != 0) {
		/* One of those before it may have gone. */
		if (w->queue == 0)
			ask_queue(w);
		else
			w->stale = true;
	}
	return CLI_OK;
}

static void
on_queue(struct waiting *w, yyjson_val *line)
{
	w->queue = 0;
	w->before = (int)json_int(line, "position", -1);
	if (w->stale)
		ask_queue(w);
}

static int
on_line(struct waiting *w, int64_t number, yyjson_doc *line)
{
	yyjson_val *root = yyjson_doc_get_root(line);
	int status = CLI_OK;

	if (number == w->wait) {
		progress_clear(w);
		status = launcher_error(w->l, root);
		if (status == CLI_OK) {
			w->answer = line;
			return CLI_OK;
		}
	} else if (number == w->events && json_get(root, "event") != NULL) {
		status = on_event(w, json_get(root, "event"));
	} else if (number == w->queue) {
		on_queue(w, root);
	}
	yyjson_doc_free(line);
	return status;
}

static int
begin(struct waiting *w)
{
	if (launcher_connected(w->l) && w->wait != 0)
		return CLI_OK;
	int status = launcher_connect(w->l);
	if (status != CLI_OK)
		return status;
	yyjson_mut_doc *args = json_object();
	json_add_str(args, "message", w->id);
	json_add_str(args, "until", "ended");
	w->wait = launcher_send(w->l, "wait", args);
	args = json_object();
	json_add_raw(args, "entity", "[\"message\",\"agent\"]");
	w->events = launcher_send(w->l, "subscribe", args);
	if (w->progress)
		ask_queue(w);
	return CLI_OK;
}

static int
wait_on(struct waiting *w, int64_t deadline)
{
	int64_t number;
	int status = CLI_OK;

	while (status == CLI_OK && w->answer == NULL) {
		int64_t left = deadline < 0 ? TICK_MS : deadline - mono_ms();
		if (left <= 0) {
			progress_clear(w);
			return launcher_fail_deadline(w->l);
		}
		if ((status = begin(w)) != CLI_OK)
			break;
		yyjson_doc *line =
		    launcher_read(w->l, left < TICK_MS ? (int)left : TICK_MS, &number);
		if (line != NULL)
			status = on_line(w, number, line);
		if (!launcher_connected(w->l)) {
			w->wait = 0;
			progress_clear(w);
		} else if (status == CLI_OK && w->answer == NULL) {
			progress_draw(w);
		}
	}
	return status;
}

/* ---- the end ---- */

static const struct end_row {
	const char *state, *what, *look; /* look: the command that shows more */
	bool retry;
} ends[] = {
    {"unanswered", "it was delivered, and the turn ended without an answer", "log", true},
    {"interrupted", "the turn was cut", "inbox", true},
    {"indeterminate", "nobody can tell whether it arrived", "attach", true},
    {"failed", "it could not be delivered", "ls", true},
    {"expired", "it expired before the agent was ready for it", "ls", true},
    {"cancelled", "it was cancelled", "inbox", false},
    {NULL, "it ended in a state that this berth doesn't know", "inbox", false},
};

static const struct end_row *
end_of(const char *state)
{
	const struct end_row *row = ends;

	while (row->state != NULL && strcmp(row->state, state) != 0)
		row++;
	return row;
}

static int
report_no_answer(const struct waiting *w, yyjson_val *message)
{
	const char *state = json_str(message, "state", "?"),
		   *reason = json_str(message, "reason", "");
	const struct end_row *row = end_of(state);
	int status = message_exit(state) < 0 ? CLI_UNCERTAIN : message_exit(state);
	struct buf hint = BUF_INIT;

	if (strcmp(row->look, "ls") == 0)
		buf_adds(&hint, "look at `berth ls`");
	else
		buf_addf(&hint, "look at `berth %s %s`", row->look, w->agent);
	if (row->retry)
		buf_addf(&hint, "; `berth retry %s` asks again", w->id);
	cli_fail(w->cli, status, state, buf_str(&hint), "%s: %s%s%s", w->agent, row->what,
	    *reason == '\0' ? "" : ": ", reason);
	buf_free(&hint);
	return status;
}

/* The answer as it is, for it may go into a file; but for what a terminal would act on.
 */
static void
print_answer(const struct waiting *w, const char *answer)
{
	struct out out = w->cli->out;
	struct buf clean = BUF_INIT;

	text_clean(&clean, answer, TEXT_LINES);
	out_puts(&out, buf_str(&clean));
	if (clean.len > 0 && clean.data[clean.len - 1] != '\n')
		out_puts(&out, "\n");
	if (clean.len == 0)
		cli_note(w->cli, "%s answered without text", w->agent);
	buf_free(&clean);
}

static void
note_together(const struct waiting *w, int64_t others)
{
	if (others > 0)
		cli_note(w->cli,
		    "%s answered %lld message%s that had waited together with this one",
		    w->agent, (long long)others, others == 1 ? "" : "s");
}

static int
report(const struct waiting *w)
{
	yyjson_val *root = yyjson_doc_get_root(w->answer),
		   *message = json_get(root, "message");
	struct out out = w->cli->out;
	bool answered = message_exit(json_str(message, "state", "?")) == CLI_OK;

	if (w->cli->json) {
		yyjson_mut_doc *doc = json_object();
		json_add_val(doc, "message", message);
		json_add_val(doc, "answer", json_get(root, "answer"));
		out_json(&out, doc);
	} else if (answered) {
		print_answer(w, json_str(root, "answer", ""));
		note_together(w, json_int(message, "together", 0));
	}
	return answered ? CLI_OK : report_no_answer(w, message);
}

int
message_wait(const struct cli *cli, struct launcher *l, const char *id, const char *agent,
    int64_t deadline)
{
	struct waiting w = {.cli = cli, .l = l, .id = id, .agent = agent};
	char *hint = xasprintf(
	    "the message stays where it is: `berth wait %s` goes on waiting", id);

	w.progress = cli->err.tty && !cli->json;
	w.since = cli_now();
	w.before = -1;
	w.state = xstrdup("queued");
	launcher_unsure(l, hint);
	launcher_deadline(l, deadline, hint);
	catch_interrupt(&w);
	int status = wait_on(&w, deadline);
	signal(SIGINT, SIG_DFL);
	if (status == CLI_OK)
		status = report(&w);
	yyjson_doc_free(w.answer);
	free(w.state);
	buf_free(&w.drawn);
	launcher_unsure(l, NULL);
	launcher_deadline(l, -1, NULL);
	free(hint);
	return status;
}
