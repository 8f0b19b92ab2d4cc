/* A message's life: each cell of its table, and what a move writes. */
#include "world.h"

#include <pthread.h>

static const char *const event_names[ME_COUNT] = {"claim", "release", "proven", "answer",
    "silent", "cut", "doubt", "expire", "refuse", "cancel"};

/* All that may happen. What isn't here must change nothing. */
static const struct {
	enum message_state from;
	enum message_event event;
	enum message_state to;
} moves[] = {
    {MS_QUEUED, ME_CLAIM, MS_DELIVERING},
    {MS_QUEUED, ME_PROVEN, MS_DELIVERED}, /* a paste that was slow */
    {MS_QUEUED, ME_EXPIRE, MS_EXPIRED},
    {MS_QUEUED, ME_REFUSE, MS_FAILED},
    {MS_QUEUED, ME_CANCEL, MS_CANCELLED},
    {MS_DELIVERING, ME_RELEASE, MS_QUEUED},
    {MS_DELIVERING, ME_PROVEN, MS_DELIVERED},
    {MS_DELIVERING, ME_DOUBT, MS_INDETERMINATE},
    {MS_DELIVERING, ME_REFUSE, MS_FAILED},
    {MS_DELIVERED, ME_ANSWER, MS_ANSWERED},
    {MS_DELIVERED, ME_SILENT, MS_UNANSWERED},
    {MS_DELIVERED, ME_CUT, MS_INTERRUPTED},
    {MS_INTERRUPTED, ME_ANSWER, MS_ANSWERED},
    {MS_INTERRUPTED, ME_SILENT, MS_UNANSWERED},
    {MS_INDETERMINATE, ME_PROVEN, MS_DELIVERED},
};

static enum message_state
expected(enum message_state from, enum message_event event)
{
	for (size_t i = 0; i < COUNT(moves); i++)
		if (moves[i].from == from && moves[i].event == event)
			return moves[i].to;
	return MS_COUNT;
}

static void
the_table_is_what_it_should_be(void **state)
{
	(void)state;
	for (int s = 0; s < MS_COUNT; s++)
		for (int e = 0; e < ME_COUNT; e++)
			if (message_next((enum message_state)s, (enum message_event)e) !=
			    expected((enum message_state)s, (enum message_event)e))
				fail_msg("%s + %s",
				    message_state_name((enum message_state)s),
				    event_names[e]);
	assert_int_equal(message_next(MS_COUNT, ME_CLAIM), MS_COUNT);
	assert_int_equal(message_next(MS_QUEUED, ME_COUNT), MS_COUNT);
}

static void
names_are_the_schemas(void **state)
{
	(void)state;
	for (int s = 0; s < MS_COUNT; s++) {
		const char *name = message_state_name((enum message_state)s);

		assert_int_equal(message_state_parse(name), s);
		assert_string_not_equal(world_sql("SELECT instr(sql, '''%s''') FROM "
						  "sqlite_schema WHERE name = 'messages'",
					    name),
		    "0");
	}
	assert_int_equal(message_state_parse("queue"), MS_COUNT);
	assert_int_equal(message_state_parse(""), MS_COUNT);
	assert_int_equal(message_state_parse(NULL), MS_COUNT);
	assert_string_equal(message_state_name(MS_COUNT), "?");
}

static int
events(const char *id)
{
	return atoi(world_sql("SELECT count(*) FROM events WHERE id = '%s'", id));
}

/* Every cell on a real row: moved with its event, or nothing at all. */
static void
each_cell_on_a_row(void **state)
{
	struct agent *a = world_agent("main", NULL, "{}");
	const struct message_change c = {.reason = "why", .cause = "because"};

	(void)state;
	for (int s = 0; s < MS_COUNT; s++)
		for (int e = 0; e < ME_COUNT; e++) {
			const char *id = world_message(a, "hello");
			const char *from = message_state_name((enum message_state)s);
			enum message_state to =
			    expected((enum message_state)s, (enum message_event)e);
			const char *before;

			world_sql(
			    "UPDATE messages SET state = '%s' WHERE id = '%s'", from, id);
			before = world_sql(
			    "SELECT json_array(state, reason, attempts, ended_at, "
			    "delivered_at) FROM messages WHERE id = '%s'",
			    id);
			assert_int_equal(
			    message_event(world.db, id, (enum message_event)e, &c),
			    to != MS_COUNT);
			if (to == MS_COUNT) {
				assert_string_equal(
				    world_sql(
					"SELECT json_array(state, reason, attempts, "
					"ended_at, "
					"delivered_at) FROM messages WHERE id = '%s'",
					id),
				    before);
				assert_int_equal(events(id), 1); /* that it was added */
				continue;
			}
			assert_state(id, message_state_name(to));
			assert_string_equal(
			    world_sql("SELECT old || ' ' || new || ' ' || actor || ' ' "
				      "|| cause FROM "
				      "events WHERE id = '%s' ORDER BY seq DESC LIMIT 1",
				id),
			    world_sql("SELECT '%s %s launcher because'", from,
				message_state_name(to)));
		}
}

#define column(id, name) world_sql("SELECT " name " FROM messages WHERE id = '%s'", id)

static void
a_move_writes_its_columns(void **state)
{
	struct agent *a = world_agent("main", NULL, "{}");
	const char *id = world_message(a, "hello");
	struct message_change c = {.delivery = "D1", .cause = "ready"};

	(void)state;
	assert_true(message_event(world.db, id, ME_CLAIM, &c));
	assert_string_equal(column(id, "attempts || ' ' || delivery"), "1 D1");
	assert_string_equal(
	    column(id, "delivering_at"), world_sql("SELECT %lld", (long long)world_wall));
	world_wall += 5;
	c = (struct message_change){.cause = "not typed"};
	assert_true(message_event(world.db, id, ME_RELEASE, &c));
	assert_string_equal(column(id, "ifnull(delivery, 'none') || attempts"), "none1");
	c = (struct message_change){.delivery = "D2"};
	assert_true(message_event(world.db, id, ME_CLAIM, &c));
	assert_string_equal(column(id, "attempts || delivery"), "2D2");
	c = (struct message_change){.reason = "typed, but", .cause = "x"};
	assert_true(message_event(world.db, id, ME_DOUBT, &c));
	assert_string_equal(column(id, "reason"), "typed, but");
	assert_string_equal(column(id, "delivery"), "D2");
	assert_string_not_equal(column(id, "ended_at"), "");
	c = (struct message_change){.proof = "hook"};
	assert_true(message_event(world.db, id, ME_PROVEN, &c));
	assert_string_equal(column(id, "ifnull(reason, '') || proof"), "hook");
	assert_string_equal(column(id, "ended_at"), ""); /* it isn't over after all */
	assert_string_not_equal(column(id, "delivered_at"), "");
	assert_true(message_event(world.db, id, ME_ANSWER, NULL));
	assert_string_equal(column(id, "proof"), "hook");
	assert_string_not_equal(column(id, "ended_at"), "");
	assert_false(message_event(world.db, id, ME_ANSWER, NULL));
	assert_false(
	    message_event(world.db, "01JD3Y0N6Q8Z4V5W6X7Y8Z9A0B", ME_CLAIM, NULL));
}

static void
a_dedupe_key_counts_once(void **state)
{
	struct message_new m = {
	    .agent = "main", .channel = "cli", .text = "hello", .dedupe = "k1"};
	char first[27], again[27], other[27];

	(void)state;
	assert_int_equal(message_add(world.db, &m, first), MESSAGE_ADDED);
	m.text = "another text";
	m.agent = "other";
	assert_int_equal(message_add(world.db, &m, again), MESSAGE_REPEATED);
	assert_string_equal(again, first);
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "1");
	assert_string_equal(world_sql("SELECT count(*) FROM events"), "1");
	/* also when the first is over long ago */
	world_sql("UPDATE messages SET state = 'answered'");
	assert_int_equal(message_add(world.db, &m, again), MESSAGE_REPEATED);
	m.dedupe = "k2";
	assert_int_equal(message_add(world.db, &m, other), MESSAGE_ADDED);
	m.dedupe = NULL;
	assert_int_equal(message_add(world.db, &m, other), MESSAGE_ADDED);
	assert_int_equal(message_add(world.db, &m, other), MESSAGE_ADDED);
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "4");
}

/* What was accepted, and is sent again because its answer was lost, is no news of a full
 * queue. */
static void
a_full_queue_takes_no_more_but_knows_what_it_has(void **state)
{
	struct message_new m = {.agent = "main",
	    .channel = "cli",
	    .text = "hello",
	    .dedupe = "k1",
	    .max_waiting = 2};
	char first[27], id[27];

	(void)state;
	assert_int_equal(message_add(world.db, &m, first), MESSAGE_ADDED);
	m.dedupe = "k2";
	assert_int_equal(message_add(world.db, &m, id), MESSAGE_ADDED);
	m.dedupe = "k3";
	assert_int_equal(message_add(world.db, &m, id), MESSAGE_FULL);
	m.dedupe = "k1";
	assert_int_equal(message_add(world.db, &m, id), MESSAGE_REPEATED);
	assert_string_equal(id, first);
	m.dedupe = "k3";
	m.agent = "other";
	assert_int_equal(message_add(world.db, &m, id), MESSAGE_ADDED);
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "3");
}

/* The order of ids is the order of delivery. */
static void
ids_are_in_order(void **state)
{
	struct agent *a = world_agent("main", NULL, "{}");
	char before[27] = "";

	(void)state;
	for (int i = 0; i < 100; i++) {
		const char *id = world_message(a, "x");

		assert_true(strcmp(before, id) < 0);
		snprintf(before, sizeof(before), "%s", id);
	}
}

static void
replies_here_are_closed_at_once(void **state)
{
	struct agent *a = world_agent("main", NULL, "{}");
	const char *id = world_message(a, "x");

	(void)state;
	message_reply(world.db, id, "main", "cli", NULL, "answer", "one");
	message_reply(world.db, id, "main", "fifo", NULL, "answer", "two");
	message_reply(world.db, id, "main", "telegram", "7", "notice", "three");
	assert_string_equal(world_sql("SELECT group_concat(text || state || (sent_at IS "
				      "NULL) || ifnull(thread, '-')) "
				      "FROM (SELECT * FROM outbox ORDER BY id)"),
	    "onesent0-,twosent0-,threequeued17");
}

/* ---- somebody else writes ---- */

static void *
hold_lock(void *arg)
{
	sqlite3 *raw;

	sqlite3_open(world_db, &raw);
	sqlite3_exec(
	    raw, "BEGIN IMMEDIATE; UPDATE settings SET value = '1'", NULL, NULL, NULL);
	__atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
	usleep(600000);
	sqlite3_exec(raw, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(raw);
	return NULL;
}

static pthread_t
somebody_writes(void)
{
	static int holds;
	pthread_t thread;

	holds = 0;
	pthread_create(&thread, NULL, hold_lock, &holds);
	while (!__atomic_load_n(&holds, __ATOMIC_SEQ_CST))
		usleep(1000);
	return thread;
}

static void
an_event_waits_for_a_busy_database(void **state)
{
	struct agent *a = world_agent("main", NULL, "{}");
	const char *id = world_message(a, "x");
	pthread_t other = somebody_writes();

	(void)state;
	assert_true(message_event(world.db, id, ME_CLAIM, NULL));
	pthread_join(other, NULL);
	assert_state(id, "delivering");
	assert_string_equal(column(id, "attempts"), "1");
	assert_int_equal(events(id), 2);
}

static void
a_busy_database_accepts_nothing(void **state)
{
	const struct message_new m = {
	    .agent = "main", .channel = "cli", .text = "hello", .dedupe = "k"};
	pthread_t other = somebody_writes();
	char id[27];

	(void)state;
	assert_int_equal(message_add(world.db, &m, id), MESSAGE_BUSY);
	pthread_join(other, NULL);
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "0");
	assert_int_equal(message_add(world.db, &m, id), MESSAGE_ADDED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_table_is_what_it_should_be),
	    WORLD_TEST(names_are_the_schemas),
	    WORLD_TEST(each_cell_on_a_row),
	    WORLD_TEST(a_move_writes_its_columns),
	    WORLD_TEST(a_dedupe_key_counts_once),
	    WORLD_TEST(a_full_queue_takes_no_more_but_knows_what_it_has),
	    WORLD_TEST(ids_are_in_order),
	    WORLD_TEST(replies_here_are_closed_at_once),
	    WORLD_TEST(an_event_waits_for_a_busy_database),
	    WORLD_TEST(a_busy_database_accepts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
