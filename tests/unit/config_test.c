/*
 * What the golden files of the configuration don't show: the values as services get them,
 * the limits, and that the table of keys and the default file hold together.
 */
#include "buf.h"
#include "config_impl.h"
#include "xmalloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct config *
load_env(const char *text, char *const *variables)
{
	struct config_source source = {.name = "berth.toml",
	    .text = text,
	    .len = strlen(text),
	    .environ = variables,
	    .host_name = "box"};

	return config_load(&source);
}

static struct config *
load(const char *text)
{
	return load_env(text, NULL);
}

static struct config *
load_ok(const char *text)
{
	struct config *c = load(text);

	if (config_errors(c) > 0)
		fail_msg("%s", config_error(c, 0));
	return c;
}

static void
values_by_path(void **state)
{
	struct config *c =
	    load_ok("[agents.demo]\ndriver = \"demo\"\nargs = [\"a\",\n\"b\"]\n"
		    "env.X = \"1\"\nenv.Y = \"2\"\nnice = 5\n"
		    "[agents.other]\ndriver = \"claude\"\n"
		    "[delivery]\nhuman_idle = \"1500ms\"\n");

	(void)state;
	assert_int_equal(config_ms(c, "delivery.human_idle"), 1500);
	assert_int_equal(config_ms(c, "delivery.expire"), -1);
	assert_int_equal(config_int(c, "delivery.max_queue"), 1000);
	assert_true(config_bool(c, "limits.continue"));
	assert_int_equal(config_count(c, "agents"), 2);
	assert_string_equal(config_name_at(c, 1, "agents"), "other");
	assert_string_equal(config_str(c, "agents.%s.driver", "other"), "claude");
	assert_string_equal(config_str(c, "agents.demo.cwd"), "/projects");
	assert_null(config_str(c, "agents.demo.proxy"));
	assert_int_equal(config_int(c, "agents.demo.uid"), 0);
	assert_int_equal(config_int(c, "agents.demo.nice"), 5);
	assert_int_equal(config_count(c, "agents.%s.args", "demo"), 2);
	assert_string_equal(config_at(c, 1, "agents.%s.args", "demo"), "b");
	assert_int_equal(config_count(c, "agents.demo.env"), 2);
	assert_string_equal(config_name_at(c, 1, "agents.demo.env"), "Y");
	assert_string_equal(config_at(c, 1, "agents.demo.env"), "2");
	assert_int_equal(config_count(c, "agents.demo.mcp"), 0);
	config_free(c);
	config_free(NULL);
}

static void
where_values_come_from(void **state)
{
	char *variables[] = {"BERTH__HOST__NAME=b", NULL};
	struct config *c = load_env(
	    "[agents.a]\ndriver = \"demo\"\nargs = [\"a\",\n\"b\"]\n", variables);

	(void)state;
	assert_string_equal(config_where(c, "agents.a.driver"), "berth.toml:2");
	assert_string_equal(config_where(c, "agents.a.cwd"), "default");
	assert_string_equal(config_where(c, "host.name"), "BERTH__HOST__NAME");
	assert_string_equal(config_where_at(c, 1, "agents.a.args"), "berth.toml:4");
	assert_true(config_given(c, "host.name"));
	assert_false(config_given(c, "agents.a.cwd"));
	assert_int_equal(config_when(c, "agents.a.cwd"), CONFIG_AGENT_START);
	assert_int_equal(config_when(c, "delivery.expire"), CONFIG_AT_ONCE);
	config_free(c);
}

static void
what_is_wrong_keeps_its_default(void **state)
{
	struct config *c =
	    load("[delivery]\nmax_queue = 0\n[agents.a]\ndriver = \"demo\"\nenv = 3\n");

	(void)state;
	assert_int_equal(config_errors(c), 2);
	assert_null(config_error(c, 2));
	assert_int_equal(config_int(c, "delivery.max_queue"), 1000);
	assert_int_equal(config_count(c, "agents.a.env"), 0);
	config_free(c);
}

static void
an_unknown_path_is_a_bug(void **state)
{
	static const char *const paths[] = {
	    "delivery.nope", "agents.a.cwd", "delivery", "delivery.max_queue", "", "x"};
	struct config *c = load_ok("");

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			fclose(stderr);
			config_str(c, "%s", paths[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 101);
	}
	config_free(c);
}

static void
host_names_are_made_fit(void **state)
{
	static const char *const names[][2] = {{"box", "box"}, {"Box_1.lan", "box-1"},
	    {"3f2a9c", "h3f2a9c"}, {"", "h"}, {"-x", "h-x"},
	    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaa",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct config_source source = {
		    .name = "t", .text = "", .len = 0, .host_name = names[i][0]};
		struct config *c = config_load(&source);

		assert_string_equal(config_str(c, "host.name"), names[i][1]);
		assert_null(config_check_host_name(config_str(c, "host.name")));
		config_free(c);
	}
}

static void
the_machine_has_a_name(void **state)
{
	struct config_source source = {.name = "t", .text = "", .len = 0};
	struct config *c = config_load(&source);

	(void)state;
	assert_null(config_check_host_name(config_str(c, "host.name")));
	config_free(c);
}

static void
the_default_file_has_no_errors_and_one_agent(void **state)
{
	char *text = config_default_file(false);
	struct config *c = load_ok(text);

	(void)state;
	assert_int_equal(config_count(c, "agents"), 1);
	assert_string_equal(config_name_at(c, 0, "agents"), "demo");
	assert_string_equal(config_str(c, "agents.demo.driver"), "demo");
	config_free(c);
	free(text);
}

static void
the_default_file_has_claude_where_that_is_installed(void **state)
{
	char *text = config_default_file(true);
	struct config *c = load_ok(text);

	(void)state;
	assert_int_equal(config_count(c, "agents"), 2);
	assert_string_equal(config_str(c, "agents.claude.driver"), "claude");
	assert_int_equal(config_count(c, "agents.claude.secrets"), 4);
	config_free(c);
	free(text);
}

/* Whoever takes away the # of its examples must get a file that loads, too. */
static void
the_default_files_examples_load(void **state)
{
	struct buf text = BUF_INIT;
	char *file = config_default_file(false);
	struct config *c;

	(void)state;
	for (const char *line = file; *line != '\0';) {
		size_t len = strcspn(line, "\n") + 1;
		bool example = line[0] == '#' && strchr("# \n", line[1]) == NULL;

		buf_add(&text, line + example, len - example);
		line += len;
	}
	c = load_ok(buf_str(&text));
	assert_int_equal(config_count(c, "agents"), 3);
	assert_int_equal(config_count(c, "agents.claude.secrets"), 4);
	assert_string_equal(config_str(c, "agents.shell.driver"), "command");
	config_free(c);
	buf_free(&text);
	free(file);
}

static void
tables_and_entries_are_limited(void **state)
{
	struct buf text = BUF_INIT;
	struct config *c;

	(void)state;
	for (int i = 0; i < CONFIG_MAX_TABLES + 3; i++)
		buf_addf(&text, "[agents.a%d]\ndriver = \"demo\"\n", i);
	c = load(buf_str(&text));
	assert_int_equal(config_errors(c), 1);
	assert_string_equal(
	    config_error(c, 0), "berth.toml:513: agents: are more than 256");
	config_free(c);

	buf_clear(&text);
	buf_adds(&text, "[agents.a]\ndriver = \"demo\"\n");
	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "env.A%d = \"\"\n", i);
	c = load_ok(buf_str(&text));
	assert_int_equal(config_count(c, "agents.a.env"), 1000);
	config_free(c);
	buf_adds(&text, "env.B = \"\"\n");
	c = load(buf_str(&text));
	assert_string_equal(config_error(c, 0),
	    "berth.toml:1003: agents.a.env.B: has more than 1000 entries");
	config_free(c);
	buf_free(&text);
}

/* Names that no shell would make, as another runtime could. */
static void
strange_variables_do_no_harm(void **state)
{
	char *variables[] = {"BERTH__", "BERTH__=", "BERTH__A\nfatal: x=1",
	    "BERTH__\xff=1", "BERTH__HOST__NAME=\xff", "=BERTH__X", "",
	    "BERTH__AGENTS__a b__CWD=/x", NULL};
	struct config *c = load_env("", variables);

	(void)state;
	assert_int_equal(config_errors(c), 5);
	for (size_t i = 0; i < config_errors(c); i++)
		assert_null(strchr(config_error(c, i), '\n'));
	config_free(c);
}

static void
no_secret_is_shown_or_told(void **state)
{
	static const char secret[] = "hunter2";
	struct config *c =
	    load_ok("[agents.a]\ndriver = \"demo\"\nenv.MY_TOKEN = \"hunter2\"\n"
		    "env.db_password = \"hunter2\"\nproxy = \"http://u:hunter2@p\"\n");
	char *shown = config_show(c);

	(void)state;
	assert_null(strstr(shown, secret));
	free(shown);
	config_free(c);
	c = load("[agents.a]\ndriver = \"demo\"\nproxy = \"ftp://u:hunter2@p\"\n"
		 "secrets.A = \"hunter2!\"\nsecrets.\"hunter2!\" = \"a\"\n");
	assert_int_equal(config_errors(c), 3);
	for (size_t i = 0; i < config_errors(c); i++)
		assert_null(strstr(config_error(c, i), secret));
	config_free(c);
}

static bool
may_default(const struct config_row *row)
{
	return row->initial != NULL || row->unset != NULL || row->type == CONFIG_LIST ||
	       row->type == CONFIG_MAP || (row->flags & CONFIG_REQUIRED);
}

static void
every_row_is_whole(void **state)
{
	const struct config_row *section = NULL;

	(void)state;
	for (const struct config_row *row = config_rows; row->path != NULL; row++) {
		if (row->help == NULL || strchr(row->help, '|') != NULL)
			fail_msg(
			    "%s: help is missing, or would break its table", row->path);
		if (row->type == CONFIG_TABLE) {
			section = row;
			continue;
		}
		assert_memory_equal(row->path, section->path, strlen(section->path));
		assert_true(may_default(row));
		if (row->type == CONFIG_INTEGER || row->type == CONFIG_DURATION)
			assert_true(row->min < row->max);
		if (row->type == CONFIG_ENUM)
			assert_true(row->words != NULL && row->noun != NULL);
	}
}

/* A default that its own row refuses would leave 0 or NULL behind, and say so as an
 * error. */
static void
every_default_is_allowed(void **state)
{
	struct config *c = load_ok("[agents.a]\ndriver = \"demo\"\n");

	(void)state;
	for (const struct config_table *t = c->tables; t != NULL; t = t->next) {
		for (size_t i = 0; i < config_row_keys(t->row); i++) {
			const struct config_row *row = &t->row[i + 1];

			if (row->initial == NULL)
				continue;
			if (row->type == CONFIG_STRING || row->type == CONFIG_ENUM)
				assert_string_equal(t->values[i].text, row->initial);
			if (row->type == CONFIG_INTEGER)
				assert_int_equal(
				    t->values[i].number, atoll(row->initial));
		}
	}
	config_free(c);
}

static void
durations_are_written_exactly(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {{-1, "never"}, {0, "0s"}, {1, "1ms"}, {1000, "1s"},
	    {5400000, "1h30m"}, {90061001, "1d1h1m1s1ms"}};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
		    config_duration(cases[i].ms, text, sizeof(text)), cases[i].text);
}

static void
names_are_found(void **state)
{
	struct config *c = load_ok("[agents.main]\ndriver = \"demo\"\n"
				   "secrets.KEY = \"key\"\n[agents.other]\n"
				   "driver = \"demo\"\n");

	(void)state;
	assert_true(config_has(c, "main", "agents"));
	assert_true(config_has(c, "other", "agents"));
	assert_false(config_has(c, "mai", "agents"));
	assert_false(config_has(c, "", "agents"));
	assert_true(config_has(c, "KEY", "agents.%s.secrets", "main"));
	assert_false(config_has(c, "KEY", "agents.%s.secrets", "other"));
	config_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_by_path),
	    cmocka_unit_test(names_are_found),
	    cmocka_unit_test(where_values_come_from),
	    cmocka_unit_test(what_is_wrong_keeps_its_default),
	    cmocka_unit_test(an_unknown_path_is_a_bug),
	    cmocka_unit_test(host_names_are_made_fit),
	    cmocka_unit_test(the_machine_has_a_name),
	    cmocka_unit_test(the_default_file_has_no_errors_and_one_agent),
	    cmocka_unit_test(the_default_file_has_claude_where_that_is_installed),
	    cmocka_unit_test(the_default_files_examples_load),
	    cmocka_unit_test(tables_and_entries_are_limited),
	    cmocka_unit_test(strange_variables_do_no_harm),
	    cmocka_unit_test(no_secret_is_shown_or_told),
	    cmocka_unit_test(every_row_is_whole),
	    cmocka_unit_test(every_default_is_allowed),
	    cmocka_unit_test(durations_are_written_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
