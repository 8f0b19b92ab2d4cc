#include "await.h"

#include <sys/resource.h>

#include "buf.h"
#include "shim/registry.h"

enum { PID = 4711 };

static char dir[64], path[128];
static struct registry *registry;

/* A launcher that remembers. */
static struct {
	bool up;
	char *text[50];
	uint64_t version[50];
	size_t count;
} got;

static bool
take(const char *text, uint64_t version, void *ctx)
{
	(void)ctx;
	if (!got.up)
		return false;
	assert_true(got.count < COUNT(got.text));
	got.text[got.count] = text == NULL ? NULL : strdup(text);
	got.version[got.count++] = version;
	return true;
}

static int
setup(void **state)
{
	(void)state;
	unit_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/%d.json", dir, PID);
	loop_begin();
	got.up = true;
	registry = registry_new(loop, dir, PID, take, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	registry_free(registry);
	loop_end();
	for (size_t i = 0; i < got.count; i++)
		free(got.text[i]);
	got.count = 0;
	unit_rmdir(dir);
	return 0;
}

static void
put(const char *name, const char *text)
{
	char file[160];

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	unit_put(file, text);
}

static size_t
said(void)
{
	return got.count;
}

static void
changes_and_the_end_are_told(void **state)
{
	(void)state;
	assert_int_equal(got.count, 0); /* no file: nothing to say */
	assert_true(registry_idle(registry));
	put("4711.json", "{\"status\":\"busy\"}");
	put("4712.json", "{\"status\":\"another's\"}");
	await(1);
	assert_string_equal(got.text[0], "{\"status\":\"busy\"}");
	assert_false(registry_idle(registry));
	registry_acked(registry, got.version[0]);
	assert_true(registry_idle(registry));
	put("4711.json", "{\"status\":\"busy\"}"); /* the same */
	settle(100);
	assert_int_equal(got.count, 1);
	assert_int_equal(unlink(path), 0);
	registry_end(registry);
	await(2);
	assert_null(got.text[1]);
}

static void
what_another_cli_deletes_is_put_back_until_the_end(void **state)
{
	(void)state;
	put("4711.json", "{\"status\":\"idle\"}");
	await(1);
	registry_acked(registry, got.version[0]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(unlink(path), 0);
		settle(100);
		assert_int_equal(access(path, F_OK), 0);
	}
	assert_int_equal(got.count, 1);
	put("4711.json", "{\"status\":\"busy\"}");
	await(2);
	assert_string_equal(got.text[1], "{\"status\":\"busy\"}");
	registry_acked(registry, got.version[1]);
	registry_end(registry);
	await(3);
	assert_null(got.text[2]);
	assert_int_equal(access(path, F_OK), -1);
}

static void
half_a_file_is_not_told(void **state)
{
	(void)state;
	put("4711.json", "{\"status\":");
	settle(100);
	put("4711.json", "");
	settle(100);
	assert_int_equal(got.count, 0);
	put("4711.json", "{\"status\":\"idle\"}");
	await(1);
	assert_string_equal(got.text[0], "{\"status\":\"idle\"}");
}

/* No descriptor left, say: it doesn't change again before the next turn. */
static void
what_can_not_be_read_now_is_read_later(void **state)
{
	struct rlimit old, none;

	(void)state;
	put("4711.json", "{\"status\":\"busy\"}");
	await(1);
	registry_acked(registry, got.version[0]);
	put("4711.json", "{\"status\":\"idle\"}");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	settle(100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(got.count, 1);
	await(2);
	assert_string_equal(got.text[1], "{\"status\":\"idle\"}");
}

static void
one_is_under_way_and_then_the_newest(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		char text[16];

		snprintf(text, sizeof(text), "[%d]", i);
		put("4711.json", text);
		settle(100);
	}
	assert_int_equal(got.count, 1);
	assert_string_equal(got.text[0], "[0]");
	registry_acked(registry, got.version[0]);
	await(2);
	assert_string_equal(got.text[1], "[4]");
}

static void
a_launcher_that_comes_back_hears_it_again(void **state)
{
	(void)state;
	put("4711.json", "[1]");
	await(1);
	registry_acked(registry, got.version[0]);
	got.up = false;
	put("4711.json", "[2]");
	settle(100);
	assert_int_equal(got.count, 1);
	got.up = true;
	registry_resend(registry);
	assert_int_equal(got.count, 2);
	assert_string_equal(got.text[1], "[2]");
	registry_acked(registry, got.version[1]);
	registry_resend(registry);
	assert_int_equal(got.count, 3);
	assert_string_equal(got.text[2], "[2]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    T(changes_and_the_end_are_told),
	    T(what_another_cli_deletes_is_put_back_until_the_end),
	    T(half_a_file_is_not_told),
	    T(what_can_not_be_read_now_is_read_later),
	    T(one_is_under_way_and_then_the_newest),
	    T(a_launcher_that_comes_back_hears_it_again),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
