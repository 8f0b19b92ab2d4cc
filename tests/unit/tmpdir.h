/* A directory for each test: DIR_TEST(test) makes it, and removes it. */
#ifndef TMPDIR_H
#define TMPDIR_H
#include "unit.h"

static char dir[64];

static UNUSED int
dir_setup(void **state)
{
	(void)state;
	unit_tmpdir(dir);
	return 0;
}

static UNUSED int
dir_teardown(void **state)
{
	(void)state;
	unit_rmdir(dir);
	return 0;
}

/* What is called so in it, in one of a few buffers. */
static UNUSED const char *
in(const char *name)
{
	static char path[4][512];
	static int turn;
	char *to = path[turn++ % 4];

	snprintf(to, sizeof(path[0]), "%s/%s", dir, name);
	return to;
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)
#endif
