#include "testloop.h"

#include <errno.h>
#include <sys/stat.h>

#include "buf.h"
#include "ipc.h"

static struct bell *bell;
static struct buf seen;
static char dir[64];

static void
on_topic(const char *topic, void *ctx)
{
	assert_ptr_equal(ctx, &bell);
	buf_addf(&seen, "%s|", topic);
	if (strcmp(topic, "stop") == 0)
		loop_stop(loop, 0);
	if (strcmp(topic, "free") == 0) {
		bell_free(bell);
		bell = NULL;
		loop_stop(loop, 0);
	}
}

static int
setup(void **state)
{
	(void)state;
	loop_begin();
	unit_tmpdir(dir);
	bell = bell_listen(loop, dir, "launcher", on_topic, &bell);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bell_free(bell);
	bell = NULL;
	buf_free(&seen);
	loop_end();
	unit_rmdir(dir);
	return 0;
}

static void
a_burst_is_folded(void **state)
{
	(void)state;
	bell_ring(dir, "launcher", "messages");
	bell_ring(dir, "launcher", "messages");
	bell_ring(dir, "launcher", "config");
	bell_ring(dir, "launcher", "messages");
	bell_ring(dir, "launcher", "stop");
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(buf_str(&seen), "messages|config|stop|");
}

static void
what_nobody_of_ours_would_ring_is_ignored(void **state)
{
	(void)state;
	char longest[64], too_long_topic[65];

	memset(longest, 'x', 63);
	longest[63] = '\0';
	memset(too_long_topic, 'y', 64);
	too_long_topic[64] = '\0';
	bell_ring(dir, "launcher", too_long_topic);
	bell_ring(dir, "launcher", "");
	bell_ring(dir, "launcher", "two words");
	bell_ring(dir, "launcher", "esc\x1b");
	bell_ring(dir, "launcher", "8bit\xff");
	bell_ring(dir, "launcher", longest);
	bell_ring(dir, "launcher", "stop");
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.len, 63 + 1 + 5);
	assert_string_equal(buf_str(&seen) + 63, "|stop|");
}

static void
ringing_never_blocks_nor_speaks(void **state)
{
	(void)state;
	errno = EXDEV;
	bell_ring(dir, "nobody", "messages");
	bell_ring("/nowhere/at/all", "nobody", "messages");
	/* Far more than a queue holds, while nobody reads. */
	for (int i = 0; i < 5000; i++)
		bell_ring(dir, "launcher", "stop");
	assert_int_equal(errno, EXDEV);
	assert_int_equal(loop_run(loop), 0);
	assert_true(strncmp(buf_str(&seen), "stop|", 5) == 0);
}

static void
a_callback_may_free_the_bell(void **state)
{
	(void)state;
	char path[128];
	struct stat st;

	bell_ring(dir, "launcher", "free");
	bell_ring(dir, "launcher", "after");
	assert_int_equal(loop_run(loop), 0);
	assert_string_equal(buf_str(&seen), "free|");
	snprintf(path, sizeof(path), "%s/launcher", dir);
	assert_int_equal(stat(path, &st), -1);
}

static void
only_its_group_may_ring(void **state)
{
	(void)state;
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/launcher", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0620);
}

int
main(void)
{
#define BELL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    BELL_TEST(a_burst_is_folded),
	    BELL_TEST(what_nobody_of_ours_would_ring_is_ignored),
	    BELL_TEST(ringing_never_blocks_nor_speaks),
	    BELL_TEST(a_callback_may_free_the_bell),
	    BELL_TEST(only_its_group_may_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
