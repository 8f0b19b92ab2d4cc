#include "unit.h"
#include "log.h"
#include "xmalloc.h"

static void
nothing_is_still_something(void **state)
{
	(void)state;
	void *a = xmalloc(0), *b = xcalloc(0, 8), *c = xreallocarray(NULL, 0, 4);

	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	free(a);
	free(b);
	free(c);
}

static void
strings_are_copied(void **state)
{
	(void)state;
	char *all = xstrdup("berth"), *part = xstrndup("berth", 2);
	char *made = xasprintf("%s-%d", part, 7);

	assert_string_equal(all, "berth");
	assert_string_equal(part, "be");
	assert_string_equal(made, "be-7");
	assert_null(xstrdup(NULL));
	xfree_wiped(all, 5);
	xfree_wiped(NULL, 0);
	free(part);
	free(made);
}

static void
overflow(void *arg)
{
	free(xreallocarray(arg, (size_t)1 << 40, (size_t)1 << 40));
}

static void
an_overflowing_size_is_fatal(void **state)
{
	(void)state;
	char said[256];

	assert_int_equal(unit_in_child(overflow, NULL, said, sizeof(said)), EXIT_SYSTEM);
	assert_non_null(strstr(said, "fatal: out of memory"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_still_something),
	    cmocka_unit_test(strings_are_copied),
	    cmocka_unit_test(an_overflowing_size_is_fatal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
