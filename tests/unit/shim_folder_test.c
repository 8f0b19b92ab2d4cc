/* A folder as its agent's user sees it; the timer is the test's own. */
#include "unit.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "loop.h"
#include "shim/folder.h"
#include "xmalloc.h"

enum { AGENT = 1234 };

static struct timer {
	loop_cb *cb;
	void *arg;
	int64_t ms; /* 0: not armed */
} timer;

struct timer *
timer_new(struct loop *loop, loop_cb *cb, void *arg)
{
	(void)loop;
	timer = (struct timer){.cb = cb, .arg = arg};
	return &timer;
}

void
timer_in(struct timer *t, int64_t ms)
{
	t->ms = ms;
}

void
timer_free(struct timer *t)
{
	t->ms = 0;
}

static char dir[64];
static int sent;
static char why[256];
static struct folder_report last;

static bool
take(const struct folder_report *r, void *ctx)
{
	(void)ctx;
	sent++;
	snprintf(why, sizeof(why), "%s", r->why != NULL ? r->why : "-");
	last = *r;
	return true;
}

static void
as(uid_t uid, gid_t gid)
{
	/* root first, to be allowed to become another */
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(setresgid(gid, gid, 0), 0);
	assert_int_equal(setresuid(uid, uid, 0), 0);
}

static int
setup(void **state)
{
	(void)state;
	unit_tmpdir(dir);
	assert_int_equal(chmod(dir, 0755), 0);
	sent = 0;
	why[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	as(0, 0);
	unit_rmdir(dir);
	return 0;
}

/* What the timer does; it must have been armed. */
static void
time_passes(void)
{
	assert_int_equal(timer.ms, FOLDER_LOOK_MS);
	timer.ms = 0;
	timer.cb(timer.arg);
}

static void
give_to(uid_t uid, gid_t gid, mode_t mode)
{
	as(0, 0);
	assert_int_equal(chown(dir, uid, gid), 0);
	assert_int_equal(chmod(dir, mode), 0);
	as(AGENT, AGENT + 1);
}

static void
nothing_is_said_where_nothing_is_wrong(void **state)
{
	(void)state;
	give_to(AGENT, 0, 0755);
	struct folder *f = folder_new(NULL, dir, take, NULL);
	folder_resend(f);
	assert_int_equal(sent, 0);
	assert_int_equal(timer.ms, 0);
	folder_free(f);
	give_to(0, AGENT + 1, 0775);
	f = folder_new(NULL, dir, take, NULL);
	assert_int_equal(sent, 0);
	folder_free(f);
	folder_resend(NULL);
	folder_free(NULL);
}

static void
whose_it_is_is_said_until_it_can_be_written(void **state)
{
	char expected[256];

	(void)state;
	give_to(55, 66, 0755);
	struct folder *f = folder_new(NULL, dir, take, NULL);
	snprintf(expected, sizeof(expected),
	    "%s belongs to 55:66, mode 0755, and the agent is 1234:1235", dir);
	assert_string_equal(why, expected);
	assert_int_equal(sent, 1);
	assert_int_equal(last.uid, 55);
	assert_int_equal(last.gid, 66);
	assert_false(last.read_only);
	time_passes();
	assert_int_equal(sent, 1);
	folder_resend(f); /* a launcher that came back */
	assert_int_equal(sent, 2);
	assert_string_equal(why, expected);
	give_to(AGENT, 66, 0755);
	time_passes();
	assert_int_equal(sent, 3);
	assert_string_equal(why, "-");
	assert_int_equal(timer.ms, 0);
	folder_resend(f); /* who heard the first may not have heard the second */
	assert_string_equal(why, "-");
	assert_int_equal(sent, 4);
	folder_free(f);
}

static void
one_that_goes_away_is_no_crash(void **state)
{
	(void)state;
	char inner[80];

	snprintf(inner, sizeof(inner), "%s/x", dir);
	as(0, 0);
	assert_int_equal(mkdir(inner, 0755), 0);
	as(AGENT, AGENT + 1);
	struct folder *f = folder_new(NULL, inner, take, NULL);
	assert_non_null(strstr(why, "belongs to 0:"));
	as(0, 0);
	assert_int_equal(rmdir(inner), 0);
	as(AGENT, AGENT + 1);
	time_passes();
	assert_non_null(strstr(why, "/x: No such file or directory"));
	folder_free(f);
}

/* In a container, /proc/sys is; elsewhere there may be none. */
static void
a_read_only_mount_is_told_apart(void **state)
{
	struct statvfs fs;

	(void)state;
	if (statvfs("/proc/sys", &fs) == -1 || (fs.f_flag & ST_RDONLY) == 0) {
		print_message("no read-only mount here: skipped\n");
		return;
	}
	for (int i = 0; i < 2; i++) {
		as(i == 0 ? 0 : AGENT, 0); /* not even root can write there */
		struct folder *f = folder_new(NULL, "/proc/sys", take, NULL);
		assert_string_equal(why, "/proc/sys is on a read-only mount");
		assert_true(last.read_only);
		folder_free(f);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(nothing_is_said_where_nothing_is_wrong),
	    TEST(whose_it_is_is_said_until_it_can_be_written),
	    TEST(one_that_goes_away_is_no_crash),
	    TEST(a_read_only_mount_is_told_apart),
	};

	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
