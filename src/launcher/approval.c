/*
 * See approval.h. The answer's form is the CLI's (PermissionRequest hook output). A hook
 * whose question is settled elsewhere is let go without an output: the CLI neither kills
 * nor tells it, and it would keep its place at the shim until its deadline.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "approval.h"
#include "buf.h"
#include "db.h"
#include "json.h"
#include "loop.h"
#include "shimlink.h"
#include "store.h"
#include "xmalloc.h"

enum {
	DEFAULT_TIMEOUT_MS = 600000,
	INPUT_MAX = 256 << 10,
	OPEN_MAX = 64,
	CLOCK_JUMP_MS = 1000,
	DIALOG_MS = 3000, /* in which the registry shows a dialog whose hook has asked */
};

struct open_row {
	char id[ULID_LEN + 1], instance[ULID_LEN + 1];
	int64_t seq, asked_at, expires_at;
};

/* For a hook whose question is settled elsewhere: it prints nothing, and ends. */
#define NO_OUTPUT "null"
static const char hook_gone[] = "the hook that asked is gone";

void
approval_ask(struct agent *a, yyjson_val *hook, const char *instance, int64_t seq)
{
	char id[ULID_LEN + 1],
	    *input = yyjson_val_write(json_get(hook, "tool_input"), 0, NULL);
	const char *tool = json_str(hook, "tool_name", "?");
	struct db_event row = {
	    .entity = "approval", .id = id, .new_state = "open", .cause = tool};
	int64_t now = wall_ms();

	if (input != NULL && strlen(input) > INPUT_MAX) {
		free(input);
		input = xstrdup(
		    "{\"berth\":\"too long to show; answer it at the terminal\"}");
	}
	ulid_new(id);
	db_must_change(a->l->db, &row, ST_APPROVAL_ADD,
	    DB_ARGS(DB_T(id), DB_T(db_host(a->l->db)), DB_T(a->name),
		a->turn[0] != '\0' ? DB_T(a->turn) : DB_NULL, DB_T(instance), DB_I(seq),
		DB_T(tool), DB_T(input != NULL ? input : "null"), DB_I(now),
		DB_I(now +
		     agent_spec_int(a, "permission_timeout_ms", DEFAULT_TIMEOUT_MS))));
	free(input);
	launcher_changed(a->l);
}

static char *
output(bool allow, const char *message)
{
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *specific = yyjson_mut_obj_add_obj(
	    doc, yyjson_mut_doc_get_root(doc), "hookSpecificOutput");
	yyjson_mut_val *decision;
	size_t len;

	yyjson_mut_obj_add_str(doc, specific, "hookEventName", "PermissionRequest");
	decision = yyjson_mut_obj_add_obj(doc, specific, "decision");
	yyjson_mut_obj_add_str(doc, decision, "behavior", allow ? "allow" : "deny");
	if (!allow)
		yyjson_mut_obj_add_strcpy(
		    doc, decision, "message", message != NULL ? message : "denied");
	return json_line(doc, &len);
}

static bool
move(struct db *db, const char *id, const char *state, const char *out, const char *by)
{
	struct db_event row = {.entity = "approval",
	    .id = id,
	    .old_state = "open",
	    .new_state = state,
	    .cause = by};
	return db_must_change(db, &row, ST_APPROVAL_MOVE,
		   DB_ARGS(DB_T(id), DB_T(state), DB_T(out), DB_I(wall_ms()), DB_T(by))) >
	       0;
}

static bool
decide(struct launcher *l, const char *id, const char *state, bool allow,
    const char *message, const char *by)
{
	char *out = output(allow, message), *agent = NULL, instance[ULID_LEN + 1] = "";
	struct db_rows *r = db_query(l->db, ST_APPROVAL_GET, DB_ARGS(DB_T(id)));
	struct agent *a = NULL;
	int64_t seq = 0;
	bool moved = false;

	if (db_next(r)) {
		agent = xstrdup(db_text(r, 0));
		snprintf(instance, sizeof(instance), "%s", db_text(r, 1));
		seq = db_int(r, 2);
	}
	db_done(r);
	if (agent != NULL)
		moved = move(l->db, id, state, out, by);
	if (moved && (a = launcher_agent(l, agent)) != NULL)
		shimlink_decide(a, instance, seq, out);
	if (moved)
		launcher_changed(l);
	free(agent);
	free(out);
	return moved;
}

bool
approval_answer(
    struct launcher *l, const char *id, bool allow, const char *message, const char *by)
{
	return decide(l, id, allow ? "allowed" : "denied", allow, message, by);
}

static size_t
open_rows(struct launcher *l, const char *agent, struct open_row *rows)
{
	struct db_rows *r = db_query(l->db, ST_APPROVAL_OPEN, DB_ARGS(DB_T(agent)));
	size_t n = 0;

	while (n < OPEN_MAX && db_next(r)) {
		snprintf(rows[n].id, sizeof(rows[n].id), "%s", db_text(r, 0));
		rows[n].asked_at = db_int(r, 4);
		rows[n].expires_at = db_int(r, 5);
		snprintf(rows[n].instance, sizeof(rows[n].instance), "%s", db_text(r, 7));
		rows[n++].seq = db_int(r, 8);
	}
	db_done(r);
	return n;
}

static void
withdraw(struct agent *a, const struct open_row *row, const char *why)
{
	if (move(a->l->db, row->id, "withdrawn", NULL, why))
		shimlink_decide(a, row->instance, row->seq, NO_OUTPUT);
}

bool
approval_withdraw(struct agent *a, int64_t asked_before, const char *why)
{
	struct open_row rows[OPEN_MAX];
	size_t n = open_rows(a->l, a->name, rows), left = 0;

	for (size_t i = 0; i < n; i++)
		if (rows[i].asked_at < asked_before)
			withdraw(a, &rows[i], why);
		else
			left++;
	if (n > 0)
		launcher_changed(a->l);
	return left > 0;
}

static void
still_no_dialog(void *arg)
{
	struct agent *a = arg;

	if (a->registry != REG_WAITING)
		approval_no_dialog(a, false);
}

void
approval_no_dialog(struct agent *a, bool there_was)
{
	if (!approval_withdraw(a, there_was ? INT64_MAX : wall_ms() - DIALOG_MS,
		"answered at the terminal"))
		return;
	if (a->dialog_timer == NULL)
		a->dialog_timer = timer_new(a->l->loop, still_no_dialog, a);
	if (!timer_armed(a->dialog_timer))
		timer_in(a->dialog_timer, DIALOG_MS);
}

void
approval_hook_gone(struct agent *a, const char *instance, int64_t seq)
{
	struct open_row rows[OPEN_MAX];
	size_t n = open_rows(a->l, a->name, rows);

	for (size_t i = 0; i < n; i++)
		if (rows[i].seq == seq && strcmp(rows[i].instance, instance) == 0)
			withdraw(a, &rows[i], hook_gone);
	launcher_changed(a->l);
}

/* What was settled while the shim couldn't hear it. A question without a row is still in
 * the spool. */
static void
settle_ask(struct agent *a, int64_t seq)
{
	struct db_rows *r = db_query(a->l->db, ST_APPROVAL_SETTLED,
	    DB_ARGS(DB_T(a->name), DB_T(a->instance), DB_I(seq)));
	char *out = NULL;

	if (db_next(r))
		out = xstrdup(db_is_null(r, 0) ? NO_OUTPUT : db_text(r, 0));
	db_done(r);
	if (out != NULL)
		shimlink_decide(a, a->instance, seq, out);
	free(out);
}

static bool
is_in(yyjson_val *seqs, int64_t seq)
{
	size_t i, max;
	yyjson_val *one;

	yyjson_arr_foreach(seqs, i, max, one)
	{
		if (yyjson_get_sint(one) == seq)
			return true;
	}
	return false;
}

void
approval_hello(struct agent *a, yyjson_val *asks)
{
	struct open_row rows[OPEN_MAX];
	size_t n = open_rows(a->l, a->name, rows), i, max;
	yyjson_val *one;

	yyjson_arr_foreach(asks, i, max, one)
	{
		settle_ask(a, yyjson_get_sint(one));
	}
	for (i = 0; i < n; i++)
		if (strcmp(rows[i].instance, a->instance) != 0 ||
		    !is_in(asks, rows[i].seq))
			withdraw(a, &rows[i], hook_gone);
	if (n > 0)
		launcher_changed(a->l);
}

/* Time to answer is time that passes, wherever the wall clock is put. */
static void
follow_the_clock(struct launcher *l)
{
	int64_t clocks = wall_ms() - mono_ms(), jump = clocks - l->clocks;

	if (l->clocks != 0 && (jump > CLOCK_JUMP_MS || jump < -CLOCK_JUMP_MS))
		db_must(l->db, ST_APPROVAL_SHIFT, DB_ARGS(DB_I(jump)));
	l->clocks = clocks;
}

void
approvals_expire(struct launcher *l)
{
	struct open_row rows[OPEN_MAX];
	size_t n;
	int64_t now = wall_ms();

	follow_the_clock(l);
	n = open_rows(l, NULL, rows);

	for (size_t i = 0; i < n; i++)
		if (rows[i].expires_at <= now)
			decide(l, rows[i].id, "expired", false, "nobody answered in time",
			    "berth");
}
