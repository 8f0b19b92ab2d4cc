/*
 * States: idle; submitting (UserPromptSubmit runs); running; asking (a dialog is open);
 * stopping (Stop runs); compacting; ending. What is submitted in any but idle waits in
 * the queue. Order that others rely on: the registry says busy before the first hook of a
 * turn and idle after the last one; a prompt is in the ledger before the transcript shows
 * it.
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "home.h"
#include "hooks.h"
#include "ids.h"
#include "json.h"
#include "loop.h"
#include "queue.h"
#include "registry.h"
#include "screen.h"
#include "script.h"
#include "transcript.h"
#include "turn.h"
#include "ui.h"
#include "utf8.h"
#include "xmalloc.h"

enum { ECHO_BYTES = 2000, SHOWN_BYTES = 200 };

enum state { IDLE, SUBMITTING, RUNNING, ASKING, STOPPING, COMPACTING, ENDING };

struct session {
	struct loop *loop;
	char *home, *id;
	bool ledger, resume;
	enum state state;
	struct ui *ui;
	struct transcript *transcript;
	struct registry *registry;
	struct hooks *hooks;
	struct turn_host host;
	struct turn *turn;
	struct queue queue;
	char *prompt;            /* of the turn that is being submitted */
	bool queued;             /* it comes from the queue: the ledger has it already */
	bool cut;                /* interrupted while submitting */
	char *tool, *tool_input; /* what the dialog asks about */
	bool hook_warned;
	int status;
};

static void begin_turn(struct session *s, const char *prompt, bool queued);

static void
set_state(struct session *s, enum state state)
{
	s->state = state;
	if (state == IDLE)
		registry_set(s->registry, "idle", NULL);
	else if (state == ASKING)
		registry_set(s->registry, "waiting", "permission prompt");
	else if (state != ENDING)
		registry_set(s->registry, "busy", NULL);
	ui_changed(s->ui);
}

static void
notice(struct session *s, const char *text)
{
	screen_print(ui_screen(s->ui), SCREEN_DIM, text, strlen(text));
	ui_changed(s->ui);
}

/* The first `max` bytes, whole characters. */
static int
cut_len(const char *text, int max)
{
	int len = (int)strnlen(text, (size_t)max);

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void
echo(struct session *s, const char *text)
{
	int len = cut_len(text, ECHO_BYTES);

	screen_printf(ui_screen(s->ui), SCREEN_DIM, "\n> %.*s%s", len, text,
	    text[len] == '\0' ? "" : " ...");
}

/* ---- hooks ---- */

static void
check_hook(struct session *s, const struct hook_answer *a)
{
	if (!a->failed || s->hook_warned)
		return;
	s->hook_warned = true;
	screen_printf(ui_screen(s->ui), SCREEN_DIM, "A hook did not work: %s", a->reason);
	ui_changed(s->ui);
}

static void
hook_over(const struct hook_answer *a, void *arg)
{
	check_hook(arg, a);
}

static void
run_session_start(struct session *s, const char *source)
{
	yyjson_mut_doc *doc = hooks_input(s->hooks, HOOK_SESSION_START);

	json_add_str(doc, "source", source);
	json_add_str(doc, "model", "berth-demo");
	hooks_run(s->hooks, HOOK_SESSION_START, doc, hook_over, s);
}

/* ---- turns ---- */

/* What waited while the turn ran becomes one turn. */
static void
after_turn(struct session *s)
{
	turn_free(s->turn);
	s->turn = NULL;
	if (s->queue.count == 0) {
		set_state(s, IDLE);
		return;
	}
	for (size_t i = 0; i < s->queue.count; i++)
		transcript_queue(s->transcript, "dequeue", s->queue.items[i], NULL);
	char *prompt = queue_take(&s->queue);
	begin_turn(s, prompt, true);
	free(prompt);
}

static void
stop_over(const struct hook_answer *a, void *arg)
{
	check_hook(arg, a);
	after_turn(arg);
}

static void
run_stop(struct session *s, const struct turn_result *r)
{
	enum hook_event event = r->error != NULL ? HOOK_STOP_FAILURE : HOOK_STOP;
	yyjson_mut_doc *doc = hooks_input(s->hooks, event);

	if (r->error != NULL)
		json_add_str(doc, "error", r->error);
	else
		json_add_bool(doc, "stop_hook_active", false);
	json_add_str(doc, "last_assistant_message", r->text);
	if (r->error == NULL) {
		json_add_raw(doc, "background_tasks", "[]");
		json_add_raw(doc, "session_crons", "[]");
	}
	hooks_run(s->hooks, event, doc, stop_over, s);
}

static void
turn_done(const struct turn_result *r, void *arg)
{
	struct session *s = arg;

	transcript_system(s->transcript, "turn_duration", r->duration_ms);
	set_state(s, STOPPING);
	if (r->no_hook)
		after_turn(s);
	else
		run_stop(s, r);
}

static void
cut_turn(struct session *s)
{
	transcript_interrupted(s->transcript);
	notice(s, "Interrupted");
	after_turn(s);
}

static void
accept_prompt(struct session *s)
{
	if (s->ledger && !s->queued)
		ledger_append(s->home, s->id, s->prompt);
	transcript_prompt(s->transcript, s->prompt);
	if (s->cut) {
		cut_turn(s);
		return;
	}
	set_state(s, RUNNING);
	s->turn = turn_start(&s->host, s->prompt);
}

static void
submit_over(const struct hook_answer *a, void *arg)
{
	struct session *s = arg;

	check_hook(s, a);
	if (!a->block) {
		accept_prompt(s);
		return;
	}
	screen_printf(ui_screen(s->ui), SCREEN_DIM, "Blocked by a hook: %s",
	    a->reason == NULL ? "it gave no reason" : a->reason);
	ui_put_back(s->ui, s->prompt);
	after_turn(s);
}

static void
new_prompt_id(struct session *s)
{
	char id[UUID_LEN + 1];

	uuid_new(id);
	hooks_prompt(s->hooks, id);
	transcript_prompt_id(s->transcript, id);
}

static void
begin_turn(struct session *s, const char *prompt, bool queued)
{
	new_prompt_id(s);
	free(s->prompt);
	s->prompt = xstrdup(prompt);
	s->queued = queued;
	s->cut = false;
	set_state(s, SUBMITTING);
	echo(s, prompt);
	yyjson_mut_doc *doc = hooks_input(s->hooks, HOOK_USER_PROMPT_SUBMIT);
	json_add_str(doc, "prompt", prompt);
	hooks_run(s->hooks, HOOK_USER_PROMPT_SUBMIT, doc, submit_over, s);
}

bool
session_interrupt(struct session *s)
{
	if (s->state == SUBMITTING && !s->cut) {
		s->cut = true;
		return true;
	}
	if (s->state != RUNNING)
		return false;
	turn_interrupt(s->turn);
	cut_turn(s);
	return true;
}

/* ---- permission ---- */

static void
dialog_close(struct session *s, bool allow, const char *text)
{
	char *tool = s->tool, *input = s->tool_input;

	hooks_forget_beside(s->hooks);
	s->tool = s->tool_input = NULL;
	set_state(s, RUNNING);
	turn_answer(s->turn, allow, allow && text == NULL ? input : text);
	free(tool);
	free(input);
}

void
session_answer(struct session *s, bool allow)
{
	if (s->state == ASKING)
		dialog_close(s, allow, NULL);
}

static void
permission_over(const struct hook_answer *a, void *arg)
{
	struct session *s = arg;
	bool allow = a->decision == HOOK_ALLOW;
	char *updated = NULL;

	check_hook(s, a);
	if (s->state != ASKING || a->decision == HOOK_NONE)
		return;
	if (allow && a->updated_input != NULL)
		updated = yyjson_val_write(a->updated_input, 0, NULL);
	notice(s, allow ? "Allowed by PermissionRequest hook"
			: "Denied by PermissionRequest hook");
	dialog_close(s, allow, allow ? updated : a->message);
	free(updated);
	if (!allow && a->interrupt)
		session_interrupt(s);
}

static void
ask(const char *tool, const char *input, void *arg)
{
	struct session *s = arg;
	yyjson_mut_doc *doc = hooks_input(s->hooks, HOOK_PERMISSION_REQUEST);

	s->tool = xstrdup(tool);
	s->tool_input = xstrdup(input);
	set_state(s, ASKING);
	json_add_str(doc, "tool_name", tool);
	json_add_raw(doc, "tool_input", input);
	json_add_raw(doc, "permission_suggestions", "[]");
	hooks_beside(s->hooks, HOOK_PERMISSION_REQUEST, doc, permission_over, s);
}

/* ---- the queue ---- */

static void
enqueue(struct session *s, const char *text)
{
	if (s->ledger)
		ledger_append(s->home, s->id, text);
	transcript_queue(s->transcript, "enqueue", text, NULL);
	queue_add(&s->queue, text);
	ui_changed(s->ui);
}

static char *
remove_queued(struct session *s, const char *reason)
{
	for (size_t i = 0; i < s->queue.count; i++)
		transcript_queue(s->transcript, "remove", s->queue.items[i], reason);
	return queue_take(&s->queue);
}

char *
session_unqueue(struct session *s)
{
	return remove_queued(s, NULL);
}

static char *
absorb(void *arg)
{
	return remove_queued(arg, "absorbed_mid_turn");
}

/* ---- what is submitted ---- */

static void
compact_over(const struct hook_answer *a, void *arg)
{
	struct session *s = arg;

	check_hook(s, a);
	notice(s, "Compacted (in name only: this agent forgets nothing)");
	after_turn(s);
}

static void
command_compact(struct session *s, const char *args)
{
	yyjson_mut_doc *pre, *post;

	new_prompt_id(s);
	set_state(s, COMPACTING);
	pre = hooks_input(s->hooks, HOOK_PRE_COMPACT);
	json_add_str(pre, "trigger", "manual");
	json_add_str(pre, "custom_instructions", *args == '\0' ? NULL : args);
	hooks_run(s->hooks, HOOK_PRE_COMPACT, pre, hook_over, s);
	run_session_start(s, "compact");
	transcript_system(s->transcript, "compact_boundary", 0);
	post = hooks_input(s->hooks, HOOK_POST_COMPACT);
	json_add_str(post, "trigger", "manual");
	json_add_str(post, "compact_summary", "Things were said.");
	hooks_run(s->hooks, HOOK_POST_COMPACT, post, compact_over, s);
}

static void
command_help(struct session *s, const char *args)
{
	struct buf text = BUF_INIT;

	(void)args;
	buf_adds(&text, "\nIn a message, these make it act; anything else is answered "
			"with what you said:\n\n");
	script_help(&text);
	buf_adds(&text, "\n  Enter sends, Ctrl-J or \\ Enter starts a new line, Up "
			"recalls, Ctrl-S puts aside\n"
			"  what is half typed, Esc interrupts, /compact compacts, Ctrl-C "
			"twice or exit ends.\n");
	screen_print(ui_screen(s->ui), SCREEN_PLAIN, text.data, text.len);
	buf_free(&text);
}

static void
command_exit(struct session *s, const char *args)
{
	(void)args;
	session_end(s, "prompt_input_exit", 0);
}

static const struct {
	const char *name;
	bool whenever; /* also while a turn runs */
	void (*run)(struct session *, const char *args);
} commands[] = {
    {"/compact", false, command_compact},
    {"/help", true, command_help},
    {"/exit", true, command_exit},
    {"/quit", true, command_exit},
    {"exit", true, command_exit},
    {"quit", true, command_exit},
    {":q", true, command_exit},
};

/* As in the CLI: words that end it, slash commands (an unknown one is no message) and
 * "!", which there runs in a shell, and here does nothing. */
static bool
run_command(struct session *s, const char *text)
{
	size_t name;

	text += strspn(text, " \n");
	name = strcspn(text, " \n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strlen(commands[i].name) != name ||
		    memcmp(commands[i].name, text, name) != 0)
			continue;
		if (*text != '/' && text[name] != '\0')
			return false;
		if (s->state != IDLE && !commands[i].whenever)
			notice(s, "Not while a turn runs");
		else
			commands[i].run(s, text + name + strspn(text + name, " \n"));
		return true;
	}
	if (*text != '/' && *text != '!')
		return false;
	notice(s, *text == '/' ? "There is no such command; /help shows what there is"
			       : "A shell command in the real one; nothing here");
	return true;
}

void
session_submit(struct session *s, const char *text)
{
	if (s->state == ENDING || run_command(s, text))
		return;
	if (s->state == IDLE)
		begin_turn(s, text, false);
	else
		enqueue(s, text);
}

/* ---- beginning and end ---- */

static void
deaf(int64_t ms, void *arg)
{
	struct session *s = arg;

	ui_deaf(s->ui, ms);
}

static void
draw(void *arg)
{
	struct session *s = arg;

	ui_draw(s->ui);
}

static void
exit_by_script(int status, void *arg)
{
	session_end(arg, "other", status);
}

static bool
may_start(const struct transcript *t, const struct session_options *o)
{
	bool there = transcript_exists(t);

	if (there && !o->resume)
		fprintf(stderr, "Error: Session ID %s is already in use.\n", o->id);
	if (!there && o->resume)
		fprintf(stderr, "No conversation found with session ID: %s\n", o->id);
	return there == o->resume;
}

struct session *
session_new(struct loop *loop, const struct session_options *o)
{
	struct transcript *t = transcript_new(o->home, o->cwd, o->id);

	if (!may_start(t, o)) {
		transcript_free(t);
		return NULL;
	}
	struct session *s = xcalloc(1, sizeof(*s));
	s->loop = loop;
	s->home = xstrdup(o->home);
	s->id = xstrdup(o->id);
	s->ledger = o->ledger;
	s->resume = o->resume;
	s->transcript = t;
	s->hooks = hooks_new(loop, o->hook, o->id, transcript_path(t), o->cwd);
	s->registry = registry_new(o->home, o->id, o->cwd);
	s->host = (struct turn_host){.loop = loop,
	    .transcript = t,
	    .ask = ask,
	    .absorb = absorb,
	    .deaf = deaf,
	    .exit = exit_by_script,
	    .draw = draw,
	    .done = turn_done,
	    .arg = s};
	return s;
}

static void
show_said(bool user, const char *text, void *arg)
{
	struct session *s = arg;
	int len = cut_len(text, SHOWN_BYTES);

	if (user)
		ui_remember(s->ui, text);
	screen_printf(ui_screen(s->ui), user ? SCREEN_DIM : SCREEN_PLAIN, "%s%.*s%s",
	    user ? "\n> " : "", len, text, text[len] == '\0' ? "" : " ...");
}

static void
greet(struct session *s)
{
	struct screen *screen = ui_screen(s->ui);

	screen_printf(screen, SCREEN_BOLD, "berth demo %s", BERTH_VERSION);
	screen_printf(screen, SCREEN_PLAIN,
	    "A small agent that needs no account and no network. It answers every "
	    "message with\n"
	    "what you said, so that you can watch the whole path: a message comes in, "
	    "here or\n"
	    "from outside, the agent takes it, and its answer goes back.\n"
	    "\n"
	    "  hello                              type this, or from outside: berth send "
	    "hello\n"
	    "  [[sleep 3000]] [[say done]]        works for three seconds, then answers\n"
	    "  [[tool Bash {\"command\":\"ls\"}]]     asks for permission (and does "
	    "nothing)\n"
	    "  /help                              all it understands\n");
	screen_printf(screen, SCREEN_DIM,
	    "Esc interrupts, Ctrl-C twice or exit ends. Session %s", s->id);
}

void
session_start(struct session *s, struct ui *ui)
{
	s->ui = ui;
	s->host.screen = ui_screen(ui);
	greet(s);
	if (s->resume && transcript_replay(s->transcript, show_said, s))
		transcript_close_turn(s->transcript);
	ui_attach(ui, s);
	run_session_start(s, s->resume ? "resume" : "startup");
}

static void
end_over(const struct hook_answer *a, void *arg)
{
	struct session *s = arg;

	(void)a;
	loop_stop(s->loop, s->status);
}

void
session_end(struct session *s, const char *reason, int status)
{
	if (s->state == ENDING)
		return;
	s->status = status;
	turn_free(s->turn);
	s->turn = NULL;
	hooks_forget(s->hooks);
	hooks_forget_beside(s->hooks);
	set_state(s, ENDING);
	yyjson_mut_doc *doc = hooks_input(s->hooks, HOOK_SESSION_END);
	json_add_str(doc, "reason", reason);
	hooks_run(s->hooks, HOOK_SESSION_END, doc, end_over, s);
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	turn_free(s->turn);
	hooks_free(s->hooks);
	registry_free(s->registry);
	transcript_free(s->transcript);
	free(queue_take(&s->queue));
	free(s->prompt);
	free(s->tool);
	free(s->tool_input);
	free(s->home);
	free(s->id);
	free(s);
}

/* ---- for the picture ---- */

bool
session_asking(const struct session *s)
{
	return s->state == ASKING;
}

bool
session_queued(const struct session *s)
{
	return s->queue.count > 0;
}

static void
describe_dialog(const struct session *s, struct buf *out)
{
	int len = cut_len(s->tool_input, SHOWN_BYTES);

	buf_addf(out,
	    "\n %s\n   %.*s\n\n Do you want to proceed?\n \xe2\x9d\xaf 1. Yes\n   2. "
	    "No\n",
	    s->tool, len, s->tool_input);
}

void
session_describe(const struct session *s, struct buf *out)
{
	static const char *const doing[] = {
	    [IDLE] = "",
	    [SUBMITTING] = "\n  Working. Esc interrupts.\n",
	    [RUNNING] = "\n  Working. Esc interrupts.\n",
	    [ASKING] = "",
	    [STOPPING] = "\n",
	    [COMPACTING] = "\n  Compacting.\n",
	    [ENDING] = "\n  Ending.\n",
	};

	buf_adds(out, doing[s->state]);
	for (size_t i = 0; i < s->queue.count; i++)
		buf_addf(out, "  > %.*s\n", (int)strcspn(s->queue.items[i], "\n"),
		    s->queue.items[i]);
	if (s->state == ASKING)
		describe_dialog(s, out);
}
