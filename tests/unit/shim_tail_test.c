#include "await.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "buf.h"
#include "shim/tail.h"

static char dir[64], path[128];
static struct tail *tail;

/* A launcher that remembers. */
static struct {
	bool up, acks;
	struct {
		int64_t from, next;
		char *text;
		size_t len;
		bool eof, reset;
		uint64_t id;
	} line[1000];
	size_t count, acked;
} got;

static bool
take(const struct tail_line *l, uint64_t id, void *ctx)
{
	(void)ctx;
	if (!got.up)
		return false;
	assert_true(got.count < COUNT(got.line));
	assert_string_equal(l->path, path);
	got.line[got.count].from = l->from;
	got.line[got.count].next = l->next;
	got.line[got.count].text = l->text == NULL ? NULL : strndup(l->text, l->len);
	got.line[got.count].len = l->len;
	got.line[got.count].eof = l->eof;
	got.line[got.count].reset = l->reset;
	got.line[got.count++].id = id;
	return true;
}

static void
forget(void)
{
	for (size_t i = 0; i < got.count; i++)
		free(got.line[i].text);
	got.count = got.acked = 0;
}

static int
setup(void **state)
{
	(void)state;
	unit_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/p/t.jsonl", dir);
	loop_begin();
	got.up = got.acks = true;
	tail = tail_new(loop, take, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tail_free(tail);
	loop_end();
	forget();
	unit_rmdir(dir);
	return 0;
}

/* The launcher acknowledges what it gets. */
static size_t
said(void)
{
	while (got.acks && got.acked < got.count)
		tail_acked(tail, got.line[got.acked++].id);
	return got.count;
}

static void
append(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
follow(int64_t from)
{
	static const char *const match[] = {"yes", "also"};

	tail_follow(tail, path, from, match, 2);
}

static void
assert_line(size_t i, int64_t from, int64_t next, const char *text)
{
	assert_true(i < got.count);
	assert_int_equal(got.line[i].from, from);
	assert_int_equal(got.line[i].next, next);
	if (text == NULL)
		assert_null(got.line[i].text);
	else
		assert_string_equal(got.line[i].text, text);
}

/* ---- tests ---- */

static void
a_file_that_comes_later_is_found(void **state)
{
	(void)state;
	follow(0);
	assert_int_equal(got.count, 1); /* nothing there: that is its end */
	assert_true(got.line[0].eof);
	assert_line(0, 0, 0, NULL);
	append("no\nyes\n");
	await(2);
	assert_line(1, 3, 7, "yes");
	assert_false(got.line[1].eof);
}

static void
only_whole_lines_that_match(void **state)
{
	(void)state;
	assert_int_equal(
	    mkdir((snprintf(path, sizeof(path), "%s/t", dir), path), 0700), 0);
	snprintf(path, sizeof(path), "%s/t/x", dir);
	append("yes 1\nno\nalso 2\nyes half");
	follow(0);
	assert_int_equal(got.count, 3);
	assert_line(0, 0, 6, "yes 1");
	assert_line(1, 9, 16, "also 2");
	assert_true(got.line[2].eof);
	append(" and whole\n");
	await(4);
	assert_line(3, 16, 35, "yes half and whole");
}

static void
from_where_the_launcher_is(void **state)
{
	(void)state;
	follow(0);
	append("yes 1\nyes 2\n");
	await(3);
	forget();
	follow(6);
	assert_int_equal(got.count, 2);
	assert_line(0, 6, 12, "yes 2");
	assert_true(got.line[1].eof);
	assert_line(1, 12, 12, NULL);
}

static void
progress_is_told_within_a_second(void **state)
{
	(void)state;
	follow(0);
	append("no\nno\nno");
	int64_t begun = mono_ms();
	await(2);
	assert_line(1, 0, 6, NULL);
	assert_true(mono_ms() - begun < TAIL_PROGRESS_MS + 500);
	turn(3, TAIL_PROGRESS_MS + 200);
	assert_int_equal(got.count, 2); /* once is enough */
}

static void
progress_is_told_every_so_many_bytes(void **state)
{
	(void)state;
	struct buf text = BUF_INIT;

	follow(0);
	while (text.len < 5 * TAIL_PROGRESS_BYTES)
		buf_adds(&text, "nothing of interest in this line\n");
	append(text.data);
	await(6);
	for (size_t i = 1; i < got.count; i++) {
		assert_int_equal(got.line[i].from, got.line[i - 1].next);
		assert_true(
		    got.line[i].next - got.line[i].from <= TAIL_PROGRESS_BYTES + 64);
	}
	buf_free(&text);
}

static void
a_window_is_under_way(void **state)
{
	(void)state;
	got.acks = false;
	follow(0);
	for (int i = 0; i < TAIL_WINDOW + 10; i++)
		append("yes\n");
	settle(50);
	assert_int_equal(got.count, TAIL_WINDOW);
	got.acks = true;
	await(TAIL_WINDOW + 11);
	for (size_t i = 1; i < got.count; i++)
		assert_line(i, (int64_t)(i - 1) * 4, (int64_t)i * 4, "yes");
}

static void
a_window_is_bounded_in_bytes(void **state)
{
	(void)state;
	struct buf line = BUF_INIT;

	buf_adds(&line, "yes");
	while (line.len < 1 << 20)
		buf_adds(&line,
		    "................................................................");
	buf_addc(&line, '\n');
	got.acks = false;
	follow(0);
	for (int i = 0; i < 6; i++)
		append(line.data);
	settle(50);
	assert_int_equal(got.count, 3); /* eof and two lines */
	got.acks = true;
	await(7);
	buf_free(&line);
}

static void
unacknowledged_lines_come_again(void **state)
{
	(void)state;
	follow(0);
	append("yes 1\n");
	await(2);
	settle(50);
	got.acks = false;
	append("no\nyes 2\nyes 3\n");
	await(4);
	got.up = false;
	tail_stop(tail);
	append("yes 4\n");
	settle(50);
	forget();
	got.up = true;
	tail_rewind(tail);
	await(3);
	assert_line(0, 9, 15, "yes 2");
	assert_line(1, 15, 21, "yes 3");
	assert_line(2, 21, 27, "yes 4");
}

static void
a_shorter_file_is_read_anew(void **state)
{
	(void)state;
	follow(0);
	append("yes 1\nyes 2\n");
	await(3);
	settle(50);
	assert_int_equal(truncate(path, 0), 0);
	await(4);
	assert_true(got.line[3].reset);
	assert_line(3, 0, 0, NULL);
	append("yes 3\n");
	await(5);
	assert_line(4, 0, 6, "yes 3");
	assert_false(got.line[4].reset);
}

static void
a_file_shorter_than_expected_is_read_anew(void **state)
{
	(void)state;
	follow(0);
	append("yes 1\n");
	await(2);
	forget();
	follow(1000);
	assert_int_equal(got.count, 3);
	assert_true(got.line[0].reset);
	assert_line(1, 0, 6, "yes 1");
	assert_true(got.line[2].eof);
}

static void
a_file_in_its_place_is_read_anew(void **state)
{
	char other[160];

	(void)state;
	follow(0);
	append("yes 1\n");
	await(2);
	settle(50);
	snprintf(other, sizeof(other), "%s.new", path);
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	fputs("yes another, longer one\n", f);
	fclose(f);
	assert_int_equal(rename(other, path), 0);
	await(4);
	assert_true(got.line[2].reset);
	assert_line(3, 0, 24, "yes another, longer one");
}

static void
a_reset_nobody_heard_is_said_again(void **state)
{
	(void)state;
	follow(0);
	append("yes 1\n");
	await(2);
	settle(50);
	got.acks = false;
	assert_int_equal(truncate(path, 0), 0);
	await(3);
	forget();
	tail_rewind(tail);
	assert_int_equal(got.count, 1);
	assert_true(got.line[0].reset);
}

static void
a_line_too_long_is_skipped(void **state)
{
	(void)state;
	struct buf text = BUF_INIT;

	buf_adds(&text, "yes");
	while (text.len <= TAIL_LINE_MAX)
		buf_adds(&text,
		    "................................................................");
	follow(0);
	append(text.data);
	settle(50);
	append("......");
	settle(50);
	append("\nyes\n");
	int64_t after = (int64_t)text.len + 7;
	await(2);
	turn(3, 200);
	assert_line(got.count - 1, after, after + 4, "yes");
	assert_int_equal(got.count, 3);
	assert_line(1, 0, after, NULL);
	buf_free(&text);
}

static void
another_file_replaces_the_first(void **state)
{
	(void)state;
	follow(0);
	append("yes 1\n");
	await(2);
	settle(50);
	forget();
	char *first = strdup(path);
	snprintf(path, sizeof(path), "%s/q/other", dir);
	follow(0);
	append("yes 2\n");
	await(2);
	assert_line(1, 0, 6, "yes 2");
	char *second = strdup(path);
	strcpy(path, first);
	append("yes 3\n"); /* would fail in take() */
	strcpy(path, second);
	settle(50);
	assert_int_equal(got.count, 2);
	free(first);
	free(second);
}

static void
a_directory_that_goes_and_comes_back(void **state)
{
	char p[128];

	(void)state;
	follow(0);
	append("yes 1\n");
	await(2);
	settle(50);
	snprintf(p, sizeof(p), "%s/p", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(p), 0);
	settle(50);
	assert_int_equal(mkdir(p, 0700), 0);
	append("yes 2, longer\n");
	await(4);
	assert_true(got.line[2].reset);
	assert_line(3, 0, 14, "yes 2, longer");
}

static void
what_is_no_file_is_not_read(void **state)
{
	(void)state;
	char p[128];

	snprintf(p, sizeof(p), "%s/p", dir);
	assert_int_equal(mkdir(p, 0700), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	follow(0);
	settle(50);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	settle(50);
	assert_int_equal(got.count, 1); /* only eof */
}

static void
draining_says_all(void **state)
{
	(void)state;
	follow(0);
	settle(50);
	append("yes 1\nno\n");
	tail_drain(tail); /* before inotify was read */
	await(3);
	assert_line(1, 0, 6, "yes 1");
	assert_line(2, 6, 9, NULL);
	settle(50);
	assert_true(tail_idle(tail));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    T(a_file_that_comes_later_is_found),
	    T(only_whole_lines_that_match),
	    T(from_where_the_launcher_is),
	    T(progress_is_told_within_a_second),
	    T(progress_is_told_every_so_many_bytes),
	    T(a_window_is_under_way),
	    T(a_window_is_bounded_in_bytes),
	    T(unacknowledged_lines_come_again),
	    T(a_shorter_file_is_read_anew),
	    T(a_file_shorter_than_expected_is_read_anew),
	    T(a_file_in_its_place_is_read_anew),
	    T(a_reset_nobody_heard_is_said_again),
	    T(a_line_too_long_is_skipped),
	    T(another_file_replaces_the_first),
	    T(a_directory_that_goes_and_comes_back),
	    T(what_is_no_file_is_not_read),
	    T(draining_says_all),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
