/*
 * Turns, and what hooks and transcript lines make of them, on a real database. Hooks are
 * as both versions of the CLI gave them (fixtures/hooks-*.jsonl).
 */
#include "world.h"

#include "paths.h"

#include "buf.h"
#include "launcher/conversation.h"
#include "launcher/approval.h"
#include "launcher/deliver.h"
#include "launcher/hooks.h"
#include "launcher/shimlink.h"
#include "launcher/transcript.h"
#include "launcher/turn.h"

/* ---- what stands beside it ---- */

static int proven, dropped, kicked, asked, tailed;
static char told[AE_COUNT * 8][200]; /* events of the agent */
static int told_count;

void
deliver_proven(struct agent *a)
{
	(void)a;
	proven++;
}

void
deliver_drop(struct agent *a)
{
	(void)a;
	dropped++;
}

void
deliver_kick(struct agent *a)
{
	(void)a;
	kicked++;
}

void
approval_ask(struct agent *a, yyjson_val *hook, const char *instance, int64_t seq)
{
	(void)a;
	(void)instance;
	(void)seq;
	assert_string_equal(json_str(hook, "hook_event_name", ""), "PermissionRequest");
	asked++;
}

void
shimlink_tail(struct agent *a)
{
	(void)a;
	tailed++;
}

void
agent_event(
    struct agent *a, enum agent_event event, const char *source, const char *format, ...)
{
	va_list ap;

	(void)a;
	(void)source;
	va_start(ap, format);
	told[told_count][0] = (char)('A' + event);
	vsnprintf(
	    told[told_count] + 1, sizeof(told[0]) - 1, format != NULL ? format : "", ap);
	told_count = (told_count + 1) % (int)COUNT(told);
	va_end(ap);
}

const char *
agent_spec_str(const struct agent *a, const char *key, const char *otherwise)
{
	return json_str(yyjson_doc_get_root(a->spec), key, otherwise);
}

static int exits;

void
agent_typed_exit(struct agent *agent)
{
	(void)agent;
	exits++;
}

int64_t
agent_spec_int(const struct agent *agent, const char *key, int64_t otherwise)
{
	return json_int(yyjson_doc_get_root(agent->spec), key, otherwise);
}

static struct agent *a;

static int
setup(void **state)
{
	world_setup(state);
	proven = dropped = kicked = asked = tailed = told_count = exits = 0;
	a = world_agent("main", &driver_claude, "{}");
	return 0;
}

/* ---- helpers ---- */

static const char *
header(const char *id, const char *text)
{
	static char out[8][400];
	static int turn;
	char *to = out[turn++ % 8];

	snprintf(to, sizeof(out[0]), "[berth %s 14:05 cli] %s", id, text);
	return to;
}

static void
claim(const char *id)
{
	const struct message_change c = {.delivery = id, .cause = "ready"};

	assert_true(message_event(world.db, id, ME_CLAIM, &c));
}

/* A message that was typed. */
static const char *
typed(const char *text)
{
	const char *id = world_message(a, text);

	claim(id);
	return id;
}

static const char *
open_turns(void)
{
	return world_sql("SELECT count(*) FROM turns WHERE ended_at IS NULL");
}

static const char *
turn_of(const char *id)
{
	return world_sql("SELECT turn FROM messages WHERE id = '%s'", id);
}

static const char *
answer_of(const char *id)
{
	return world_sql(
	    "SELECT text FROM outbox WHERE message = '%s' AND kind = 'answer'", id);
}

/* Memory and database agree, whatever happened. */
static void
check(void)
{
	assert_string_equal(open_turns(), a->turn[0] != '\0' ? "1" : "0");
	if (a->turn[0] != '\0')
		assert_string_equal(
		    world_sql("SELECT id FROM turns WHERE ended_at IS NULL"), a->turn);
	assert_string_equal(
	    world_sql("SELECT count(*) FROM messages m WHERE state = 'answered' "
		      "AND parent IS NULL AND NOT EXISTS (SELECT 1 FROM outbox o "
		      "WHERE o.message = m.id)"),
	    "0");
	db_assert_idle(world.db);
}

/* ---- turns ---- */

static void
a_prompt_is_answered(void **state)
{
	const char *id = typed("hello");

	(void)state;
	turn_prompt(a, header(id, "hello"), "hook");
	assert_state(id, "delivered");
	assert_int_equal(proven, 1);
	assert_string_equal(turn_of(id), a->turn);
	assert_string_equal(world_sql("SELECT origin || ' ' || session FROM turns"),
	    world_sql("SELECT 'message %s'", a->session));
	check();
	turn_finish(a, TURN_ANSWERED, "done", NULL, 0);
	assert_state(id, "answered");
	assert_string_equal(answer_of(id), "done");
	assert_string_equal(
	    world_sql("SELECT ended_how || ' ' || answer FROM turns"), "answered done");
	assert_string_equal(a->turn, "");
	check();
	turn_finish(a, TURN_ANSWERED, "again", NULL, 0); /* nothing is open */
	assert_string_equal(answer_of(id), "done");
}

static void
a_person_has_turns_too(void **state)
{
	(void)state;
	turn_prompt(a, "what I typed", "hook");
	assert_string_equal(world_sql("SELECT origin FROM turns"), "terminal");
	turn_finish(a, TURN_ANSWERED, "hi", NULL, 0);
	assert_string_equal(world_sql("SELECT count(*) FROM outbox"), "0");
	assert_int_equal(proven, 0);
	check();
}

static void
a_batch_shares_its_turn(void **state)
{
	const char *one = typed("one"), *two = typed("two");
	char both[800];

	(void)state;
	snprintf(both, sizeof(both),
	    "\n\n<pasted_content id=\"83e7\">\n%s\n\n%s\n</pasted_content>\n",
	    header(one, "one"), header(two, "two"));
	turn_prompt(a, both, "hook");
	assert_string_equal(turn_of(one), turn_of(two));
	turn_finish(a, TURN_ANSWERED, "both", NULL, 0);
	assert_string_equal(answer_of(one), "both");
	assert_string_equal(answer_of(two), "both");
	check();
}

/* Taken while busy, and not absorbed: the CLI makes a turn of it after the running one.
 */
static void
a_queued_prompt_is_the_next_turn(void **state)
{
	const char *one = typed("one"), *two;
	char first[27];

	(void)state;
	turn_prompt(a, header(one, "one"), "hook");
	snprintf(first, sizeof(first), "%s", a->turn);
	two = typed("two");
	turn_prompt(a, header(two, "two"), "transcript");
	assert_state(two, "delivered");
	assert_string_equal(turn_of(two), "");
	turn_finish(a, TURN_ANSWERED, "first", NULL, 0);
	assert_string_equal(answer_of(one), "first");
	assert_state(two, "delivered");
	assert_string_not_equal(a->turn, "");
	assert_string_not_equal(a->turn, first);
	assert_string_equal(turn_of(two), a->turn);
	check();
	/* and its hook comes when it begins */
	turn_prompt(a, header(two, "two"), "hook");
	turn_finish(a, TURN_ANSWERED, "second", NULL, 0);
	assert_string_equal(answer_of(two), "second");
	assert_string_equal(world_sql("SELECT count(*) FROM turns"), "2");
	check();
}

static void
an_absorbed_prompt_is_of_the_running_turn(void **state)
{
	const char *one = typed("one"), *two;

	(void)state;
	turn_prompt(a, header(one, "one"), "hook");
	two = typed("two");
	turn_prompt(a, header(two, "two"), "transcript");
	turn_absorbed(a, header(two, "two"));
	assert_string_equal(turn_of(two), a->turn);
	turn_finish(a, TURN_ANSWERED, "both", NULL, 0);
	assert_string_equal(answer_of(one), "both");
	assert_string_equal(answer_of(two), "both");
	assert_string_equal(a->turn, "");
	check();
}

/* 197 tells of an absorbed prompt nothing but the attachment, if its queue line was lost.
 */
static void
absorption_alone_is_proof(void **state)
{
	const char *one = typed("one"), *two;

	(void)state;
	turn_prompt(a, header(one, "one"), "hook");
	two = typed("two");
	turn_absorbed(a, header(two, "two"));
	assert_state(two, "delivered");
	turn_finish(a, TURN_ANSWERED, "both", NULL, 0);
	assert_state(two, "answered");
	check();
}

static void
a_failed_turn_says_why(void **state)
{
	const char *id = typed("one");

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	turn_finish(a, TURN_FAILED, NULL, "unknown: API Error: 400 bad thing", 0);
	assert_state(id, "unanswered");
	assert_string_equal(world_sql("SELECT reason FROM messages"),
	    "unknown: API Error: 400 bad thing");
	check();
}

/* Channels hear of it; the command line sees the row. */
static void
a_channel_hears_that_there_is_no_answer(void **state)
{
	const struct message_new m = {
	    .agent = "main", .channel = "telegram", .thread = "7", .text = "x"};
	char id[27];

	(void)state;
	message_add(world.db, &m, id);
	claim(id);
	turn_prompt(a, header(id, "x"), "hook");
	turn_finish(a, TURN_INTERRUPTED, NULL, "interrupted at the terminal", 0);
	assert_string_equal(
	    world_sql("SELECT channel || thread || kind || text || state FROM outbox"),
	    "telegram7noticeinterrupted at the terminalqueued");
	check();
}

/* ---- cut, and gone on with ---- */

static const char *
child_of(const char *id)
{
	return world_sql(
	    "SELECT id FROM messages WHERE parent = '%s' AND state = 'queued'", id);
}

static void
a_cut_turn_is_gone_on_with(void **state)
{
	const char *id = typed("one"), *child;

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	turn_finish(a, TURN_CUT, NULL, "its process ended", 0);
	assert_state(id, "interrupted");
	child = child_of(id);
	assert_string_not_equal(child, "");
	assert_non_null(
	    strstr(world_sql("SELECT text FROM messages WHERE id = '%s'", child), id));
	assert_string_equal(
	    world_sql("SELECT channel || sender FROM messages WHERE id = '%s'", child),
	    "cliberth");
	check();
	claim(child);
	turn_prompt(a, header(child, "go on"), "hook");
	turn_finish(a, TURN_ANSWERED, "there you are", NULL, 0);
	assert_state(child, "answered");
	assert_state(id, "answered");
	assert_string_equal(answer_of(id), "there you are");
	check();
}

static void
never(void *arg)
{
	(void)arg;
	fail();
}

/* A person pressed Esc and typed the next prompt at once, before anybody could tell that
 * the turn was over. */
static void
the_next_prompt_ends_an_interrupted_turn(void **state)
{
	const char *id = typed("one");

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	a->worked = true;
	a->registry = REG_IDLE;
	a->registry_at = mono_ms();
	turn_prompt(a, "what the registry is too late for", "hook");
	assert_state(id, "delivered");
	a->quiet_timer = timer_new(NULL, never, NULL);
	timer_in(a->quiet_timer, 2000);
	world_pass(1500);
	turn_prompt(a, "a person's own", "hook");
	assert_state(id, "unanswered");
	assert_string_not_equal(a->turn, "");
	assert_false(timer_armed(a->quiet_timer)); /* it looked at the first turn */
	timer_free(a->quiet_timer);
	a->quiet_timer = NULL;
	turn_finish(a, TURN_ANSWERED, "to the person", NULL, 0);
	assert_state(id, "unanswered");
	check();
}

/* It waited in the CLI while a turn ran: its own hook comes when it becomes one. */
static void
a_queued_prompt_interrupts_no_turn_of_its_own(void **state)
{
	const char *id = typed("two");

	(void)state;
	a->registry = REG_BUSY;
	turn_prompt(a, "a person's", "hook");
	turn_prompt(a, header(id, "two"), "transcript");
	turn_finish(a, TURN_ANSWERED, "first", NULL, 0);
	assert_string_not_equal(a->turn, "");
	assert_true(a->stale); /* "busy" was of the first */
	a->registry = REG_IDLE;
	a->registry_at = mono_ms();
	world_pass(1500);
	turn_prompt(a, header(id, "two"), "hook");
	turn_finish(a, TURN_ANSWERED, "second", NULL, 0);
	assert_state(id, "answered");
	assert_string_equal(answer_of(id), "second");
}

static bool
is_known(const char *id)
{
	char *text = turn_unknown(a, id);
	bool known = text == NULL;

	if (!known)
		assert_string_equal(text, "one");
	free(text);
	return known;
}

/* The hook comes before the transcript's line: without that the agent knows of nothing to
 * go on with. */
static void
a_cut_message_is_known_where_a_transcript_has_it(void **state)
{
	const char *id = typed("one"), *child;

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	turn_finish(a, TURN_CUT, NULL, "killed", 0);
	assert_false(is_known(id));
	child = child_of(id);
	claim(child);
	turn_prompt(a, header(child, "x"), "hook");
	assert_false(is_known(id));
	turn_recorded(a, header(child, "x")); /* which told it again */
	assert_true(is_known(id));
	turn_forgotten(a); /* its transcript was shortened */
	assert_false(is_known(id));
	check();
}

static void
a_new_conversation_knows_nothing(void **state)
{
	const char *id = typed("one");

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	turn_recorded(a, header(id, "one"));
	turn_finish(a, TURN_CUT, NULL, "killed", 0);
	assert_true(is_known(id));
	snprintf(a->session, sizeof(a->session), "another");
	assert_false(is_known(id));
}

/* However often: the root is named and answered, and no link of the chain is left open.
 */
static void
cut_again_and_again(void **state)
{
	const char *id = typed("one"), *child = id;
	char links[4][27];

	(void)state;
	for (int i = 0; i < 4; i++) {
		turn_prompt(a, header(child, "x"), "hook");
		turn_finish(a, TURN_CUT, NULL, "killed", 0);
		child = child_of(id);
		assert_string_not_equal(child, "");
		snprintf(links[i], sizeof(links[i]), "%s", child);
		claim(child);
	}
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "5");
	turn_prompt(a, header(child, "x"), "hook");
	turn_finish(a, TURN_ANSWERED, "at last", NULL, 0);
	assert_state(id, "answered");
	assert_string_equal(answer_of(id), "at last");
	for (int i = 0; i < 4; i++)
		assert_string_equal(world_state(links[i]), "answered");
	check();
}

static void
the_chain_ends_with_its_last_link(void **state)
{
	const char *id = typed("one"), *child;

	(void)state;
	turn_prompt(a, header(id, "x"), "hook");
	turn_finish(a, TURN_CUT, NULL, "killed", 0);
	child = child_of(id);
	claim(child);
	turn_prompt(a, header(child, "x"), "hook");
	turn_finish(a, TURN_FAILED, NULL, "refused", 0);
	assert_state(id, "unanswered");
	assert_state(child, "unanswered");
	check();
}

static void
on_cut_may_be_to_leave_it(void **state)
{
	const char *id, *why;

	(void)state;
	yyjson_doc_free(a->spec);
	a->spec = json_parse("{\"on_cut\":\"drop\"}", 17, &why);
	id = typed("one");
	turn_prompt(a, header(id, "x"), "hook");
	turn_finish(a, TURN_CUT, NULL, "killed", 0);
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "1");
	assert_string_not_equal(world_state(id), "delivered");
	check();
}

static void
a_limit_waits_and_goes_on(void **state)
{
	const char *id = typed("one"), *child;
	int64_t until = world_wall + 3600000;

	(void)state;
	turn_prompt(a, header(id, "x"), "hook");
	turn_finish(a, TURN_FAILED, NULL, "limit", until);
	assert_state(id, "interrupted");
	assert_string_equal(world_sql("SELECT ended_how FROM turns"), "limit");
	child = child_of(id);
	assert_string_equal(
	    world_sql("SELECT not_before FROM messages WHERE id = '%s'", child),
	    world_sql("SELECT %lld", (long long)until));
	check();
}

static void
a_limit_without_going_on_is_unanswered(void **state)
{
	const char *id = typed("one");

	(void)state;
	world.settings.limits_continue = false;
	turn_prompt(a, header(id, "x"), "hook");
	turn_finish(a, TURN_FAILED, NULL, "limit", world_wall + 1000);
	assert_state(id, "unanswered");
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "1");
	check();
}

/* ---- settling ---- */

static void
settling_cuts_what_is_open_and_releases_the_rest(void **state)
{
	const char *one = typed("one"), *two;

	(void)state;
	turn_prompt(a, header(one, "one"), "hook");
	two = typed("two");
	a->unsettled = true;
	turn_settle(a, "its process ended");
	assert_false(a->unsettled);
	assert_state(one, "interrupted");
	assert_state(two, "queued");
	assert_int_equal(dropped, 1);
	check();
}

/* The CLI's own queue dies with it. */
static void
a_queued_prompt_is_cut_with_its_agent(void **state)
{
	const char *one = typed("one"), *two;

	(void)state;
	turn_prompt(a, header(one, "one"), "hook");
	two = typed("two");
	turn_prompt(a, header(two, "two"), "transcript");
	assert_state(two, "delivered");
	turn_settle(a, "its process ended");
	assert_state(one, "interrupted");
	assert_state(two, "interrupted");
	assert_string_not_equal(child_of(two), "");
	assert_string_equal(a->turn, "");
	check();
}

static void
an_accepted_prompt_without_a_turn_is_cut_like_one(void **state)
{
	const char *id = typed("one");
	const struct message_change c = {.proof = "transcript"};

	(void)state;
	message_event(world.db, id, ME_PROVEN, &c);
	turn_settle(a, "its process ended");
	assert_state(id, "interrupted");
	assert_string_not_equal(child_of(id), "");
	check();
}

static void
settling_twice_is_settling_once(void **state)
{
	const char *id = typed("one");

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	turn_settle(a, "its process ended");
	turn_settle(a, "its processes were killed");
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "2");
	assert_string_equal(world_sql("SELECT count(*) FROM turns"), "1");
	check();
}

static void
an_open_turn_is_found_again(void **state)
{
	const char *id = typed("one");
	char turn[27];

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	snprintf(turn, sizeof(turn), "%s", a->turn);
	a->turn[0] = '\0';
	turn_load(a);
	assert_string_equal(a->turn, turn);
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	assert_state(id, "answered");
	check();
}

/* ---- late and false proof ---- */

static void
late_proof_of_what_was_released(void **state)
{
	const char *id = typed("slow");

	(void)state;
	message_event(world.db, id, ME_RELEASE, NULL);
	turn_prompt(a, header(id, "slow"), "hook");
	assert_state(id, "delivered");
	assert_string_equal(turn_of(id), a->turn);
	check();
}

static void
late_proof_of_what_was_in_doubt(void **state)
{
	const char *id = typed("slow");

	(void)state;
	message_event(world.db, id, ME_DOUBT, NULL);
	turn_seen(a, header(id, "slow"));
	assert_state(id, "delivered");
	assert_string_not_equal(a->turn, "");
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	assert_state(id, "answered");
	check();
}

/* A text that quotes the header of a message which still waits doesn't deliver that. */
static void
what_was_never_typed_is_never_proven(void **state)
{
	const char *waits = world_message(a, "later"), *id = typed("quotes");
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), "%s \\%s", header(id, "look:"), header(waits, "x"));
	turn_prompt(a, text, "hook");
	assert_state(id, "delivered");
	assert_state(waits, "queued");
	turn_seen(a, text); /* and the transcript shows the same */
	assert_state(waits, "queued");
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	turn_seen(a, text);
	assert_state(waits, "queued");
	assert_string_equal(a->turn, "");
	turn_prompt(a, header(waits, "a person typed it"), "hook");
	assert_state(waits, "queued");
	check();
}

/* Hooks are an agent's claim about itself. */
static void
an_agent_proves_only_its_own(void **state)
{
	struct agent *other = world_agent("other", &driver_claude, "{}");
	const char *id = world_message(other, "secret");

	(void)state;
	claim(id);
	turn_prompt(a, header(id, "stolen"), "hook");
	assert_state(id, "delivering");
	turn_finish(a, TURN_ANSWERED, "forged", NULL, 0);
	message_event(world.db, id, ME_DOUBT, NULL);
	turn_prompt(a, header(id, "stolen"), "hook");
	turn_seen(a, header(id, "stolen"));
	turn_absorbed(a, header(id, "stolen"));
	assert_state(id, "indeterminate");
	assert_string_equal(answer_of(id), "");
	check();
}

static void
old_lines_read_again_change_nothing(void **state)
{
	const char *id = typed("one");

	(void)state;
	turn_prompt(a, header(id, "one"), "hook");
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	turn_seen(a, header(id, "one"));
	turn_absorbed(a, header(id, "one"));
	assert_string_equal(a->turn, "");
	assert_string_equal(world_sql("SELECT count(*) FROM turns"), "1");
	check();
}

static void
a_prompt_in_no_session_is_nobodys(void **state)
{
	const char *id = typed("one");

	(void)state;
	a->session[0] = '\0';
	turn_prompt(a, header(id, "one"), "hook");
	turn_seen(a, header(id, "one"));
	assert_string_equal(a->turn, "");
	check();
}

/* ---- programs without hooks ---- */

static void
a_typed_prompt_has_a_turn_without_hooks(void **state)
{
	struct agent *c =
	    world_agent("shell", &driver_command, "{\"command\":[\"/bin/sh\"]}");
	yyjson_mut_doc *doc = json_object();
	const char *why;
	char ids[1][27];

	(void)state;
	assert_true(c->driver->runspec(c, doc, &why));
	yyjson_mut_doc_free(doc);
	snprintf(ids[0], sizeof(ids[0]), "%s", world_message(c, "ls"));
	claim(ids[0]);
	turn_typed(c, ids, 1, "ls");
	assert_state(ids[0], "delivered");
	assert_string_not_equal(c->turn, "");
	turn_finish(c, TURN_ANSWERED, "a b c", NULL, 0);
	assert_state(ids[0], "answered");
	assert_string_equal(answer_of(ids[0]), "a b c");
}

/* ---- hooks ---- */

struct captured {
	struct buf text;
	yyjson_doc *doc;
};

/* The captured hook of that name, with `prompt` (or another member) put in its place. */
static void
apply(yyjson_val *json, bool ask, bool old)
{
	const struct hook h = {.json = json,
	    .instance = "I",
	    .seq = 1,
	    .at = world_wall,
	    .ask = ask,
	    .old = old};

	hooks_apply(a, &h);
}

static void
hook(const char *version, const char *name, const char *member, const char *value)
{
	char path[128], *line, *save = NULL;
	struct buf text = BUF_INIT;
	const char *why;
	bool found = false;

	snprintf(path, sizeof(path), "tests/unit/fixtures/hooks-%s.jsonl", version);
	assert_int_equal(buf_read_file(&text, path, 1 << 20), 0);
	for (line = strtok_r(text.data, "\n", &save); line != NULL && !found;
	    line = strtok_r(NULL, "\n", &save)) {
		yyjson_doc *doc = json_parse(line, strlen(line), &why);
		yyjson_mut_doc *mut;
		yyjson_doc *again;

		assert_non_null(doc);
		found = strcmp(json_str(yyjson_doc_get_root(doc), "name", ""), name) == 0;
		if (found) {
			mut = yyjson_mut_doc_new(NULL);
			yyjson_mut_doc_set_root(
			    mut, yyjson_val_mut_copy(
				     mut, json_get(yyjson_doc_get_root(doc), "hook")));
			if (member != NULL) {
				yyjson_mut_obj_remove_key(
				    yyjson_mut_doc_get_root(mut), member);
				yyjson_mut_obj_add_strcpy(
				    mut, yyjson_mut_doc_get_root(mut), member, value);
			}
			again = yyjson_mut_doc_imut_copy(mut, NULL);
			assert_int_equal(db_begin(world.db), DB_OK);
			apply(yyjson_doc_get_root(again), true, false);
			assert_int_equal(db_commit(world.db), DB_OK);
			yyjson_doc_free(again);
			yyjson_mut_doc_free(mut);
		}
		yyjson_doc_free(doc);
	}
	buf_free(&text);
	if (!found)
		fail_msg("no hook %s of %s", name, version);
}

static void
a_turn_by_hooks(void **state)
{
	static const char *const versions[] = {"197", "329"};

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		const char *v = versions[i], *id = typed("hello"), *session;

		hook(v, "SessionStart startup", NULL, NULL);
		session = world_sql(
		    "SELECT id FROM sessions WHERE driver_id = '%s'", a->driver_id);
		assert_string_equal(a->session, session);
		assert_non_null(a->transcript);
		assert_string_equal(
		    world_sql("SELECT transcript FROM sessions WHERE id = '%s'", session),
		    a->transcript);
		assert_string_equal(
		    world_sql("SELECT session FROM agents WHERE name = 'main'"), session);
		hook(v, "UserPromptSubmit", "prompt", header(id, "hello"));
		assert_string_equal(
		    a->session, session); /* the same conversation, once */
		assert_state(id, "delivered");
		hook(v, "Stop", "last_assistant_message", "ok");
		assert_state(id, "answered");
		assert_string_equal(answer_of(id), "ok");
		check();
	}
	assert_string_equal(
	    world_sql("SELECT count(*) FROM sessions"), "3"); /* with the first */
}

static void
only_our_own_end_ends_a_turn(void **state)
{
	const char *id = typed("hello");

	(void)state;
	hook("329", "SessionStart startup", NULL, NULL);
	hook("329", "UserPromptSubmit", "prompt", header(id, "hello"));
	hook("329", "SubagentStop", NULL, NULL);
	hook("329", "Notification idle_prompt", NULL, NULL);
	hook("329", "MessageDisplay", NULL, NULL);
	hook("329", "CwdChanged", NULL, NULL);
	hook("329", "PostToolUse Bash", NULL, NULL);
	assert_state(id, "delivered");
	hook("329", "PermissionRequest Bash", NULL, NULL);
	assert_int_equal(asked, 1);
	hook("329", "Stop", NULL, NULL);
	assert_state(id, "answered");
	check();
}

/* Not every event tells it. */
static void
a_permission_mode_counts_until_another_is_told(void **state)
{
	(void)state;
	hook("329", "SessionStart startup", NULL, NULL);
	hook("329", "UserPromptSubmit", "permission_mode", "auto");
	assert_string_equal(a->mode, "auto");
	hook("329", "PreCompact manual", NULL, NULL);
	hook("329", "SessionStart compact", NULL, NULL);
	assert_string_equal(a->mode, "auto");
	hook("329", "UserPromptSubmit", NULL, NULL);
	assert_string_equal(a->mode, "default");
}

static void
compacting_begins_and_ends(void **state)
{
	static const char *const versions[] = {"197", "329"};

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		hook(versions[i], "SessionStart startup", NULL, NULL);
		hook(versions[i], "PreCompact manual", NULL, NULL);
		assert_true(a->compacting);
		hook(versions[i], "SessionStart compact", NULL, NULL);
		hook(versions[i], "PostCompact manual", NULL, NULL);
		assert_false(a->compacting);
	}
}

static void
clear_is_another_conversation(void **state)
{
	char first[27];

	(void)state;
	hook("329", "SessionStart startup", NULL, NULL);
	snprintf(first, sizeof(first), "%s", a->session);
	a->applied = 1000;
	hook("329", "SessionEnd clear", NULL, NULL);
	assert_int_equal(exits, 0);
	assert_string_equal(
	    world_sql("SELECT ended_how FROM sessions WHERE id = '%s'", first), "clear");
	hook("329", "SessionStart clear", NULL, NULL);
	assert_string_not_equal(a->session, first);
	assert_int_equal(a->applied, 0);
	assert_string_equal(world_sql("SELECT session FROM agents"), a->session);
	/* and back, as /resume does */
	hook("329", "SessionStart startup", NULL, NULL);
	assert_string_equal(a->session, first);
	check();
}

/* What is asked for its start: with a conversation to resume, or without. */
static bool
would_resume(void)
{
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	bool resume;

	yyjson_mut_obj_add_arr(doc, root, "argv");
	conversation_add(a, doc);
	resume = yyjson_mut_obj_get(root, "argv_resume") != NULL;
	yyjson_mut_doc_free(doc);
	return resume;
}

/* Another user, another home: the CLI there knows nothing of it. */
static void
a_conversation_in_another_home_is_not_resumed(void **state)
{
	char first[27];

	(void)state;
	snprintf(first, sizeof(first), "%s", a->session);
	a->transcript = xstrdup(HOME_DIR "/agent/.claude/projects/x/1.jsonl");
	assert_true(would_resume());
	assert_string_equal(a->session, first);
	free(a->transcript);
	a->transcript = xstrdup(HOME_DIR "/agent2001/.claude/projects/x/1.jsonl");
	assert_false(would_resume());
	assert_string_not_equal(a->session, first);
	assert_null(a->transcript);
	check();
}

static void
typing_exit_is_noticed(void **state)
{
	(void)state;
	hook("197", "SessionStart startup", NULL, NULL);
	hook("197", "SessionEnd prompt_input_exit", NULL, NULL);
	assert_int_equal(exits, 1);
}

/* What an earlier life left in the spool tells of its turns, and nothing of this process.
 */
static void
old_hooks_do_not_touch_the_new_life(void **state)
{
	static const char *const hooks[] = {"{\"hook_event_name\":\"PreCompact\"}",
	    "{\"hook_event_name\":\"StopFailure\",\"error\":\"authentication_failed\"}",
	    "{\"hook_event_name\":\"StopFailure\",\"error\":\"rate_limit\","
	    "\"last_assistant_message\":\"You've hit your 5-hour limit \xc2\xb7 resets "
	    "8:20am (UTC)\"}"};
	const char *why;

	(void)state;
	for (size_t i = 0; i < COUNT(hooks); i++) {
		yyjson_doc *doc = json_parse(hooks[i], strlen(hooks[i]), &why);

		assert_int_equal(db_begin(world.db), DB_OK);
		apply(yyjson_doc_get_root(doc), false, true);
		assert_int_equal(db_commit(world.db), DB_OK);
		yyjson_doc_free(doc);
	}
	assert_false(a->compacting);
	assert_int_equal(told_count, 0);
	assert_int_equal(a->resume_at, 0);
	check();
}

/* Unless a person started it since. */
static void
an_old_exit_counts_unless_overtaken(void **state)
{
	static const char exit_hook[] =
	    "{\"hook_event_name\":\"SessionEnd\",\"reason\":\"prompt_input_exit\"}";
	const char *why;
	yyjson_doc *doc = json_parse(exit_hook, strlen(exit_hook), &why);

	(void)state;
	a->source = "person";
	apply(yyjson_doc_get_root(doc), false, true);
	assert_int_equal(exits, 0);
	a->source = "process";
	apply(yyjson_doc_get_root(doc), false, true);
	assert_int_equal(exits, 1);
	yyjson_doc_free(doc);
}

static void
what_waits_for_a_removed_agent_ends(void **state)
{
	const char *open = typed("in its turn"), *waiting, *doubt;

	(void)state;
	turn_prompt(a, header(open, "x"), "hook");
	doubt = typed("on its way");
	waiting = world_message(a, "queued");
	turn_abandon(&world, "main");
	assert_state(open, "unanswered");
	assert_state(doubt, "indeterminate");
	assert_state(waiting, "failed");
	assert_string_equal(
	    world_sql("SELECT reason FROM messages WHERE id = '%s'", waiting),
	    "its agent was removed");
	assert_string_equal(
	    world_sql("SELECT count(*) FROM turns WHERE ended_at IS NULL"), "0");
	a->turn[0] = '\0';
}

/* What the agent dies of each time is not begun for ever. */
static void
a_message_is_cut_only_so_often(void **state)
{
	const char *root = typed("kills it"), *last = root;
	int rounds = 0;

	(void)state;
	for (; rounds < 20 && *last != '\0'; rounds++) {
		turn_prompt(a, header(last, "x"), "hook");
		turn_finish(a, TURN_CUT, NULL, "its process ended", 0);
		last = world_sql("SELECT ifnull((SELECT id FROM messages WHERE state = "
				 "'queued'), '')");
		if (*last != '\0')
			world_sql(
			    "UPDATE messages SET state = 'delivering', attempts = 1 "
			    "WHERE state = 'queued'");
	}
	assert_int_equal(rounds, 6);
	assert_state(root, "unanswered");
	assert_string_equal(
	    world_sql("SELECT reason FROM messages WHERE id = '%s'", root),
	    "cut too often, the last time: its process ended");
}

/* Its continuation was cancelled: nothing will answer it any more. */
static void
a_child_that_ends_without_a_turn_ends_its_parent(void **state)
{
	const char *root = typed("hello"), *child;
	const struct message_change c = {.reason = "cancelled", .cause = "cancelled"};

	(void)state;
	turn_prompt(a, header(root, "x"), "hook");
	turn_finish(a, TURN_CUT, NULL, "its process ended", 0);
	assert_state(root, "interrupted");
	child = world_sql("SELECT id FROM messages WHERE state = 'queued'");
	assert_true(message_event(world.db, child, ME_CANCEL, &c));
	assert_state(root, "unanswered");
}

static void
failures_by_hook(void **state)
{
	const char *id = typed("hello");

	(void)state;
	hook("329", "SessionStart startup", NULL, NULL);
	hook("329", "UserPromptSubmit", "prompt", header(id, "hello"));
	hook("329", "StopFailure", NULL, NULL);
	assert_state(id, "unanswered");
	assert_string_equal(world_sql("SELECT reason FROM messages WHERE id = '%s'", id),
	    "unknown: API Error: 400 bad thing");
	assert_int_equal(told_count, 0);
	id = typed("again");
	hook("329", "UserPromptSubmit", "prompt", header(id, "again"));
	hook("329", "StopFailure", "error", "authentication_failed");
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0][0], 'A' + AE_AUTH);
	assert_state(id, "unanswered");
	check();
}

static void
a_limit_by_hook(void **state)
{
	const char *id = typed("hello"), *why;
	static const char failure[] =
	    "{\"hook_event_name\":\"StopFailure\",\"error\":\"rate_limit\","
	    "\"last_assistant_message\":\"You've hit your 5-hour limit \xc2\xb7 resets "
	    "8:20am "
	    "(UTC)\"}";
	yyjson_doc *doc = json_parse(failure, strlen(failure), &why);

	(void)state;
	a->registry = REG_BUSY;
	turn_prompt(a, header(id, "x"), "hook");
	assert_int_equal(db_begin(world.db), DB_OK);
	apply(yyjson_doc_get_root(doc), false, false);
	assert_int_equal(db_commit(world.db), DB_OK);
	assert_state(id, "interrupted");
	assert_int_equal(told[0][0], 'A' + AE_LIMIT);
	assert_true(a->resume_at >= world_wall + 20 * 60000 &&
		    a->resume_at <= world_wall + 21 * 60000);
	/* `busy` was said of the turn that is over: it is no new one */
	assert_int_not_equal(a->registry, REG_BUSY);
	yyjson_doc_free(doc);
	check();
}

static void
odd_hooks_are_harmless(void **state)
{
	static const char *const hooks[] = {"{}", "[]", "null", "1", "\"x\"",
	    "{\"hook_event_name\":1}", "{\"hook_event_name\":\"Unknown\"}",
	    "{\"hook_event_name\":\"SessionStart\"}",
	    "{\"hook_event_name\":\"SessionStart\",\"session_id\":"
	    "\"--dangerously-skip-permissions\"}",
	    "{\"hook_event_name\":\"SessionStart\",\"session_id\":"
	    "\"--settings=/tmp/settings-of-my-own.js\"}", /* as long as one */
	    "{\"hook_event_name\":\"SessionStart\",\"session_id\":1,\"transcript_path\":["
	    "]}",
	    "{\"hook_event_name\":\"SessionStart\",\"session_id\":\"" /* too long */
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaa\"}",
	    "{\"hook_event_name\":\"UserPromptSubmit\"}",
	    "{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":7}",
	    "{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"[berth \"}",
	    "{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"[berth [berth "
	    "[berth\"}",
	    "{\"hook_event_name\":\"Stop\"}", "{\"hook_event_name\":\"StopFailure\"}",
	    "{\"hook_event_name\":\"StopFailure\",\"error\":\"rate_limit\"}",
	    "{\"hook_event_name\":\"SessionEnd\"}",
	    "{\"hook_event_name\":\"PermissionRequest\"}"};
	const char *why;

	(void)state;
	for (size_t i = 0; i < COUNT(hooks); i++) {
		yyjson_doc *doc = json_parse(hooks[i], strlen(hooks[i]), &why);

		assert_non_null(doc);
		apply(yyjson_doc_get_root(doc), false, false);
		yyjson_doc_free(doc);
		check();
		assert_null(strstr(a->driver_id, "--"));
	}
}

/* ---- the transcript ---- */

static void
line(const char *format, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	transcript_apply(a, text);
}

static void
a_turn_by_transcript(void **state)
{
	const char *id = typed("hello"), *two;

	(void)state;
	line("{\"type\":\"user\",\"isSidechain\":false,\"message\":{\"role\":\"user\","
	     "\"content\":"
	     "\"%s\"}}",
	    header(id, "hello"));
	assert_state(id, "delivered");
	assert_string_equal(world_sql("SELECT proof FROM messages"), "transcript");
	two = typed("two");
	line(
	    "{\"type\":\"queue-operation\",\"operation\":\"enqueue\",\"content\":\"%s\"}",
	    header(two, "two"));
	assert_state(two, "delivered");
	assert_string_equal(turn_of(two), "");
	line("{\"type\":\"queue-operation\",\"operation\":\"remove\",\"reason\":"
	     "\"absorbed_mid_turn\"}");
	line("{\"type\":\"attachment\",\"attachment\":{\"type\":\"queued_command\","
	     "\"prompt\":\"%s\"}}",
	    header(two, "two"));
	assert_string_equal(turn_of(two), a->turn);
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	check();
}

static void
text_parts_are_prompts_tool_results_are_not(void **state)
{
	const char *one = typed("one"), *two;

	(void)state;
	line("{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":"
	     "\"%s\"}]}}",
	    header(one, "one"));
	assert_state(one, "delivered");
	two = typed("two");
	line("{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\","
	     "\"content\":\"%s\"}]}}",
	    header(two, "two"));
	line("{\"type\":\"user\",\"isSidechain\":true,\"message\":{\"content\":\"%s\"}}",
	    header(two, "x"));
	line("{\"type\":\"user\",\"isMeta\":true,\"message\":{\"content\":\"%s\"}}",
	    header(two, "x"));
	line("{\"type\":\"assistant\",\"message\":{\"content\":\"%s\"}}",
	    header(two, "x"));
	assert_state(two, "delivering");
	check();
}

/* A transcript that is read from its beginning again, after its turns are over. */
static void
an_old_queue_line_begins_no_turn(void **state)
{
	const char *one = typed("one"), *two;

	(void)state;
	turn_prompt(a, header(one, "one"), "hook");
	two = typed("two");
	turn_prompt(a, header(two, "two"), "transcript");
	turn_absorbed(a, header(two, "two"));
	turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
	line(
	    "{\"type\":\"queue-operation\",\"operation\":\"enqueue\",\"content\":\"%s\"}",
	    header(two, "two"));
	line("{\"type\":\"queue-operation\",\"operation\":\"enqueue\",\"content\":"
	     "\"typed by hand\"}");
	assert_string_equal(a->turn, "");
	assert_string_equal(world_sql("SELECT count(*) FROM turns"), "1");
	check();
}

static void
usage_is_counted_once_a_message(void **state)
{
	const char *id = typed("hello");

	(void)state;
	turn_prompt(a, header(id, "x"), "hook");
	for (int i = 0; i < 3; i++)
		line("{\"type\":\"assistant\",\"message\":{\"id\":\"m1\",\"usage\":{"
		     "\"input_tokens\":10,"
		     "\"output_tokens\":20,\"cache_read_input_tokens\":30,"
		     "\"cache_creation_input_tokens\":40}}}");
	turn_finish(a, TURN_ANSWERED, "done", NULL, 0);
	line("{\"type\":\"assistant\",\"message\":{\"id\":\"m2\",\"usage\":{\"input_"
	     "tokens\":1,"
	     "\"output_tokens\":\"x\"}}}");
	line("{\"type\":\"assistant\",\"message\":{\"usage\":{\"input_tokens\":1000}}}");
	assert_string_equal(
	    world_sql("SELECT tokens_in || ' ' || tokens_out || ' ' || cache_read || ' ' "
		      "|| cache_write FROM turns"),
	    "11 20 30 40");
	check();
}

/* By the fuzzer: an id that is longer than we keep, and numbers whose sum is none (which
 * ended the launcher when it told of them). */
static void
odd_usage_breaks_no_sum(void **state)
{
	static const char *const numbers[] = {"9223372036854775807",
	    "9223372036854775806", "-5", "1e300", "18446744073709551615", "7"};
	char text[256];

	(void)state;
	turn_prompt(a, header(typed("hello"), "x"), "hook");
	for (size_t i = 0; i < 2 * COUNT(numbers); i++) {
		snprintf(text, sizeof(text),
		    "{\"type\":\"assistant\",\"message\":{\"id\":\"%040zu%040zu\","
		    "\"usage\":{\"input_tokens\":%s}}}",
		    i / 2, i / 2, numbers[i / 2]);
		line(text);
	}
	assert_string_equal(world_sql("SELECT sum(tokens_in) FROM turns"), "7");
	check();
}

static void
odd_lines_are_harmless(void **state)
{
	static const char *const lines[] = {"", "{", "[]", "null", "{\"type\":7}",
	    "{\"type\":\"user\"}", "{\"type\":\"user\",\"message\":{\"content\":7}}",
	    "{\"type\":\"user\",\"message\":{\"content\":[7,null,{}]}}",
	    "{\"type\":\"queue-operation\",\"operation\":\"enqueue\"}",
	    "{\"type\":\"attachment\",\"attachment\":[]}",
	    "{\"type\":\"assistant\",\"message\":7}"};

	(void)state;
	transcript_apply(a, NULL);
	for (size_t i = 0; i < COUNT(lines); i++)
		transcript_apply(a, lines[i]);
	assert_string_equal(a->turn, "");
	check();
}

/* ---- anything, in any order ---- */

static void
random_histories_stay_consistent(void **state)
{
	unsigned seed = 7;
	const char *ids[6];

	(void)state;
	for (int round = 0; round < 6; round++) {
		for (size_t i = 0; i < COUNT(ids); i++)
			ids[i] = world_message(a, "x");
		for (int step = 0; step < 40; step++) {
			const char *id = ids[(unsigned)rand_r(&seed) % COUNT(ids)];

			switch (rand_r(&seed) % 11) {
			case 0:
			case 1:
				message_event(world.db, id, ME_CLAIM, NULL);
				break;
			case 2:
				message_event(world.db, id, ME_RELEASE, NULL);
				break;
			case 3:
				message_event(world.db, id, ME_DOUBT, NULL);
				break;
			case 4:
			case 5:
				turn_prompt(a, header(id, "x"), "hook");
				break;
			case 6:
				turn_seen(a, header(id, "x"));
				break;
			case 7:
				turn_absorbed(a, header(id, "x"));
				break;
			case 8:
				turn_finish(a, TURN_ANSWERED, "ok", NULL, 0);
				break;
			case 9:
				turn_finish(a, TURN_FAILED, NULL, "no", 0);
				break;
			default:
				turn_settle(a, "killed");
			}
			check();
		}
		turn_settle(a, "killed");
		/* nothing is left that waits for something which can't come */
		assert_string_equal(
		    world_sql("SELECT count(*) FROM messages WHERE state IN "
			      "('delivering', 'delivered')"),
		    "0");
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_prompt_is_answered),
	    TEST(a_person_has_turns_too),
	    TEST(a_batch_shares_its_turn),
	    TEST(a_queued_prompt_is_the_next_turn),
	    TEST(an_absorbed_prompt_is_of_the_running_turn),
	    TEST(absorption_alone_is_proof),
	    TEST(a_failed_turn_says_why),
	    TEST(a_channel_hears_that_there_is_no_answer),
	    TEST(a_cut_turn_is_gone_on_with),
	    TEST(a_cut_message_is_known_where_a_transcript_has_it),
	    TEST(a_new_conversation_knows_nothing),
	    TEST(the_next_prompt_ends_an_interrupted_turn),
	    TEST(a_queued_prompt_interrupts_no_turn_of_its_own),
	    TEST(cut_again_and_again),
	    TEST(the_chain_ends_with_its_last_link),
	    TEST(on_cut_may_be_to_leave_it),
	    TEST(a_limit_waits_and_goes_on),
	    TEST(a_limit_without_going_on_is_unanswered),
	    TEST(settling_cuts_what_is_open_and_releases_the_rest),
	    TEST(a_queued_prompt_is_cut_with_its_agent),
	    TEST(an_accepted_prompt_without_a_turn_is_cut_like_one),
	    TEST(settling_twice_is_settling_once),
	    TEST(an_open_turn_is_found_again),
	    TEST(late_proof_of_what_was_released),
	    TEST(late_proof_of_what_was_in_doubt),
	    TEST(what_was_never_typed_is_never_proven),
	    TEST(an_agent_proves_only_its_own),
	    TEST(old_lines_read_again_change_nothing),
	    TEST(a_prompt_in_no_session_is_nobodys),
	    TEST(a_typed_prompt_has_a_turn_without_hooks),
	    TEST(a_turn_by_hooks),
	    TEST(only_our_own_end_ends_a_turn),
	    TEST(a_permission_mode_counts_until_another_is_told),
	    TEST(compacting_begins_and_ends),
	    TEST(clear_is_another_conversation),
	    TEST(a_conversation_in_another_home_is_not_resumed),
	    TEST(typing_exit_is_noticed),
	    TEST(old_hooks_do_not_touch_the_new_life),
	    TEST(an_old_exit_counts_unless_overtaken),
	    TEST(what_waits_for_a_removed_agent_ends),
	    TEST(a_message_is_cut_only_so_often),
	    TEST(a_child_that_ends_without_a_turn_ends_its_parent),
	    TEST(failures_by_hook),
	    TEST(a_limit_by_hook),
	    TEST(odd_hooks_are_harmless),
	    TEST(a_turn_by_transcript),
	    TEST(text_parts_are_prompts_tool_results_are_not),
	    TEST(an_old_queue_line_begins_no_turn),
	    TEST(usage_is_counted_once_a_message),
	    TEST(odd_usage_breaks_no_sum),
	    TEST(odd_lines_are_harmless),
	    TEST(random_histories_stay_consistent),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
