#include "unit.h"

#include <errno.h>
#include <sys/stat.h>

#include "buf.h"
#include "shim/spool.h"

static char dir[64], path[128];

/* A launcher that remembers. */
static struct {
	bool up;
	char *lines[100];
	uint64_t ids[100];
	size_t count;
} got;

static bool
take(const char *line, size_t len, uint64_t id, void *ctx)
{
	(void)ctx;
	if (!got.up)
		return false;
	assert_true(got.count < COUNT(got.lines));
	got.lines[got.count] = strndup(line, len);
	got.ids[got.count++] = id;
	return true;
}

static void
forget(void)
{
	for (size_t i = 0; i < got.count; i++)
		free(got.lines[i]);
	got.count = 0;
}

static int
setup(void **state)
{
	(void)state;
	unit_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/hooks.jsonl", dir);
	got.up = true;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	forget();
	unit_rmdir(dir);
	return 0;
}

static void
put(const char *text)
{
	unit_put(path, text);
}

static off_t
size(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
add(struct spool *s, int seq)
{
	char line[128];
	int len = snprintf(
	    line, sizeof(line), "{\"instance\":\"I\",\"seq\":%d,\"hook\":{}}", seq);

	assert_int_equal(spool_add(s, line, (size_t)len, false), 0);
}

static void
assert_seq(size_t i, int seq)
{
	char part[32];

	snprintf(part, sizeof(part), "\"seq\":%d,", seq);
	assert_true(i < got.count);
	assert_non_null(strstr(got.lines[i], part));
}

#define OLD(seq) "{\"instance\":\"OLD\",\"seq\":" #seq ",\"hook\":{}}\n"

static void
in_order_and_emptied_when_all_is_acknowledged(void **state)
{
	(void)state;
	struct spool *s = spool_open(path, take, NULL);

	spool_rewind(s);
	for (int i = 1; i <= 3; i++)
		add(s, i);
	assert_int_equal(got.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_seq(i, (int)i + 1);
	spool_acked(s, got.ids[1]); /* out of order */
	spool_acked(s, got.ids[0]);
	assert_true(size() > 0);
	spool_acked(s, got.ids[2]);
	assert_true(spool_empty(s));
	assert_int_equal(size(), 0);
	add(s, 4);
	assert_seq(3, 4);
	spool_free(s);
}

static void
no_more_than_a_window_is_under_way(void **state)
{
	(void)state;
	struct spool *s = spool_open(path, take, NULL);

	spool_rewind(s);
	for (int i = 1; i <= SPOOL_WINDOW + 5; i++)
		add(s, i);
	assert_int_equal(got.count, SPOOL_WINDOW);
	spool_acked(s, got.ids[0]);
	assert_int_equal(got.count, SPOOL_WINDOW + 1);
	assert_seq(SPOOL_WINDOW, SPOOL_WINDOW + 1);
	spool_free(s);
}

static void
all_that_is_unacknowledged_comes_again(void **state)
{
	(void)state;
	struct spool *s = spool_open(path, take, NULL);

	spool_rewind(s);
	for (int i = 1; i <= 4; i++)
		add(s, i);
	spool_acked(s, got.ids[0]);
	uint64_t second = got.ids[1];
	got.up = false;
	forget();
	add(s, 5);
	assert_int_equal(got.count, 0);
	got.up = true;
	spool_rewind(s);
	assert_int_equal(got.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_seq(i, (int)i + 2);
	spool_acked(s, second); /* twice, and unknown ones */
	spool_acked(s, second);
	spool_acked(s, 999);
	for (size_t i = 0; i < 4; i++)
		spool_acked(s, got.ids[i]);
	assert_true(spool_empty(s));
	assert_int_equal(size(), 0);
	spool_free(s);
}

static void
leftovers_come_first(void **state)
{
	(void)state;
	put(OLD(7) OLD(8));
	struct spool *s = spool_open(path, take, NULL);

	assert_int_equal(got.count, 0);
	add(s, 1);
	spool_rewind(s);
	assert_int_equal(got.count, 3);
	assert_string_equal(got.lines[0], "{\"instance\":\"OLD\",\"seq\":7,\"hook\":{}}");
	assert_seq(1, 8);
	assert_seq(2, 1);
	spool_free(s);
	/* and are kept as long as nobody took them */
	s = spool_open(path, take, NULL);
	spool_rewind(s);
	assert_int_equal(got.count, 6);
	spool_free(s);
}

static void
a_torn_line_is_dropped_bad_ones_are_skipped(void **state)
{
	(void)state;
	put(OLD(1) "garbage\n\n{\"seq\":3,\"hook\":{}}\n" OLD(
	    4) "{\"instance\":\"OLD\",\"se");
	struct spool *s = spool_open(path, take, NULL);

	add(s, 5);
	spool_rewind(s);
	assert_int_equal(got.count, 3);
	assert_seq(0, 1);
	assert_seq(1, 4);
	assert_seq(2, 5);
	spool_free(s);
}

static void
only_bad_lines_empty_the_file(void **state)
{
	(void)state;
	put("garbage\nmore");
	struct spool *s = spool_open(path, take, NULL);

	assert_true(spool_empty(s));
	assert_int_equal(size(), 0);
	spool_free(s);
}

static void
a_torn_line_at_every_byte(void **state)
{
	(void)state;
	const char whole[] = OLD(1) OLD(2);
	const size_t first = strlen(OLD(1));

	for (size_t cut = 0; cut < sizeof(whole); cut++) {
		char text[sizeof(whole)] = "";

		memcpy(text, whole, cut);
		put(text);
		struct spool *s = spool_open(path, take, NULL);
		spool_rewind(s);
		assert_int_equal(got.count, cut / first);
		assert_int_equal(size(), (off_t)(cut / first * first));
		spool_free(s);
		forget();
	}
}

static void
what_is_too_long_is_refused(void **state)
{
	(void)state;
	struct spool *s = spool_open(path, take, NULL);
	char *line = calloc(SPOOL_LINE_MAX + 1, 1);

	memset(line, 'x', SPOOL_LINE_MAX + 1);
	assert_int_equal(spool_add(s, line, SPOOL_LINE_MAX + 1, false), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(size(), 0);
	free(line);
	spool_free(s);
}

static void
large_lines_go_few_at_a_time(void **state)
{
	(void)state;
	struct spool *s = spool_open(path, take, NULL);
	struct buf line = BUF_INIT;

	buf_adds(&line, "{\"instance\":\"I\",\"seq\":1,\"hook\":{\"x\":\"");
	while (line.len < 5 << 20)
		buf_adds(&line,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	buf_adds(&line, "\"}}");
	for (int i = 0; i < 5; i++)
		assert_int_equal(spool_add(s, line.data, line.len, true), 0);
	spool_rewind(s);
	assert_int_equal(got.count, 2);
	for (size_t i = 0; i < 5; i++)
		spool_acked(s, got.ids[i]);
	assert_int_equal(got.count, 5);
	assert_int_equal(size(), 0);
	buf_free(&line);
	spool_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    T(in_order_and_emptied_when_all_is_acknowledged),
	    T(no_more_than_a_window_is_under_way),
	    T(all_that_is_unacknowledged_comes_again),
	    T(leftovers_come_first),
	    T(a_torn_line_is_dropped_bad_ones_are_skipped),
	    T(only_bad_lines_empty_the_file),
	    T(a_torn_line_at_every_byte),
	    T(what_is_too_long_is_refused),
	    T(large_lines_go_few_at_a_time),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
