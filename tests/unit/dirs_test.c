/* Directories and files that root makes for others: links are never followed. */
#include "tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "buf.h"
#include "dirs.h"

static void
assert_is(const char *path, mode_t type, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & S_IFMT, type);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void
assert_holds(const char *path, const char *text)
{
	struct buf b = BUF_INIT;

	assert_int_equal(buf_read_file(&b, path, 1 << 20), 0);
	assert_string_equal(buf_str(&b), text);
	buf_free(&b);
}

static void
a_directory_is_made_and_set_right(void **state)
{
	mode_t old = umask(077);

	(void)state;
	assert_int_equal(dir_ensure(in("d"), 0751, 1000, 1001), 0);
	assert_is(in("d"), S_IFDIR, 0751, 1000, 1001);
	assert_int_equal(dir_ensure(in("d"), 0751, 1000, 1001), 0);
	assert_int_equal(dir_ensure(in("d"), 01770, 0, 900), 0);
	assert_is(in("d"), S_IFDIR, 01770, 0, 900);
	/* setgid survives the change of owner that clears it */
	assert_int_equal(dir_ensure(in("d"), 02755, 1000, 1000), 0);
	assert_is(in("d"), S_IFDIR, 02755, 1000, 1000);
	assert_int_equal(dir_ensure(in("d"), 02755, 0, 0), 0);
	assert_is(in("d"), S_IFDIR, 02755, 0, 0);
	umask(old);
}

static void
what_is_no_directory_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in("real"), 0700), 0);
	assert_int_equal(symlink("real", in("link")), 0);
	assert_int_equal(symlink("nowhere", in("dangling")), 0);
	unit_put(in("file"), "x");
	errno = 0;
	assert_int_equal(dir_ensure(in("link"), 0777, 1000, 1000), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_is(in("real"), S_IFDIR, 0700, 0, 0);
	assert_int_equal(dir_ensure(in("dangling"), 0777, 1000, 1000), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(dir_ensure(in("file"), 0777, 1000, 1000), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_is(in("file"), S_IFREG, 0644, 0, 0);
	assert_int_equal(dir_ensure(in("no/such"), 0777, 0, 0), -1);
	assert_int_equal(errno, ENOENT);
}

static void
own(const char *path, uid_t uid)
{
	assert_int_equal(lchown(path, uid, uid), 0);
}

static int
hand_over(uid_t uid)
{
	static const char *const keep[] = {"hooks", NULL}, *const drop[] = {"lock", NULL};

	return dir_hand_over(in("d"), uid, uid, keep, drop);
}

/* PUID, or an agent's uid, has changed: its folder was the new one's, the files in it
 * still the old one's, and so it never started again. */
static void
a_directory_is_handed_over_with_its_files(void **state)
{
	(void)state;
	assert_int_equal(hand_over(1000), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(dir_ensure(in("d"), 0700, 1000, 1000), 0);
	assert_int_equal(hand_over(1001), 0); /* empty */
	unit_put(in("d/hooks"), "kept");
	unit_put(in("d/lock"), "");
	own(in("d/hooks"), 1000);
	own(in("d/lock"), 1000);
	assert_int_equal(chmod(in("d/hooks"), 0600), 0);
	assert_int_equal(hand_over(1001), 0); /* only the files are another's */
	assert_is(in("d"), S_IFDIR, 0700, 1001, 1001);
	assert_is(in("d/hooks"), S_IFREG, 0600, 1001, 1001);
	assert_holds(in("d/hooks"), "kept");
	assert_int_equal(access(in("d/lock"), F_OK), -1);
	unit_put(in("d/lock"), "");
	own(in("d/lock"), 1001);
	assert_int_equal(hand_over(1001), 0); /* nothing to do */
	assert_is(in("d/lock"), S_IFREG, 0644, 1001, 1001);
	assert_int_equal(dir_ensure(in("d"), 0700, 0, 0), 0); /* a crash in the middle */
	assert_int_equal(hand_over(1002), 0);
	assert_is(in("d"), S_IFDIR, 0700, 1002, 1002);
	assert_is(in("d/hooks"), S_IFREG, 0600, 1002, 1002);
	assert_int_equal(access(in("d/lock"), F_OK), -1);
}

static void
what_an_agent_planted_is_not_handed_over(void **state)
{
	(void)state;
	assert_int_equal(dir_ensure(in("d"), 0700, 1000, 1000), 0);
	unit_put(in("victim"), "precious");
	own(in("victim"), 1000);
	assert_int_equal(symlink("../victim", in("d/hooks")), 0);
	assert_int_equal(hand_over(1001), 0);
	assert_is(in("victim"), S_IFREG, 0644, 1000, 1000);
	assert_int_equal(access(in("d/hooks"), F_OK), -1);

	assert_int_equal(link(in("victim"), in("d/hooks")), 0); /* another's */
	assert_int_equal(hand_over(1002), 0);
	assert_is(in("victim"), S_IFREG, 0644, 1000, 1000);
	assert_int_equal(access(in("d/hooks"), F_OK), -1);

	unit_put(in("d/hooks"), "root's, put there by rename");
	assert_int_equal(hand_over(1003), 0);
	assert_int_equal(access(in("d/hooks"), F_OK), -1);

	assert_int_equal(mkfifo(in("d/hooks"), 0600), 0);
	own(in("d/hooks"), 1003);
	assert_int_equal(hand_over(1004), 0);
	assert_int_equal(access(in("d/hooks"), F_OK), -1);

	assert_int_equal(mkdir(in("d/hooks"), 0700), 0); /* the shim says what is wrong */
	assert_int_equal(hand_over(1005), 0);
	assert_is(in("d"), S_IFDIR, 0700, 1005, 1005);
	assert_int_equal(symlink("d", in("e")), 0);
	assert_int_equal(dir_hand_over(in("e"), 1, 1, (const char *const[]){NULL},
			     (const char *const[]){NULL}),
	    -1);
	assert_is(in("d"), S_IFDIR, 0700, 1005, 1005);
}

static void
a_file_is_replaced_whole(void **state)
{
	(void)state;
	assert_int_equal(file_replace(in("f"), "one", 3, 0640, 1000, 1001), 0);
	assert_is(in("f"), S_IFREG, 0640, 1000, 1001);
	assert_holds(in("f"), "one");
	assert_int_equal(file_replace(in("f"), "", 0, 0400, 0, 0), 0);
	assert_is(in("f"), S_IFREG, 0400, 0, 0);
	assert_holds(in("f"), "");
	assert_int_equal(access(in("f.new"), F_OK), -1);
}

/* Somebody else's links may lie at both names. */
static void
links_are_replaced_not_followed(void **state)
{
	(void)state;
	unit_put(in("victim"), "precious");
	assert_int_equal(symlink("victim", in("f")), 0);
	assert_int_equal(symlink("victim", in("f.new")), 0);
	assert_int_equal(file_replace(in("f"), "new", 3, 0644, 0, 0), 0);
	assert_is(in("f"), S_IFREG, 0644, 0, 0);
	assert_holds(in("f"), "new");
	assert_holds(in("victim"), "precious");
	unit_put(in("g.new"), "left behind");
	assert_int_equal(file_replace(in("g"), "new", 3, 0644, 0, 0), 0);
	assert_holds(in("g"), "new");
}

static void
a_failure_leaves_the_old_one(void **state)
{
	(void)state;
	unit_put(in("f"), "old");
	assert_int_equal(mkdir(in("f.new"), 0700), 0); /* can't be written beside */
	errno = 0;
	assert_int_equal(file_replace(in("f"), "new", 3, 0644, 0, 0), -1);
	assert_int_not_equal(errno, 0);
	assert_holds(in("f"), "old");
	assert_int_equal(mkdir(in("d"), 0700), 0);
	unit_put(in("d/x"), "x");
	assert_int_equal(
	    file_replace(in("d"), "new", 3, 0644, 0, 0), -1); /* a directory */
	assert_int_equal(access(in("d.new"), F_OK), -1); /* nothing is left lying about */
	assert_int_equal(file_replace(in("no/such"), "new", 3, 0644, 0, 0), -1);
	assert_int_equal(errno, ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    DIR_TEST(a_directory_is_made_and_set_right),
	    DIR_TEST(what_is_no_directory_is_an_error),
	    DIR_TEST(a_directory_is_handed_over_with_its_files),
	    DIR_TEST(what_an_agent_planted_is_not_handed_over),
	    DIR_TEST(a_file_is_replaced_whole),
	    DIR_TEST(links_are_replaced_not_followed),
	    DIR_TEST(a_failure_leaves_the_old_one),
	};

	umask(022);
	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
