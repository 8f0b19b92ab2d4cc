#include "tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "buf.h"

static void
write_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void
grows_and_stays_terminated(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;

	assert_string_equal(buf_str(&b), "");
	buf_add(&b, NULL, 0);
	assert_non_null(b.data);
	for (int i = 0; i < 1000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.data[b.len], 0);
	}
	buf_adds(&b, "|");
	buf_addf(&b, "%0200d", 7);
	assert_int_equal(b.len, 1201);
	assert_int_equal(strlen(b.data), 1201);
	buf_free(&b);
	assert_null(b.data);
}

static void
front_is_cut(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;

	buf_cut_front(&b, 0);
	buf_adds(&b, "hello world");
	buf_cut_front(&b, 6);
	assert_string_equal(buf_str(&b), "world");
	buf_cut_front(&b, 5);
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "x");
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
}

static void
taking_gives_the_memory_away(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	char *empty = buf_take(&b);

	assert_string_equal(empty, "");
	buf_adds(&b, "mine");
	char *text = buf_take(&b);
	assert_string_equal(text, "mine");
	assert_int_equal(b.len, 0);
	free(empty);
	free(text);
}

static void
a_file_is_read_up_to_its_limit(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	char path[128], big[70000];

	memset(big, 'z', sizeof(big));
	snprintf(path, sizeof(path), "%s/file", dir);
	write_file(path, big, sizeof(big));
	buf_adds(&b, "+");
	assert_int_equal(buf_read_file(&b, path, sizeof(big)), 0);
	assert_int_equal(b.len, sizeof(big) + 1);
	assert_int_equal(buf_read_file(&b, path, sizeof(big) - 1), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(b.len, sizeof(big) + 1);
	write_file(path, "", 0);
	assert_int_equal(buf_read_file(&b, path, 0), 0);
	buf_free(&b);
	assert_int_equal(buf_read_file(&b, "/proc/self/stat", 4096), 0);
	assert_true(b.len > 20);
	buf_free(&b);
}

static void
only_a_regular_file_is_read(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	char link[128], fifo[128];

	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(symlink("/etc/hostname", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(buf_read_file(&b, link, 100), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(buf_read_file(&b, fifo, 100), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(buf_read_file(&b, dir, 100), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(buf_read_file(&b, "/nowhere/at/all", 100), -1);
	assert_int_equal(errno, ENOENT);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grows_and_stays_terminated),
	    cmocka_unit_test(front_is_cut),
	    cmocka_unit_test(taking_gives_the_memory_away),
	    DIR_TEST(a_file_is_read_up_to_its_limit),
	    DIR_TEST(only_a_regular_file_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
