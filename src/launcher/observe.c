/*
 * What an agent is doing, joined from its sources in the order of their trust: an open
 * dialog and a running turn as the registry and the hooks tell them; for a program
 * without hooks, how long its pane has been quiet. The screen is looked at only to see
 * that a fresh prompt is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "approval.h"
#include "buf.h"
#include "deliver.h"
#include "driver.h"
#include "hash.h"
#include "json.h"
#include "loop.h"
#include "screen.h"
#include "tmux.h"
#include "turn.h"
#include "xmalloc.h"

enum {
	READY_POLL_MS = 100, /* only from a start to the first prompt */
	QUIET_POLL_MS =
	    300, /* only while a program without hooks has a turn open, or starts */
	ESC_GRACE_MS =
	    2000, /* idle with an open turn: a Stop hook may still be on its way */
	IDLE_GRACE_MS = 10000, /* the same, when it has not been seen to work on it yet */
	ANSWER_MAX = 1 << 20,
	UNTOLD_MS = 5000, /* a prompt shows, and the registry says nothing of it */
};

/* ---- agents with hooks ---- */

static bool
still_starting(const struct agent *a)
{
	return a->state == AS_STARTING && !a->was_ready;
}

/* Idle, says the registry, but no hook ended the turn: a person interrupted it. */
static void
quiet_with_turn(void *arg)
{
	struct agent *a = arg;

	if (a->registry != REG_IDLE || a->turn[0] == '\0')
		return;
	turn_finish(a, TURN_INTERRUPTED, NULL, "interrupted at the terminal", 0);
	agent_observe(a, "registry");
}

static void
watch_for_interrupt(struct agent *a)
{
	if (a->quiet_timer == NULL)
		a->quiet_timer = timer_new(a->l->loop, quiet_with_turn, a);
	if (!timer_armed(a->quiet_timer))
		timer_in(a->quiet_timer, a->worked ? ESC_GRACE_MS : IDLE_GRACE_MS);
}

void
agent_observe(struct agent *a, const char *source)
{
	if (!agent_has_process(a) || a->agent_pid == 0)
		return;
	a->worked |= !a->stale && (a->registry == REG_BUSY || a->registry == REG_WAITING);
	if (a->registry == REG_WAITING)
		agent_event(a, AE_WAITING, source, "%s", a->waiting_for);
	else if (a->compacting)
		agent_event(a, AE_COMPACT, source, NULL);
	else if (a->turn[0] != '\0' || a->registry == REG_BUSY)
		agent_event(a, AE_BUSY, source, NULL);
	else if (!still_starting(a) && (a->registry == REG_IDLE || !a->driver->hooks))
		agent_event(a, AE_READY, source, NULL);
	if (a->driver->hooks && a->turn[0] != '\0' && a->registry == REG_IDLE)
		watch_for_interrupt(a);
	else if (a->driver->hooks && a->quiet_timer != NULL)
		timer_cancel(a->quiet_timer);
}

static enum registry
registry_parse(const char *status)
{
	return strcmp(status, "idle") == 0      ? REG_IDLE
	       : strcmp(status, "busy") == 0    ? REG_BUSY
	       : strcmp(status, "waiting") == 0 ? REG_WAITING
						: REG_NONE;
}

/* The shim sends the newest only: one that came and went shows in its time. */
static void
take_entry(struct agent *a, yyjson_val *root)
{
	enum registry before = a->registry;
	int64_t written = json_int(root, "statusUpdatedAt", 0);

	a->registry = registry_parse(json_str(root, "status", ""));
	if (a->registry != before || written != a->registry_written) {
		a->registry_at = mono_ms();
		a->stale = false;
	}
	a->registry_written = written;
	snprintf(a->waiting_for, sizeof(a->waiting_for), "%s",
	    json_str(root, "waitingFor", ""));
	snprintf(a->version, sizeof(a->version), "%s", json_str(root, "version", ""));
}

void
agent_registry(struct agent *a, const char *text)
{
	const char *why;
	yyjson_doc *doc = text != NULL ? json_parse(text, strlen(text), &why) : NULL;
	enum registry before = a->registry;

	if (text != NULL && doc == NULL)
		return; /* written in place: the rest comes in a moment */
	if (doc != NULL)
		take_entry(a, yyjson_doc_get_root(doc));
	else
		a->registry = REG_NONE;
	yyjson_doc_free(doc);
	if (a->registry == REG_IDLE)
		a->compacting = false; /* no hook tells that it was interrupted */
	if (a->registry != REG_WAITING)
		approval_no_dialog(a, before == REG_WAITING);
	agent_observe(a, "registry");
}

/* Only the dialog that says what we have just done: wait for the limit to reset. */
static void
close_limit_dialog(bool ok, char *text, void *arg)
{
	struct agent *a = arg;

	if (ok && a->registry == REG_WAITING &&
	    strstr(text, a->driver->limit_dialog) != NULL)
		tmux_runf(a->l->tmux, NULL, NULL, "send-keys -t %s Escape", a->pane);
}

void
agent_limit_over(struct agent *a)
{
	agent_observe(a, "registry");
	if (a->registry == REG_WAITING && a->driver->limit_dialog != NULL &&
	    a->pane[0] != '\0' && tmux_up(a->l->tmux))
		tmux_runf(
		    a->l->tmux, close_limit_dialog, a, "capture-pane -p -t %s", a->pane);
}

/* ---- the first prompt ---- */

/* 2.1.197 loses its first `idle` when another agent of its home removes its entry just
 * then, and says nothing more until its first turn: the prompt has to do. */
static bool
is_idle(const struct agent *a)
{
	return a->registry == REG_IDLE ||
	       (a->registry == REG_NONE && mono_ms() - a->glyph_since >= UNTOLD_MS);
}

static void
prompt_looked(bool ok, char *text, void *arg)
{
	struct agent *a = arg;
	int x, y, brackets;
	const char *rows = strchr(text, '\n');

	if (!still_starting(a))
		return;
	timer_in(a->ready_timer, READY_POLL_MS);
	if (!ok || rows == NULL || sscanf(text, "%d %d %d", &x, &y, &brackets) != 3)
		return;
	if (!brackets ||
	    screen_prompt(rows + 1, x, y, a->driver->glyph) == SCREEN_NO_PROMPT) {
		a->glyph_since = 0;
		return;
	}
	if (a->glyph_since == 0)
		a->glyph_since = mono_ms();
	if (mono_ms() - a->glyph_since < a->driver->settle_ms || !is_idle(a))
		return;
	timer_cancel(a->ready_timer);
	agent_event(a, AE_READY, "pane", NULL);
}

static void
look_for_prompt(struct agent *a)
{
	if (!still_starting(a))
		return;
	if (!tmux_up(a->l->tmux) || a->pane[0] == '\0') {
		timer_in(a->ready_timer, READY_POLL_MS);
		return;
	}
	tmux_runf(a->l->tmux, prompt_looked, a,
	    "display-message -p -t %s \"#{cursor_x} #{cursor_y} #{bracket_paste_flag}\" "
	    "; "
	    "capture-pane -e -p -t %s",
	    a->pane, a->pane);
}

/* ---- programs without hooks: quiet means ready ---- */

/* A screen that isn't full has empty rows below what was printed. */
static void
trim(char *text)
{
	size_t len = strnlen(text, ANSWER_MAX);

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	text[len] = '\0';
}

static void
answer_captured(bool ok, char *text, void *arg)
{
	struct agent *a = arg;

	if (a->turn[0] == '\0')
		return;
	if (!ok) { /* no terminal, or no tmux: its end, or another look, tells */
		agent_watch_ready(a);
		return;
	}
	trim(text);
	turn_finish(a, TURN_ANSWERED, text, NULL, 0);
	agent_observe(a, "pane");
}

/* asked: the line of all the pane's output where the turn's prompt was typed. */
static void
now_quiet(struct agent *a, long history, long asked)
{
	timer_cancel(a->ready_timer);
	agent_runs(a);
	if (a->turn[0] != '\0')
		tmux_runf(a->l->tmux, answer_captured, a,
		    "capture-pane -p -J -t %s -S %ld", a->pane, asked - history);
	else
		agent_event(a, AE_READY, "pane", NULL);
}

/* Has a person typed there since its turn's prompt was? Asked at each look, for who
 * typed may have left before the pane falls quiet. */
static void
look_for_person(struct agent *a, const char *clients)
{
	a->person_typed |= a->turn[0] != '\0' &&
			   deliver_person_quiet(a, clients) <= mono_ms() - a->typed_at;
}

/* The row where its prompt stands, for whoever types into it next: kept at the pane, so
 * that a launcher after us knows it. More after the same prompt is what a person typed
 * while the turn ran. */
static void
note_rest(struct agent *a, const char *before, const char *rows)
{
	char *row = screen_last_row(rows);
	struct buf line = BUF_INIT;
	size_t n = strcspn(before, "\n");

	if (n == 0 || strncmp(row, before, n) != 0 || row[n] == '\0' ||
	    !a->person_typed) {
		buf_addf(&line, "set-option -p -t %s @berth_rest ", a->pane);
		tmux_quote(&line, row, strlen(row));
		tmux_run(a->l->tmux, NULL, NULL, buf_str(&line));
	}
	buf_free(&line);
	free(row);
}

/* First line: lines scrolled off, and where the turn's prompt was typed. Then "rest" and
 * the prompt's row, a line for each client, "====", the screen. */
static void
quiet_looked(bool ok, char *text, void *arg)
{
	struct agent *a = arg;
	char *rest = strstr(text, "\nrest "), *rows = strstr(text, "\n====\n");
	long history, asked = 0;
	uint64_t h;

	timer_in(a->ready_timer, QUIET_POLL_MS);
	if (!ok || rows == NULL || rest == NULL || rest > rows ||
	    sscanf(text, "%ld %ld", &history, &asked) < 1)
		return;
	h = hash_bytes(HASH_BEGIN, rows, strlen(rows));
	h = hash_bytes(h, &history, sizeof(history));
	*rows = '\0';
	look_for_person(a, text);
	if (h != a->screen_hash) {
		a->screen_hash = h;
		a->glyph_since = mono_ms();
	} else if (mono_ms() - a->glyph_since >= agent_spec_int(a, "silence_ms", 3000)) {
		note_rest(a, rest + strlen("\nrest "), rows + strlen("\n====\n"));
		now_quiet(a, history, asked);
	}
}

static void
look_if_quiet(struct agent *a)
{
	if (!tmux_up(a->l->tmux) || a->pane[0] == '\0') {
		timer_in(a->ready_timer, QUIET_POLL_MS);
		return;
	}
	tmux_runf(a->l->tmux, quiet_looked, a,
	    "display-message -p -t %s \"#{history_size} #{@berth_line}\" ; "
	    "display-message -p -t %s \"rest #{@berth_rest}\" ; "
	    "list-clients -F \"#{client_activity} #{client_control_mode} #{pane_id}\" ; "
	    "display-message -p \"====\" ; capture-pane -p -J -t %s",
	    a->pane, a->pane, a->pane);
}

static void
ready_due(void *arg)
{
	struct agent *a = arg;

	if (a->agent_pid == 0)
		return;
	if (a->driver->glyph != NULL)
		look_for_prompt(a);
	else if (still_starting(a) || a->turn[0] != '\0')
		look_if_quiet(a);
}

void
agent_watch_ready(struct agent *a)
{
	if (a->ready_timer == NULL)
		a->ready_timer = timer_new(a->l->loop, ready_due, a);
	a->glyph_since = 0;
	a->screen_hash = 0;
	timer_in(a->ready_timer, READY_POLL_MS);
}
