/*
 * See turn.h. A message whose turn was cut is not continued by the CLI's own resume: one
 * more message, its child, asks the agent to go on; the child's answer answers the parent
 * too.
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
#include "loop.h"
#include "message.h"
#include "prompt.h"
#include "store.h"
#include "turn.h"
#include "xmalloc.h"

enum {
	MAX_OF_TURN = 256,
	IDLE_FOR_MS = 1000,
	MAX_CUTS = 5 /* of one message's work, and then once more */
};

#define HEADER "[berth "

struct member {
	char id[ULID_LEN + 1], parent[ULID_LEN + 1];
	char *channel, *thread;
};

static void
begin(struct db *db)
{
	db_must_begin(db);
}

static void
commit(struct db *db)
{
	db_must_commit(db);
}

void
turn_load(struct agent *a)
{
	struct db_rows *r = db_query(a->l->db, ST_TURN_OPEN, DB_ARGS(DB_T(a->name)));

	if (db_next(r))
		snprintf(a->turn, sizeof(a->turn), "%s", db_text(r, 0));
	db_done(r);
}

/* Ids of a query's first column, MAX_OF_TURN at most. */
static size_t
collect(
    struct db *db, int statement, const char *key, char ids[MAX_OF_TURN][ULID_LEN + 1])
{
	struct db_rows *r = db_query(db, statement, DB_ARGS(DB_T(key)));
	size_t n = 0;

	while (n < MAX_OF_TURN && db_next(r))
		snprintf(ids[n++], ULID_LEN + 1, "%s", db_text(r, 0));
	db_done(r);
	return n;
}

static void
open_turn(struct agent *a, const char *origin, const char *prompt)
{
	struct db_event row = {
	    .entity = "turn", .id = a->turn, .new_state = "open", .cause = origin};

	ulid_new(a->turn);
	a->worked = a->registry == REG_BUSY || a->registry == REG_WAITING;
	a->stale = false;
	if (a->quiet_timer != NULL) /* it looks at the turn before */
		timer_cancel(a->quiet_timer);
	db_must_change(a->l->db, &row, ST_TURN_ADD,
	    DB_ARGS(DB_T(a->turn), DB_T(db_host(a->l->db)), DB_T(a->name),
		DB_T(a->session), DB_T(origin), DB_T(prompt), DB_I(wall_ms())));
}

/* Marks the messages a prompt carries; returns how many. */
static size_t
prove(struct agent *a, const char *prompt, const char *proof, const char *turn)
{
	static const int sources[] = {ST_MESSAGE_IN_FLIGHT, ST_MESSAGE_PENDING};
	static char ids[MAX_OF_TURN][ULID_LEN + 1];
	size_t carried = 0;

	for (int s = 0; s < 2; s++) {
		size_t n = collect(a->l->db, sources[s], a->name, ids);

		for (size_t i = 0; i < n; i++) {
			struct message_change c = {
			    .proof = proof, .turn = turn, .cause = proof};

			if (!prompt_carries(prompt, ids[i]))
				continue;
			carried++;
			if (s == 0)
				message_event(a->l->db, ids[i], ME_PROVEN, &c);
			else if (turn != NULL)
				db_must(a->l->db, ST_MESSAGE_JOIN,
				    DB_ARGS(DB_T(ids[i]), DB_T(turn)));
		}
	}
	return carried;
}

/* What one of this agent's messages is, if it was ever typed: a text may quote the header
 * of any other. */
static enum message_state
typed_state(struct agent *a, const char *id)
{
	char *state = ulid_ok(id) ? db_one_text(a->l->db, ST_MESSAGE_TYPED,
					DB_ARGS(DB_T(id), DB_T(a->name)))
				  : NULL;
	enum message_state s = message_state_parse(state);

	free(state);
	return s;
}

/* After the next header in a prompt, and whose it is; NULL: there is none. */
static const char *
next_header(const char *prompt, char id[static ULID_LEN + 1])
{
	const char *at = strstr(prompt, HEADER);

	if (at != NULL)
		snprintf(id, ULID_LEN + 1, "%.*s", ULID_LEN, at + strlen(HEADER));
	return at != NULL ? at + strlen(HEADER) : NULL;
}

/* Late proof of what had gone back to the queue, or was in doubt: found by the ids in the
 * prompt. */
static size_t
prove_late(struct agent *a, const char *prompt, const char *proof, const char *turn)
{
	size_t found = 0;
	char id[ULID_LEN + 1];

	for (const char *p = prompt; (p = next_header(p, id)) != NULL;) {
		struct message_change c = {.proof = proof, .turn = turn, .cause = proof};

		if (typed_state(a, id) != MS_COUNT &&
		    message_event(a->l->db, id, ME_PROVEN, &c))
			found++;
	}
	return found;
}

static bool
carries_member(struct agent *a, const char *prompt)
{
	static char ids[MAX_OF_TURN][ULID_LEN + 1];
	size_t n = collect(a->l->db, ST_MESSAGE_OF_TURN, a->turn, ids);

	for (size_t i = 0; i < n; i++)
		if (prompt_carries(prompt, ids[i]))
			return true;
	return false;
}

/* Another prompt while a turn is open that the CLI worked on and is done with: the hook
 * of that turn's end would have come before this one. The registry may be late, so it
 * must have said so for a while. */
static bool
was_interrupted(struct agent *a, const char *prompt, const char *proof)
{
	return a->turn[0] != '\0' && a->worked && a->registry == REG_IDLE &&
	       mono_ms() - a->registry_at >= IDLE_FOR_MS && strcmp(proof, "hook") == 0 &&
	       !carries_member(a, prompt);
}

void
turn_prompt(struct agent *a, const char *prompt, const char *proof)
{
	struct db *db = a->l->db;
	bool running = a->turn[0] != '\0';
	size_t carried;

	if (a->session[0] == '\0')
		return;
	begin(db);
	if (was_interrupted(a, prompt, proof)) {
		turn_finish(a, TURN_INTERRUPTED, NULL, "interrupted at the terminal", 0);
		running = a->turn[0] != '\0';
	}
	if (!running)
		open_turn(
		    a, strstr(prompt, HEADER) != NULL ? "message" : "terminal", prompt);
	carried = prove(a, prompt, proof, running ? NULL : a->turn);
	if (carried == 0)
		carried = prove_late(a, prompt, proof, running ? NULL : a->turn);
	commit(db);
	if (carried > 0)
		deliver_proven(a);
	launcher_changed(a->l);
}

void
turn_typed(struct agent *a, char ids[][ULID_LEN + 1], size_t count, const char *prompt)
{
	begin(a->l->db);
	if (a->turn[0] == '\0')
		open_turn(a, "message", prompt);
	for (size_t i = 0; i < count; i++) {
		struct message_change c = {
		    .proof = "terminal", .turn = a->turn, .cause = "typed"};

		message_event(a->l->db, ids[i], ME_PROVEN, &c);
	}
	commit(a->l->db);
	launcher_changed(a->l);
}

/* Is any message that this prompt carries still without proof? Old lines, read again,
 * carry only proven ones. */
static bool
in_doubt(struct agent *a, const char *prompt)
{
	char id[ULID_LEN + 1];

	for (const char *p = prompt; (p = next_header(p, id)) != NULL;)
		if (message_next(typed_state(a, id), ME_PROVEN) != MS_COUNT)
			return true;
	return false;
}

void
turn_seen(struct agent *a, const char *prompt)
{
	struct db *db = a->l->db;
	size_t carried;

	if (strstr(prompt, HEADER) == NULL || a->session[0] == '\0')
		return;
	begin(db);
	if (a->turn[0] == '\0' && in_doubt(a, prompt))
		open_turn(a, "message", prompt);
	carried = prove(a, prompt, "transcript", a->turn[0] != '\0' ? a->turn : NULL);
	if (carried == 0)
		carried = prove_late(
		    a, prompt, "transcript", a->turn[0] != '\0' ? a->turn : NULL);
	commit(db);
	if (carried > 0)
		deliver_proven(a);
}

void
turn_recorded(struct agent *a, const char *prompt)
{
	char id[ULID_LEN + 1];

	for (const char *p = prompt; (p = next_header(p, id)) != NULL;)
		db_must(a->l->db, ST_MESSAGE_RECORDED,
		    DB_ARGS(DB_T(id), DB_T(a->name), DB_T(a->session)));
}

void
turn_forgotten(struct agent *a)
{
	db_must(a->l->db, ST_MESSAGE_FORGOTTEN, DB_ARGS(DB_T(a->name), DB_T(a->session)));
}

char *
turn_unknown(struct agent *a, const char *id)
{
	return db_one_text(
	    a->l->db, ST_MESSAGE_UNRECORDED, DB_ARGS(DB_T(id), DB_T(a->session)));
}

void
turn_absorbed(struct agent *a, const char *prompt)
{
	begin(a->l->db);
	prove(a, prompt, "transcript", a->turn[0] != '\0' ? a->turn : NULL);
	commit(a->l->db);
	deliver_proven(a);
}

static size_t
members(struct agent *a, struct member *m)
{
	struct db_rows *r =
	    db_query(a->l->db, ST_MESSAGE_OF_TURN, DB_ARGS(DB_T(a->turn)));
	size_t n = 0;

	while (n < MAX_OF_TURN && db_next(r)) {
		snprintf(m[n].id, sizeof(m[n].id), "%s", db_text(r, 0));
		m[n].channel = xstrdup(db_text(r, 1));
		m[n].thread = xstrdup(db_text(r, 2));
		snprintf(m[n].parent, sizeof(m[n].parent), "%s",
		    db_is_null(r, 3) ? "" : db_text(r, 3));
		n++;
	}
	db_done(r);
	return n;
}

/* The earlier links of its chain end as this one did. Did the chain's root? */
static bool
end_chain(struct agent *a, struct member *m, enum message_event event,
    const struct message_change *c)
{
	static char ids[MAX_OF_TURN][ULID_LEN + 1];
	size_t n;

	if (m->parent[0] == '\0')
		return false;
	n = collect(a->l->db, ST_MESSAGE_LINKS, m->parent, ids);
	for (size_t i = 0; i < n; i++)
		message_event(a->l->db, ids[i], event, c);
	return message_event(a->l->db, m->parent, event, c);
}

static void
answer(struct agent *a, struct member *m, const char *text)
{
	struct message_change c = {.cause = "the turn ended"};

	message_event(a->l->db, m->id, ME_ANSWER, &c);
	message_reply(a->l->db, m->id, a->name, m->channel, m->thread, "answer", text);
	if (end_chain(a, m, ME_ANSWER, &c))
		message_reply(
		    a->l->db, m->parent, a->name, m->channel, m->thread, "answer", text);
}

static void
silent(struct agent *a, struct member *m, const char *reason)
{
	struct message_change c = {.reason = reason, .cause = reason};

	message_event(a->l->db, m->id, ME_SILENT, &c);
	if (strcmp(m->channel, "cli") != 0)
		message_reply(
		    a->l->db, m->id, a->name, m->channel, m->thread, "notice", reason);
	end_chain(a, m, ME_SILENT, &c);
}

/* One prompt that names what was cut, the root of a chain and not its last link. (Which
 * conversation takes it, and what that knows, is seen when it is typed.) until: when a
 * limit ends, 0 if a turn was cut. */
static void
go_on(struct agent *a, struct member *m, const char *reason, int64_t until)
{
	const char *root = m->parent[0] != '\0' ? m->parent : m->id;
	char *text = xasprintf(
	    "Your work on message %s was cut (%s). Go on where you left off; if it "
	    "was done already, give its answer again.",
	    root, reason);
	struct message_new child = {.agent = a->name,
	    .channel = m->channel,
	    .thread = m->thread,
	    .sender = "berth",
	    .text = text,
	    .parent = root,
	    .not_before = until};
	struct message_change c = {.reason = reason, .cause = reason};
	char id[ULID_LEN + 1];

	message_event(a->l->db, m->id, ME_CUT, &c);
	message_add(a->l->db, &child, id);
	free(text);
}

/* Again and again: it is what the agent dies of. */
static void
stop_going_on(struct agent *a, struct member *m, const char *reason)
{
	char *all = xasprintf("cut too often, the last time: %s", reason);

	silent(a, m, all);
	free(all);
}

/* How often its work was cut before. */
static size_t
cuts(struct agent *a, const struct member *m)
{
	static char ids[MAX_OF_TURN][ULID_LEN + 1];

	return m->parent[0] == '\0'
		   ? 0
		   : 1 + collect(a->l->db, ST_MESSAGE_LINKS, m->parent, ids);
}

static void
member_end(struct agent *a, struct member *m, enum turn_end end, const char *text,
    const char *reason, int64_t until)
{
	/* a program without hooks can't resume: it would know of nothing to go on with */
	bool continues = a->driver->hooks &&
			 strcmp(agent_spec_str(a, "on_cut", "continue"), "continue") == 0;

	if (end == TURN_ANSWERED)
		answer(a, m, text != NULL ? text : "");
	else if (end == TURN_CUT && continues && cuts(a, m) >= MAX_CUTS)
		stop_going_on(a, m, reason);
	else if (end == TURN_CUT && continues)
		go_on(a, m, reason, 0);
	else if (until > 0 && a->l->settings.limits_continue)
		go_on(a, m, reason, until);
	else
		silent(a, m, reason);
}

static const char *
end_name(enum turn_end end, int64_t until)
{
	static const char *const end_names[] = {
	    "answered", "error", "interrupted", "cut"};

	return until > 0 ? "limit" : end_names[end];
}

/* Prompts that the CLI had queued meanwhile are its next turn. */
static void
next_queued(struct agent *a)
{
	static char ids[MAX_OF_TURN][ULID_LEN + 1];
	size_t n = collect(a->l->db, ST_MESSAGE_PENDING, a->name, ids);

	if (n == 0)
		return;
	open_turn(a, "message", NULL);
	a->worked = false;
	a->stale = true;
	for (size_t i = 0; i < n; i++)
		db_must(a->l->db, ST_MESSAGE_JOIN, DB_ARGS(DB_T(ids[i]), DB_T(a->turn)));
}

void
turn_finish(struct agent *a, enum turn_end end, const char *text, const char *reason,
    int64_t until)
{
	static struct member m[MAX_OF_TURN];
	struct db_event row = {.entity = "turn",
	    .id = a->turn,
	    .old_state = "open",
	    .new_state = end_name(end, until),
	    .cause = reason};
	size_t n;

	if (a->turn[0] == '\0')
		return;
	begin(a->l->db);
	n = members(a, m);
	db_must_change(a->l->db, &row, ST_TURN_END,
	    DB_ARGS(DB_T(a->turn), DB_I(wall_ms()), DB_T(row.new_state), DB_T(text)));
	for (size_t i = 0; i < n; i++) {
		member_end(a, &m[i], end, text, reason, until);
		free(m[i].channel);
		free(m[i].thread);
	}
	a->turn[0] = '\0';
	if (end != TURN_CUT)
		next_queued(a);
	commit(a->l->db);
	launcher_changed(a->l);
}

/* Of a program that tells nothing, nobody can know whether it took what was typed. */
static void
unproven(struct agent *a, const char *id)
{
	struct message_change never = {
	    .cause = "neither its hook nor its transcript ever showed it"};
	struct message_change doubt = {.reason = "its process ended while it was typed",
	    .cause = "its process ended"};

	if (a->driver->hooks)
		message_event(a->l->db, id, ME_RELEASE, &never);
	else
		message_event(a->l->db, id, ME_DOUBT, &doubt);
}

void
turn_settle(struct agent *a, const char *cause)
{
	static char ids[MAX_OF_TURN][ULID_LEN + 1];
	size_t n;

	a->unsettled = false;
	deliver_drop(a);
	begin(a->l->db);
	turn_finish(a, TURN_CUT, NULL, cause, 0);
	next_queued(a); /* accepted, but no turn came of it: cut like one */
	turn_finish(a, TURN_CUT, NULL, cause, 0);
	n = collect(a->l->db, ST_MESSAGE_IN_FLIGHT, a->name, ids);
	for (size_t i = 0; i < n; i++)
		unproven(a, ids[i]);
	commit(a->l->db);
	launcher_changed(a->l);
}

/* What had been typed may have been taken; what had been taken gets no answer. */
static bool
abandon(struct db *db, const char *id)
{
	const struct message_change c = {
	    .reason = "its agent was removed", .cause = "its agent was removed"};
	char *state = db_one_text(db, ST_MESSAGE_STATE, DB_ARGS(DB_T(id)));
	enum message_state s = message_state_parse(state);

	free(state);
	return message_event(db, id,
	    s == MS_QUEUED       ? ME_REFUSE
	    : s == MS_DELIVERING ? ME_DOUBT
				 : ME_SILENT,
	    &c);
}

void
turn_abandon(struct launcher *l, const char *agent)
{
	char *id = db_one_text(l->db, ST_TURN_OPEN, DB_ARGS(DB_T(agent)));
	struct db_event row = {.entity = "turn",
	    .id = id,
	    .old_state = "open",
	    .new_state = "cut",
	    .cause = "its agent was removed"};
	bool more = true;

	begin(l->db);
	if (id != NULL)
		db_must_change(l->db, &row, ST_TURN_END,
		    DB_ARGS(DB_T(id), DB_I(wall_ms()), DB_T("cut"), DB_NULL));
	free(id);
	while (more &&
	       (id = db_one_text(l->db, ST_MESSAGE_OPEN, DB_ARGS(DB_T(agent)))) != NULL) {
		more = abandon(l->db, id);
		free(id);
	}
	commit(l->db);
	launcher_changed(l);
}

void
turn_tokens(
    struct agent *a, int64_t in, int64_t out, int64_t cache_read, int64_t cache_write)
{
	db_must(a->l->db, ST_TURN_TOKENS,
	    DB_ARGS(
		DB_T(a->name), DB_I(in), DB_I(out), DB_I(cache_read), DB_I(cache_write)));
}
