#include "testloop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "buf.h"
#include "conn.h"

/* One conn under test: what came is written down, "line|line|", and the loop stops at
 * `stop_at` lines. */
static struct subject {
	struct conn *conn;
	int peer;
	struct buf seen;
	int lines, stop_at;
	int gone; /* -1, or the enum conn_why */
	void (*on_line)(struct conn *c);
} it;

static void
on_line(struct conn *c, char *line, size_t len, void *arg)
{
	(void)arg;
	assert_int_equal(line[len], '\0');
	buf_add(&it.seen, line, len);
	buf_addc(&it.seen, '|');
	it.lines++;
	if (it.on_line != NULL)
		it.on_line(c);
	/* Borrowed until this returns, even if the conn has been freed. */
	assert_int_equal(strlen(line), len);
	memset(line, '#', len);
	if (it.lines == it.stop_at)
		loop_stop(loop, 0);
}

static void
on_gone(struct conn *c, enum conn_why why, void *arg)
{
	assert_ptr_equal(arg, &it);
	assert_int_equal(it.gone, -1);
	it.gone = (int)why;
	it.conn = NULL;
	conn_free(c);
	loop_stop(loop, 1);
}

static const struct conn_handlers handlers = {.line = on_line, .gone = on_gone};

static int
setup(void **state)
{
	int ends[2];

	(void)state;
	loop_begin();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	it = (struct subject){.peer = ends[1], .gone = -1};
	it.conn = conn_new(loop, ends[0], ends[0], &handlers, &it);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conn_free(it.conn);
	if (it.peer >= 0)
		close(it.peer);
	buf_free(&it.seen);
	loop_end();
	return 0;
}

static void
peer_says(const char *bytes, size_t len)
{
	assert_int_equal(write(it.peer, bytes, len), len);
}

static void
run_until_lines(int count)
{
	it.stop_at = count;
	assert_int_equal(loop_run(loop), 0);
}

static void
run_until_gone(enum conn_why why)
{
	it.stop_at = -1;
	assert_int_equal(loop_run(loop), 1);
	assert_int_equal(it.gone, why);
	assert_true(strlen(conn_why_text(why)) > 0);
}

static void
lines_come_whole_however_they_were_written(void **state)
{
	(void)state;
	peer_says("one\ntw", 6);
	run_until_lines(1);
	peer_says("o\n\nthree\r\nfo", 12);
	run_until_lines(4);
	assert_string_equal(buf_str(&it.seen), "one|two||three\r|");
}

static void
what_follows_the_last_newline_is_dropped(void **state)
{
	(void)state;
	peer_says("all\nhalf", 8);
	shutdown(it.peer, SHUT_WR);
	run_until_gone(CONN_EOF);
	assert_string_equal(buf_str(&it.seen), "all|");
}

static void
a_nul_ends_the_connection(void **state)
{
	(void)state;
	peer_says("fine\nbad\0\nmore\n", 15);
	run_until_gone(CONN_NUL);
	assert_string_equal(buf_str(&it.seen), "fine|");
}

static void
a_nul_in_an_unfinished_line_too(void **state)
{
	(void)state;
	peer_says("bad\0", 4);
	run_until_gone(CONN_NUL);
}

static void
a_line_of_the_limit_passes_one_byte_more_does_not(void **state)
{
	(void)state;
	conn_limits(it.conn, 8, 1024);
	peer_says("12345678\n123456789\n", 19);
	run_until_gone(CONN_LONG);
	assert_string_equal(buf_str(&it.seen), "12345678|");
}

static void
an_endless_line_is_cut_off(void **state)
{
	(void)state;
	conn_limits(it.conn, 8, 1024);
	peer_says("123456789", 9);
	run_until_gone(CONN_LONG);
}

static void
lines_are_cut_where_that_is_wanted(void **state)
{
	(void)state;
	conn_limits(it.conn, 8, 1024);
	conn_cut_lines(it.conn);
	peer_says("one\n12345678\n1234567890", 23);
	run_until_lines(2);
	peer_says("1234567890\ntwo\n123456789\nthr", 28);
	run_until_lines(5);
	peer_says("ee\n", 3);
	run_until_lines(6);
	assert_string_equal(
	    buf_str(&it.seen), "one|12345678|12345678|two|12345678|three|");
}

static void
answer_much(struct conn *c)
{
	char *bytes = malloc(1 << 20);

	assert_non_null(bytes);
	memset(bytes, 'x', 1 << 20);
	for (int i = 0; i < 4; i++)
		conn_send(c, bytes, 1 << 20);
	assert_int_equal(it.gone, -1); /* from the loop, never from in here */
	free(bytes);
}

static void
a_slow_reader_is_cut_off(void **state)
{
	(void)state;
	conn_limits(it.conn, 1024, 2 << 20);
	it.on_line = answer_much;
	peer_says("go\nand this is not read\n", 24);
	run_until_gone(CONN_SLOW);
	assert_string_equal(buf_str(&it.seen), "go|");
}

/* Reads all the peer gets, from a watch, so that the conn is written out bit by bit. */
static size_t peer_got;

static void
peer_reads(int fd, int what, void *arg)
{
	static char bytes[65536];

	(void)what;
	(void)arg;
	ssize_t got = read(fd, bytes, sizeof(bytes));
	if (got > 0)
		peer_got += (size_t)got;
}

static void
answer_and_finish(struct conn *c)
{
	answer_much(c);
	conn_finish(c);
	conn_send(c, "too late", 8);
}

static void
finish_flushes_and_reads_no_more(void **state)
{
	(void)state;
	struct watch *w = watch_new(loop, it.peer, LOOP_READ, peer_reads, NULL);

	peer_got = 0;
	it.on_line = answer_and_finish;
	peer_says("go\nnever seen\n", 14);
	run_until_gone(CONN_EOF);
	ssize_t got;
	char bytes[4096];
	while ((got = read(it.peer, bytes, sizeof(bytes))) > 0)
		peer_got += (size_t)got;
	assert_int_equal(peer_got, 4 << 20);
	assert_string_equal(buf_str(&it.seen), "go|");
	watch_free(w);
}

static void
finish_waits_for_a_reader_that_never_comes_but_not_for_ever(void **state)
{
	(void)state;
	it.on_line = answer_and_finish;
	peer_says("go\n", 3);
	run_until_gone(CONN_SLOW);
}

static int write_error;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	if (write_error == 0)
		return __real_write(fd, data, len);
	errno = write_error;
	return -1;
}

static void
answer_in_vain(struct conn *c)
{
	write_error = ENOBUFS;
	conn_send(c, "lost\n", 5);
	write_error = 0;
}

/* The peer is there and waits: it would never see the end of it. */
static void
a_write_that_fails_for_want_of_memory_ends_it(void **state)
{
	(void)state;
	it.on_line = answer_in_vain;
	peer_says("go\n", 3);
	run_until_gone(CONN_ERROR);
}

static void
a_half_closed_peer_gets_its_answer(void **state)
{
	(void)state;
	struct watch *w = watch_new(loop, it.peer, LOOP_READ, peer_reads, NULL);
	char bytes[4096];
	ssize_t got;

	peer_got = 0;
	it.on_line = answer_much;
	peer_says("go\n", 3);
	shutdown(it.peer, SHUT_WR);
	run_until_gone(CONN_EOF);
	while ((got = read(it.peer, bytes, sizeof(bytes))) > 0)
		peer_got += (size_t)got;
	assert_int_equal(peer_got, 4 << 20);
	watch_free(w);
}

static void
answer_ok(struct conn *c)
{
	conn_send(c, "ok\n", 3);
}

static void
what_a_peer_sent_before_it_left_is_delivered(void **state)
{
	(void)state;
	it.on_line = answer_ok;
	peer_says("one\ntwo\nthree\n", 14);
	close(it.peer);
	it.peer = -1;
	run_until_gone(CONN_EOF);
	assert_string_equal(buf_str(&it.seen), "one|two|three|");
}

static void
free_at_two(struct conn *c)
{
	conn_send(c, "bye\n", 4);
	if (it.lines == 2) {
		it.conn = NULL;
		conn_free(c);
		conn_send(c, "nothing\n", 8);
		conn_finish(c);
		conn_pause(c, true);
		conn_free(c);
	}
}

static void
a_line_handler_may_free_its_conn(void **state)
{
	(void)state;
	char got[16];

	it.on_line = free_at_two;
	peer_says("one\ntwo\nthree\n", 14);
	run_until_lines(2);
	assert_string_equal(buf_str(&it.seen), "one|two|");
	assert_int_equal(read(it.peer, got, sizeof(got)), 8);
	assert_int_equal(it.gone, -1);
}

static void
a_conn_freed_after_its_end_is_not_gone(void **state)
{
	(void)state;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct conn *other = conn_new(loop, ends[0], ends[0], &handlers, NULL);
	conn_finish(other); /* gone() is due in the next turn */
	conn_free(other);
	close(ends[1]);
	peer_says("x\n", 2);
	run_until_lines(1);
	assert_int_equal(it.gone, -1);
}

static void
pause_at_two(struct conn *c)
{
	if (it.lines == 2)
		conn_pause(c, true);
}

static void
continue_reading(void *arg)
{
	assert_int_equal(it.lines, 2);
	conn_pause(arg, false);
	assert_int_equal(it.lines, 2);
}

static void
a_pause_holds_lines_back_that_are_already_here(void **state)
{
	(void)state;
	struct timer *t = timer_new(loop, continue_reading, it.conn);

	it.on_line = pause_at_two;
	peer_says("one\ntwo\nthree\nfour\n", 19);
	run_until_lines(2);
	timer_in(t, 1);
	run_until_lines(4);
	assert_string_equal(buf_str(&it.seen), "one|two|three|four|");
	timer_free(t);
}

static void
a_pair_of_pipes_is_a_connection_too(void **state)
{
	(void)state;
	int to[2], from[2];
	char got[16] = "";

	conn_free(it.conn);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	it.conn = conn_new(loop, to[0], from[1], &handlers, &it);
	assert_int_equal(conn_fd(it.conn), to[0]);
	it.on_line = answer_ok;
	assert_int_equal(write(to[1], "hi\n", 3), 3);
	run_until_lines(1);
	assert_int_equal(read(from[0], got, sizeof(got)), 3);
	assert_string_equal(got, "ok\n");
	/* The reader left: the next answer ends the connection although more could come.
	 */
	close(from[0]);
	assert_int_equal(write(to[1], "hi\n", 3), 3);
	run_until_gone(CONN_EOF);
	close(to[1]);
}

int
main(void)
{
#define CONN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CONN_TEST(lines_come_whole_however_they_were_written),
	    CONN_TEST(what_follows_the_last_newline_is_dropped),
	    CONN_TEST(a_nul_ends_the_connection),
	    CONN_TEST(a_nul_in_an_unfinished_line_too),
	    CONN_TEST(a_line_of_the_limit_passes_one_byte_more_does_not),
	    CONN_TEST(an_endless_line_is_cut_off),
	    CONN_TEST(lines_are_cut_where_that_is_wanted),
	    CONN_TEST(a_slow_reader_is_cut_off),
	    CONN_TEST(finish_flushes_and_reads_no_more),
	    CONN_TEST(finish_waits_for_a_reader_that_never_comes_but_not_for_ever),
	    CONN_TEST(a_write_that_fails_for_want_of_memory_ends_it),
	    CONN_TEST(a_half_closed_peer_gets_its_answer),
	    CONN_TEST(what_a_peer_sent_before_it_left_is_delivered),
	    CONN_TEST(a_line_handler_may_free_its_conn),
	    CONN_TEST(a_conn_freed_after_its_end_is_not_gone),
	    CONN_TEST(a_pause_holds_lines_back_that_are_already_here),
	    CONN_TEST(a_pair_of_pipes_is_a_connection_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
