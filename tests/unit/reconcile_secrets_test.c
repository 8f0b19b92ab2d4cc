/* Secrets: granted by name, one file each, readable by the launcher alone. */
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>

#include "buf.h"
#include "config.h"
#include "paths.h"
#include "reconcile/secrets.h"

#define GRANTED GRANTED_DIR "/main"

static char *const env[] = {"TOKEN=from the environment", "EMPTY=", NULL};

static yyjson_mut_doc *told;
static yyjson_mut_val *warnings;

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf '" DATA_DIR "' '" RUN_DIR
				"' && mkdir -p '" SECRETS_DIR "' '" GRANTED_DIR "'"),
	    0);
	return 0;
}

static void
put(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fwrite(text, 1, len, f);
	fclose(f);
}

static uint64_t
grant(const char *secrets)
{
	char text[2000];
	struct config_source source = {
	    .name = "berth.toml", .text = text, .environ = NULL, .host_name = "box"};
	struct config *c;
	uint64_t h;

	snprintf(text, sizeof(text), "[agents.main]\ndriver = \"claude\"\n%s\n", secrets);
	source.len = strlen(text);
	c = config_load(&source);
	if (config_errors(c) > 0)
		fail_msg("%s", config_error(c, 0));
	yyjson_mut_doc_free(told);
	told = yyjson_mut_doc_new(NULL);
	warnings = yyjson_mut_arr(told);
	h = secrets_grant(c, "main", env, told, warnings);
	secrets_revoke(c);
	config_free(c);
	return h;
}

static void
assert_granted(const char *name, const char *text)
{
	char path[256];
	struct buf b = BUF_INIT;
	struct stat st;

	snprintf(path, sizeof(path), GRANTED "/%s", name);
	if (text == NULL) {
		assert_int_equal(lstat(path, &st), -1);
		return;
	}
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	assert_int_equal(st.st_uid, UID_BERTH);
	assert_int_equal(st.st_gid, UID_BERTH);
	assert_int_equal(buf_read_file(&b, path, 1 << 20), 0);
	assert_string_equal(buf_str(&b), text);
	buf_free(&b);
}

static void
a_secret_is_a_file_for_the_launcher(void **state)
{
	struct stat st;

	(void)state;
	put(SECRETS_DIR "/key", "s3cret\n", 7);
	grant("secrets.KEY = \"key\"\nsecrets.TOKEN = \"env:TOKEN\"");
	assert_granted("KEY", "s3cret\n");
	assert_granted("TOKEN", "from the environment");
	assert_int_equal(lstat(GRANTED, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0710);
	assert_int_equal(st.st_uid, 0); /* or the launcher could put links there */
	assert_int_equal(st.st_gid, UID_BERTH);
}

static void
what_is_not_there_is_not_granted(void **state)
{
	(void)state;
	put(SECRETS_DIR "/key", "x", 1);
	assert_int_equal(symlink("/etc/shadow", SECRETS_DIR "/link"), 0);
	grant("secrets.KEY = \"key\"\nsecrets.GONE = \"no-such\"\nsecrets.NONE = "
	      "\"env:NOT_SET\"\n"
	      "secrets.EMPTY = \"env:EMPTY\"\nsecrets.LINK = \"link\"");
	assert_granted("KEY", "x");
	assert_granted("GONE", NULL);
	assert_granted("NONE", NULL);
	assert_granted("EMPTY", NULL);
	assert_granted("LINK", NULL);
	assert_int_equal(yyjson_mut_arr_size(warnings), 2); /* GONE, LINK */
	assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(
				yyjson_mut_arr_get_first(warnings), "text")),
	    "berth.toml:4: " SECRETS_DIR
	    "/no-such can't be read: No such file or directory: not granted");
}

static void
what_is_no_longer_granted_goes(void **state)
{
	(void)state;
	put(SECRETS_DIR "/key", "x", 1);
	put(SECRETS_DIR "/other", "y", 1);
	grant("secrets.KEY = \"key\"\nsecrets.OTHER = \"other\"");
	grant("secrets.OTHER = \"other\"");
	assert_granted("KEY", NULL);
	assert_granted("OTHER", "y");
	unlink(SECRETS_DIR "/other"); /* its source went away */
	grant("secrets.OTHER = \"other\"");
	assert_granted("OTHER", NULL);
	grant("");
	assert_granted("OTHER", NULL);
}

static void
who_is_no_agent_any_more_has_none(void **state)
{
	(void)state;
	assert_int_equal(mkdir(GRANTED_DIR "/removed", 0710), 0);
	put(GRANTED_DIR "/removed/TOKEN", "x", 1);
	grant("secrets.TOKEN = \"env:TOKEN\"");
	assert_int_equal(access(GRANTED_DIR "/removed", F_OK), -1);
	assert_granted("TOKEN", "from the environment");
}

static void
the_hash_is_of_names_and_values(void **state)
{
	uint64_t none, one, two, renamed;

	(void)state;
	none = grant("");
	put(SECRETS_DIR "/a", "1", 1);
	put(SECRETS_DIR "/b", "1", 1);
	one = grant("secrets.A = \"a\"");
	assert_true(one != none);
	assert_true(grant("secrets.A = \"a\"") == one);
	assert_true(grant("secrets.A = \"b\"") == one); /* the same value, elsewhere */
	renamed = grant("secrets.B = \"a\"");
	assert_true(renamed != one);
	two = grant("secrets.A = \"a\"\nsecrets.B = \"b\"");
	assert_true(two != one && two != renamed);
	put(SECRETS_DIR "/a", "2", 1);
	assert_true(grant("secrets.A = \"a\"") != one);
	put(SECRETS_DIR "/a", "1", 1);
	assert_true(grant("secrets.A = \"a\"") == one);
}

static void
an_empty_secret_is_one(void **state)
{
	(void)state;
	put(SECRETS_DIR "/key", "", 0);
	grant("secrets.KEY = \"key\"");
	assert_granted("KEY", "");
}

static void
too_long_is_not_granted(void **state)
{
	char *text = malloc(70000);

	(void)state;
	memset(text, 'x', 70000);
	put(SECRETS_DIR "/key", text, 70000);
	grant("secrets.KEY = \"key\"");
	assert_granted("KEY", NULL);
	put(SECRETS_DIR "/key", text, 64 << 10);
	grant("secrets.KEY = \"key\"");
	free(text);
	assert_int_equal(access(GRANTED "/KEY", F_OK), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    TEST(a_secret_is_a_file_for_the_launcher),
	    TEST(what_is_not_there_is_not_granted),
	    TEST(what_is_no_longer_granted_goes),
	    TEST(who_is_no_agent_any_more_has_none),
	    TEST(the_hash_is_of_names_and_values),
	    TEST(an_empty_secret_is_one),
	    TEST(too_long_is_not_granted),
	};

	if (getuid() != 0) {
		print_message("not root: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
