/*
 * A launcher for tests: its database (the real schema, in a directory of the test's own),
 * agents, and a clock with timers that stand still until the test moves them. Link with
 * -Wl,--wrap=mono_ms,--wrap=wall_ms, and nothing that needs the real loop. What the
 * module under test calls beside that, the test defines itself.
 */
#ifndef WORLD_H
#define WORLD_H
#include "unit.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "clock.h"
#include "db.h"
#include "json.h"
#include "launcher/agent.h"
#include "launcher/driver.h"
#include "launcher/message.h"
#include "launcher/store.h"
#include "loop.h"
#include "xmalloc.h"

/* ---- time ---- */

#ifndef WORLD_REAL_TIME /* for what is tested with descriptors and the real loop */
static int64_t world_mono = 1000000, world_wall = INT64_C(1800000000000);

int64_t __wrap_mono_ms(void);
int64_t __wrap_wall_ms(void);

int64_t
__wrap_mono_ms(void)
{
	return world_mono;
}

int64_t
__wrap_wall_ms(void)
{
	return world_wall;
}

struct timer {
	struct timer *next;
	loop_cb *cb;
	void *arg;
	int64_t deadline;
	int armed;
};
static struct timer *world_timers;

struct timer *
timer_new(struct loop *loop, loop_cb *cb, void *arg)
{
	struct timer *t = xcalloc(1, sizeof(*t));

	(void)loop;
	t->cb = cb;
	t->arg = arg;
	t->next = world_timers;
	world_timers = t;
	return t;
}

void
timer_at(struct timer *t, int64_t deadline)
{
	t->deadline = deadline;
	t->armed = 1;
}

void
timer_in(struct timer *t, int64_t ms)
{
	timer_at(t, world_mono + ms);
}

void
timer_cancel(struct timer *t)
{
	t->armed = 0;
}

int
timer_armed(const struct timer *t)
{
	return t->armed;
}

void
timer_free(struct timer *t)
{
	struct timer **at = &world_timers;

	if (t == NULL)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}

static struct timer *
world_next_timer(int64_t until)
{
	struct timer *first = NULL;

	for (struct timer *t = world_timers; t != NULL; t = t->next)
		if (t->armed && t->deadline <= until &&
		    (first == NULL || t->deadline < first->deadline))
			first = t;
	return first;
}

/* Lets ms pass: every timer that falls due fires, in order. */
static UNUSED void
world_pass(int64_t ms)
{
	int64_t until = world_mono + ms;
	struct timer *t;
	int fired = 0;

	while ((t = world_next_timer(until)) != NULL) {
		int64_t step = t->deadline > world_mono ? t->deadline - world_mono : 0;

		assert_true(++fired < 100000);
		world_mono += step;
		world_wall += step;
		t->armed = 0;
		t->cb(t->arg);
	}
	world_wall += until - world_mono;
	world_mono = until;
}

#endif

/* ---- the database ---- */

static char world_dir[64], world_db[128];
static struct launcher world;
static sqlite3 *world_raw;
static int world_changes; /* calls of launcher_changed() */

void
launcher_changed(struct launcher *l)
{
	(void)l;
	world_changes++;
}

struct agent *
launcher_agent(struct launcher *l, const char *name)
{
	struct agent *a;

	list_each (a, &l->agents, link) {
		if (strcmp(a->name, name) == 0)
			return a;
	}
	return NULL;
}

/* Runs a statement past db.c; the first column of its first row ("" if none), in one of a
 * few buffers. */
static UNUSED __attribute__((format(printf, 1, 2))) const char *
world_sql(const char *format, ...)
{
	static char out[8][4096];
	static int turn;
	char *to = out[turn++ % 8], *sql;
	sqlite3_stmt *stmt;
	va_list ap;
	int rc;

	va_start(ap, format);
	sql = xvasprintf(format, ap);
	va_end(ap);
	if (sqlite3_prepare_v2(world_raw, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(world_raw));
	rc = sqlite3_step(stmt);
	to[0] = '\0';
	if (rc == SQLITE_ROW && sqlite3_column_text(stmt, 0) != NULL)
		snprintf(
		    to, sizeof(out[0]), "%s", (const char *)sqlite3_column_text(stmt, 0));
	else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fail_msg("%s: %s", sql, sqlite3_errmsg(world_raw));
	sqlite3_finalize(stmt);
	free(sql);
	return to;
}

/* In memory where that can be: these tests commit thousands of times, and how SQLite gets
 * them to a disk is not theirs. */
static void
world_mkdir(void)
{
	snprintf(world_dir, sizeof(world_dir), "%s/berth-unit.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(world_dir));
}

static void
world_rmdir(void)
{
	char command[128];

	assert_non_null(strstr(world_dir, "/berth-unit."));
	snprintf(command, sizeof(command), "rm -rf '%s'", world_dir);
	assert_int_equal(system(command), 0);
}

static UNUSED int
world_setup(void **state)
{
	const char *why;
	int fd;

	(void)state;
	world_mkdir();
	snprintf(world_db, sizeof(world_db), "%s/berth.db", world_dir);
	fd = creat(world_db, 0600);
	close(fd);
	assert_int_equal(db_migrate(world_db, &why), 0);
	world = (struct launcher){.settings = {.human_idle_ms = 2000,
				      .confirm_timeout_ms = 3000,
				      .backoff_min_ms = 1000,
				      .backoff_max_ms = 60000,
				      .stable_after_ms = 60000,
				      .max_queue = 1000,
				      .max_crashes = 5,
				      .limits_continue = true}};
	snprintf(world.boot_id, sizeof(world.boot_id), "boot/1");
	list_init(&world.agents);
	world.db = store_open(world_db);
	assert_int_equal(sqlite3_open(world_db, &world_raw), SQLITE_OK);
	sqlite3_busy_timeout(world_raw, 2000);
	world_changes = 0;
	return 0;
}

static UNUSED void
world_agent_free(struct agent *a)
{
	list_remove(&a->link);
	yyjson_doc_free(a->spec);
	timer_free(a->restart_timer);
	timer_free(a->ready_timer);
	timer_free(a->stable_timer);
	timer_free(a->kick_timer);
	timer_free(a->quiet_timer);
	timer_free(a->dialog_timer);
	free(a->name);
	free(a->hash);
	free(a->reason);
	free(a->folder_why);
	free(a->folder_hint);
	free(a->exit_error);
	free(a->transcript);
	free(a);
}

static UNUSED int
world_teardown(void **state)
{
	struct agent *a;

	(void)state;
	while ((a = list_first(&world.agents, struct agent, link)) != NULL)
		world_agent_free(a);
#ifndef WORLD_REAL_TIME
	assert_null(world_timers);
#endif
	db_assert_idle(world.db);
	sqlite3_close(world_raw);
	db_close(world.db);
	world_rmdir();
	return 0;
}

/* An agent that runs, with its row and a conversation; spec: JSON. */
static UNUSED struct agent *
world_agent(const char *name, const struct driver *driver, const char *spec)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	const char *why;

	a->l = &world;
	a->name = xstrdup(name);
	a->driver = driver;
	a->spec = json_parse(spec, strlen(spec), &why);
	assert_non_null(a->spec);
	a->pidfd = -1;
	a->source = "process";
	a->want = WANT_RUN;
	a->state = AS_READY;
	a->shim_pid = 4000;
	a->agent_pid = 4001;
	a->was_ready = true;
	snprintf(a->window, sizeof(a->window), "@1");
	snprintf(a->pane, sizeof(a->pane), "%%1");
	list_append(&world.agents, &a->link);
	world_sql("INSERT INTO agents (name, host, want, state, source, state_at) VALUES "
		  "('%s', 'h', 'run', 'ready', 'hook', 0)",
	    name);
	if (driver != NULL && driver->hooks) {
		ulid_new(a->session);
		snprintf(a->driver_id, sizeof(a->driver_id), "driver-id-of-%s", name);
		world_sql("INSERT INTO sessions (id, host, agent, driver_id, started_at) "
			  "VALUES "
			  "('%s', 'h', '%s', '%s', 0)",
		    a->session, name, a->driver_id);
	}
	return a;
}

/* A queued message; its id, in one of a few buffers. */
static UNUSED const char *
world_message(struct agent *a, const char *text)
{
	static char ids[64][ULID_LEN + 1];
	static int turn;
	char *id = ids[turn++ % 64];
	const struct message_new m = {.agent = a->name, .channel = "cli", .text = text};

	assert_int_equal(message_add(world.db, &m, id), MESSAGE_ADDED);
	return id;
}

static UNUSED const char *
world_state(const char *message)
{
	return world_sql("SELECT state FROM messages WHERE id = '%s'", message);
}

#define assert_state(message, expected)                                                  \
	assert_string_equal(world_state(message), expected)

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
#endif
