#include "unit.h"
#include "cli/args.h"

static const struct cli_option options[] = {
    {'w', "wait", NULL, "", WHAT_NONE},
    {'n', "number", "N", "", WHAT_NONE},
    {0, "from", "NAME", "", WHAT_NONE},
    {'q', "quiet", NULL, "", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};
static const char *const words[] = {"check", "show", NULL};
static const struct command any = {.name = "any",
    .synopsis = "",
    .options = options,
    .what = WHAT_TEXT,
    .max_words = -1};
static const struct command two = {.name = "two",
    .synopsis = "WHAT [FILE]",
    .words = words,
    .what = WHAT_WORDS,
    .min_words = 1,
    .max_words = 2};
const struct command *const cli_commands[] = {&any, &two, NULL};

static struct {
	struct args args;
	char *said; /* on stderr */
} got;

/* Parses line, split at blanks. */
static bool
parse(const struct command *command, const char *line)
{
	static char copy[256];
	char *argv[16];
	int argc = 0;
	size_t len;
	struct cli cli = {.command = command};

	args_free(&got.args);
	free(got.said);
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	cli.err.file = open_memstream(&got.said, &len);
	bool good = args_parse(&got.args, &cli, argc, argv);
	fclose(cli.err.file);
	return good;
}

static int
forget(void **state)
{
	(void)state;
	args_free(&got.args);
	free(got.said);
	got.said = NULL;
	return 0;
}

static void
forms_of_options(void **state)
{
	static const char *const lines[] = {"-n5 a -w", "-n 5 -w a",
	    "--number 5 a --wait", "--number=5 --wait a", "-wn5 a", "-wn 5 a",
	    "a -wqn 5"};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_true(parse(&any, lines[i]));
		assert_string_equal(args_get(&got.args, "number"), "5");
		assert_true(args_has(&got.args, "wait"));
		assert_false(args_has(&got.args, "from"));
		assert_int_equal(got.args.count, 1);
		assert_string_equal(got.args.words[0], "a");
	}
}

static void
words_after_two_dashes_are_words(void **state)
{
	(void)state;
	assert_true(parse(&any, "a -- --wait -n"));
	assert_int_equal(got.args.count, 3);
	assert_string_equal(got.args.words[1], "--wait");
	assert_false(args_has(&got.args, "wait"));
	assert_true(parse(&any, "- -"));
	assert_int_equal(got.args.count, 2); /* a dash alone is a word */
}

static void
where_the_last_option_stood(void **state)
{
	(void)state;
	assert_true(parse(&any, "-w a b"));
	assert_int_equal(got.args.before_last, 0);
	assert_true(parse(&any, "-w a --from x b c"));
	assert_int_equal(got.args.before_last, 1);
	assert_true(parse(&any, "a b -- -w"));
	assert_int_equal(got.args.before_last, 0);
}

static void
refused(const struct command *command, const char *line, const char *why)
{
	assert_false(parse(command, line));
	if (strstr(got.said, why) == NULL)
		fail_msg("\"%s\": expected \"%s\" in: %s", line, why, got.said);
}

static void
mistakes_are_explained(void **state)
{
	(void)state;
	refused(&any, "--wiat", "did you mean --wait?");
	refused(&any, "--wai", "no option --wai"); /* nothing is abbreviated */
	refused(&any, "-x", "no option -x");
	refused(&any, "-x", "put -- before the text");
	refused(&any, "--wait=yes", "--wait takes no value");
	refused(&any, "-n", "--number needs a value");
	refused(&any, "--from", "--from NAME");
	refused(&any, "-n1 -n2", "--number is given twice");
	refused(&two, "", "usage: berth two WHAT [FILE]");
	refused(&two, "check a b", "\"b\" is one word too many");
	refused(&two, "chekc", "did you mean check?");
	refused(&two, "chekc", "check or show");
	assert_true(parse(&any, "-w -w"));  /* a flag may be repeated */
	assert_true(parse(&two, "--help")); /* asks for no words */
}

static void
values_are_checked(void **state)
{
	struct cli cli = {.command = &any};
	int64_t value;
	char *said;
	size_t len;

	(void)state;
	cli.err.file = open_memstream(&said, &len);
	assert_true(parse(&any, "-n 12"));
	assert_true(args_count(&got.args, &cli, "number", 3, 100, &value));
	assert_int_equal(value, 12);
	assert_true(parse(&any, "a"));
	assert_true(args_count(&got.args, &cli, "number", 3, 100, &value));
	assert_int_equal(value, 3);
	assert_true(parse(&any, "-n 101"));
	assert_false(args_count(&got.args, &cli, "number", 3, 100, &value));
	assert_true(parse(&any, "-n 5m"));
	assert_false(args_count(&got.args, &cli, "number", 3, 100, &value));
	assert_true(args_duration(&got.args, &cli, "number", 0, &value));
	assert_int_equal(value, 300000);
	assert_true(parse(&any, "-n -5"));
	assert_false(args_count(&got.args, &cli, "number", 3, 100, &value));
	assert_false(args_duration(&got.args, &cli, "number", 0, &value));
	assert_false(args_when(&got.args, &cli, "number", &value));
	fclose(cli.err.file);
	free(said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(forms_of_options, forget),
	    cmocka_unit_test_teardown(words_after_two_dashes_are_words, forget),
	    cmocka_unit_test_teardown(where_the_last_option_stood, forget),
	    cmocka_unit_test_teardown(mistakes_are_explained, forget),
	    cmocka_unit_test_teardown(values_are_checked, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
