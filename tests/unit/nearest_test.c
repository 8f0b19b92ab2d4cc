/* "Did you mean ...?" is only said where it could be meant. */
#include "nearest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char *
near(const char *typed)
{
	static const char *const known[] = {
	    "driver", "drop", "env", "claude", "human_idle", "permissions", "continue"};
	struct nearest n = {.typed = typed};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		nearest_try(&n, known[i]);
	return n.best == NULL ? "-" : n.best;
}

static void
slips_are_found(void **state)
{
	(void)state;
	assert_string_equal(near("claud"), "claude");
	assert_string_equal(near("Claude"), "claude");
	assert_string_equal(near("drvier"), "driver");
	assert_string_equal(near("human-idle"), "human_idle");
	assert_string_equal(near("contniue"), "continue");
	assert_string_equal(near("environment"), "env");
	assert_string_equal(near("perm"), "permissions");
}

static void
other_words_are_not(void **state)
{
	char much[500];

	(void)state;
	assert_string_equal(near("stop"), "-");
	assert_string_equal(near("gpt"), "-");
	assert_string_equal(near("x"), "-");
	assert_string_equal(near(""), "-");
	assert_string_equal(near("\xff\xfe"), "-");
	memset(much, 'd', sizeof(much));
	much[sizeof(much) - 1] = '\0';
	assert_string_equal(near(much), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slips_are_found),
	    cmocka_unit_test(other_words_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
