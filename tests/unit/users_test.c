/* The agents' users, in an /etc of the test's own (ETC_DIR). */
#include "unit.h"

#include <sys/stat.h>

#include "buf.h"
#include "paths.h"
#include "users.h"

static void
put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), ETC_DIR "/%s", name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *
got(const char *name)
{
	static struct buf text[4];
	static int turn;
	struct buf *b = &text[turn++ % 4];
	char path[256];

	snprintf(path, sizeof(path), ETC_DIR "/%s", name);
	buf_free(b);
	assert_int_equal(buf_read_file(b, path, 1 << 20), 0);
	return buf_str(b);
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf '" ETC_DIR "' && mkdir -p '" ETC_DIR "'"), 0);
	put("passwd", "root:x:0:0:root:/root:/bin/sh\nberth:x:900:900::/:/bin/sh\n");
	put("group", "root:x:0:\nberth:x:900:\n");
	return 0;
}

static unsigned
uid_of(const char *value)
{
	char variable[128];
	char *env[] = {"PATH=/bin", variable, "PGID=", NULL};

	snprintf(variable, sizeof(variable), "PUID=%s", value);
	return users_default_uid(env);
}

static void
only_an_agents_number_is_taken(void **state)
{
	static const char *const refused[] = {"0", "00", "900", "901", "999", "-1", "+5",
	    " 7", "7 ", "1e3", "0x3e8", "abc", "1000x", "4294967295", "4294967296",
	    "99999999999999999999", "-18446744073709550516", "1000\n", "64000", "64001",
	    "64999"};

	(void)state;
	assert_int_equal(uid_of("1"), 1);
	assert_int_equal(uid_of("899"), 899);
	assert_int_equal(uid_of("1000"), 1000);
	assert_int_equal(uid_of("63999"), 63999);
	assert_int_equal(uid_of("65000"), 65000);
	assert_int_equal(uid_of("65534"), 65534);
	assert_true(uid_of("4294967294") == 4294967294u);
	assert_int_equal(uid_of(""), UID_AGENT);
	for (size_t i = 0; i < COUNT(refused); i++)
		if (uid_of(refused[i]) != UID_AGENT)
			fail_msg("PUID=\"%s\" is %u", refused[i], uid_of(refused[i]));
	assert_int_equal(users_default_uid(NULL), UID_AGENT);
	assert_int_equal(users_default_gid((char *[]){"PGID=50", NULL}), 50);
	assert_int_equal(
	    users_default_gid((char *[]){"XPGID=50", "PGI=7", NULL}), UID_AGENT);
}

static void
ask_for_all(void *env)
{
	users_check(env);
	for (int agent = 0; agent < 3; agent++)
		users_know(env, users_default_uid(env), users_default_gid(env));
}

static int
times(const char *text, const char *what)
{
	int n = 0;

	while ((text = strstr(text, what)) != NULL) {
		n++;
		text += strlen(what);
	}
	return n;
}

/* PUID=0 was told of as often as it was asked for: six times for one agent. */
static void
a_refusal_is_said_once(void **state)
{
	char *bad[] = {"PUID=0", "PGID=ten", NULL},
	     *good[] = {"PUID=1234", "PGID=", NULL};
	char said[2048];

	(void)state;
	assert_int_equal(unit_in_child(ask_for_all, bad, said, sizeof(said)), 0);
	assert_int_equal(times(said, "PUID=0 can't be an agent's"), 1);
	assert_int_equal(times(said, "PGID=ten can't be an agent's"), 1);
	assert_int_equal(times(said, "\n"), 2);
	assert_int_equal(unit_in_child(ask_for_all, good, said, sizeof(said)), 0);
	assert_string_equal(said, "");
}

static void
names_tell_them_apart(void **state)
{
	char *name = users_name(1000, 1000);

	(void)state;
	assert_string_equal(name, "agent");
	free(name);
	name = users_name(4294967294u, 1000);
	assert_string_equal(name, "agent4294967294");
	free(name);
}

static void
know(const char *puid, const char *pgid, uid_t uid, gid_t gid)
{
	char uid_line[32], gid_line[32];
	char *env[] = {uid_line, gid_line, NULL};

	snprintf(uid_line, sizeof(uid_line), "PUID=%s", puid);
	snprintf(gid_line, sizeof(gid_line), "PGID=%s", pgid);
	users_know(env, uid, gid);
}

static ino_t
inode(const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), ETC_DIR "/%s", name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void
a_user_is_known(void **state)
{
	struct stat before, after;

	(void)state;
	know("1000", "100", 1000, 100);
	assert_string_equal(got("passwd"),
	    "root:x:0:0:root:/root:/bin/sh\nberth:x:900:900::/:/bin/sh\n"
	    "agent:x:1000:100:berth agent:" HOME_DIR "/agent:/bin/bash\n");
	assert_string_equal(got("group"), "root:x:0:\nberth:x:900:\nagent:x:100:\n");
	stat(ETC_DIR "/passwd", &before);
	assert_int_equal(before.st_mode & 07777, 0644);
	know("1000", "100", 1000, 100); /* nothing to do */
	stat(ETC_DIR "/passwd", &after);
	assert_true(before.st_ino == after.st_ino);
}

static void
another_number_moves_the_name(void **state)
{
	(void)state;
	know("1000", "1000", 1000, 1000);
	know("1234", "1234", 1234, 1234);
	assert_null(strstr(got("passwd"), ":1000:"));
	assert_non_null(strstr(got("passwd"), "\nagent:x:1234:1234:"));
	assert_non_null(strstr(got("passwd"), "berth:x:900:900:"));
	assert_non_null(strstr(got("group"), "\nagent:x:1234:\n"));
	assert_null(strstr(got("group"), ":1000:"));
}

/* One number, one name: whoever had it in the image gives way. */
static void
a_number_that_was_anothers(void **state)
{
	(void)state;
	put("passwd", "root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/home/node:/bin/"
		      "sh\nfoo::1000:5::/:\n");
	know("1000", "1000", 1000, 1000);
	assert_string_equal(got("passwd"),
	    "root:x:0:0::/:/bin/sh\nagent:x:1000:1000:berth agent:" HOME_DIR
	    "/agent:/bin/bash\n");
}

static void
a_line_that_ends_like_ours_is_anothers(void **state)
{
	(void)state;
	put("group", "root:x:0:\nmyagent:x:1000:\n");
	know("1000", "1000", 1000, 1000);
	assert_non_null(strstr(got("group"), "\nagent:x:1000:\n"));
	assert_null(strstr(got("group"), "myagent"));
}

static void
two_users_live_side_by_side(void **state)
{
	(void)state;
	know("1000", "1000", 1000, 1000);
	know("1000", "1000", 2000, 2000);
	assert_non_null(strstr(got("passwd"), "\nagent:x:1000:"));
	assert_non_null(strstr(got("passwd"), "\nagent2000:x:2000:"));
}

/* Both files were written anew at each `berth apply`, once for each agent. */
static void
groups_of_one_user_do_not_take_turns(void **state)
{
	static const gid_t gids[] = {1000, 1500, 2000, 100};
	ino_t group, passwd;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(gids); i++) {
			know("1000", "1000", 1000, gids[i]);
			know("1000", "1000", 2000, gids[i]);
		}
		if (round == 0) {
			group = inode("group");
			passwd = inode("passwd");
		}
	}
	assert_true(group == inode("group") && passwd == inode("passwd"));
	assert_string_equal(got("group"),
	    "root:x:0:\nberth:x:900:\nagent:x:1000:\nagent2000:x:2000:\n"
	    "agent1500:x:1500:\nagent100:x:100:\n");
	assert_non_null(strstr(got("passwd"), "\nagent:x:1000:1000:"));
	assert_non_null(strstr(got("passwd"), "\nagent2000:x:2000:2000:"));
}

/* The appliance's group has one name, whoever else has its number. */
static void
a_group_has_one_name(void **state)
{
	ino_t group;

	(void)state;
	know("1000", "2000", 2000, 2000);
	know("1000", "2000", 1000, 2000);
	group = inode("group");
	know("1000", "2000", 2000, 2000);
	assert_true(group == inode("group"));
	assert_string_equal(got("group"), "root:x:0:\nberth:x:900:\nagent:x:2000:\n");
}

static void
odd_files_are_completed(void **state)
{
	(void)state;
	put("passwd", "");
	put("group", "root:x:0:"); /* no newline */
	know("1000", "1000", 1000, 1000);
	assert_string_equal(got("passwd"),
	    "agent:x:1000:1000:berth agent:" HOME_DIR "/agent:/bin/bash\n");
	assert_string_equal(got("group"), "root:x:0:\nagent:x:1000:\n");
	unlink(ETC_DIR "/passwd");
	know("1000", "1000", 1000, 1000); /* said, and lived with */
	assert_int_equal(access(ETC_DIR "/passwd", F_OK), -1);
}

static void
an_environment_is_searched_by_whole_names(void **state)
{
	char *env[] = {"AB=1", "A=2", "A=3", "EMPTY=", "NOVALUE", NULL};

	(void)state;
	assert_string_equal(env_get(env, "A"), "2");
	assert_string_equal(env_get(env, "AB"), "1");
	assert_string_equal(env_get(env, "EMPTY"), "");
	assert_null(env_get(env, "NOVALUE"));
	assert_null(env_get(env, "B"));
	assert_null(env_get(NULL, "A"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    TEST(only_an_agents_number_is_taken),
	    TEST(a_refusal_is_said_once),
	    TEST(names_tell_them_apart),
	    TEST(a_user_is_known),
	    TEST(another_number_moves_the_name),
	    TEST(a_number_that_was_anothers),
	    TEST(a_line_that_ends_like_ours_is_anothers),
	    TEST(two_users_live_side_by_side),
	    TEST(groups_of_one_user_do_not_take_turns),
	    TEST(a_group_has_one_name),
	    TEST(odd_files_are_completed),
	    TEST(an_environment_is_searched_by_whole_names),
	};

	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
