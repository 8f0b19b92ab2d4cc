/* /run/berth/in, in a directory of the test's own (RUN_DIR). */
#include "unit.h"

#include <grp.h>
#include <sys/stat.h>

#include "infifo.h"
#include "paths.h"

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf '" RUN_DIR "' && mkdir -p '" RUN_DIR "' && "
				"chmod 1771 '" RUN_DIR "' && chgrp 900 '" RUN_DIR "'"),
	    0);
	return 0;
}

static void
is_fifo_of(uid_t uid)
{
	struct stat st;

	assert_int_equal(lstat(IN_FIFO, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0620);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, GID_FIFO);
	assert_int_equal(system("test \"$(ls -A '" RUN_DIR "')\" = in"), 0);
}

static void
put(const char *text)
{
	unit_put(IN_FIFO, text);
}

static void
it_is_made_once(void **state)
{
	struct stat before, after;
	mode_t old = umask(077);

	(void)state;
	assert_int_equal(infifo_make(UID_BERTH), 0);
	umask(old);
	is_fifo_of(UID_BERTH);
	assert_int_equal(stat(IN_FIFO, &before), 0);
	assert_int_equal(infifo_make(UID_BERTH), 0);
	assert_int_equal(stat(IN_FIFO, &after), 0);
	assert_true(before.st_ino == after.st_ino);
}

/* README's own `> /run/berth/in`, before there was one. */
static void
a_file_in_its_place_is_replaced(void **state)
{
	(void)state;
	put("lost\n");
	assert_int_equal(infifo_make(UID_BERTH), 0);
	is_fifo_of(UID_BERTH);
}

static void
a_link_in_its_place_is_not_followed(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(symlink("/etc/passwd", IN_FIFO), 0);
	assert_int_equal(infifo_make(UID_BERTH), 0);
	is_fifo_of(UID_BERTH);
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_int_equal(st.st_mode & S_IFMT, S_IFREG);
}

static void
as_berth(void *arg)
{
	gid_t groups[] = {UID_BERTH, GID_FIFO};

	(void)arg;
	if (setgroups(2, groups) == -1 || setgid(UID_BERTH) == -1 ||
	    setuid(UID_BERTH) == -1)
		_exit(99);
	_exit(infifo_make((uid_t)-1) == 0 ? 0 : 1);
}

static void
berth_replaces_its_own_and_tells_of_roots(void **state)
{
	char said[1024];
	struct stat st;

	(void)state;
	assert_int_equal(unit_in_child(as_berth, NULL, said, sizeof(said)), 0);
	is_fifo_of(UID_BERTH);
	assert_int_equal(unlink(IN_FIFO), 0);
	put("lost\n");
	assert_int_equal(unit_in_child(as_berth, NULL, said, sizeof(said)), 1);
	assert_non_null(strstr(said, "/in is no FIFO, and the 5 bytes in it reach"));
	assert_int_equal(lstat(IN_FIFO, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(system("test \"$(ls -A '" RUN_DIR "')\" = in"), 0);
	assert_int_equal(lchown(IN_FIFO, UID_BERTH, UID_BERTH), 0);
	assert_int_equal(unit_in_child(as_berth, NULL, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "/in was no FIFO: it is replaced, and the 5 bytes"));
	is_fifo_of(UID_BERTH);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    TEST(it_is_made_once),
	    TEST(a_file_in_its_place_is_replaced),
	    TEST(a_link_in_its_place_is_not_followed),
	    TEST(berth_replaces_its_own_and_tells_of_roots),
	};

	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
