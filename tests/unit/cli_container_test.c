/* What a container knows of itself. */
#include "unit.h"

#include "cli/container.h"

static void
its_name_is_the_one_it_was_given(void **state)
{
	(void)state;
	assert_string_equal(container_name_by("work", "box"), "work");
	assert_string_equal(container_name_by(NULL, "work.2_b-c"), "work.2_b-c");
	assert_string_equal(container_name_by("", "work"), "work");
}

/* An engine that was told no hostname takes the beginning of the container's id. */
static void
an_id_is_no_name(void **state)
{
	(void)state;
	assert_null(container_name_by(NULL, "0f3a9c77d21b"));
	assert_null(container_name_by(NULL, NULL));
	assert_null(container_name_by(NULL, "-x"));
	assert_string_equal(container_name_by(NULL, "0f3a9c77d21"), "0f3a9c77d21");
	assert_string_equal(container_name_by(NULL, "0f3a9c77d21x"), "0f3a9c77d21x");
}

static void
names_are_what_engines_take(void **state)
{
	static const char *const good[] = {"berth", "B2", "0", "a.b_c-d"},
				 *const bad[] = {"", "-x", "_x", ".x", "a b", "a/b",
				     "a\nb", "a$b", "\xc3\xa4", "a:b", "@"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(container_name_valid(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(container_name_valid(bad[i]));
}

static void
the_engine_is_known_by_what_it_leaves(void **state)
{
	(void)state;
	assert_string_equal(container_engine_by("podman", false, false), "podman");
	assert_string_equal(container_engine_by(NULL, true, false), "podman");
	assert_string_equal(container_engine_by(NULL, false, true), "docker");
	assert_string_equal(container_engine_by("docker", true, false), "docker");
	assert_null(container_engine_by("systemd-nspawn", false, false));
	assert_null(container_engine_by(NULL, false, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(its_name_is_the_one_it_was_given),
	    cmocka_unit_test(an_id_is_no_name),
	    cmocka_unit_test(names_are_what_engines_take),
	    cmocka_unit_test(the_engine_is_known_by_what_it_leaves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
