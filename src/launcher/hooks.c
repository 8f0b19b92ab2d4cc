/*
 * One function an event, found through a const table. Hooks are the agent's claim about
 * itself: they move its own state, its own turn and its own messages, and nothing else.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent.h"
#include "approval.h"
#include "conversation.h"
#include "db.h"
#include "hooks.h"
#include "json.h"
#include "limit.h"
#include "log.h"
#include "loop.h"
#include "shimlink.h"
#include "store.h"
#include "turn.h"
#include "xmalloc.h"

static void
set_transcript(struct agent *a, const char *path)
{
	if (path == NULL || path[0] != '/' ||
	    (a->transcript != NULL && strcmp(a->transcript, path) == 0))
		return;
	free(a->transcript);
	a->transcript = xstrdup(path);
	db_must(a->l->db, ST_SESSION_TRANSCRIPT, DB_ARGS(DB_T(a->session), DB_T(path)));
	shimlink_tail(a);
}

/* The conversation with the CLI's own id becomes the agent's; a new one (after /clear)
 * gets a row. */
static void
use_session(struct agent *a, const char *driver_id, const char *transcript)
{
	struct db *db = a->l->db;
	struct db_rows *r;
	bool known;

	if (driver_id == NULL || !conversation_id_ok(driver_id))
		return;
	if (a->session[0] != '\0' && strcmp(a->driver_id, driver_id) == 0) {
		set_transcript(a, transcript);
		return;
	}
	snprintf(a->driver_id, sizeof(a->driver_id), "%s", driver_id);
	free(a->transcript);
	a->transcript = NULL;
	a->applied = 0;
	r = db_query(
	    db, ST_SESSION_BY_DRIVER_ID, DB_ARGS(DB_T(a->name), DB_T(driver_id)));
	known = db_next(r);
	if (known) {
		snprintf(a->session, sizeof(a->session), "%s", db_text(r, 0));
		a->transcript = xstrdup(db_text(r, 1));
		a->applied = db_int(r, 2);
	}
	db_done(r);
	if (!known)
		session_new(a, driver_id);
	db_must(db, ST_AGENT_SESSION, DB_ARGS(DB_T(a->name), DB_T(a->session)));
	set_transcript(a, transcript);
	if (known)
		shimlink_tail(a);
}

void
session_new(struct agent *a, const char *driver_id)
{
	struct db_event row = {
	    .entity = "session", .id = a->session, .new_state = "open", .cause = a->name};

	if (driver_id != a->driver_id)
		snprintf(a->driver_id, sizeof(a->driver_id), "%s", driver_id);
	ulid_new(a->session);
	db_must_change(a->l->db, &row, ST_SESSION_ADD,
	    DB_ARGS(DB_T(a->session), DB_T(db_host(a->l->db)), DB_T(a->name),
		DB_T(a->driver_id), DB_NULL, DB_I(wall_ms())));
	db_must(a->l->db, ST_AGENT_SESSION, DB_ARGS(DB_T(a->name), DB_T(a->session)));
}

static void
session_start(struct agent *a, const struct hook *h)
{
	use_session(a, json_str(h->json, "session_id", NULL),
	    json_str(h->json, "transcript_path", NULL));
	if (strcmp(json_str(h->json, "source", ""), "compact") == 0)
		a->compacting = false;
}

/* Told late, of a life that ended unseen, it must not undo what a person wanted since. */
static bool
is_overtaken(const struct agent *a, const struct hook *h)
{
	return h->old && strcmp(a->source, "person") == 0;
}

static void
session_end(struct agent *a, const struct hook *h)
{
	const char *reason = json_str(h->json, "reason", "");

	db_must(a->l->db, ST_SESSION_END,
	    DB_ARGS(DB_T(a->session), DB_I(wall_ms()), DB_T(reason)));
	if (strcmp(reason, "prompt_input_exit") == 0 && !is_overtaken(a, h))
		agent_typed_exit(a);
}

static void
user_prompt(struct agent *a, const struct hook *h)
{
	const char *prompt = json_str(h->json, "prompt", NULL);

	a->compacting = false;
	use_session(a, json_str(h->json, "session_id", NULL),
	    json_str(h->json, "transcript_path", NULL));
	if (prompt != NULL)
		turn_prompt(a, prompt, "hook");
}

static void
stop(struct agent *a, const struct hook *h)
{
	a->compacting = false;
	turn_finish(
	    a, TURN_ANSWERED, json_str(h->json, "last_assistant_message", ""), NULL, 0);
	if (a->state == AS_AUTH_FAILED && !h->old)
		agent_event(a, AE_HEALED, "hook", NULL);
}

/* The end of the wait is only told in words; a new turn before it ends the state too. */
static void
hit_limit(struct agent *a, const struct hook *h, const char *text)
{
	int64_t until = limit_reset_time(text, h->at);

	turn_finish(a, TURN_FAILED, NULL, text, until);
	if (h->old)
		return;
	a->resume_at = until;
	if (a->registry == REG_BUSY)
		a->registry = REG_NONE; /* said of the turn that is over */
	agent_event(a, AE_LIMIT, "hook", "%s", text);
}

static void
stop_failure(struct agent *a, const struct hook *h)
{
	const char *error = json_str(h->json, "error", "unknown");
	const char *text = json_str(h->json, "last_assistant_message", "");
	char *reason;

	a->compacting = false;
	if (strcmp(error, "rate_limit") == 0 && limit_is_usage(text)) {
		hit_limit(a, h, text);
		return;
	}
	reason = xasprintf("%s%s%s", error, *text != '\0' ? ": " : "", text);
	turn_finish(a, TURN_FAILED, NULL, reason, 0);
	if (strcmp(error, "authentication_failed") == 0 && !h->old)
		agent_event(a, AE_AUTH, "hook", "%s", text);
	free(reason);
}

static void
permission_request(struct agent *a, const struct hook *h)
{
	if (h->ask)
		approval_ask(a, h->json, h->instance, h->seq);
}

static void
pre_compact(struct agent *a, const struct hook *h)
{
	a->compacting = !h->old;
}

static void
post_compact(struct agent *a, const struct hook *h)
{
	(void)h;
	a->compacting = false;
}

static const struct {
	const char *event;
	void (*apply)(struct agent *a, const struct hook *h);
} table[] = {
    {"SessionStart", session_start},
    {"SessionEnd", session_end},
    {"UserPromptSubmit", user_prompt},
    {"Stop", stop},
    {"StopFailure", stop_failure},
    {"PermissionRequest", permission_request},
    {"PreCompact", pre_compact},
    {"PostCompact", post_compact},
};

void
hooks_apply(struct agent *a, const struct hook *h)
{
	const char *event = json_str(h->json, "hook_event_name", ""),
		   *mode = json_str(h->json, "permission_mode", NULL);

	if (!h->old && mode != NULL) /* not every event tells it */
		snprintf(a->mode, sizeof(a->mode), "%s", mode);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].event, event) == 0)
			table[i].apply(a, h);
}
