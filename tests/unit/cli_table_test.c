#include "unit.h"
#include "cli/table.h"

static const struct table_column columns[] = {
    {"NAME", 0, 0, false, false},
    {"N", 0, 2, true, false},
    {"PATH", 6, 3, false, true},
    {"TEXT", 8, 0, false, false},
};

static struct table *
example(void)
{
	struct table *t = table_new(columns, COUNT(columns));

	table_cell(t, "main", STYLE_BOLD);
	table_cellf(t, STYLE_PLAIN, "%d", 7);
	table_cell(t, "/projects/shop", STYLE_PLAIN);
	table_cell(t, "a text of some length", STYLE_PLAIN);
	table_cell(t, "健太", STYLE_PLAIN);
	table_cell(t, "123", STYLE_PLAIN);
	table_cell(t, "/p", STYLE_PLAIN);
	table_cell(t, "x\ny\033", STYLE_PLAIN);
	return t;
}

static void
prints(struct table *t, int width, bool colour, const char *expected)
{
	char *text = NULL;
	size_t len;
	struct out o = {
	    .file = open_memstream(&text, &len), .width = width, .colour = colour};

	table_print(t, &o);
	fclose(o.file);
	assert_string_equal(text, expected);
	free(text);
	table_free(t);
}

static void
columns_are_aligned(void **state)
{
	(void)state;
	prints(example(), 0, false,
	    "NAME    N  PATH            TEXT\n"
	    "main    7  /projects/shop  a text of some length\n"
	    "健太  123  /p              x y\\x1b\n");
}

static void
the_widest_shrinks_first(void **state)
{
	(void)state;
	prints(example(), 40, false,
	    "NAME    N  PATH           TEXT\n"
	    "main    7  …rojects/shop  a text of som…\n"
	    "健太  123  /p             x y\\x1b\n");
}

static void
columns_are_left_out_at_last(void **state)
{
	(void)state;
	prints(example(), 22, false,
	    "NAME    N  TEXT\n"
	    "main    7  a text of…\n"
	    "健太  123  x y\\x1b\n");
	prints(example(), 14, false,
	    "NAME  TEXT\n"
	    "main  a text…\n"
	    "健太  x y\\x1b\n");
}

static void
an_empty_column_is_left_out(void **state)
{
	struct table *t = table_new(columns, COUNT(columns));

	(void)state;
	table_cell(t, "a", STYLE_PLAIN);
	table_cell(t, "", STYLE_PLAIN);
	table_cell(t, NULL, STYLE_PLAIN);
	table_cell(t, "t", STYLE_PLAIN);
	prints(t, 80, false, "NAME  TEXT\na     t\n");
}

static void
no_rows_print_nothing(void **state)
{
	(void)state;
	prints(table_new(columns, COUNT(columns)), 80, false, "");
}

static void
no_blanks_at_the_end_of_a_line(void **state)
{
	struct table *t = table_new(columns, 2);

	(void)state;
	table_cell(t, "a", STYLE_PLAIN);
	table_cell(t, "1", STYLE_PLAIN);
	table_cell(t, "bcdef", STYLE_RED);
	table_cell(t, "", STYLE_RED);
	prints(t, 80, true,
	    "\033[2mNAME\033[0m   \033[2mN\033[0m\n"
	    "a      1\n"
	    "\033[31mbcdef\033[0m\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(columns_are_aligned),
	    cmocka_unit_test(the_widest_shrinks_first),
	    cmocka_unit_test(columns_are_left_out_at_last),
	    cmocka_unit_test(an_empty_column_is_left_out),
	    cmocka_unit_test(no_rows_print_nothing),
	    cmocka_unit_test(no_blanks_at_the_end_of_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
