/* Tables: cells are collected, then widths are decided, then it is printed. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "text.h"
#include "xmalloc.h"

enum { GAP = 2, MAX_COLUMNS = 16 };

struct cell {
	char *text;
	int width;
	enum style style;
};

struct table {
	const struct table_column *columns;
	size_t count;
	struct cell *cells;
	size_t used, room;
};

struct layout {
	int width[MAX_COLUMNS]; /* 0: left out */
};

struct table *
table_new(const struct table_column *columns, size_t count)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->columns = columns;
	t->count = count < MAX_COLUMNS ? count : MAX_COLUMNS;
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->used; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void
table_cell(struct table *t, const char *text, enum style style)
{
	if (t->used == t->room) {
		t->room = t->room == 0 ? 64 : t->room * 2;
		t->cells = xreallocarray(t->cells, t->room, sizeof(*t->cells));
	}
	struct cell *cell = &t->cells[t->used++];
	cell->text = text_cleaned(text, TEXT_LINE);
	cell->width = text_width(cell->text);
	cell->style = style;
}

void
table_cellf(struct table *t, enum style style, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *text = xvasprintf(format, ap);
	va_end(ap);
	table_cell(t, text, style);
	free(text);
}

/* ---- layout ---- */

static int
total(const struct table *t, const struct layout *l)
{
	int sum = -GAP;

	for (size_t i = 0; i < t->count; i++)
		sum += l->width[i] > 0 ? l->width[i] + GAP : 0;
	return sum;
}

/* Titles count only above something. */
static void
natural(const struct table *t, struct layout *l)
{
	memset(l, 0, sizeof(*l));
	for (size_t i = 0; i < t->used; i++) {
		int *width = &l->width[i % t->count];
		int title = text_width(t->columns[i % t->count].title);
		if (t->cells[i].width == 0)
			continue;
		*width = t->cells[i].width > *width ? t->cells[i].width : *width;
		*width = title > *width ? title : *width;
	}
}

/* The widest column that may still shrink; -1 if none may. */
static int
shrinkable(const struct table *t, const struct layout *l)
{
	int found = -1;

	for (size_t i = 0; i < t->count; i++) {
		int min = t->columns[i].min;
		if (min == 0 || l->width[i] <= min)
			continue;
		if (found < 0 || l->width[i] > l->width[found])
			found = (int)i;
	}
	return found;
}

static int
droppable(const struct table *t, const struct layout *l)
{
	int found = -1;

	for (size_t i = 0; i < t->count; i++) {
		int drop = t->columns[i].drop;
		if (l->width[i] > 0 && drop > 0 &&
		    (found < 0 || drop > t->columns[found].drop))
			found = (int)i;
	}
	return found;
}

/* Takes from the widest, column by column. */
static bool
shrink(const struct table *t, struct layout *l, int width)
{
	while (total(t, l) > width) {
		int i = shrinkable(t, l);
		if (i < 0)
			return false;
		l->width[i]--;
	}
	return true;
}

static struct layout
fit(const struct table *t, int width)
{
	struct layout want, now;

	natural(t, &want);
	if (width == 0)
		return want;
	for (;;) {
		now = want;
		if (shrink(t, &now, width))
			return now;
		int i = droppable(t, &want);
		if (i < 0)
			return now;
		want.width[i] = 0;
	}
}

/* ---- printing ---- */

/* The gap and the padding before a cell are owed until something follows them. */
static void
print_cell(struct out *o, const struct table_column *column, const char *text,
    enum style style, int width, int *owed)
{
	struct buf fitted = BUF_INIT;

	if (column->tail)
		text_fit_tail(&fitted, text, width);
	else
		text_fit(&fitted, text, width);
	int used = text_width(buf_str(&fitted)), pad = width - used;
	if (used > 0) {
		out_printf(o, "%*s", *owed + (column->right ? pad : 0), "");
		out_styled(o, style, buf_str(&fitted));
		*owed = 0;
	}
	*owed += GAP + (used == 0 ? width : column->right ? 0 : pad);
	buf_free(&fitted);
}

static void
print_row(const struct table *t, const struct layout *l, size_t row, struct out *o)
{
	int owed = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct cell *cell = &t->cells[row * t->count + i];
		if (l->width[i] > 0)
			print_cell(o, &t->columns[i], cell->text, cell->style,
			    l->width[i], &owed);
	}
	out_puts(o, "\n");
}

static void
print_titles(const struct table *t, const struct layout *l, struct out *o)
{
	int owed = 0;

	for (size_t i = 0; i < t->count; i++)
		if (l->width[i] > 0)
			print_cell(o, &t->columns[i], t->columns[i].title, STYLE_DIM,
			    l->width[i], &owed);
	out_puts(o, "\n");
}

void
table_print(const struct table *t, struct out *o)
{
	struct layout l = fit(t, o->width);
	size_t rows = t->used / t->count;

	if (rows > 0)
		print_titles(t, &l, o);
	for (size_t row = 0; row < rows; row++)
		print_row(t, &l, row, o);
}
