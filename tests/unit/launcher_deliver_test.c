/*
 * Delivery against a scripted tmux: every command that is run is noted, and answered when
 * the test says so. The database, messages and turns are real, the clock is the test's.
 */
#include "fake_tmux.h"
#include "world.h"

#include "buf.h"
#include "launcher/deliver.h"
#include "launcher/shimlink.h"
#include "launcher/turn.h"

#define GLYPH "\xe2\x9d\xaf"
#define RULER "\n\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\n  status"

/* ---- tmux ---- */

static struct command run[4096];
static int run_count, run_next; /* all there were; the next that `expect` takes */

static void
tmux_ran(const char *line, tmux_cb *cb, void *arg)
{
	if (strncmp(line, "set-buffer", 10) == 0) /* claimed before a byte is typed */
		assert_string_not_equal(
		    world_sql("SELECT count(*) FROM messages WHERE state = 'delivering'"),
		    "0");
	assert_true(run_count < (int)COUNT(run));
	run[run_count++] = (struct command){.line = xstrdup(line), .cb = cb, .arg = arg};
}

void
tmux_quote(struct buf *out, const char *text, size_t len)
{
	buf_addc(out, '"');
	buf_add(out, text != NULL ? text : "", len);
	buf_addc(out, '"');
}

/* The next command, which must contain this. */
static struct command *
expect(const char *what)
{
	if (run_next == run_count)
		fail_msg("expected %s, nothing was run", what);
	if (strstr(run[run_next].line, what) == NULL)
		fail_msg("expected %s, not %s", what, run[run_next].line);
	return &run[run_next++];
}

#define assert_nothing_run()                                                             \
	do {                                                                             \
		if (run_next != run_count)                                               \
			fail_msg("nothing was expected, not %s", run[run_next].line);    \
	} while (0)

static void
answer(struct command *c, bool ok, const char *text)
{
	char *copy = xstrdup(text);

	if (c->cb != NULL)
		c->cb(ok, copy, c->arg);
	free(copy);
}

/* ---- what else stands beside it ---- */

static int asked_pending, observed, watched;

void
shimlink_ask_pending(struct agent *a)
{
	(void)a;
	asked_pending++;
}

void
agent_observe(struct agent *a, const char *source)
{
	(void)a;
	(void)source;
	observed++;
}

void
agent_watch_ready(struct agent *a)
{
	(void)a;
	watched++;
}

bool
agent_has_process(const struct agent *a)
{
	return a->shim_pid > 0;
}

const char *
agent_spec_str(const struct agent *a, const char *key, const char *otherwise)
{
	return json_str(yyjson_doc_get_root(a->spec), key, otherwise);
}

static const struct driver claude = {.name = "claude",
    .hooks = true,
    .submit = "C-x C-y",
    .stash = "C-s",
    .glyph = GLYPH,
    .pasted = "[Pasted text #",
    .gap_ms = 120};
/* One whose editor is looked at before the submit. */
static const struct driver slow = {.name = "slow",
    .hooks = true,
    .submit = "C-x C-y",
    .stash = "C-s",
    .glyph = GLYPH,
    .pasted = "[Pasted text #",
    .gap_ms = 2000,
    .shown_ms = 20};
static const struct driver shell = {.name = "command", .submit = "Enter", .gap_ms = 150};

static struct agent *a;

static int
setup_with(void **state, const struct driver *driver)
{
	world_setup(state);
	run_count = run_next = asked_pending = observed = watched = 0;
	tmux_is_up = true;
	a = world_agent("main", driver, "{}");
	a->kick_timer = timer_new(NULL, (loop_cb *)deliver_kick, a);
	a->shim = (struct ipc_peer *)a; /* some peer */
	a->registry = REG_IDLE;
	if (a->session[0] == '\0') {
		ulid_new(a->session);
		world_sql("INSERT INTO sessions (id, host, agent, driver_id, started_at) "
			  "VALUES "
			  "('%s', 'h', 'main', 'x', 0)",
		    a->session);
	}
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, &claude);
}

static int
setup_slow(void **state)
{
	return setup_with(state, &slow);
}

static int
setup_shell(void **state)
{
	return setup_with(state, &shell);
}

static int
teardown(void **state)
{
	deliver_drop(a);
	for (int i = 0; i < run_count; i++)
		free(run[i].line);
	return world_teardown(state);
}

/* ---- what a look sees ---- */

static char seen[8192];

static const char *
view(int mode, int x, int y, const char *clients, const char *rows)
{
	snprintf(seen, sizeof(seen), "%d %d %d 1 100 50000\n%s====\n%s", mode, x, y,
	    clients, rows);
	return seen;
}

#define empty()  view(0, 2, 0, "", GLYPH " " RULER)
#define draft()  view(0, 7, 0, "", GLYPH " half a" RULER)
#define screen() "2 0\n" GLYPH " " RULER

/* Delivers as far as the paste; what was pasted. */
static const char *
type(void)
{
	struct command *c;

	answer(expect("display-message"), true, empty());
	c = expect("set-buffer");
	answer(c, true, "");
	return c->line;
}

/* ---- the order ---- */

static void
look_claim_paste_proof(void **state)
{
	const char *id = world_message(a, "hello"), *line;
	char expected[200];

	(void)state;
	deliver_kick(a);
	assert_state(id, "queued"); /* a look claims nothing */
	line = type();
	assert_state(id, "delivering");
	assert_non_null(strstr(line, "cli] hello\n\""));
	snprintf(expected, sizeof(expected),
	    " ; paste-buffer -dp -b berth-main -t %%1 ; set-option -p -t %%1 @berth_msg "
	    "%s ; set-option -p -t %%1 @berth_line 1",
	    id);
	assert_non_null(strstr(line, expected));
	assert_non_null(
	    strstr(line, " ; run-shell -b -d 0.120 -C \"send-keys -t %1 C-x C-y\""));
	assert_nothing_run();
	turn_prompt(a, strchr(line, '['), "hook");
	assert_state(id, "delivered");
	assert_null(a->delivery);
	world_pass(120000);
	assert_nothing_run(); /* and that was all */
}

static void
proof_may_come_before_tmux_answers(void **state)
{
	const char *id = world_message(a, "hello");
	struct command *c;

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, empty());
	c = expect("set-buffer");
	turn_prompt(a, strchr(c->line, '['), "hook");
	assert_state(id, "delivered");
	answer(c, true, "");
	assert_null(a->delivery);
	world_pass(120000);
	assert_state(id, "delivered");
	assert_nothing_run();
}

static void
only_a_ready_agent_is_looked_at(void **state)
{
	(void)state;
	world_message(a, "hello");
	for (int s = 0; s < AS_COUNT; s++) {
		a->state = (enum agent_state)s;
		if (s != AS_READY)
			deliver_kick(a);
	}
	a->state = AS_READY;
	tmux_is_up = false;
	deliver_kick(a);
	tmux_is_up = true;
	a->shim = NULL;
	deliver_kick(a);
	a->shim = (struct ipc_peer *)a;
	a->unsettled = true;
	deliver_kick(a);
	a->unsettled = false;
	world.closing = true;
	deliver_kick(a);
	world.closing = false;
	a->pane[0] = '\0';
	deliver_kick(a);
	assert_nothing_run();
	snprintf(a->pane, sizeof(a->pane), "%%1");
	deliver_kick(a);
	deliver_kick(a);
	expect("display-message");
	assert_nothing_run(); /* one look at a time */
}

static void
nothing_waits_nothing_runs(void **state)
{
	(void)state;
	deliver_kick(a);
	world_pass(600000);
	assert_nothing_run();
}

static void
what_is_not_due_waits(void **state)
{
	const struct message_new m = {.agent = "main",
	    .channel = "cli",
	    .text = "later",
	    .not_before = world_wall + 150000};
	char id[27];

	(void)state;
	message_add(world.db, &m, id);
	deliver_kick(a);
	world_pass(149000);
	assert_nothing_run();
	world_pass(1001);
	expect("display-message");
}

/* The agent began something, by hand or by itself, between the look and its answer. */
static void
busy_meanwhile(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	a->state = AS_BUSY;
	answer(expect("display-message"), true, empty());
	assert_nothing_run();
	assert_state(id, "queued");
	world_pass(5000);
	assert_nothing_run();
	a->state = AS_READY;
	deliver_kick(a);
	expect("display-message");
}

static void
a_look_that_failed_is_repeated(void **state)
{
	static const char *const odd[] = {
	    "", "1 2", "x", "0 2 0 1 100 50000\n", "0 2 0 1 100 50000\n===="};

	(void)state;
	world_message(a, "hello");
	deliver_kick(a);
	answer(expect("display-message"), false, "can't find pane: %1");
	for (size_t i = 0; i < COUNT(odd); i++) {
		assert_nothing_run();
		world_pass(300);
		answer(expect("display-message"), true, odd[i]);
	}
	world_pass(300);
	type();
}

static void
no_prompt_no_paste(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	for (int i = 0; i < 20; i++) {
		answer(expect("display-message"), true,
		    view(0, 5, 1, "", "Proceed?\n  " GLYPH " 1. Yes"));
		assert_nothing_run();
		world_pass(300);
	}
	/* and without bracketed paste neither: each line would be a prompt */
	answer(expect("display-message"), true, "0 2 0 0 100 50000\n====\n" GLYPH " ");
	assert_nothing_run();
	assert_state(id, "queued");
}

/* ---- people ---- */

static const char *
client(int64_t seconds_ago, int control, const char *pane)
{
	static char out[200];

	snprintf(out, sizeof(out), "%lld %d %s\n",
	    (long long)(world_wall / 1000 - seconds_ago), control, pane);
	return out;
}

static void
a_person_who_types_comes_first(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	for (int64_t ago = 0; ago < 2; ago++) {
		/* tmux tells whole seconds: it may have been at the end of its own */
		world_wall += 1000 - world_wall % 1000;
		answer(expect("display-message"), true,
		    view(0, 2, 0, client(ago, 0, "%1"), GLYPH " " RULER));
		world_pass(1999);
		assert_nothing_run();
		world_pass(500);
	}
	assert_state(id, "queued");
	answer(expect("display-message"), true,
	    view(0, 2, 0, client(5, 0, "%1"), GLYPH " " RULER));
	expect("set-buffer");
}

static void
other_clients_are_no_person_here(void **state)
{
	char clients[500] = "";

	(void)state;
	world_message(a, "hello");
	strcat(clients, client(0, 1, "%1"));  /* our own control client */
	strcat(clients, client(0, 0, "%10")); /* looks at another pane */
	strcat(clients, client(0, 0, "%2"));
	deliver_kick(a);
	answer(expect("display-message"), true, view(0, 2, 0, clients, GLYPH " " RULER));
	expect("set-buffer");
}

/* The wall clock went back an hour: what a client did lies in the future, and is old. */
static void
a_clock_that_went_back_blocks_nobody(void **state)
{
	(void)state;
	world_message(a, "hello");
	deliver_kick(a);
	answer(expect("display-message"), true,
	    view(0, 2, 0, client(-3600, 0, "%1"), GLYPH " " RULER));
	expect("set-buffer");
}

static void
copy_mode_is_left_before_the_paste(void **state)
{
	(void)state;
	world_message(a, "hello");
	deliver_kick(a);
	answer(expect("display-message"), true, view(1, 2, 0, "", GLYPH " " RULER));
	expect("send-keys -t %1 -X cancel");
	expect("set-buffer");
}

static void
a_draft_is_put_aside_first(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, draft());
	assert_string_equal(expect("send-keys")->line, "send-keys -t %1 C-s");
	assert_state(id, "queued");
	assert_nothing_run();
	world_pass(79);
	assert_nothing_run(); /* the editor's time */
	world_pass(1);
	type();
	assert_state(id, "delivering");
}

/* A second Ctrl-S would take the draft back out. */
static void
a_kick_while_the_draft_is_put_aside_looks_no_earlier(void **state)
{
	(void)state;
	world_message(a, "hello");
	deliver_kick(a);
	answer(expect("display-message"), true, draft());
	expect("C-s");
	deliver_kick(a); /* another message came */
	deliver_kick(a);
	assert_nothing_run();
	world_pass(80);
	expect("display-message");
	deliver_kick(a);
	assert_nothing_run();
	answer(&run[run_next - 1], true, empty());
	expect("set-buffer");
}

/* However long it takes: a key that is read late is no reason to press it again. */
static void
a_slow_editor_is_waited_for(void **state)
{
	(void)state;
	world_message(a, "hello");
	deliver_kick(a);
	answer(expect("display-message"), true, draft());
	expect("C-s");
	for (int i = 0; i < 15; i++) {
		world_pass(80);
		answer(expect("display-message"), true, draft());
		assert_nothing_run();
	}
	world_pass(80);
	type();
}

static void
a_draft_that_stays_is_left_alone(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, draft());
	expect("C-s");
	for (int i = 0; i < 20; i++) {
		world_pass(80);
		answer(expect("display-message"), true, draft());
	}
	assert_nothing_run();
	assert_null(a->delivery);
	assert_state(id, "queued");
	world_pass(2999);
	assert_nothing_run();
	world_pass(1);
	expect("display-message"); /* and asked after again later */
}

static void
without_a_stash_key_a_draft_is_waited_for(void **state)
{
	static struct driver plain;

	(void)state;
	plain = claude;
	plain.stash = NULL;
	a->driver = &plain;
	world_message(a, "hello");
	deliver_kick(a);
	answer(expect("display-message"), true, draft());
	assert_nothing_run();
	world_pass(3000);
	expect("display-message");
}

/* ---- refused, and never taken ---- */

static void
a_refused_paste_goes_back(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, empty());
	answer(expect("set-buffer"), false, "can't find pane: %1");
	assert_state(id, "queued");
	assert_null(a->delivery);
	world_pass(300);
	type();
	assert_state(id, "delivering");
}

/* It blocks nobody for ever. */
static void
what_is_never_taken_fails(void **state)
{
	const char *id = world_message(a, "poison"), *next = world_message(a, "next");

	(void)state;
	deliver_kick(a);
	for (int i = 0; i < 12 && strcmp(world_state(id), "failed") != 0; i++) {
		answer(expect("display-message"), true, empty());
		answer(expect("set-buffer"), false, "no");
		world_pass(300);
	}
	assert_state(id, "failed");
	assert_state(next, "queued");
}

static void
a_prompt_that_stands_there_is_submitted_again(void **state)
{
	const char *id = world_message(a, "hello");
	char rows[300];

	(void)state;
	deliver_kick(a);
	type();
	snprintf(
	    rows, sizeof(rows), "9 0\n" GLYPH " [berth %s 08:00 cli] hello" RULER, id);
	world_pass(1199);
	assert_nothing_run();
	world_pass(1);
	assert_int_equal(asked_pending, 1);
	answer(expect("display-message"), true, rows);
	assert_string_equal(expect("send-keys")->line, "send-keys -t %1 C-x C-y");
	world_pass(3000);
	answer(expect("display-message"), true,
	    "22 0\n" GLYPH " [Pasted text #1 +4 lines]" RULER);
	expect("C-x C-y");
	assert_state(id, "delivering");
}

/* ---- an editor that is looked at ---- */

static const char *
typed_rows(const char *id)
{
	static char rows[300];

	snprintf(
	    rows, sizeof(rows), "9 0\n" GLYPH " [berth %s 08:00 cli] hello" RULER, id);
	return rows;
}

#define stood_in "22 0\n" GLYPH " [Pasted text #7 +4 lines]" RULER

/* Read together, paste and submit would both be lost. */
static void
nothing_is_submitted_before_it_is_shown(void **state)
{
	const char *id = world_message(a, "hello"), *line;
	char once[300];

	(void)state;
	deliver_kick(a);
	line = type();
	snprintf(once, sizeof(once),
	    "-C \"if-shell -F -t %%1 \\\"##{==:##{@berth_submit},%s}\\\" \\\"set-option "
	    "-pu "
	    "-t %%1 @berth_submit ; send-keys -t %%1 C-x C-y\\\"\"",
	    id);
	/* what tmux does if we die now */
	assert_non_null(strstr(line, " ; run-shell -b -d 2.000 -C"));
	assert_non_null(strstr(line, once));
	for (int i = 0; i < 10; i++) {
		world_pass(20);
		answer(expect("display-message"), true, screen());
		assert_nothing_run();
	}
	world_pass(20);
	answer(expect("display-message"), true, typed_rows(id));
	line = expect("run-shell -b -d 0.000")->line;
	assert_non_null(strstr(line, once));
	assert_nothing_run();
	turn_prompt(a, typed_rows(id), "hook");
	assert_state(id, "delivered");
	world_pass(120000);
	assert_nothing_run();
}

static void
what_a_person_submitted_is_not_submitted_again(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	turn_prompt(a, typed_rows(id), "hook");
	assert_string_equal(
	    expect("set-option")->line, "set-option -pu -t %1 @berth_submit");
	assert_null(a->delivery);
}

/* A slow editor still shows what it has read the submit of. */
static void
a_second_submit_needs_proof_that_the_first_was_lost(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	world_pass(20);
	answer(expect("display-message"), true, stood_in);
	expect("run-shell");
	world_pass(1200);
	answer(expect("display-message"), true, typed_rows(id));
	assert_nothing_run(); /* is it read? */
	world_pass(3000);
	deliver_pending(a, 2);
	answer(expect("display-message"), true, typed_rows(id));
	assert_nothing_run(); /* it isn't */
	deliver_pending(a, 0);
	for (int i = 0; i < 2; i++) {
		assert_nothing_run();
		world_pass(3000);
		answer(expect("display-message"), true, typed_rows(id));
	}
	assert_string_equal(expect("send-keys")->line, "send-keys -t %1 C-x C-y");
}

/* With a draft put aside, a stand-in after the submit may be the draft's. */
static void
a_draft_that_came_back_is_not_submitted(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, draft());
	expect("C-s");
	world_pass(80);
	type();
	world_pass(20);
	answer(expect("display-message"), true, stood_in);
	expect("run-shell"); /* this one is ours */
	deliver_pending(a, 0);
	world_pass(1200);
	answer(expect("display-message"), true, stood_in);
	assert_nothing_run();
	assert_state(id, "delivering");
}

/* The launcher died after the paste: tmux's submit came, or ours does. */
static void
the_next_life_submits_what_stands_there(void **state)
{
	const char *id = world_message(a, "hello");
	const struct message_change c = {.delivery = id};

	(void)state;
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a);
	answer(expect("#{@berth_msg}"), true, id);
	world_pass(1199);
	assert_nothing_run();
	world_pass(1);
	answer(expect("display-message"), true, stood_in);
	assert_non_null(strstr(expect("run-shell")->line, "@berth_submit"));
	for (int i = 0; i < 4; i++) {
		world_pass(i == 0 ? 1200 : 3000);
		answer(expect("display-message"), true, stood_in);
		assert_nothing_run(); /* it may be a person's */
	}
}

/* Never into a dialog, and never while it works. */
static void
nothing_is_submitted_where_it_could_answer(void **state)
{
	const char *id = world_message(a, "hello");
	char rows[300];

	(void)state;
	deliver_kick(a);
	type();
	snprintf(
	    rows, sizeof(rows), "9 0\n" GLYPH " [berth %s 08:00 cli] hello" RULER, id);
	world_pass(1200);
	a->registry = REG_WAITING;
	answer(expect("display-message"), true, rows);
	assert_nothing_run();
	world_pass(3000);
	a->registry = REG_BUSY;
	answer(expect("display-message"), true, rows);
	assert_nothing_run();
	world_pass(3000);
	a->registry = REG_IDLE;
	answer(expect("display-message"), true, "4 1\nProceed?\n  " GLYPH " 1. Yes");
	assert_nothing_run();
	world_pass(3000);
	/* somebody else's draft, also where ours was taken and stands above it */
	snprintf(rows, sizeof(rows),
	    "4 3\n" GLYPH " [berth %s 08:00 cli] hello\n\nan answer\n" GLYPH
	    " rm -rf" RULER,
	    id);
	answer(expect("display-message"), true, rows);
	assert_nothing_run();
	world_pass(3000);
	answer(expect("display-message"), true, "9 0\n" GLYPH " rm -rf" RULER);
	assert_nothing_run();
	assert_state(id, "delivering");
}

static void
two_looks_that_find_nothing_give_it_back(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	world_pass(1200);
	deliver_pending(a, 0);
	answer(expect("display-message"), true, screen());
	assert_state(id, "delivering"); /* its proof may be on its way */
	assert_nothing_run();
	world_pass(3000);
	answer(expect("display-message"), true, screen());
	assert_state(id, "queued");
	expect("display-message"); /* at once again */
}

static void
one_unclear_look_begins_the_count_anew(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	world_pass(1200);
	deliver_pending(a, 0);
	answer(expect("display-message"), true, screen());
	world_pass(3000);
	a->registry = REG_BUSY;
	answer(expect("display-message"), true, screen());
	world_pass(3000);
	a->registry = REG_IDLE;
	answer(expect("display-message"), true, screen());
	assert_state(id, "delivering");
}

/* With input that the agent hasn't read, or nobody to ask, nothing can be told. */
static void
doubt_after_a_minute(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	world_pass(1200);
	for (int i = 0; i < 20; i++) {
		if (i % 2 == 0)
			deliver_pending(a, 4096);
		answer(expect("display-message"), true, screen());
		assert_state(id, "delivering");
		world_pass(3000);
	}
	answer(expect("display-message"), true, screen());
	assert_state(id, "indeterminate");
	assert_null(a->delivery);
	/* its proof is believed also then */
	turn_prompt(a, strchr(run[1].line, '['), "hook");
	assert_state(id, "delivered");
}

static void
looks_that_fail_are_unclear(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	world_pass(1200);
	for (int i = 0; i < 21; i++) {
		deliver_pending(a, 0);
		answer(expect("display-message"), false, "");
		world_pass(3000);
	}
	assert_state(id, "indeterminate");
}

/* ---- batches ---- */

static void
what_waits_is_handed_over_together(void **state)
{
	const char *one = world_message(a, "one"), *two = world_message(a, "two"), *line;

	(void)state;
	deliver_kick(a);
	line = type();
	assert_non_null(strstr(line, one));
	assert_non_null(strstr(line, two));
	assert_true(strstr(line, "] one\n\n[berth ") != NULL);
	turn_prompt(a, strchr(line, '['), "hook");
	assert_state(one, "delivered");
	assert_state(two, "delivered");
	assert_null(a->delivery);
}

/* Which conversation goes on with what was cut is known only when it is typed. */
static void
what_was_cut_is_told_again_where_it_is_unknown(void **state)
{
	const char *one = world_message(a, "do it"), *line;

	(void)state;
	world_sql("UPDATE messages SET state = 'interrupted', recorded_in = 'old'");
	snprintf(a->session, sizeof(a->session), "new");
	world_sql("UPDATE messages SET parent = '%s' WHERE id = '%s'", one,
	    world_message(a, "go on"));
	deliver_kick(a);
	line = type();
	assert_non_null(strstr(line, "go on\n\nThis conversation doesn't have it"));
	assert_non_null(strstr(line, "was:\n\ndo it"));
	assert_null(strstr(strchr(line, '[') + 1, "[berth "));
}

/* The answer to a message that waited would be given for the one that was cut. */
static void
what_was_cut_is_gone_on_with_alone(void **state)
{
	const char *cut = world_message(a, "do it"), *new = world_message(a, "new"),
		   *on = world_message(a, "go on");

	(void)state;
	world_sql("UPDATE messages SET state = 'interrupted' WHERE id = '%s'", cut);
	world_sql("UPDATE messages SET parent = '%s' WHERE id = '%s'", cut, on);
	deliver_kick(a);
	type();
	assert_state(on, "delivering");
	assert_state(new, "queued");
	turn_prompt(a, strchr(run[run_next - 1].line, '['), "hook");
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	assert_state(cut, "answered");
	deliver_kick(a);
	type();
	assert_state(new, "delivering");
}

static void
or_one_by_one(void **state)
{
	const char *one, *two, *why;

	(void)state;
	yyjson_doc_free(a->spec);
	a->spec = json_parse("{\"batch\":\"single\"}", 18, &why);
	one = world_message(a, "one");
	two = world_message(a, "two");
	deliver_kick(a);
	type();
	assert_state(one, "delivering");
	assert_state(two, "queued");
}

/* A message that is only half proven stays the delivery's. */
static void
a_batch_is_proven_whole(void **state)
{
	const char *one = world_message(a, "one"), *two = world_message(a, "two");
	char half[100];

	(void)state;
	deliver_kick(a);
	type();
	snprintf(half, sizeof(half), "[berth %s 08:00 cli] one", one);
	turn_prompt(a, half, "hook");
	assert_state(one, "delivered");
	assert_state(two, "delivering");
	assert_non_null(a->delivery);
}

static void
a_batch_has_an_end(void **state)
{
	char *big = malloc(150001);
	const char *one, *two;

	(void)state;
	memset(big, 'x', 150000);
	big[150000] = '\0';
	one = world_message(a, big);
	two = world_message(a, big);
	free(big);
	deliver_kick(a);
	type();
	assert_state(one, "delivering");
	assert_state(two, "queued");
	turn_prompt(a, strchr(run[run_next - 1].line, '['), "hook");
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	for (int i = 0; i < 60; i++)
		world_message(a, "x");
	deliver_kick(a);
	type();
	/* the big one, and as many as fit below 50 */
	assert_string_equal(
	    world_sql("SELECT count(*) FROM messages WHERE state = 'delivering'"), "50");
}

/* ---- another life ---- */

static void
the_mark_tells_whether_it_was_typed(void **state)
{
	const char *id = world_message(a, "hello");
	const struct message_change c = {.delivery = id};

	(void)state;
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a);
	answer(expect("#{@berth_msg}"), true, id);
	assert_non_null(a->delivery);
	assert_state(id, "delivering");
	world_pass(1200);
	expect("display-message"); /* it waits for proof */
	deliver_recover(a);
	assert_nothing_run();
}

static void
another_mark_tells_that_it_was_not(void **state)
{
	const char *id = world_message(a, "hello");
	const struct message_change c = {.delivery = id};

	(void)state;
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a);
	answer(expect("#{@berth_msg}"), true, "01JD3Y0N6Q8Z4V5W6X7Y8Z9A0B");
	assert_state(id, "queued");
	expect("display-message -p -t %1 \"#{pane_in_mode}");
	deliver_drop(a);
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a);
	answer(expect("#{@berth_msg}"), true, "");
	assert_state(id, "queued");
}

static void
two_recoveries_at_once_are_one(void **state)
{
	const char *id = world_message(a, "hello");
	const struct message_change c = {.delivery = id};

	(void)state;
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a); /* its pane was found */
	deliver_recover(a); /* its shim said hello */
	answer(expect("#{@berth_msg}"), true, id);
	answer(expect("#{@berth_msg}"), true, id);
	assert_non_null(a->delivery);
	world_pass(1200);
	expect("display-message");
	assert_nothing_run();
}

static void
proof_between_mark_and_answer(void **state)
{
	const char *id = world_message(a, "hello");
	const struct message_change c = {.delivery = id};
	char prompt[100];

	(void)state;
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a);
	snprintf(prompt, sizeof(prompt), "[berth %s 08:00 cli] hello", id);
	turn_prompt(a, prompt, "hook");
	answer(expect("#{@berth_msg}"), true, id);
	assert_null(a->delivery);
	assert_state(id, "delivered");
}

/* Somebody is slow to answer a dialog that came up when it was typed. */
static void
a_dialog_over_a_typed_message_casts_no_doubt(void **state)
{
	const char *id = world_message(a, "hello");

	(void)state;
	deliver_kick(a);
	type();
	a->registry = REG_WAITING;
	for (int i = 0; i < 60; i++) {
		world_pass(5000);
		while (run_next < run_count)
			answer(&run[run_next++], true, "2 0\n  1. Yes\n  2. No\n");
	}
	assert_state(id, "delivering");
	assert_non_null(a->delivery);
}

static void
tmux_goes_away_while_typing(void **state)
{
	const char *id = world_message(a, "hello");
	struct command *c;

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, empty());
	c = expect("set-buffer");
	tmux_is_up = false;
	answer(c, false, "");
	deliver_terminal_lost(a);
	assert_state(id, "delivering"); /* typed or not: the mark will tell */
	assert_null(a->delivery);
	world_pass(60000);
	assert_nothing_run();
	tmux_is_up = true;
	deliver_recover(a);
	answer(expect("#{@berth_msg}"), true, id);
	assert_state(id, "delivering");
	assert_non_null(a->delivery);
}

/* ---- programs without hooks ---- */

static void
a_terminal_that_took_it_is_proof(void **state)
{
	const char *id = world_message(a, "ls"), *two = world_message(a, "pwd"), *line;

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, "0 2 5 0 100 50000\n====\n$ ");
	line = expect("set-buffer")->line;
	assert_non_null(strstr(line, "set-buffer -b berth-main -- \"ls\" ; "));
	assert_non_null(strstr(line, "Enter"));
	assert_non_null(strstr(line, "@berth_line 105 ;"));
	answer(&run[run_next - 1], true, "");
	assert_state(id, "delivered");
	assert_state(two, "queued");
	assert_null(a->delivery);
	assert_int_equal(watched, 1);
	turn_finish(a, TURN_ANSWERED, "a b", NULL, 0);
	assert_state(id, "answered");
}

/* What is there after the prompt is a person's, whoever is attached, also over our
 * restart: the pane knows its prompt. */
static void
a_half_typed_line_is_left_alone(void **state)
{
	static const char *const drafts[] = {"rest $\n====\n$ ha",
	    "rest $\n====\nold\n$ ha", "rest # ====\n====\n# ==== ha"};
	static const char *const free_rows[] = {"rest $\n====\n$ ",
	    "rest \n====\nno prompt", "rest $\n====\nanother prompt> ",
	    "rest # ====\n====\n# ====\n\n"};
	const char *id = world_message(a, "ls");

	(void)state;
	deliver_kick(a);
	for (size_t i = 0; i < COUNT(drafts); i++) {
		char *view = xasprintf("0 4 5 0 100 50000\n%s", drafts[i]);

		answer(expect("display-message"), true, view);
		free(view);
		assert_nothing_run();
		assert_state(id, "queued");
		assert_true(a->draft_since > 0);
		world_pass(3000);
	}
	for (size_t i = 0; i < COUNT(free_rows); i++) {
		char *view = xasprintf("0 4 5 0 100 50000\n%s", free_rows[i]);

		answer(expect("display-message"), true, view);
		free(view);
		answer(expect("set-buffer"), false, "no");
		world_pass(300);
	}
	assert_int_equal(a->draft_since, 0);
}

/* The launcher died between the paste and its row. */
static void
a_mark_is_proof_without_hooks(void **state)
{
	const char *id = world_message(a, "ls");
	const struct message_change c = {.delivery = id};

	(void)state;
	message_event(world.db, id, ME_CLAIM, &c);
	deliver_recover(a);
	answer(expect("#{@berth_msg}"), true, id);
	world_pass(1200);
	while (run_next < run_count)
		answer(&run[run_next++], true, "2 0\n$ ");
	assert_state(id, "delivered");
	assert_null(a->delivery);
}

/* tmux makes no empty buffer: its paste is refused for ever, and all others wait. */
static void
a_text_of_nothing_blocks_nobody(void **state)
{
	const char *id = world_message(a, "\x01\xe2\x80\x8b \n"),
		   *two = world_message(a, "ls");

	(void)state;
	deliver_kick(a);
	answer(expect("display-message"), true, "0 2 5 0 100 50000\n====\n$ ");
	assert_state(id, "failed");
	for (int i = 0; i < 3 && strcmp(world_state(two), "delivering") != 0; i++) {
		world_pass(300);
		while (run_next < run_count) {
			struct command *c = &run[run_next++];

			assert_null(strstr(c->line, "\"\" ;"));
			if (strstr(c->line, "set-buffer") == NULL)
				answer(c, true, "0 2 5 0 100 50000\n====\n$ ");
		}
	}
	assert_state(two, "delivering");
}

int
main(void)
{
#define TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SLOW(f)  cmocka_unit_test_setup_teardown(f, setup_slow, teardown)
#define SHELL(f) cmocka_unit_test_setup_teardown(f, setup_shell, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(look_claim_paste_proof),
	    TEST(proof_may_come_before_tmux_answers),
	    TEST(only_a_ready_agent_is_looked_at),
	    TEST(nothing_waits_nothing_runs),
	    TEST(what_is_not_due_waits),
	    TEST(busy_meanwhile),
	    TEST(a_look_that_failed_is_repeated),
	    TEST(no_prompt_no_paste),
	    TEST(a_person_who_types_comes_first),
	    TEST(other_clients_are_no_person_here),
	    TEST(a_clock_that_went_back_blocks_nobody),
	    TEST(copy_mode_is_left_before_the_paste),
	    TEST(a_draft_is_put_aside_first),
	    TEST(a_kick_while_the_draft_is_put_aside_looks_no_earlier),
	    TEST(a_slow_editor_is_waited_for),
	    TEST(a_draft_that_stays_is_left_alone),
	    TEST(without_a_stash_key_a_draft_is_waited_for),
	    TEST(a_refused_paste_goes_back),
	    TEST(what_is_never_taken_fails),
	    TEST(a_prompt_that_stands_there_is_submitted_again),
	    SLOW(nothing_is_submitted_before_it_is_shown),
	    SLOW(what_a_person_submitted_is_not_submitted_again),
	    SLOW(a_second_submit_needs_proof_that_the_first_was_lost),
	    SLOW(a_draft_that_came_back_is_not_submitted),
	    SLOW(the_next_life_submits_what_stands_there),
	    TEST(nothing_is_submitted_where_it_could_answer),
	    TEST(two_looks_that_find_nothing_give_it_back),
	    TEST(one_unclear_look_begins_the_count_anew),
	    TEST(doubt_after_a_minute),
	    TEST(looks_that_fail_are_unclear),
	    TEST(what_waits_is_handed_over_together),
	    TEST(what_was_cut_is_gone_on_with_alone),
	    TEST(what_was_cut_is_told_again_where_it_is_unknown),
	    TEST(or_one_by_one),
	    TEST(a_batch_is_proven_whole),
	    TEST(a_batch_has_an_end),
	    TEST(the_mark_tells_whether_it_was_typed),
	    TEST(another_mark_tells_that_it_was_not),
	    TEST(two_recoveries_at_once_are_one),
	    TEST(proof_between_mark_and_answer),
	    TEST(a_dialog_over_a_typed_message_casts_no_doubt),
	    TEST(tmux_goes_away_while_typing),
	    SHELL(a_terminal_that_took_it_is_proof),
	    SHELL(a_half_typed_line_is_left_alone),
	    SHELL(a_mark_is_proof_without_hooks),
	    SHELL(a_text_of_nothing_blocks_nobody),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
