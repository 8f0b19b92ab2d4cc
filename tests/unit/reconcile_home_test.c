/* A home after PUID has changed: all that was the agents' is theirs again, and nothing
 * else. */
#include "tmpdir.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "reconcile/home.h"

enum { OLD = 1000, NEW = 1005, OLD_GROUP = 100, NEW_GROUP = 50 };

static void
folder(const char *name, uid_t uid)
{
	assert_int_equal(mkdir(in(name), 0700), 0);
	assert_int_equal(lchown(in(name), uid, OLD_GROUP), 0);
}

static void
file(const char *name, uid_t uid)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(fchown(fd, uid, OLD_GROUP), 0);
	close(fd);
}

static void
is(const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	if (lstat(in(name), &st) == -1)
		fail_msg("%s is gone", name);
	if (st.st_uid != uid || st.st_gid != gid)
		fail_msg("%s is %u:%u, not %u:%u", name, st.st_uid, st.st_gid, uid, gid);
}

static void
take_over(void)
{
	home_take_over(in("home"), NEW, NEW_GROUP);
}

static void
all_of_it_goes_over(void **state)
{
	(void)state;
	folder("home", OLD);
	folder("home/.claude", OLD);
	folder("home/.claude/projects", OLD);
	file("home/.claude/projects/talk.jsonl", OLD);
	file("home/.claude.json", OLD);
	file("home/of-another-group", OLD);
	assert_int_equal(lchown(in("home/of-another-group"), OLD, 1500), 0);
	assert_int_equal(mkfifo(in("home/pipe"), 0600), 0);
	assert_int_equal(lchown(in("home/pipe"), OLD, OLD_GROUP), 0);
	assert_int_equal(chmod(in("home/.claude.json"), 04755), 0);
	take_over();
	is("home", NEW, NEW_GROUP);
	is("home/.claude", NEW, NEW_GROUP);
	is("home/.claude/projects", NEW, NEW_GROUP);
	is("home/.claude/projects/talk.jsonl", NEW, NEW_GROUP);
	is("home/.claude.json", NEW, NEW_GROUP);
	is("home/pipe", NEW, NEW_GROUP);
	is("home/of-another-group", NEW, 1500);

	struct stat st;
	assert_int_equal(stat(in("home/.claude.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* as the kernel does it */
}

static void
what_was_cut_short_is_done_again(void **state)
{
	(void)state;
	folder("home", OLD);
	file("home/done", 1003); /* on the way to yet another */
	file("home/done-too", NEW);
	file("home/left", OLD);
	take_over();
	is("home/done", NEW, NEW_GROUP);
	is("home/done-too", NEW, OLD_GROUP);
	is("home/left", NEW, NEW_GROUP);
	is("home", NEW, NEW_GROUP);
}

static void
links_are_not_followed(void **state)
{
	(void)state;
	folder("home", OLD);
	folder("elsewhere", OLD);
	file("elsewhere/file", OLD);
	assert_int_equal(symlink("../elsewhere", in("home/folder")), 0);
	assert_int_equal(symlink("../elsewhere/file", in("home/file")), 0);
	assert_int_equal(lchown(in("home/folder"), OLD, OLD_GROUP), 0);
	assert_int_equal(lchown(in("home/file"), OLD, OLD_GROUP), 0);
	take_over();
	is("home/folder", NEW, NEW_GROUP);
	is("home/file", NEW, NEW_GROUP);
	is("elsewhere", OLD, OLD_GROUP);
	is("elsewhere/file", OLD, OLD_GROUP);

	assert_int_equal(symlink("elsewhere", in("linked-home")), 0);
	home_take_over(in("linked-home"), NEW, NEW_GROUP);
	is("elsewhere", OLD, OLD_GROUP);
}

static void
what_lies_elsewhere_too_is_left(void **state)
{
	(void)state;
	folder("home", OLD);
	file("theirs", OLD);
	file("database", 900);
	assert_int_equal(link(in("theirs"), in("home/one")), 0);
	assert_int_equal(link(in("database"), in("home/two")), 0);
	take_over();
	is("home", NEW, NEW_GROUP);
	is("theirs", OLD, OLD_GROUP);
	is("database", 900, OLD_GROUP);
}

static void
what_is_not_an_agents_is_left(void **state)
{
	(void)state;
	folder("home", OLD);
	folder("home/roots", 0);
	file("home/roots/key", 0);
	file("home/roots/mine", OLD);
	file("home/berths", 900);
	take_over();
	is("home/roots", 0, OLD_GROUP);
	is("home/roots/key", 0, OLD_GROUP);
	is("home/roots/mine", NEW, NEW_GROUP);
	is("home/berths", 900, OLD_GROUP);
}

static void
a_home_that_is_right_is_not_looked_at(void **state)
{
	(void)state;
	home_take_over(in("no-home"), NEW, NEW_GROUP);
	folder("home", NEW);
	file("home/file", OLD);
	take_over();
	is("home/file", OLD, OLD_GROUP);
	folder("new-home", 0); /* made by root, and not yet given away */
	file("new-home/file", OLD);
	home_take_over(in("new-home"), NEW, NEW_GROUP);
	is("new-home", 0, OLD_GROUP);
	is("new-home/file", OLD, OLD_GROUP);
}

static void
what_is_mounted_is_left(void **state)
{
	(void)state;
	folder("home", OLD);
	folder("home/mounted", OLD);
	folder("elsewhere", OLD);
	file("elsewhere/file", OLD);
	if (mount(in("elsewhere"), in("home/mounted"), NULL, MS_BIND, NULL) == -1)
		skip(); /* not allowed here */
	take_over();
	umount(in("home/mounted"));
	is("elsewhere/file", OLD, OLD_GROUP);
	is("home/mounted", OLD, OLD_GROUP);
	is("home", NEW, NEW_GROUP);
}

/* An agent can make as many as it likes. */
static void
folders_without_end_do_no_harm(void **state)
{
	int at, next;

	(void)state;
	folder("home", OLD);
	at = open(in("home"), O_PATH | O_DIRECTORY);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(mkdirat(at, "d", 0700), 0);
		assert_int_equal(fchownat(at, "d", OLD, OLD_GROUP, 0), 0);
		next = openat(at, "d", O_PATH | O_DIRECTORY);
		assert_int_not_equal(next, -1);
		close(at);
		at = next;
	}
	close(at);
	take_over();
	is("home", NEW, NEW_GROUP);
	is("home/d/d/d/d/d/d/d/d", NEW, NEW_GROUP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    DIR_TEST(all_of_it_goes_over),
	    DIR_TEST(what_was_cut_short_is_done_again),
	    DIR_TEST(links_are_not_followed),
	    DIR_TEST(what_lies_elsewhere_too_is_left),
	    DIR_TEST(what_is_not_an_agents_is_left),
	    DIR_TEST(a_home_that_is_right_is_not_looked_at),
	    DIR_TEST(what_is_mounted_is_left),
	    DIR_TEST(folders_without_end_do_no_harm),
	};

	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
