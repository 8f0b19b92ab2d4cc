/*
 * See deliver.h. Invariants: at most one delivery an agent; rows are `delivering` before
 * a byte is typed; what was typed is typed again only when the agent is idle, has read
 * everything, and shows none of it. Never Enter where a dialog could be open, never
 * Escape, never into a draft.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "buf.h"
#include "clock.h"
#include "db.h"
#include "deliver.h"
#include "driver.h"
#include "log.h"
#include "loop.h"
#include "message.h"
#include "prompt.h"
#include "screen.h"
#include "shimlink.h"
#include "store.h"
#include "tmux.h"
#include "turn.h"
#include "xmalloc.h"

enum {
	BATCH_MAX = 50,
	BATCH_BYTES =
	    200000,    /* of one paste of several messages; a single one may be longer */
	STASH_MS = 80, /* the editor's time to put a draft aside */
	STASH_LOOKS = 20, /* a busy editor needs longer */
	LOOK_AGAIN_MS =
	    300, /* no prompt though ready: a menu that the registry doesn't tell */
	SUBMIT_AGAIN_MS =
	    1200, /* a chord can be lost while the editor is busy with a long paste */
	GIVE_UP_MS = 60000,
	CLOCK_STEP_S = 2,
	MAX_ATTEMPTS = 5,
};

enum phase { LOOKING, STASHING, PASTING, TYPED };

struct delivery {
	enum phase phase;
	char id[ULID_LEN + 1]; /* of its first message, once claimed */
	int64_t typed_at;
	long line; /* of all the pane's output, where it is typed */
	bool submitted;
	int there; /* looks in a row that found it in the editor after its submit */
	int stash_looks;
	int no_trace; /* looks in a row that found nothing of it */
	long pending; /* unread bytes, -1 unknown */
	struct timer *timer;
};

static void look(struct agent *a);

static void
again_in(struct agent *a, int64_t ms)
{
	timer_in(a->kick_timer, ms);
}

void
deliver_drop(struct agent *a)
{
	if (a->delivery == NULL)
		return;
	timer_free(a->delivery->timer);
	free(a->delivery);
	a->delivery = NULL;
}

/* ---- proof ---- */

static size_t
in_flight(struct agent *a)
{
	struct db_rows *r =
	    db_query(a->l->db, ST_MESSAGE_IN_FLIGHT, DB_ARGS(DB_T(a->name)));
	size_t n = 0;

	while (db_next(r))
		n++;
	db_done(r);
	return n;
}

void
deliver_proven(struct agent *a)
{
	if (a->delivery == NULL || a->delivery->phase < PASTING || in_flight(a) > 0)
		return;
	log_debug("agent=%s delivered=%s", a->name, a->delivery->id);
	if (a->driver->shown_ms > 0 && !a->delivery->submitted) /* a person did it */
		tmux_runf(a->l->tmux, NULL, NULL, "set-option -pu -t %s @berth_submit",
		    a->pane);
	deliver_drop(a);
}

static void
move_in_flight(struct agent *a, enum message_event event, const char *cause)
{
	static char ids[BATCH_MAX][ULID_LEN + 1];
	struct db_rows *r =
	    db_query(a->l->db, ST_MESSAGE_IN_FLIGHT, DB_ARGS(DB_T(a->name)));
	size_t n = 0;

	while (n < BATCH_MAX && db_next(r))
		snprintf(ids[n++], ULID_LEN + 1, "%s", db_text(r, 0));
	db_done(r);
	for (size_t i = 0; i < n; i++) {
		struct message_change c = {
		    .reason = event == ME_RELEASE ? NULL : cause, .cause = cause};

		message_event(a->l->db, ids[i], event, &c);
	}
	launcher_changed(a->l);
}

/*
 * The first submit is tmux's timer's, and ours if we see the paste before: whoever comes
 * first takes it from the other, for a second one would send what a person has in the
 * prompt by then. (Run by itself, if-shell would answer for each command in it.)
 */
static void
add_submit_once(struct buf *line, const struct agent *a, int in_ms)
{
	buf_addf(line,
	    "run-shell -b -d %d.%03d -C \"if-shell -F -t %s "
	    "\\\"##{==:##{@berth_submit},%s}\\\" \\\"set-option -pu -t %s @berth_submit "
	    "; send-keys -t %s %s\\\"\"",
	    in_ms / 1000, in_ms % 1000, a->pane, a->delivery->id, a->pane, a->pane,
	    a->driver->submit);
}

static void
submit(struct agent *a)
{
	struct delivery *d = a->delivery;
	struct buf line = BUF_INIT;

	if (d->submitted) {
		tmux_runf(a->l->tmux, NULL, NULL, "send-keys -t %s %s", a->pane,
		    a->driver->submit);
		return;
	}
	d->submitted = true;
	add_submit_once(&line, a, 0);
	tmux_run(a->l->tmux, NULL, NULL, buf_str(&line));
	buf_free(&line);
	timer_in(d->timer, SUBMIT_AGAIN_MS);
}

/* A long paste is shown by a stand-in, as a person's is. In a prompt that was empty it is
 * ours; after the submit it may be of a draft that came back. */
static bool
stands_in(const struct agent *a, const struct delivery *d, const char *typed)
{
	return a->driver->pasted != NULL && !(d->submitted && d->stash_looks > 0) &&
	       screen_shows(typed, a->driver->pasted);
}

/* What became of a prompt that was typed and not proven, as far as its pane shows. */
enum trace {
	TRACE_THERE, /* it stands in the editor: submit it again */
	TRACE_NONE,  /* the agent is idle and shows nothing of it */
	TRACE_UNCLEAR,
};

static enum trace
trace_of(struct agent *a, const struct delivery *d, const char *text)
{
	const char *rows =
	    strchr(text, '\n'); /* not by scanf: its white space would eat empty rows */
	enum screen_prompt prompt;
	const char *typed;
	char header[48];
	int x, y;

	if (a->driver->glyph == NULL || rows == NULL ||
	    sscanf(text, "%d %d", &x, &y) != 2)
		return TRACE_UNCLEAR;
	prompt = screen_prompt(rows + 1, x, y, a->driver->glyph);
	if (prompt == SCREEN_NO_PROMPT || a->registry != REG_IDLE)
		return TRACE_UNCLEAR;
	snprintf(header, sizeof(header), "[berth %s", d->id);
	typed = screen_prompt_rows(rows + 1, y, a->driver->glyph);
	if (prompt == SCREEN_DRAFT && typed != NULL && /* above it are earlier prompts */
	    (screen_shows(typed, header) || stands_in(a, d, typed)))
		return TRACE_THERE;
	return d->pending == 0 ? TRACE_NONE : TRACE_UNCLEAR;
}

static void
give_up(struct agent *a, enum message_event event, const char *why)
{
	log_warnx("agent=%s message=%s %s", a->name, a->delivery->id, why);
	move_in_flight(a, event, why);
	deliver_drop(a);
	deliver_kick(a);
}

/* Until it is submitted, it is looked for often: it may stand there any moment. */
static bool
soon(const struct delivery *d)
{
	return !d->submitted && mono_ms() - d->typed_at < SUBMIT_AGAIN_MS;
}

/* Again only where it must have been lost: read, and the prompt is there for two looks. A
 * slow editor would take the same prompt twice. */
static bool
may_submit(const struct agent *a)
{
	struct delivery *d = a->delivery;

	if (a->driver->shown_ms == 0 || !d->submitted)
		return true;
	return d->pending == 0 && ++d->there > 1;
}

/* A prompt is given back to the queue only after two looks that agree, lest its proof be
 * on its way. */
static void
judged(bool ok, char *text, void *arg)
{
	struct agent *a = arg;
	struct delivery *d = a->delivery;
	enum trace trace;

	if (d == NULL || d->phase != TYPED)
		return;
	timer_in(
	    d->timer, soon(d) ? a->driver->shown_ms : a->l->settings.confirm_timeout_ms);
	trace = ok ? trace_of(a, d, text) : TRACE_UNCLEAR;
	if (trace == TRACE_THERE && may_submit(a))
		submit(a);
	if (soon(d))
		return;
	d->no_trace = trace == TRACE_NONE ? d->no_trace + 1 : 0;
	if (a->registry == REG_WAITING) /* nothing is taken before its dialog is closed */
		d->typed_at = mono_ms() - SUBMIT_AGAIN_MS;
	if (d->no_trace > 1)
		give_up(a, ME_RELEASE, "the agent read it and took it for nothing");
	else if (mono_ms() - d->typed_at > GIVE_UP_MS)
		give_up(a, ME_DOUBT, "typed, but neither taken nor refused");
}

void
deliver_pending(struct agent *a, long bytes)
{
	if (a->delivery != NULL)
		a->delivery->pending = bytes;
}

static void
no_proof_yet(void *arg)
{
	struct agent *a = arg;

	if (!soon(a->delivery))
		shimlink_ask_pending(a);
	tmux_runf(a->l->tmux, judged, a,
	    "display-message -p -t %s \"#{cursor_x} #{cursor_y}\" ; capture-pane -e -p "
	    "-t %s",
	    a->pane, a->pane);
}

static void
await_proof(struct agent *a, int64_t look_in_ms)
{
	struct delivery *d = a->delivery;

	d->phase = TYPED;
	d->typed_at = mono_ms();
	d->pending = -1;
	timer_free(d->timer);
	d->timer = timer_new(a->l->loop, no_proof_yet, a);
	timer_in(d->timer, look_in_ms);
}

/* ---- typing ---- */

/* A program without hooks: that its terminal took the text is all that can be known. */
static void
terminal_is_proof(struct agent *a)
{
	static char ids[BATCH_MAX][ULID_LEN + 1];
	struct db_rows *r =
	    db_query(a->l->db, ST_MESSAGE_IN_FLIGHT, DB_ARGS(DB_T(a->name)));
	size_t n = 0;
	char *prompt = NULL;

	while (n < BATCH_MAX && db_next(r)) {
		snprintf(ids[n++], ULID_LEN + 1, "%s", db_text(r, 0));
		if (prompt == NULL)
			prompt = xstrdup(db_text(r, 2));
	}
	db_done(r);
	turn_typed(a, ids, n, prompt != NULL ? prompt : "");
	a->typed_at = mono_ms();
	a->person_typed = false;
	free(prompt);
	deliver_proven(a);
	agent_observe(a, "pane");
	agent_watch_ready(a);
}

static void
pasted(bool ok, char *text, void *arg)
{
	struct agent *a = arg;

	if (a->delivery == NULL || a->delivery->phase != PASTING)
		return;
	if (!ok) {
		if (!tmux_up(a->l->tmux))
			return; /* deliver_recover() finds out from the pane's mark */
		log_warnx("agent=%s tmux refused the paste: %s", a->name, text);
		move_in_flight(a, ME_RELEASE, "tmux refused the paste");
		deliver_drop(a);
		again_in(a, LOOK_AGAIN_MS);
		return;
	}
	a->delivery->submitted = a->driver->shown_ms == 0; /* by tmux's timer, that is */
	if (a->driver->hooks)
		await_proof(
		    a, a->driver->shown_ms > 0 ? a->driver->shown_ms : SUBMIT_AGAIN_MS);
	else
		terminal_is_proof(a);
}

static void
add_submit(struct buf *line, const struct agent *a)
{
	const struct driver *d = a->driver;

	if (d->shown_ms > 0) {
		buf_addf(line, " ; set-option -p -t %s @berth_submit %s ; ", a->pane,
		    a->delivery->id);
		add_submit_once(line, a, d->gap_ms);
	} else
		buf_addf(line, " ; run-shell -b -d %d.%03d -C \"send-keys -t %s %s\"",
		    d->gap_ms / 1000, d->gap_ms % 1000, a->pane, d->submit);
}

/* tmux runs the list without a pause, so mark and paste are there both or neither; the
 * submit is a timer of tmux's own and comes whether or not we live. */
static void
type_prompt(struct agent *a, const struct buf *prompt)
{
	struct buf line = BUF_INIT;

	buf_addf(&line, "set-buffer -b berth-%s -- ", a->name);
	tmux_quote(&line, prompt->data, prompt->len);
	buf_addf(&line,
	    " ; paste-buffer -dp -b berth-%s -t %s ; set-option -p -t %s @berth_msg %s ; "
	    "set-option -p -t %s @berth_line %ld",
	    a->name, a->pane, a->pane, a->delivery->id, a->pane, a->delivery->line);
	add_submit(&line, a);
	tmux_run(a->l->tmux, pasted, a, buf_str(&line));
	buf_free(&line);
}

struct claim {
	char ids[BATCH_MAX][ULID_LEN + 1];
	size_t count;
	struct buf prompt;
};

/* A message that was typed so often and never taken is what the agent dies of, or can't
 * take. */
static void
refuse_spent(struct agent *a)
{
	struct message_change c = {
	    .reason = "tried five times, and the agent never took it",
	    .cause = "tried too often"};
	char *id;

	while ((id = db_one_text(a->l->db, ST_MESSAGE_SPENT,
		    DB_ARGS(DB_T(a->name), DB_I(MAX_ATTEMPTS)))) != NULL) {
		bool refused = message_event(a->l->db, id, ME_REFUSE, &c);

		free(id);
		if (!refused)
			return;
		launcher_changed(a->l);
	}
}

/* What goes on with a message that was cut tells it again where the agent's conversation
 * doesn't have it: it may be another one by now. */
static char *
whole_text(struct agent *a, const char *text, const char *root)
{
	char *unknown = root != NULL ? turn_unknown(a, root) : NULL, *all;

	all = unknown == NULL
		  ? xstrdup(text)
		  : xasprintf("%s\n\nThis conversation doesn't have it any more. It "
			      "was:\n\n%s",
			text, unknown);
	free(unknown);
	return all;
}

/* What failed before goes alone, so that it takes no others with it; and what goes on
 * with a cut message goes without new ones, whose answer would stand for its own. */
static void
gather(struct agent *a, struct claim *c)
{
	bool going_on = false;
	bool together = strcmp(agent_spec_str(a, "batch", "together"), "together") == 0;
	struct db_rows *r = db_query(a->l->db, ST_MESSAGE_NEXT,
	    DB_ARGS(DB_T(a->name), DB_I(wall_ms()),
		DB_I(together && a->driver->hooks ? BATCH_MAX : 1)));

	while (db_next(r)) {
		char *text = whole_text(a, db_text(r, 4), db_text(r, 7));
		struct prompt_part part = {.id = db_text(r, 0),
		    .channel = db_text(r, 1),
		    .thread = db_text(r, 2),
		    .sender = db_text(r, 3),
		    .text = text,
		    .at = db_int(r, 5)};

		if (c->count == 0)
			going_on = !db_is_null(r, 7);
		else if (c->prompt.len + strlen(text) > BATCH_BYTES || db_int(r, 6) > 0 ||
			 going_on == db_is_null(r, 7)) {
			free(text);
			break;
		}
		snprintf(c->ids[c->count++], ULID_LEN + 1, "%s", part.id);
		if (a->driver->hooks)
			prompt_add(&c->prompt, &part);
		else
			prompt_clean(&c->prompt, text);
		free(text);
		if (db_int(r, 6) > 0)
			break;
	}
	db_done(r);
	if (a->driver->hooks)
		buf_addc(&c->prompt,
		    '\n'); /* ends a trailing backslash and an open completion */
}

/* A program without hooks gets no header, so nothing may be left of a text. */
static void
refuse_empty(struct agent *a, const char *id)
{
	struct message_change c = {
	    .reason = "nothing of it is left that can be typed", .cause = "empty"};

	message_event(a->l->db, id, ME_REFUSE, &c);
	launcher_changed(a->l);
	deliver_drop(a);
	again_in(a, 0);
}

static void
claim_and_type(struct agent *a)
{
	static struct claim c;
	struct delivery *d = a->delivery;
	size_t claimed = 0;

	c.count = 0;
	buf_clear(&c.prompt);
	refuse_spent(a);
	gather(a, &c);
	if (c.count == 0) {
		deliver_drop(a);
		return;
	}
	if (c.prompt.len == 0) { /* tmux makes no empty buffer */
		refuse_empty(a, c.ids[0]);
		return;
	}
	snprintf(d->id, sizeof(d->id), "%s", c.ids[0]);
	db_must_begin(a->l->db);
	for (size_t i = 0; i < c.count; i++) {
		struct message_change change = {
		    .delivery = d->id, .cause = "the agent is ready"};

		claimed += message_event(a->l->db, c.ids[i], ME_CLAIM, &change);
	}
	if (db_commit(a->l->db) != DB_OK || claimed != c.count) {
		move_in_flight(a, ME_RELEASE, "the database didn't take the claim");
		deliver_drop(a);
		again_in(a, LOOK_AGAIN_MS);
		return;
	}
	d->phase = PASTING;
	a->draft_since = 0;
	type_prompt(a, &c.prompt);
	launcher_changed(a->l);
}

/* ---- looking ---- */

struct view {
	int mode, x, y, brackets;
	long history, limit; /* lines scrolled off, and how many tmux keeps */
	int64_t
	    person_quiet_ms; /* since a person last typed with this pane before them */
	const char *rest;    /* the prompt's row, as its program left it; "" if unknown */
	const char *rows;
};

/* Lines "activity control pane", a client each, among others. Activity in the future is
 * of before the wall clock went back. */
int64_t
deliver_person_quiet(const struct agent *a, const char *lines)
{
	int64_t now = wall_ms(), least = INT64_MAX;

	for (const char *line = lines; line != NULL; line = strchr(line, '\n')) {
		long long activity;
		int control;
		char pane[16];

		line += *line == '\n';
		if (sscanf(line, "%lld %d %15s", &activity, &control, pane) == 3 &&
		    pane[0] == '%' && !control && strcmp(pane, a->pane) == 0 &&
		    activity <= now / 1000 + CLOCK_STEP_S) {
			/* whole seconds: it may have been at the end of its own */
			int64_t quiet = now - (activity + 1) * 1000;

			if (quiet < least)
				least = quiet > 0 ? quiet : 0;
		}
	}
	return least;
}

/* First line: mode, cursor, paste flag. Then "rest" and the prompt's row, a line for each
 * client, "====", the screen. */
static bool
parse_view(struct agent *a, char *text, struct view *v)
{
	char *rows = strstr(text, "\n====\n"), *rest;

	if (rows == NULL || sscanf(text, "%d %d %d %d %ld %ld", &v->mode, &v->x, &v->y,
				&v->brackets, &v->history, &v->limit) != 6)
		return false;
	*rows = '\0';
	v->rows = rows + strlen("\n====\n");
	v->person_quiet_ms = deliver_person_quiet(a, text);
	v->rest = "";
	rest = strstr(text, "\nrest ");
	if (rest != NULL) {
		v->rest = rest + strlen("\nrest ");
		rest[strcspn(rest + 1, "\n") + 1] = '\0';
	}
	return true;
}

/* Pressed once: a second time, when the editor comes to it, takes the draft out again,
 * under the paste. */
static void
stash(struct agent *a)
{
	struct delivery *d = a->delivery;

	if (a->driver->stash == NULL || d->stash_looks++ >= STASH_LOOKS) {
		if (a->draft_since == 0)
			a->draft_since = mono_ms();
		deliver_drop(a);
		again_in(
		    a, 10 * LOOK_AGAIN_MS); /* the draft stays; so does the message */
		return;
	}
	if (d->stash_looks == 1)
		tmux_runf(a->l->tmux, NULL, NULL, "send-keys -t %s %s", a->pane,
		    a->driver->stash);
	d->phase = STASHING;
	again_in(a, STASH_MS);
}

/* An answer is read from the line where its prompt was typed. tmux throws the oldest
 * tenth away when its history is full, and lines lose their numbers. */
static void
forget_history(struct agent *a, long y)
{
	tmux_runf(a->l->tmux, NULL, NULL, "clear-history -t %s", a->pane);
	a->delivery->line = y;
}

/* In a program whose prompt nobody knows: there is more after what stood there when it
 * fell quiet. (One without a prompt shows nothing that could tell.) */
static bool
half_typed(const struct view *v)
{
	char *row = screen_last_row(v->rows);
	size_t n = strlen(v->rest);
	bool more = n > 0 && strncmp(row, v->rest, n) == 0 && row[n] != '\0';

	free(row);
	return more;
}

static enum screen_prompt
view_prompt(const struct agent *a, const struct view *v)
{
	if (a->driver->glyph != NULL)
		return screen_prompt(v->rows, v->x, v->y, a->driver->glyph);
	return half_typed(v) ? SCREEN_DRAFT : SCREEN_EMPTY;
}

static bool
may_deliver(const struct agent *a)
{
	return a->state == AS_READY && !agent_unwanted(a) && !a->restart_after_exit;
}

static void
looked(bool ok, char *text, void *arg)
{
	struct agent *a = arg;
	struct view v;
	enum screen_prompt prompt;

	if (a->delivery == NULL || a->delivery->phase > STASHING)
		return;
	if (!ok || !may_deliver(a) || !parse_view(a, text, &v)) {
		deliver_drop(a);
		if (tmux_up(a->l->tmux) && may_deliver(a))
			again_in(a, LOOK_AGAIN_MS);
		return;
	}
	if (v.person_quiet_ms < a->l->settings.human_idle_ms) {
		deliver_drop(a);
		again_in(a, a->l->settings.human_idle_ms - v.person_quiet_ms + 100);
		return;
	}
	if (v.mode)
		tmux_runf(a->l->tmux, NULL, NULL, "send-keys -t %s -X cancel", a->pane);
	prompt = view_prompt(a, &v);
	if (prompt != SCREEN_DRAFT)
		a->draft_since = 0;
	a->delivery->line = v.history + v.y;
	if (a->driver->glyph == NULL && v.history > v.limit / 5 * 4)
		forget_history(a, v.y);
	if (prompt == SCREEN_EMPTY && (v.brackets || a->driver->glyph == NULL))
		claim_and_type(a);
	else if (prompt == SCREEN_DRAFT)
		stash(a);
	else {
		deliver_drop(a);
		again_in(a, LOOK_AGAIN_MS);
	}
}

static void
look(struct agent *a)
{
	tmux_runf(a->l->tmux, looked, a,
	    "display-message -p -t %s \"#{pane_in_mode} #{cursor_x} #{cursor_y} "
	    "#{bracket_paste_flag} "
	    "#{history_size} #{history_limit}\" ; "
	    "display-message -p -t %s \"rest #{@berth_rest}\" ; "
	    "list-clients -F \"#{client_activity} #{client_control_mode} #{pane_id}\" ; "
	    "display-message -p \"====\" ; capture-pane %s -p -t %s",
	    a->pane, a->pane, a->driver->glyph != NULL ? "-e" : "-J", a->pane);
}

void
deliver_kick(struct agent *a)
{
	struct db_rows *r;
	bool due;
	int64_t when = 0;

	if (a->delivery != NULL && a->delivery->phase == STASHING) {
		if (timer_armed(a->kick_timer))
			return; /* too early: stashed twice, a draft comes back */
		a->delivery->phase = LOOKING;
		look(a);
		return;
	}
	if (a->delivery != NULL || !may_deliver(a) || a->pane[0] == '\0' ||
	    a->shim == NULL || a->unsettled || !tmux_up(a->l->tmux))
		return;
	r = db_query(a->l->db, ST_MESSAGE_NEXT_DUE, DB_ARGS(DB_T(a->name)));
	due = db_next(r) && !db_is_null(r, 0);
	when = due ? db_int(r, 0) - wall_ms() : 0;
	db_done(r);
	if (!due) {
		a->draft_since = 0;
		return;
	}
	if (when > 0) {
		again_in(a, when < 60000 ? when : 60000); /* the wall clock may jump */
		return;
	}
	a->delivery = xcalloc(1, sizeof(*a->delivery));
	a->delivery->pending = -1;
	look(a);
}

/* ---- after a lost connection or an earlier life ---- */

void
deliver_terminal_lost(struct agent *a)
{
	if (a->delivery != NULL)
		deliver_drop(a);
}

static void
mark_read(bool ok, char *text, void *arg)
{
	struct agent *a = arg;
	struct db_rows *r;
	char id[ULID_LEN + 1] = "";

	if (!ok || a->delivery != NULL || !agent_has_process(a))
		return;
	r = db_query(a->l->db, ST_MESSAGE_IN_FLIGHT, DB_ARGS(DB_T(a->name)));
	if (db_next(r))
		snprintf(id, sizeof(id), "%s", db_is_null(r, 1) ? "" : db_text(r, 1));
	db_done(r);
	if (id[0] == '\0')
		return;
	if (strcmp(text, id) != 0) {
		move_in_flight(
		    a, ME_RELEASE, "the pane's mark shows that it was never typed");
		deliver_kick(a);
		return;
	}
	a->delivery = xcalloc(1, sizeof(*a->delivery));
	snprintf(a->delivery->id, sizeof(a->delivery->id), "%s", id);
	a->delivery->phase = TYPED;
	a->delivery->submitted = a->driver->shown_ms == 0;
	a->delivery->stash_looks = 1; /* there may have been a draft */
	if (a->driver->hooks)
		await_proof(a, SUBMIT_AGAIN_MS);
	else
		terminal_is_proof(a);
}

void
deliver_recover(struct agent *a)
{
	if (agent_unwanted(a) || a->restart_after_exit)
		return; /* its end settles it */
	if (a->delivery == NULL && in_flight(a) > 0 && !a->unsettled)
		tmux_runf(a->l->tmux, mark_read, a,
		    "display-message -p -t %s \"#{@berth_msg}\"", a->pane);
	else
		deliver_kick(a);
}
