#include "unit.h"
#include "cli/doctor.h"

/* In cmd_doctor.c, which is not part of this. */
void
doctor_say(struct finding *f, enum doctor_level level, const char *todo)
{
	f->level = level;
	f->todo = todo;
}

static void
is(unsigned long type, enum doctor_level level, const char *name)
{
	const char *found;

	assert_int_equal(doctor_fs(type, &found), level);
	assert_string_equal(found, name);
}

static void
a_database_needs_a_local_disk(void **state)
{
	(void)state;
	is(0xEF53, DOCTOR_OK, "ext4");
	is(0x12345678, DOCTOR_OK, "a local file system");
	is(0x01021997, DOCTOR_BAD, "9p");
	is(0x6969, DOCTOR_BAD, "nfs");
	is(0x65735546, DOCTOR_BAD, "fuse or virtiofs");
	is(0x794C7630, DOCTOR_WARN, "overlay");
}

static void
a_type_that_was_sign_extended(void **state)
{
	(void)state;
	is((unsigned long)(long)(int)0xFF534D42, DOCTOR_BAD, "cifs");
	is((unsigned long)(long)(int)0x9123683E, DOCTOR_OK, "btrfs");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_database_needs_a_local_disk),
	    cmocka_unit_test(a_type_that_was_sign_extended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
