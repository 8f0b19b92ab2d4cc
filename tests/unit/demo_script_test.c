/* What prompts make the demo do. */
#include "unit.h"

#include "buf.h"
#include "demo/script.h"

static const char *const names[STEPS] = {
    [STEP_SAY] = "say",
    [STEP_SLEEP] = "sleep",
    [STEP_STREAM] = "stream",
    [STEP_FILL] = "fill",
    [STEP_TOOL] = "tool",
    [STEP_USAGE] = "usage",
    [STEP_LIMIT] = "limit",
    [STEP_AUTH] = "auth",
    [STEP_ERROR] = "error",
    [STEP_ABSORB] = "absorb",
    [STEP_DEAF] = "deaf",
    [STEP_SPAM] = "spam",
    [STEP_NOHOOK] = "nohook",
    [STEP_CRASH] = "crash",
    [STEP_ABORT] = "abort",
    [STEP_EXIT] = "exit",
};

static void
gives(const char *prompt, const char *wanted)
{
	struct buf out = BUF_INIT;
	struct script s;

	script_parse(&s, prompt);
	for (size_t i = 0; i < s.count; i++) {
		const struct step *step = &s.steps[i];
		buf_addf(&out, "%s%s(%s", i > 0 ? ", " : "", names[step->type],
		    step->text == NULL ? "" : step->text);
		for (int n = 0; n < 4; n++)
			if (step->n[n] != 0)
				buf_addf(&out, " %lld", (long long)step->n[n]);
		buf_addf(&out, "%s%s)", step->input == NULL ? "" : " ",
		    step->input == NULL ? "" : step->input);
	}
	assert_string_equal(buf_str(&out), wanted);
	script_clear(&s);
	buf_free(&out);
}

static void
plain_text_is_said_back(void **state)
{
	(void)state;
	gives("hello", "say(You said: hello)");
	gives("a\nb", "say(You said: a\nb)");
	gives("", "say(You said: )");
	gives("[[unknown 3]] [[", "say(You said: [[unknown 3]] [[)");
	gives("[[say never closed", "say(You said: [[say never closed)");
	gives("[[sayings]]", "say(You said: [[sayings]])");
}

static void
the_header_is_not_part_of_the_message(void **state)
{
	(void)state;
	gives("[berth 01JD 14:05 cli] hi", "say(You said: hi)");
	gives("[berth 01JD 14:05 telegram from Anna, thread 42] two\nlines",
	    "say(You said: two\nlines)");
	gives("\\[berth x] hi", "say(You said: \\[berth x] hi)");
	gives("[berth never closed", "say(You said: [berth never closed)");
}

static void
each_of_several_messages_is_answered(void **state)
{
	(void)state;
	gives("[berth 1 14:05 cli] one\n\n[berth 2 14:05 cli] [[sleep 5]] [[say two]]\n\n"
	      "[berth 3 14:05 cli] three",
	    "say(You said: one), sleep( 5), say(two), say(You said: three)");
	gives("typed\n[berth 1 14:05 cli] sent",
	    "say(You said: typed), say(You said: sent)");
}

static void
commands_are_done_in_order(void **state)
{
	(void)state;
	gives("please [[sleep 20]] and [[say a b]][[crash]]",
	    "sleep( 20), say(a b), crash()");
	gives("[[stream 3 10]] [[fill 100]] [[usage 1 2]] [[usage 1 2 3 4]]",
	    "stream( 3 10), fill( 100), usage( 1 2), usage( 1 2 3 4)");
	gives("[[exit 7]] [[abort]] [[limit 60]] [[auth]] [[error it broke]]",
	    "exit( 7), abort(), limit( 60), auth(), error(it broke)");
	gives("[[deaf 10]] [[spam 99]] [[nohook]] [[absorb]]",
	    "deaf( 10), spam( 99), nohook(), absorb()");
}

static void
a_tools_input_may_hold_brackets(void **state)
{
	(void)state;
	gives("[[tool Bash {\"command\":\"[[ x ]]\",\"a\":[[1]]}]] [[say b]]",
	    "tool(Bash {\"command\":\"[[ x ]]\",\"a\":[[1]]}), say(b)");
	gives("[[tool Read]] [[tool Write {\"a\":1}]]",
	    "tool(Read {}), tool(Write {\"a\":1})");
}

static void
a_malformed_command_says_so(void **state)
{
	(void)state;
	gives(
	    "[[sleep]]", "say(I don't understand this: [[sleep]]. It is [[sleep MS]].)");
	gives("[[sleep -1]]",
	    "say(I don't understand this: [[sleep -1]]. It is [[sleep MS]].)");
	gives("[[sleep 1x]]",
	    "say(I don't understand this: [[sleep 1x]]. It is [[sleep MS]].)");
	gives("[[sleep 99999999999999999999]]",
	    "say(I don't understand this: [[sleep 99999999999999999999]]. It is [[sleep "
	    "MS]].)");
	gives("[[stream 1 9223372036854775807]]",
	    "say(I don't understand this: [[stream 1 9223372036854775807]]. It is "
	    "[[stream N MS]].)");
	gives("[[exit 256]]",
	    "say(I don't understand this: [[exit 256]]. It is [[exit N]].)");
	gives("[[crash now]]",
	    "say(I don't understand this: [[crash now]]. It is [[crash]].)");
	gives("[[say]]", "say(I don't understand this: [[say]]. It is [[say TEXT]].)");
	gives("[[tool Bash {\"a\"}]]", "say(I don't understand this: [[tool Bash "
				       "{\"a\"}]]. It is [[tool NAME {json}]].)");
	gives("[[stream 1]] [[crash]]", "say(I don't understand this: [[stream 1]]. It "
					"is [[stream N MS]].), crash()");
}

static void
help_names_every_command(void **state)
{
	struct buf help = BUF_INIT;

	(void)state;
	script_help(&help);
	for (int i = 0; i < STEPS; i++) {
		char start[32];
		snprintf(start, sizeof(start), "  [[%s", names[i]);
		assert_non_null(strstr(help.data, start));
	}
	buf_free(&help);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_text_is_said_back),
	    cmocka_unit_test(the_header_is_not_part_of_the_message),
	    cmocka_unit_test(each_of_several_messages_is_answered),
	    cmocka_unit_test(commands_are_done_in_order),
	    cmocka_unit_test(a_tools_input_may_hold_brackets),
	    cmocka_unit_test(a_malformed_command_says_so),
	    cmocka_unit_test(help_names_every_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
