/* What people ask on launcher.sock, and answers that come later. */
#define launcher_changed world_changed /* waiters.c has the real one */
#include "world.h"
#undef launcher_changed

#include <sys/stat.h>

#include "buf.h"
#include "ipc.h"
#include "launcher/approval.h"
#include "launcher/deliver.h"
#include "launcher/ops.h"
#include "launcher/spawner.h"
#include "launcher/tmux.h"
#include "paths.h"

void launcher_changed(struct launcher *l);

/* ---- what stands beside it ---- */

struct ipc_req {
	bool done;
	char text[4096]; /* the answer, or "error: message" */
	int rows;
	size_t sent;
	bool more;
	char last[32]; /* id of the last row */
};

static const struct ipc_handlers *handlers;

struct ipc_server *
ipc_listen(struct loop *loop, const char *path, mode_t mode, const struct ipc_handlers *h,
    void *ctx)
{
	(void)loop;
	(void)path;
	(void)mode;
	(void)ctx;
	handlers = h;
	return NULL;
}

uid_t
ipc_peer_uid(const struct ipc_peer *p)
{
	(void)p;
	return 0;
}

void
ipc_ok(struct ipc_req *r, yyjson_mut_doc *doc)
{
	char *text = yyjson_mut_write(doc, 0, NULL);

	assert_false(r->done);
	r->done = true;
	snprintf(r->text, sizeof(r->text), "%s", text);
	free(text);
	yyjson_mut_doc_free(doc);
}

void
ipc_row(struct ipc_req *r, yyjson_mut_doc *row)
{
	size_t len;
	char *text = yyjson_mut_write(row, 0, &len);

	r->rows++;
	r->sent += len;
	snprintf(r->last, sizeof(r->last), "%s",
	    yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_doc_get_root(row), "id")));
	free(text);
	yyjson_mut_doc_free(row);
}

void
ipc_event(struct ipc_req *r, yyjson_mut_doc *event)
{
	ipc_row(r, event);
}

void
ipc_end(struct ipc_req *r)
{
	r->done = true;
}

void
ipc_end_more(struct ipc_req *r)
{
	r->done = r->more = true;
}

size_t
ipc_req_sent(const struct ipc_req *r)
{
	return r->sent;
}

void
ipc_error(struct ipc_req *r, const char *code, const char *format, ...)
{
	size_t n = (size_t)snprintf(r->text, sizeof(r->text), "%s: ", code);
	va_list ap;

	assert_false(r->done);
	r->done = true;
	va_start(ap, format);
	vsnprintf(r->text + n, sizeof(r->text) - n, format, ap);
	va_end(ap);
}

void
agent_start(struct agent *a, const char *cause)
{
	(void)cause;
	if (a->want != WANT_RUN && agent_has_process(a))
		a->restart_after_exit = true;
	a->want = WANT_RUN;
}

void
agent_stop(struct agent *a, enum want want, const char *cause, bool now)
{
	(void)cause;
	(void)now;
	a->want = want;
}

void
agent_restart(struct agent *a, const char *cause)
{
	(void)cause;
	a->want = WANT_RUN;
	a->restart_after_exit = agent_has_process(a);
	if (!agent_has_process(a))
		a->state = AS_STARTING;
}

bool
agent_has_process(const struct agent *a)
{
	return a->shim_pid > 0 || a->spawning;
}

bool
agent_waits_for_person(const struct agent *a)
{
	return a->state == AS_LIMITED && !a->l->settings.limits_continue;
}

const char *
agent_state_name(enum agent_state state)
{
	static const char *const names[AS_COUNT] = {[AS_STOPPED] = "stopped",
	    [AS_STARTING] = "starting",
	    [AS_READY] = "ready",
	    [AS_CRASHED] = "crashed",
	    [AS_HELD] = "held"};

	return names[state];
}

const char *
agent_spec_str(const struct agent *a, const char *key, const char *otherwise)
{
	(void)a;
	(void)key;
	return otherwise;
}

int64_t
agent_spec_int(const struct agent *a, const char *key, int64_t otherwise)
{
	(void)a;
	(void)key;
	return otherwise;
}

bool
approval_answer(
    struct launcher *l, const char *id, bool allow, const char *reason, const char *by)
{
	(void)l;
	(void)id;
	(void)allow;
	(void)reason;
	(void)by;
	return true;
}

void
deliver_kick(struct agent *a)
{
	(void)a;
}

static bool parts_up;

bool
tmux_up(const struct tmux *t)
{
	(void)t;
	return parts_up;
}

bool
spawner_up(const struct spawner *s)
{
	(void)s;
	return parts_up;
}

/* ---- helpers ---- */

static struct agent *a;
static int apply_fifo;

static const char *
mode(const struct agent *agent)
{
	(void)agent;
	return "default";
}

static const struct driver claude = {.name = "claude", .mode = mode},
			   command = {.name = "command"};

static int
setup(void **state)
{
	world_setup(state);
	parts_up = true;
	a = world_agent("main", &claude, "{}");
	a->shim_start = 77;
	assert_int_equal(system("mkdir -p '" RUN_DIR "' && rm -f '" APPLY_FIFO "'"), 0);
	assert_int_equal(mkfifo(APPLY_FIFO, 0600), 0);
	apply_fifo = open(APPLY_FIFO, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ops_listen(&world);
	return 0;
}

static int
teardown(void **state)
{
	close(apply_fifo);
	while (world_timers != NULL)
		timer_free(world_timers);
	free(world.watchers);
	a = list_first(&world.agents, struct agent, link);
	while (a != NULL) {
		world_agent_free(a);
		a = list_first(&world.agents, struct agent, link);
	}
	return world_teardown(state);
}

/* args: with ' for ". */
static void
ask(struct ipc_req *req, const char *op, const char *args)
{
	const struct ipc_op *row = handlers->ops;
	char *json = xstrdup(args);
	const char *why;
	yyjson_doc *doc;

	for (char *p = json; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	doc = json_parse(json, strlen(json), &why);
	assert_non_null(doc);
	*req = (struct ipc_req){0};
	while (strcmp(row->name, op) != 0)
		row++;
	row->handle(req, yyjson_doc_get_root(doc), &world);
	yyjson_doc_free(doc);
	free(json);
}

static void
look(void)
{
	launcher_changed(&world);
	world_pass(1);
}

#define assert_waits(req)                                                                \
	do {                                                                             \
		look();                                                                  \
		assert_false((req).done);                                                \
	} while (0)
#define assert_answered(req, expected)                                                   \
	do {                                                                             \
		assert_true((req).done);                                                 \
		if (strstr((req).text, expected) == NULL)                                \
			fail_msg("%s", (req).text);                                      \
	} while (0)

/* ---- stop and restart ---- */

static void
a_stop_is_answered_when_the_process_has_ended(void **state)
{
	struct ipc_req req;

	(void)state;
	ask(&req, "stop", "{'agent':'main'}");
	assert_waits(req);
	a->shim_pid = 0;
	a->state = AS_STOPPED;
	look();
	assert_answered(req, "\"state\":\"stopped\"");
}

/* It hung for ever: another start is under way before anybody looks. */
static void
a_stop_is_answered_though_somebody_starts_it_again(void **state)
{
	struct ipc_req stop, start;

	(void)state;
	ask(&stop, "stop", "{'agent':'main'}");
	ask(&start, "start", "{'agent':'main'}");
	assert_waits(stop);
	a->shim_pid = 0;
	a->spawning = true;
	a->state = AS_STARTING;
	look();
	assert_answered(stop, "\"state\":\"starting\"");
	a->spawning = false;
}

/* Its pid isn't known yet when it is asked. */
static void
a_stop_during_a_start_waits_for_what_is_started(void **state)
{
	struct ipc_req stop, start;

	(void)state;
	a->shim_pid = 0;
	a->spawning = true;
	ask(&stop, "stop", "{'agent':'main'}");
	assert_waits(stop);
	a->shim_pid = 4100;
	a->spawning = false;
	assert_waits(stop);
	a->shim_pid = 0;
	a->state = AS_STOPPED;
	look();
	assert_answered(stop, "stopped");

	a->spawning = true;
	a->state = AS_STARTING;
	ask(&stop, "hold", "{'agent':'main'}");
	assert_waits(stop);
	ask(&start, "start", "{'agent':'main'}");
	world_pass(1);
	assert_answered(stop, "starting");
}

static void
a_restart_is_answered_by_the_new_process(void **state)
{
	struct ipc_req req;

	(void)state;
	ask(&req, "restart", "{'agent':'main'}");
	assert_waits(req);
	a->shim_pid = 0;
	a->restart_after_exit = false;
	a->state = AS_STARTING;
	assert_waits(req);
	a->spawning = true;
	assert_waits(req);
	a->spawning = false;
	a->shim_pid = 4000; /* the number may come again */
	a->shim_start = 78;
	world_pass(1000); /* nobody says that something changed */
	assert_answered(req, "\"state\":\"starting\"");
}

/* A process that was on its way when it was asked ends at once: it is not the new one. */
static void
a_restart_during_a_start_waits_for_the_next(void **state)
{
	struct ipc_req req;

	(void)state;
	a->shim_pid = 0;
	a->spawning = true;
	a->state = AS_STARTING;
	ask(&req, "restart", "{'agent':'main'}");
	assert_waits(req);
	a->spawning = false;
	a->shim_pid = 4100;
	assert_waits(req);
	a->shim_pid = 0;
	a->restart_after_exit = false;
	a->spawning = true;
	assert_waits(req);
	a->spawning = false;
	a->shim_pid = 4200;
	look();
	assert_answered(req, "starting");
}

static void
a_restart_that_comes_to_nothing_is_answered(void **state)
{
	static const enum agent_state ends[] = {AS_CRASHED, AS_HELD, AS_STOPPED};
	struct ipc_req req;

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		a->shim_pid = 4000;
		a->state = AS_READY;
		ask(&req, "restart", "{'agent':'main'}");
		assert_waits(req);
		a->shim_pid = 0;
		a->state = ends[i];
		look();
		assert_answered(req, agent_state_name(ends[i]));
	}
	ask(&req, "restart", "{'agent':'main'}");
	assert_waits(req);
	world_agent_free(a);
	a = NULL;
	look();
	assert_answered(req, "removed");
}

/* ---- apply ---- */

static void
reconciled(int64_t began, const char *change)
{
	world_sql("INSERT OR REPLACE INTO settings VALUES ('config.state', '{\"ok\":true,"
		  "\"changes\":[\"%s\"],\"began\":%lld}')",
	    change, (long long)began);
}

static void
an_apply_is_answered_by_a_run_that_began_after_it(void **state)
{
	struct ipc_req first, second;
	char bytes[8];

	(void)state;
	ask(&first, "apply", "{}");
	assert_int_equal(read(apply_fifo, bytes, sizeof(bytes)), 1);
	reconciled(world_mono - 5, "of an older file");
	world_pass(10);
	waiters_config(&world);
	assert_false(first.done);
	ask(&second, "apply", "{}");
	reconciled(world_mono - 5, "of the first");
	world_pass(10);
	waiters_config(&world);
	assert_answered(first, "of the first");
	assert_false(second.done);
	reconciled(world_mono, "of the second");
	waiters_config(&world);
	assert_answered(second, "of the second");
	world_pass(60000);
}

static void
each_apply_has_its_own_end(void **state)
{
	struct ipc_req first, second, third;

	(void)state;
	ask(&first, "apply", "{}");
	world_pass(20000);
	ask(&second, "apply", "{}");
	world_pass(9000);
	assert_false(first.done);
	world_pass(1001);
	assert_answered(first, "busy: ");
	assert_false(second.done);
	/* its bell was lost */
	reconciled(world_mono, "late");
	ask(&third, "apply", "{}");
	world_pass(20000);
	assert_answered(second, "late");
	world_pass(10001);
	assert_true(third.done);
}

static void
without_a_reconciler_apply_says_so(void **state)
{
	struct ipc_req req;

	(void)state;
	assert_int_equal(unlink(APPLY_FIFO), 0);
	ask(&req, "apply", "{}");
	assert_answered(req, "busy: ");
}

/* ---- retry ---- */

static void
retry(struct ipc_req *req, const char *id)
{
	char args[64];

	snprintf(args, sizeof(args), "{'message':'%s'}", id);
	ask(req, "retry", args);
}

/* The work would be done twice. */
static void
what_is_gone_on_with_is_not_retried(void **state)
{
	static const char *const under_way[] = {"queued", "delivering", "delivered"};
	const char *root = world_message(a, "work"), *link = world_message(a, "go on"),
		   *child = world_message(a, "go on"), *other = world_message(a, "x");
	struct ipc_req req;

	(void)state;
	world_sql("UPDATE messages SET state = 'interrupted' WHERE id IN ('%s', '%s')",
	    root, link);
	world_sql("UPDATE messages SET parent = '%s' WHERE id IN ('%s', '%s')", root,
	    link, child);
	world_sql("UPDATE messages SET state = 'failed' WHERE id = '%s'", other);
	for (size_t i = 0; i < COUNT(under_way); i++) {
		world_sql("UPDATE messages SET state = '%s' WHERE id = '%s'",
		    under_way[i], child);
		retry(&req, root);
		assert_answered(req, "too-late: ");
		assert_answered(req, child);
		assert_int_equal(
		    strstr(req.text, "cancel it first") != NULL, under_way[i][0] == 'q');
		retry(&req, link);
		assert_answered(req, "too-late: ");
	}
	retry(&req, other);
	assert_answered(req, "\"state\":\"queued\"");
	world_sql("UPDATE messages SET state = 'cancelled' WHERE id = '%s'", child);
	retry(&req, root);
	assert_answered(req, "\"state\":\"queued\"");
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "6");
}

/* Two people, or a script that goes through the inbox. */
static void
a_message_is_sent_again_once(void **state)
{
	const char *old = world_message(a, "x");
	char again[ULID_LEN + 1];
	struct ipc_req req;

	(void)state;
	world_sql("UPDATE messages SET state = 'unanswered' WHERE id = '%s'", old);
	retry(&req, old);
	assert_answered(req, "\"state\":\"queued\"");
	snprintf(again, sizeof(again), "%s",
	    world_sql("SELECT id FROM messages WHERE dedupe = 'retry:%s'", old));
	retry(&req, old);
	assert_answered(req, "too-late: ");
	assert_answered(req, again);
	assert_null(strstr(req.text, "retry that one"));
	world_sql("UPDATE messages SET state = 'unanswered' WHERE id = '%s'", again);
	retry(&req, old);
	assert_answered(req, "retry that one");
	ask(&req, "messages", "{'state':['unanswered'],'open':true,'limit':1}");
	assert_string_equal(req.last, again); /* the older one isn't open any more */
	retry(&req, again);
	assert_answered(req, "\"state\":\"queued\"");
	assert_string_equal(world_sql("SELECT count(*) FROM messages"), "3");
	ask(&req, "messages", "{'state':['unanswered'],'open':true}");
	assert_int_equal(req.rows, 0);
	ask(&req, "messages", "{'state':['unanswered']}");
	assert_int_equal(req.rows, 2);
}

/* ---- lists ---- */

/* A connection on which more piles up than that is cut off. */
static void
a_long_list_comes_in_several_answers(void **state)
{
	static char text[900000];
	struct ipc_req req = {.more = true};
	char args[128] = "{\"limit\":1000}";
	int rows = 0, answers = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 12; i++)
		world_message(a, text);
	while (req.more) {
		ask(&req, "messages", args);
		assert_true(req.done);
		assert_true(req.sent < 6 << 20);
		snprintf(
		    args, sizeof(args), "{\"limit\":1000,\"before\":\"%s\"}", req.last);
		rows += req.rows;
		answers++;
	}
	assert_int_equal(rows, 12);
	assert_int_equal(answers, 3);
	ask(&req, "messages", "{\"limit\":3}");
	assert_int_equal(req.rows, 3);
	assert_false(req.more);
}

static void
a_message_knows_how_many_go_before_it(void **state)
{
	const char *first = world_message(a, "first"), *later = world_message(a, "later"),
		   *last = world_message(a, "last");
	struct ipc_req req;
	char args[64];

	(void)state;
	snprintf(args, sizeof(args), "{\"message\":\"%s\"}", last);
	ask(&req, "position", args);
	assert_answered(req, "\"position\":2");
	world_sql("UPDATE messages SET not_before = %lld WHERE id = '%s'",
	    (long long)wall_ms() + 60000, later);
	world_sql("UPDATE messages SET state = 'delivered' WHERE id = '%s'", first);
	ask(&req, "position", args);
	assert_answered(req, "\"position\":0");
	assert_answered(req, "\"state\":\"queued\"");
	ask(&req, "position", "{\"message\":\"nobody\"}");
	assert_answered(req, "no-message: ");
}

/* ---- status ---- */

static int
place(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	if (at == NULL)
		fail_msg("no %s in %s", what, text);
	return (int)(at - text);
}

static void
the_worst_problem_comes_first(void **state)
{
	static const struct {
		const char *name;
		enum agent_state state;
	} rows[] = {{"a-limited", AS_LIMITED}, {"b-held", AS_HELD},
	    {"c-awaiting", AS_AWAITING}, {"d-slow", AS_STARTING},
	    {"e-crashed", AS_CRASHED}, {"f-auth", AS_AUTH_FAILED}, {"g-busy", AS_BUSY}};
	static const char *const order[] = {"tmux isn't", "isn't in use", "f-auth",
	    "b-held", "e-crashed", "d-slow", "c-awaiting", "a-limited"};
	struct ipc_req req;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		world_agent(rows[i].name, &command, "{}")->state = rows[i].state;
	parts_up = false;
	world_sql("INSERT INTO settings VALUES ('config.state', '{\"ok\":false,"
		  "\"error\":\"berth.toml:1: no\"}')");
	ask(&req, "status", "{}");
	assert_true(req.done);
	for (size_t i = 1; i < COUNT(order); i++)
		assert_true(place(req.text, order[i - 1]) < place(req.text, order[i]));
	assert_null(strstr(req.text, "g-busy"));
	place(req.text, "it goes on by itself when the limit resets");
	world.settings.limits_continue = false;
	ask(&req, "status", "{}");
	place(req.text, "berth start when it may go on");
}

/* "berth.toml:1: no" to "berth.toml:<count>: no" */
static void
errors_in_the_file(int count)
{
	struct buf list = BUF_INIT;

	for (int i = 1; i <= count; i++)
		buf_addf(&list, "%s\"berth.toml:%d: no\"", i > 1 ? "," : "", i);
	world_sql("INSERT OR REPLACE INTO settings VALUES ('config.state', "
		  "'{\"ok\":false,\"error\":\"berth.toml:1: no\",\"errors\":[%s]}')",
	    buf_str(&list));
	buf_free(&list);
}

/* Only the first was told. */
static void
all_errors_of_the_configuration_are_told(void **state)
{
	struct ipc_req req;

	(void)state;
	errors_in_the_file(3);
	ask(&req, "status", "{}");
	assert_answered(
	    req, "\"why\":\"berth.toml:1: no\\nberth.toml:2: no\\nberth.toml:3: no\"");
	errors_in_the_file(12);
	ask(&req, "status", "{}");
	assert_answered(req, "berth.toml:10: no\\nand 2 more\"");
	errors_in_the_file(51); /* more than that are counted by the last */
	ask(&req, "status", "{}");
	assert_answered(req, "berth.toml:10: no\\nand at least 41 more\"");
}

static void
what_an_agent_lacks_is_told(void **state)
{
	struct ipc_req req;

	(void)state;
	world_sql(
	    "INSERT INTO settings VALUES ('config.state', '{\"ok\":true,\"warnings\":"
	    "[{\"agent\":\"main\",\"text\":\"berth.toml:2: /x isn''t there\"},"
	    "{\"agent\":\"main\",\"what\":\"lacks a secret\",\"text\":"
	    "\"berth.toml:3: no key\"}]}')");
	ask(&req, "status", "{}");
	assert_answered(req,
	    "\"problems\":[{\"what\":\"agent main lacks a secret\",\"why\":"
	    "\"berth.toml:3: no key\"");
	assert_int_equal(strstr(req.text, "isn't there") != NULL, true); /* in config */
	assert_null(strstr(strstr(req.text, "\"problems\""), "isn't there"));
}

/* "it is started again by itself" would be no help. */
static void
a_start_that_failed_is_to_be_mended(void **state)
{
	struct ipc_req req;

	(void)state;
	a->state = AS_CRASHED;
	a->not_begun = true;
	ask(&req, "status", "{}");
	assert_answered(req, "mend that: it is tried again by itself");
	a->not_begun = false;
	ask(&req, "status", "{}");
	assert_answered(req, "it is started again by itself");
}

static void
what_a_person_did_is_a_note(void **state)
{
	struct ipc_req req;

	(void)state;
	snprintf(a->mode, sizeof(a->mode), "default");
	ask(&req, "status", "{}");
	assert_answered(req, "\"notes\":[]");
	snprintf(a->mode, sizeof(a->mode), "auto");
	ask(&req, "status", "{}");
	assert_answered(req, "\"what\":\"agent main is in permission mode auto\"");
	a->mode[0] = '\0';
	world_message(a, "one");
	a->state = AS_STOPPED;
	ask(&req, "status", "{}");
	assert_answered(req, "\"notes\":[]"); /* it is about to start */
	a->want = WANT_STOP;
	ask(&req, "status", "{}");
	assert_answered(req, "agent main is stopped, and 1 message waits for it");
	world_message(a, "two");
	ask(&req, "status", "{}");
	assert_answered(req, "and 2 messages wait for it");
	a->want = WANT_RUN;
}

/* What may be meant so alarms nobody. */
static void
a_folder_that_cannot_be_written_is_a_note(void **state)
{
	struct ipc_req req;

	(void)state;
	ask(&req, "status", "{}");
	assert_answered(req, "\"problems\":[],\"notes\":[]");
	a->folder_why = xstrdup("/projects is on a read-only mount");
	a->folder_hint = xstrdup("mount it without ro");
	ask(&req, "status", "{}");
	assert_answered(req,
	    "\"problems\":[],\"notes\":[{\"what\":\"agent main can't write to its "
	    "folder\",\"why\":\"/projects is on a read-only mount\",\"since\":0,"
	    "\"hint\":\"mount it without ro\",\"agent\":\"main\"}]");
	a->removed = true;
	ask(&req, "status", "{}");
	assert_answered(req, "\"notes\":[]");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_stop_is_answered_when_the_process_has_ended),
	    TEST(a_stop_is_answered_though_somebody_starts_it_again),
	    TEST(a_stop_during_a_start_waits_for_what_is_started),
	    TEST(a_restart_is_answered_by_the_new_process),
	    TEST(a_restart_during_a_start_waits_for_the_next),
	    TEST(a_restart_that_comes_to_nothing_is_answered),
	    TEST(an_apply_is_answered_by_a_run_that_began_after_it),
	    TEST(each_apply_has_its_own_end),
	    TEST(without_a_reconciler_apply_says_so),
	    TEST(what_is_gone_on_with_is_not_retried),
	    TEST(a_message_is_sent_again_once),
	    TEST(a_long_list_comes_in_several_answers),
	    TEST(a_message_knows_how_many_go_before_it),
	    TEST(the_worst_problem_comes_first),
	    TEST(all_errors_of_the_configuration_are_told),
	    TEST(what_an_agent_lacks_is_told),
	    TEST(a_start_that_failed_is_to_be_mended),
	    TEST(what_a_person_did_is_a_note),
	    TEST(a_folder_that_cannot_be_written_is_a_note),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
