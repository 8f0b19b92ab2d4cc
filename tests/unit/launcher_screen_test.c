/*
 * Is the prompt there, and is it empty? On pictures of the real CLIs and of the demo, as
 * capture-pane -e -p gave them in a pane of 100x30 (fixtures/screens; the first line is
 * where the cursor was), and on rows made up for what those don't show.
 */
#include "unit.h"

#include "buf.h"
#include "launcher/screen.h"

#define GLYPH "\xe2\x9d\xaf"
#define NBSP  "\xc2\xa0"
#define RULER "\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80"

struct picture {
	struct buf text;
	const char *rows;
	int x, y;
};

static void
picture_load(struct picture *p, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "tests/unit/fixtures/screens/%s.screen", name);
	*p = (struct picture){.text = BUF_INIT};
	if (buf_read_file(&p->text, path, 1 << 20) != 0)
		fail_msg("%s", path);
	assert_int_equal(sscanf(buf_str(&p->text), "%d %d", &p->x, &p->y), 2);
	p->rows = strchr(buf_str(&p->text), '\n') + 1;
}

static const struct {
	const char *name;
	enum screen_prompt prompt;
} pictures[] = {
    {"claude-197-start", SCREEN_EMPTY},
    {"claude-329-start", SCREEN_EMPTY},
    {"claude-197-stashed", SCREEN_EMPTY},
    {"claude-329-stashed", SCREEN_EMPTY},
    {"claude-197-busy", SCREEN_EMPTY}, /* the glyph is grey then */
    {"claude-329-busy", SCREEN_EMPTY},
    {"claude-197-queued", SCREEN_EMPTY}, /* "Press up to edit queued messages" */
    {"claude-329-queued", SCREEN_EMPTY},
    {"claude-197-failed_401", SCREEN_EMPTY},
    {"claude-329-failed_401", SCREEN_EMPTY}, /* "Once fixed, resend your message" */
    {"claude-197-failed_draft_401", SCREEN_DRAFT},
    {"claude-329-failed_draft_401", SCREEN_DRAFT},
    {"claude-197-failed_draft1_401", SCREEN_DRAFT}, /* one letter, under the cursor */
    {"claude-329-failed_draft1_401", SCREEN_DRAFT},
    {"claude-197-draft", SCREEN_DRAFT},
    {"claude-329-draft", SCREEN_DRAFT},
    {"claude-197-draft_start", SCREEN_DRAFT},
    {"claude-329-draft_start", SCREEN_DRAFT},
    {"claude-197-rows_first", SCREEN_DRAFT},
    {"claude-329-rows_first", SCREEN_DRAFT},
    {"claude-197-rows_last", SCREEN_DRAFT},
    {"claude-329-rows_last", SCREEN_DRAFT},
    {"claude-197-rows_gap", SCREEN_DRAFT}, /* an empty row above the cursor's */
    {"claude-329-rows_gap", SCREEN_DRAFT},
    {"claude-197-rows_on_gap", SCREEN_DRAFT},
    {"claude-329-rows_on_gap", SCREEN_DRAFT},
    {"claude-197-pasted", SCREEN_DRAFT},
    {"claude-329-pasted", SCREEN_DRAFT},
    {"claude-197-slash", SCREEN_DRAFT},
    {"claude-329-slash", SCREEN_DRAFT},
    {"claude-197-menu", SCREEN_NO_PROMPT},
    {"claude-329-menu", SCREEN_NO_PROMPT},
    {"claude-197-transcript_view", SCREEN_NO_PROMPT},
    {"claude-329-transcript_view", SCREEN_NO_PROMPT},
    {"demo-start", SCREEN_EMPTY},
    {"demo-stashed", SCREEN_EMPTY},
    {"demo-after", SCREEN_DRAFT}, /* what was put aside is back */
    {"demo-draft", SCREEN_DRAFT},
    {"demo-draft_start", SCREEN_DRAFT},
    {"demo-rows", SCREEN_DRAFT},
    {"demo-rows_gap", SCREEN_DRAFT},
    {"demo-up", SCREEN_DRAFT}, /* on an empty row of its draft */
    {"demo-up2", SCREEN_DRAFT},
};

static void
real_screens_are_told_apart(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(pictures); i++) {
		struct picture p;
		enum screen_prompt got;

		picture_load(&p, pictures[i].name);
		got = screen_prompt(p.rows, p.x, p.y, GLYPH);
		if (got != pictures[i].prompt) {
			print_error("%s: %d, not %d\n", pictures[i].name, got,
			    pictures[i].prompt);
			wrong++;
		}
		buf_free(&p.text);
	}
	assert_int_equal(wrong, 0);
}

/* Wherever in it the cursor stands. */
static void
a_draft_is_one_on_each_of_its_rows(void **state)
{
	static const struct {
		const char *name;
		int first, last;
	} drafts[] = {{"claude-197-rows_gap", 14, 17}, {"claude-329-rows_gap", 6, 9},
	    {"demo-rows_gap", 15, 18}};

	(void)state;
	for (size_t i = 0; i < COUNT(drafts); i++) {
		struct picture p;

		picture_load(&p, drafts[i].name);
		for (int y = drafts[i].first; y <= drafts[i].last; y++)
			for (int x = 2; x < 10; x++)
				assert_int_equal(
				    screen_prompt(p.rows, x, y, GLYPH), SCREEN_DRAFT);
		buf_free(&p.text);
	}
}

static enum screen_prompt
at(const char *rows, int x, int y)
{
	return screen_prompt(rows, x, y, GLYPH);
}

static void
hints_are_no_drafts(void **state)
{
	(void)state;
	assert_int_equal(at(GLYPH " ", 2, 0), SCREEN_EMPTY);
	assert_int_equal(at(GLYPH, 2, 0), SCREEN_EMPTY);
	assert_int_equal(at(GLYPH NBSP, 2, 0), SCREEN_EMPTY);
	assert_int_equal(at(GLYPH " \033[2mTry it\033[0m", 2, 0), SCREEN_EMPTY);
	assert_int_equal(at(GLYPH " \033[0;2mTry it\033[m", 2, 0), SCREEN_EMPTY);
	assert_int_equal(
	    at(GLYPH " \033[2;38;5;246mTry it\033[22;39m", 2, 0), SCREEN_EMPTY);
	assert_int_equal(at(GLYPH " \033[38;5;246;2mTry it\033[0m", 2, 0), SCREEN_EMPTY);
	assert_int_equal(at(GLYPH " \033[7mT\033[0;2mry it\033[0m", 2, 0), SCREEN_EMPTY);
	/* colours hold the number 2 and aren't dim; dim ends with 22, 0 and nothing */
	assert_int_equal(at(GLYPH " \033[38;5;2mTry it\033[0m", 2, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \033[38;2;2;2;2mTry it\033[0m", 2, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \033[48;5;2mTry it\033[0m", 2, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \033[2m\033[22mTry it", 2, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \033[2m\033[mTry it", 2, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \033[2m\033[1;0mTry it", 2, 0), SCREEN_DRAFT);
	assert_int_equal(
	    at(GLYPH " \033[4:2mTry it", 2, 0), SCREEN_DRAFT); /* two lines below */
}

/* tmux says what changes from one cell to the next, over the rows' ends too. */
static void
the_style_runs_on_from_row_to_row(void **state)
{
	(void)state;
	assert_int_equal(at("\033[2mabove\n" GLYPH " hint", 2, 1), SCREEN_EMPTY);
	assert_int_equal(at("\033[2mabove\n\033[0m" GLYPH " typed", 2, 1), SCREEN_DRAFT);
	assert_int_equal(
	    at("\033[2ma\n\n\nb\033[0m\n" GLYPH " typed", 2, 4), SCREEN_DRAFT);
	assert_int_equal(
	    at(GLYPH " \033[2mhint\n  more of it\033[0m", 2, 0), SCREEN_EMPTY);
}

static void
a_prompt_below_empty_rows_is_found(void **state)
{
	(void)state;
	assert_int_equal(at("\n\n\n" GLYPH " ", 2, 3), SCREEN_EMPTY);
	assert_int_equal(at("\n\n\n" GLYPH " x", 3, 3), SCREEN_DRAFT);
	assert_int_equal(at("\n\n\n" GLYPH " x\n\n  y", 3, 5), SCREEN_DRAFT);
	assert_int_equal(at("\n\n\n\n", 0, 2), SCREEN_NO_PROMPT);
}

static void
a_draft_may_begin_with_an_empty_row(void **state)
{
	(void)state;
	assert_int_equal(at(GLYPH " \n  second\n" RULER, 2, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \n\n  third\n" RULER, 2, 1), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \n\n  third\n" RULER, 7, 2), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " \n" RULER "\n  status", 2, 0), SCREEN_EMPTY);
	assert_int_equal(
	    at(GLYPH " \n\033[38;5;244m" RULER "\n  status", 2, 0), SCREEN_EMPTY);
}

/* Blanks that somebody typed move the cursor: they are his. */
static void
typed_blanks_are_a_draft(void **state)
{
	(void)state;
	assert_int_equal(at(GLYPH "   ", 4, 0), SCREEN_DRAFT);
	assert_int_equal(at(GLYPH " ", 3, 0), SCREEN_DRAFT);
}

static void
other_rows_are_no_prompt(void **state)
{
	(void)state;
	assert_int_equal(at("$ ", 2, 0), SCREEN_NO_PROMPT);
	assert_int_equal(at("output\n  indented", 2, 1), SCREEN_NO_PROMPT);
	assert_int_equal(at("  indented", 2, 0), SCREEN_NO_PROMPT);
	assert_int_equal(
	    at(GLYPH " asked\n" RULER "\n  " GLYPH " 1. Yes\n    2. No", 2, 2),
	    SCREEN_NO_PROMPT);
	assert_int_equal(
	    at(GLYPH " asked\n  more\nanswer\n  list", 6, 3), SCREEN_NO_PROMPT);
}

static void
nothing_is_read_past_the_end(void **state)
{
	static const char *const cut[] = {"", "\n", "\033", "\033[", "\033[3",
	    "\033[38;5", "\033[38;", "\033]8;;http://x", "\033]", "\033]8;;x\033", GLYPH,
	    GLYPH " \033[2", "\xe2\x9d", "\033[;;;m", "\033[999999999999999999999m",
	    "\033(B" GLYPH " ",
	    "\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;"
	    "27;28;29;"
	    "30;31;32;33;34;35m" GLYPH};

	(void)state;
	for (size_t i = 0; i < COUNT(cut); i++) {
		char *exact = strdup(cut[i]); /* a byte past it is the sanitizer's */

		for (int y = -1; y < 4; y++)
			for (int x = -1; x < 4; x++)
				screen_prompt(exact, x, y, GLYPH);
		screen_shows(exact, GLYPH);
		free(exact);
	}
	assert_int_equal(at(GLYPH " ", 2, 5), SCREEN_NO_PROMPT);
	assert_int_equal(at(GLYPH " \n", 2, 2), SCREEN_NO_PROMPT);
	assert_int_equal(at(GLYPH " ", 2, -1), SCREEN_NO_PROMPT);
	assert_int_equal(at("", 0, 0), SCREEN_NO_PROMPT);
}

/* Each prefix of a real picture, at each place: whatever is said, nothing is overrun. */
static void
a_cut_picture_harms_nobody(void **state)
{
	struct picture p;

	(void)state;
	picture_load(&p, "claude-329-rows_gap");
	for (size_t len = 0; len <= p.text.len; len += 3) {
		char *exact = strndup(p.rows, len);

		screen_prompt(exact, p.x, p.y, GLYPH);
		screen_shows(exact, "fourth");
		free(exact);
	}
	buf_free(&p.text);
}

static void
text_is_found_through_colours(void **state)
{
	struct picture p;

	(void)state;
	picture_load(&p, "claude-197-pasted");
	assert_true(screen_shows(p.rows, "[Pasted text #"));
	assert_true(screen_shows(p.rows, "paste again to expand"));
	assert_false(screen_shows(p.rows, "[berth "));
	buf_free(&p.text);
	assert_true(screen_shows("a\033[1mb\033[0mc", "abc"));
	assert_true(screen_shows("\033]8;;http://x\033\\link\033]8;;\033\\", "link"));
	assert_false(screen_shows("\033]8;;http://x\033\\link\033]8;;\033\\", "http"));
	assert_false(screen_shows("a\nb", "ab"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(real_screens_are_told_apart),
	    cmocka_unit_test(a_draft_is_one_on_each_of_its_rows),
	    cmocka_unit_test(hints_are_no_drafts),
	    cmocka_unit_test(the_style_runs_on_from_row_to_row),
	    cmocka_unit_test(a_prompt_below_empty_rows_is_found),
	    cmocka_unit_test(a_draft_may_begin_with_an_empty_row),
	    cmocka_unit_test(typed_blanks_are_a_draft),
	    cmocka_unit_test(other_rows_are_no_prompt),
	    cmocka_unit_test(nothing_is_read_past_the_end),
	    cmocka_unit_test(a_cut_picture_harms_nobody),
	    cmocka_unit_test(text_is_found_through_colours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
