/* What tells whether something is still the same. */
#include "unit.h"

#include "hash.h"

/* From the authors' test suite. */
static void
it_is_fnv_1a(void **state)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} known[] = {{"", 0xcbf29ce484222325}, {"a", 0xaf63dc4c8601ec8c},
	    {"foobar", 0x85944171f73967e8}};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++)
		assert_true(hash_bytes(HASH_BEGIN, known[i].text,
				strlen(known[i].text)) == known[i].hash);
}

static void
pieces_make_the_whole(void **state)
{
	(void)state;
	assert_true(hash_bytes(hash_bytes(HASH_BEGIN, "foo", 3), "bar", 3) ==
		    hash_bytes(HASH_BEGIN, "foobar", 6));
	assert_true(hash_bytes(HASH_BEGIN, "\0", 1) != hash_bytes(HASH_BEGIN, "\0\0", 2));
}

static void
its_text_is_sixteen_digits(void **state)
{
	char out[HASH_TEXT];

	(void)state;
	assert_string_equal(hash_text(0xab, out), "00000000000000ab");
	assert_string_equal(hash_text(HASH_BEGIN, out), "cbf29ce484222325");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_fnv_1a),
	    cmocka_unit_test(pieces_make_the_whole),
	    cmocka_unit_test(its_text_is_sixteen_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
