/* What berth doctor says of memory; and of the volume, on file systems and with
 * configurations of the test's own. */
#include "unit.h"

#include <errno.h>

#include "cli/configfile.h"
#include "cli/doctor.h"
#include "config.h"
#include "fstype.h"

static const char *toml;

int
fstype_look(const char *path, struct fstype *out)
{
	(void)path;
	*out = (struct fstype){.kind = FSTYPE_SHARED, .name = "nfs"};
	return 0;
}

int
config_file_load(const char *path, struct config **config)
{
	struct config_source source = {.name = path, .text = toml, .host_name = "box"};

	if (toml == NULL) {
		errno = EACCES;
		return -1;
	}
	source.len = strlen(toml);
	*config = config_load(&source);
	return 0;
}

void
doctor_say(struct finding *f, enum doctor_level level, const char *todo)
{
	if (level > f->level || f->todo == NULL)
		f->todo = todo;
	f->level = level > f->level ? level : f->level;
}

static void
expect(const char *text, enum doctor_level level, const char *todo)
{
	struct finding f = {.level = DOCTOR_OK};

	toml = text;
	doctor_data(NULL, &f);
	assert_int_equal(f.level, level);
	assert_non_null(strstr(buf_str(&f.text), "is on nfs"));
	if (strstr(f.todo, todo) == NULL)
		fail_msg("expected \"%s\" in: %s", todo, f.todo);
	buf_free(&f.text);
}

static void
a_network_volume_is_bad_unless_it_is_accepted(void **state)
{
	(void)state;
	expect("", DOCTOR_BAD, "needs a local disk");
	expect("[data]\ni_accept_a_network_file_system = false\n", DOCTOR_BAD,
	    "needs a local disk");
	expect("[data]\ni_accept_a_network_file_system = true\n", DOCTOR_WARN,
	    "the configuration accepts that");
	expect(NULL, DOCTOR_WARN, "the configuration accepts that");
}

/* Whatever the cgroup is: berth neither watches nor limits the memory of one agent. */
static void
no_agent_has_a_memory_limit_of_its_own(void **state)
{
	struct finding f = {.level = DOCTOR_OK};

	(void)state;
	doctor_cgroup(NULL, &f);
	assert_int_equal(f.level, DOCTOR_OK);
	assert_non_null(
	    strstr(buf_str(&f.text), "only the container has a memory limit"));
	assert_null(strstr(buf_str(&f.text), "watched"));
	buf_free(&f.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_agent_has_a_memory_limit_of_its_own),
	    cmocka_unit_test(a_network_volume_is_bad_unless_it_is_accepted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
