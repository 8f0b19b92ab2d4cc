/* Messages by FIFO: real FIFOs, the real loop, a real database. */
#define WORLD_REAL_TIME
#include "world.h"

#include <signal.h>
#include <sys/stat.h>

#include "buf.h"
#include "launcher/deliver.h"
#include "launcher/fifos.h"
#include "paths.h"

#define IN RUN_DIR "/in"

/* ---- what stands beside it ---- */

static int kicks, tees;
static bool die_after_commit, no_big_pipes;
static char kicked[64];

void
deliver_kick(struct agent *a)
{
	if (die_after_commit)
		_exit(7);
	snprintf(kicked, sizeof(kicked), "%s", a->name);
	kicks++;
}

ssize_t __real_tee(int from, int to, size_t len, unsigned flags);
ssize_t __wrap_tee(int from, int to, size_t len, unsigned flags);

ssize_t
__wrap_tee(int from, int to, size_t len, unsigned flags)
{
	tees++;
	return __real_tee(from, to, len, flags);
}

int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);

int
__wrap_fcntl(int fd, int op, ...)
{
	va_list ap;
	long arg;

	va_start(ap, op);
	arg = va_arg(ap, long);
	va_end(ap);
	if (op == F_SETPIPE_SZ && no_big_pipes)
		return -1;
	return __real_fcntl(fd, op, arg);
}

/* ---- helpers ---- */

static struct loop
    *loops[64]; /* nothing ends a watch of FIFOs: kept, so that it is no leak */
static size_t loop_count;
static int holder; /* as src/fifo */

static int
setup(void **state)
{
	char command[256];

	world_setup(state);
	snprintf(
	    command, sizeof(command), "rm -rf '%s' && mkdir -p '%s'", RUN_DIR, RUN_DIR);
	assert_int_equal(system(command), 0);
	assert_int_equal(mkfifo(IN, 0600), 0);
	holder = open(IN, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	kicks = tees = 0;
	kicked[0] = '\0';
	die_after_commit = no_big_pipes = false;
	world_agent("alpha", NULL, "{}");
	world_agent("main", NULL, "{}");
	assert_true(loop_count < COUNT(loops));
	world.loop = loops[loop_count++] = loop_new();
	return 0;
}

static int
teardown(void **state)
{
	close(holder);
	return world_teardown(state);
}

static int
messages(void)
{
	return atoi(world_sql("SELECT count(*) FROM messages"));
}

struct until {
	struct timer *timer;
	int wanted;
	int64_t deadline;
};

static void
look(void *arg)
{
	struct until *u = arg;

	if ((u->wanted >= 0 && messages() >= u->wanted) || mono_ms() > u->deadline)
		loop_stop(world.loop, 0);
	else
		timer_in(u->timer, 10);
}

/* Until so many messages are there, and a little longer; -1: all of the time. */
static void
turn_loop(int wanted, int64_t ms)
{
	struct until u = {.wanted = wanted, .deadline = mono_ms() + ms};

	u.timer = timer_new(world.loop, look, &u);
	timer_in(u.timer, 0);
	loop_run(world.loop);
	timer_free(u.timer);
	if (wanted >= 0 && messages() < wanted)
		fail_msg("%d messages, not %d", messages(), wanted);
}

static int
writer(void)
{
	int fd = open(IN, O_WRONLY | O_CLOEXEC);

	assert_true(fd != -1);
	return fd;
}

static void
put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static const char *
texts(void)
{
	return world_sql("SELECT group_concat(text, '|') FROM (SELECT text FROM messages "
			 "ORDER BY id)");
}

/* Writes all of it in pieces, in a child, as an ordinary writer that waits. */
static pid_t
write_in_child(const char *data, size_t len, size_t piece)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	signal(SIGPIPE, SIG_DFL);
	int fd = open(IN, O_WRONLY);
	for (size_t at = 0; at < len;) {
		size_t n = len - at < piece ? len - at : piece;
		ssize_t done = write(fd, data + at, n);

		if (done <= 0)
			_exit(1);
		at += (size_t)done;
	}
	_exit(0);
}

static void
wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- lines ---- */

static void
a_line_is_a_message(void **state)
{
	int fd;

	(void)state;
	fifos_watch(&world);
	fd = writer();
	put(fd, "hello\nsecond line\n\n  \n\r\nthird");
	turn_loop(2, 2000);
	assert_string_equal(texts(), "hello|second line");
	put(fd, " and its rest\r\n");
	turn_loop(3, 3000);
	close(fd);
	assert_string_equal(
	    world_sql("SELECT group_concat(DISTINCT agent || channel) FROM messages"),
	    "mainfifo");
	assert_string_equal(kicked, "main");
	assert_int_equal(kicks, 3);
}

static void
what_was_written_before_us_is_read(void **state)
{
	int fd = writer();

	(void)state;
	put(fd, "early\n");
	close(fd);
	fifos_watch(&world);
	turn_loop(1, 2000);
	assert_string_equal(texts(), "early");
}

static void
a_writer_that_leaves_ends_its_line(void **state)
{
	int fd;

	(void)state;
	fifos_watch(&world);
	for (int i = 1; i <= 3; i++) {
		fd = writer();
		put(fd, "no newline");
		turn_loop(-1, 50);
		assert_int_equal(messages(), i - 1);
		close(fd);
		turn_loop(i, 3000);
	}
	assert_string_equal(texts(), "no newline|no newline|no newline");
}

static void
json_names_more(void **state)
{
	static const char *const lines[] = {"{\"content\":\"to "
					    "alpha\",\"agent\":\"alpha\",\"meta\":{"
					    "\"sender\":\"Anna\",\"thread\":\"7\"}}\n",
	    "{\"content\":\"two\\nlines\"}\n", "{\"other\":1}\n", "{broken\n", "[1,2]\n",
	    "\"text\"\n", "{\"content\":7}\n",
	    "{\"content\":\"nobody\",\"agent\":\"ghost\"}\n", " {\"content\":\"x\"}\n"};
	int fd;

	(void)state;
	fifos_watch(&world);
	fd = writer();
	for (size_t i = 0; i < COUNT(lines); i++)
		put(fd, lines[i]);
	close(fd);
	turn_loop(7, 3000);
	assert_string_equal(texts(),
	    "to alpha|two\nlines|{\"other\":1}|{broken|[1,2]|\"text\"| "
	    "{\"content\":\"x\"}");
	assert_string_equal(
	    world_sql(
		"SELECT agent || sender || thread FROM messages ORDER BY id LIMIT 1"),
	    "alphaAnna7");
	assert_string_equal(
	    world_sql(
		"SELECT count(*) FROM events WHERE entity = 'fifo' AND new = 'refused'"),
	    "2"); /* to ghost, and 7 */
}

/* As `berth send`: whoever isn't named is the only one, or `main`, and never just the
 * first. */
static void
a_line_for_nobody_in_particular(void **state)
{
	struct agent *first = launcher_agent(&world, "alpha"),
		     *main_agent = launcher_agent(&world, "main");
	int fd, changes;

	(void)state;
	free(main_agent->name);
	main_agent->name = xstrdup("beta");
	fifos_watch(&world);
	fd = writer();
	changes = world_changes;
	put(fd, "for whom?\n{\"content\":\"named\",\"agent\":\"beta\"}\n");
	turn_loop(1, 3000);
	assert_string_equal(texts(), "named");
	assert_string_equal(
	    world_sql(
		"SELECT cause FROM events WHERE entity = 'fifo' AND new = 'refused'"),
	    "say which agent: alpha, beta, as {\"agent\":\"...\",\"content\":\"...\"}");
	assert_true(
	    world_changes >= changes + 2); /* who watches events is told of both */
	first->removed = true;
	put(fd, "the only one\n{\"content\":\"gone\",\"agent\":\"alpha\"}\n");
	turn_loop(2, 3000);
	turn_loop(-1, 50);
	assert_string_equal(texts(), "named|the only one");
	assert_string_equal(
	    world_sql("SELECT cause FROM events WHERE entity = 'fifo' AND "
		      "new = 'refused' ORDER BY seq DESC LIMIT 1"),
	    "there is no such agent \"alpha\" (there is: beta)");
	close(fd);
}

static const char *
last_refusal(void)
{
	return world_sql("SELECT id || ': ' || cause FROM events WHERE entity = 'fifo' "
			 "AND new = 'refused' ORDER BY seq DESC LIMIT 1");
}

/* What a shell's `> in.x` makes where nobody made a FIFO: its lines reach nobody. */
static void
a_file_in_a_fifo_s_place_is_told(void **state)
{
	FILE *f;

	(void)state;
	fifos_watch(&world);
	f = fopen(RUN_DIR "/in.jira", "w");
	assert_non_null(f);
	fputs("lost?\n", f);
	fclose(f);
	turn_loop(-1, 50);
	assert_non_null(strstr(last_refusal(), "in.jira: it is a file"));
	assert_non_null(strstr(world.refused, "remove it, then mkfifo"));
	unlink(RUN_DIR "/in.jira");
}

static void
a_content_that_is_no_text_is_named(void **state)
{
	int fd;

	(void)state;
	fifos_watch(&world);
	fd = writer();
	put(fd, "{\"content\":5,\"agent\":\"main\"}\n");
	turn_loop(-1, 50);
	assert_non_null(strstr(last_refusal(), "its \"content\" is no string"));
	put(fd, "{\"content\":\" \",\"agent\":\"main\"}\n");
	turn_loop(-1, 50);
	assert_non_null(strstr(last_refusal(), "its \"content\" is empty"));
	close(fd);
	assert_int_equal(messages(), 0);
}

static void
bytes_that_are_no_text(void **state)
{
	static const char nul[] = "half\0rest\nnext\n";
	int fd;

	(void)state;
	fifos_watch(&world);
	fd = writer();
	put(fd, "bad \xff\xfe utf8\n");
	assert_int_equal(write(fd, nul, sizeof(nul) - 1), sizeof(nul) - 1);
	close(fd);
	turn_loop(2, 3000);
	turn_loop(-1, 50);
	/* half a line is worse than none */
	assert_string_equal(
	    world_sql("SELECT text FROM messages ORDER BY id DESC LIMIT 1"), "next");
	assert_int_equal(messages(), 2);
	assert_string_equal(
	    world_sql(
		"SELECT count(*) FROM events WHERE entity = 'fifo' AND new = 'refused'"),
	    "1");
}

static void
messages_expire_as_others_do(void **state)
{
	int fd;

	(void)state;
	world.settings.expire_ms = 60000;
	fifos_watch(&world);
	fd = writer();
	put(fd, "x\n");
	close(fd);
	turn_loop(1, 3000);
	assert_string_equal(
	    world_sql("SELECT expires_at - created_at >= 59000 FROM messages"), "1");
}

static void
a_channel_has_a_fifo_of_its_own(void **state)
{
	int fd;

	(void)state;
	fifos_watch(&world);
	assert_int_equal(mkfifo(RUN_DIR "/in.work", 0600), 0); /* made while we watch */
	assert_int_equal(mkfifo(RUN_DIR "/in.BAD", 0600), 0);
	assert_int_equal(mkfifo(RUN_DIR "/inner", 0600), 0);
	turn_loop(-1, 100);
	fd = open(RUN_DIR "/in.work", O_WRONLY | O_NONBLOCK);
	assert_true(fd != -1);
	put(fd, "x\n");
	close(fd);
	turn_loop(1, 2000);
	assert_string_equal(world_sql("SELECT channel FROM messages"), "work");
	assert_int_equal(
	    open(RUN_DIR "/in.BAD", O_WRONLY | O_NONBLOCK), -1); /* nobody reads it */
	assert_int_equal(open(RUN_DIR "/inner", O_WRONLY | O_NONBLOCK), -1);
}

static void
a_fifo_made_anew_is_followed(void **state)
{
	int fd;

	(void)state;
	fifos_watch(&world);
	fd = writer();
	put(fd, "old\n");
	turn_loop(1, 2000);
	unlink(IN);
	assert_int_equal(mkfifo(IN, 0600), 0);
	turn_loop(-1, 100);
	close(fd);
	fd = open(IN, O_WRONLY | O_NONBLOCK);
	assert_true(fd != -1);
	put(fd, "new\n");
	close(fd);
	turn_loop(2, 2000);
	unlink(IN);
	turn_loop(-1, 50);
	/* what is no FIFO is left alone */
	assert_int_equal(mkdir(IN, 0700), 0);
	turn_loop(-1, 50);
	assert_string_equal(texts(), "old|new");
}

/* ---- long lines ---- */

static char *
long_text(size_t len, const char *end)
{
	char *text = malloc(len + strlen(end) + 1);

	memset(text, 'x', len);
	strcpy(text + len, end);
	return text;
}

static void
refuses_only_what_is_too_long(size_t size, size_t piece)
{
	char *text = long_text(size, "\nnext\n");
	pid_t pid;

	fifos_watch(&world);
	pid = write_in_child(text, strlen(text), piece);
	turn_loop(1, 8000);
	wait_for(pid);
	turn_loop(-1, 50);
	assert_string_equal(texts(), "next");
	free(text);
}

static void
a_line_over_a_mebibyte_is_refused(void **state)
{
	(void)state;
	refuses_only_what_is_too_long(3 << 20, 1 << 16);
}

/* A pipe is full of pages, not of bytes: writes of half a page and one fill it with half
 * as many. */
static void
also_in_pieces_that_fill_pages_badly(void **state)
{
	(void)state;
	refuses_only_what_is_too_long(3 << 20, 2049);
}

static void
also_where_pipes_stay_small(void **state)
{
	(void)state;
	no_big_pipes = true;
	refuses_only_what_is_too_long(300000, 1 << 16);
}

static void
an_endless_line_without_an_end(void **state)
{
	char *text = long_text(3 << 20, "");
	pid_t pid;

	(void)state;
	fifos_watch(&world);
	pid = write_in_child(text, strlen(text), 1 << 16);
	turn_loop(-1, 1000);
	wait_for(pid);
	/* its writer is gone: what comes now is another's line */
	int fd = writer();
	put(fd, "another's\n");
	close(fd);
	turn_loop(1, 3000);
	turn_loop(-1, 50);
	assert_string_equal(texts(), "another's");
	free(text);
}

static void
just_below_a_mebibyte_is_a_message(void **state)
{
	char *text = long_text(1000000, "\n");
	pid_t pid;

	(void)state;
	fifos_watch(&world);
	pid = write_in_child(text, strlen(text), 1 << 16);
	turn_loop(1, 8000);
	wait_for(pid);
	assert_string_equal(world_sql("SELECT length(text) FROM messages"), "1000000");
	free(text);
}

/* ---- many ---- */

static void
five_writers_lose_nothing(void **state)
{
	enum { WRITERS = 5, LINES = 100 };
	pid_t pids[WRITERS];

	(void)state;
	fifos_watch(&world);
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		if (pids[w] == 0) {
			int fd = open(IN, O_WRONLY);
			char line[300];

			for (int i = 0; i < LINES; i++) {
				int n = snprintf(line, sizeof(line), "%d %d %0*d\n", w, i,
				    i * 2 + 1, 0);

				if (write(fd, line, (size_t)n) != n)
					_exit(1);
			}
			_exit(0);
		}
	}
	turn_loop(WRITERS * LINES, 30000);
	for (int w = 0; w < WRITERS; w++)
		wait_for(pids[w]);
	turn_loop(-1, 50);
	assert_string_equal(
	    world_sql("SELECT count(*) || ' ' || count(DISTINCT text) FROM messages"),
	    "500 500");
	/* and in each writer's order */
	for (int w = 0; w < WRITERS; w++)
		assert_string_equal(
		    world_sql("SELECT count(*) FROM (SELECT substr(text, 3) + 0 AS n, "
			      "row_number() OVER (ORDER BY id) - 1 AS r FROM messages "
			      "WHERE text "
			      "LIKE '%d %%') WHERE n <> r",
			w),
		    "0");
}

/* The pipe is full, and its end is in the middle of a line: that is no long line. */
static void
a_full_pipe_of_short_lines_loses_none(void **state)
{
	struct buf all = BUF_INIT;
	pid_t pid;

	(void)state;
	for (int i = 0; i < 600; i++)
		buf_addf(&all, "%d %0*d\n", i, 2990, 0);
	fifos_watch(&world);
	pid = write_in_child(all.data, all.len, all.len);
	usleep(200000); /* full before we look */
	turn_loop(600, 30000);
	wait_for(pid);
	turn_loop(-1, 50);
	assert_string_equal(
	    world_sql("SELECT count(*) || ' ' || count(DISTINCT text) || ' ' || "
		      "min(length(text)) FROM messages"),
	    "600 600 2992");
	buf_free(&all);
}

/* ---- death, and work ---- */

static void
live_and_die(void)
{
	db_close(world.db);
	world.db = store_open(world_db);
	world.loop = loop_new();
	die_after_commit = true;
	fifos_watch(&world);
	turn_loop(-1, 3000);
	_exit(0);
}

static void
a_death_after_the_commit_repeats_the_line(void **state)
{
	int fd = writer(), status;
	pid_t pid;

	(void)state;
	put(fd, "one\ntwo\n");
	close(fd);
	pid = fork();
	if (pid == 0)
		live_and_die();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_string_equal(texts(), "one");
	fifos_watch(&world);
	turn_loop(3, 3000);
	turn_loop(-1, 50);
	assert_string_equal(texts(), "one|one|two");
}

static void
a_full_queue_keeps_the_lines_in_the_fifo(void **state)
{
	int fd;

	(void)state;
	world.settings.max_queue = 2;
	fifos_watch(&world);
	fd = writer();
	put(fd, "one\ntwo\nthree\n{\"content\":\"four\",\"agent\":\"alpha\"}\n");
	turn_loop(2, 5000);
	turn_loop(-1, 100);
	assert_string_equal(texts(), "one|two");
	world_sql("UPDATE messages SET state = 'answered'");
	turn_loop(4, 5000);
	assert_string_equal(texts(), "one|two|three|four");
	close(fd);
}

static void
half_a_line_is_no_work(void **state)
{
	int fd, before;

	(void)state;
	fifos_watch(&world);
	fd = writer();
	put(fd, "half");
	turn_loop(-1, 1500);
	if (tees > 20)
		fail_msg("%d looks at half a line", tees);
	put(fd, " whole\n");
	turn_loop(1, 2000); /* and is not forgotten over it */
	assert_string_equal(texts(), "half whole");
	/* a writer that stays and says nothing */
	before = tees;
	turn_loop(-1, 300);
	assert_true(tees - before <= 2);
	close(fd);
	turn_loop(-1, 200);
	/* and none at all */
	before = tees;
	turn_loop(-1, 500);
	if (tees - before > 2)
		fail_msg("%d looks at an empty FIFO", tees - before);
	fd = writer();
	put(fd, "again\n");
	close(fd);
	turn_loop(2, 2000);
}

static void
no_writer_ever_is_no_work(void **state)
{
	(void)state;
	fifos_watch(&world);
	turn_loop(-1, 500);
	assert_true(tees <= 3);
}

/* Without src/fifo to hold it, a line may not be lost between one writer and the next. */
static void
without_a_holder_nothing_is_lost(void **state)
{
	(void)state;
	close(holder);
	holder = -1;
	fifos_watch(&world);
	for (int i = 1; i <= 50; i++) {
		int fd = open(IN, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		assert_true(fd != -1); /* somebody reads at any time */
		put(fd, "x\n");
		close(fd);
		turn_loop(i, 2000);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_line_is_a_message),
	    TEST(what_was_written_before_us_is_read),
	    TEST(a_writer_that_leaves_ends_its_line),
	    TEST(json_names_more),
	    TEST(a_line_for_nobody_in_particular),
	    TEST(a_file_in_a_fifo_s_place_is_told),
	    TEST(a_content_that_is_no_text_is_named),
	    TEST(bytes_that_are_no_text),
	    TEST(messages_expire_as_others_do),
	    TEST(a_channel_has_a_fifo_of_its_own),
	    TEST(a_fifo_made_anew_is_followed),
	    TEST(a_line_over_a_mebibyte_is_refused),
	    TEST(also_in_pieces_that_fill_pages_badly),
	    TEST(also_where_pipes_stay_small),
	    TEST(an_endless_line_without_an_end),
	    TEST(just_below_a_mebibyte_is_a_message),
	    TEST(five_writers_lose_nothing),
	    TEST(a_full_pipe_of_short_lines_loses_none),
	    TEST(a_death_after_the_commit_repeats_the_line),
	    TEST(a_full_queue_keeps_the_lines_in_the_fifo),
	    TEST(half_a_line_is_no_work),
	    TEST(no_writer_ever_is_no_work),
	    TEST(without_a_holder_nothing_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
