#include "unit.h"
#include "arena.h"

static struct arena *a;

static int
setup(void **state)
{
	(void)state;
	a = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	arena_free(NULL);
	return 0;
}

static void
all_is_zeroed_aligned_and_apart(void **state)
{
	(void)state;
	unsigned char *before = NULL;
	size_t before_size = 0;

	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 40000; size = size * 2 + 7) {
			unsigned char *p = arena_alloc(a, size);
			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xee, size);
			if (before != NULL && before_size > 0)
				assert_int_equal(before[before_size - 1], 0xee);
			before = p;
			before_size = size;
		}
		arena_reset(a);
		before = NULL;
	}
}

static void
a_reset_uses_its_block_again(void **state)
{
	(void)state;
	char *first;

	for (int i = 0; i < 1000; i++)
		arena_alloc(a, 1000);
	arena_alloc(a, 1 << 20);
	arena_reset(a);
	/* One block is kept, whichever: from now on it is always the same. */
	first = arena_alloc(a, 100);
	arena_reset(a);
	assert_ptr_equal(arena_alloc(a, 100), first);
}

static void
texts_are_copied(void **state)
{
	(void)state;
	char from[] = "berth at sea";
	char *all = arena_strdup(a, from), *part = arena_strndup(a, from, 5);
	char *more = arena_strndup(a, from, 500),
	     *made = arena_printf(a, "%s/%d", part, 3);

	memset(from, 'x', sizeof(from) - 1);
	assert_string_equal(all, "berth at sea");
	assert_string_equal(part, "berth");
	assert_string_equal(more, "berth at sea");
	assert_string_equal(made, "berth/3");
	assert_string_equal(arena_printf(a, "%0*d", 20000, 0) + 19995, "00000");
	assert_null(arena_strdup(a, NULL));
}

int
main(void)
{
#define ARENA_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    ARENA_TEST(all_is_zeroed_aligned_and_apart),
	    ARENA_TEST(a_reset_uses_its_block_again),
	    ARENA_TEST(texts_are_copied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
