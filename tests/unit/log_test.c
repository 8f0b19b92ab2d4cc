#include "unit.h"

#include <errno.h>
#include <fcntl.h>

#include "log.h"

static char said[16384];

static void
forge(void *arg)
{
	log_init("unit");
	log_info("from %s", (const char *)arg);
}

static void
say_warning(void *arg)
{
	(void)arg;
	log_init("unit");
	errno = ENOENT;
	log_warn("open");
	if (errno != ENOENT)
		_exit(1);
	log_warnx("plain");
	log_debug("silent");
}

static void
say_debug(void *arg)
{
	setenv("BERTH_DEBUG", arg, 1);
	log_init("unit");
	log_debug("deep");
}

static void
die(void *arg)
{
	(void)arg;
	log_init("unit");
	errno = EACCES;
	fatal(EXIT_BAD_USAGE, "read %d", 3);
}

static void
nobody_can_forge_a_line(void **state)
{
	(void)state;
	static char evil[] = "a\nunit: info: b\x1b[31m\x7f\xc2\x9b\xff\xc3\xa9";

	assert_int_equal(unit_in_child(forge, evil, said, sizeof(said)), 0);
	assert_string_equal(said, "unit: info: from a\\x0aunit: info: "
				  "b\\x1b[31m\\x7f\\xc2\\x9b\\xff\xc3\xa9\n");
}

static void
a_long_line_is_cut_and_stays_one_write(void **state)
{
	(void)state;
	static char lengths[] = {'x', '\n'};

	for (size_t i = 0; i < COUNT(lengths); i++) {
		char *text = malloc(9000);
		assert_non_null(text);
		memset(text, lengths[i], 8999);
		text[8999] = '\0';
		assert_int_equal(unit_in_child(forge, text, said, sizeof(said)), 0);
		size_t len = strlen(said);
		assert_true(len >= 4088 && len <= 4096);
		assert_string_equal(said + len - 4, "...\n");
		assert_ptr_equal(strchr(said, '\n'), said + len - 1);
		free(text);
	}
}

static void
levels_and_errno(void **state)
{
	(void)state;
	assert_int_equal(unit_in_child(say_warning, NULL, said, sizeof(said)), 0);
	assert_string_equal(said, "unit: warning: open: No such file or directory\n"
				  "unit: warning: plain\n");
}

static void
debug_only_when_asked(void **state)
{
	(void)state;
	static char yes[] = "1", no[] = "0";

	assert_int_equal(unit_in_child(say_debug, no, said, sizeof(said)), 0);
	assert_string_equal(said, "");
	assert_int_equal(unit_in_child(say_debug, yes, said, sizeof(said)), 0);
	assert_string_equal(said, "unit: debug: deep\n");
}

static void
fatal_ends_with_its_status(void **state)
{
	(void)state;
	assert_int_equal(unit_in_child(die, NULL, said, sizeof(said)), EXIT_BAD_USAGE);
	assert_string_equal(said, "unit: fatal: read 3: Permission denied\n");
}

/* The logger stands still, as on a full disk: who logs goes on, and says what is missing.
 */
static void
a_logger_that_stands_still_stops_nobody(void **state)
{
	static char chunk[4096];
	int fds[2], kept = dup(STDERR_FILENO);
	char text[4096];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	memset(chunk, 'x', sizeof(chunk));
	while (write(fds[1], chunk, sizeof(chunk)) > 0)
		continue;
	fcntl(fds[1], F_SETFL, 0);
	dup2(fds[1], STDERR_FILENO);
	log_init("unit");
	for (int i = 0; i < 3; i++)
		log_info("lost %d", i);
	while (read(fds[0], text, sizeof(text)) > 0)
		continue;
	log_info("heard");
	n = read(fds[0], text, sizeof(text) - 1);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(fds[0]);
	close(fds[1]);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(
	    text, "unit: warning: 3 lines were dropped here\nunit: info: heard\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_can_forge_a_line),
	    cmocka_unit_test(a_logger_that_stands_still_stops_nobody),
	    cmocka_unit_test(a_long_line_is_cut_and_stays_one_write),
	    cmocka_unit_test(levels_and_errno),
	    cmocka_unit_test(debug_only_when_asked),
	    cmocka_unit_test(fatal_ends_with_its_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
