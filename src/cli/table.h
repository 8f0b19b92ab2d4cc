/*
 * A table that fits the terminal. Columns keep their natural width where it suffices;
 * else those that may shrink do, the widest first, and then columns are left out, the
 * highest `drop` first. A column in which nothing stands is left out too.
 */
#ifndef TABLE_H
#define TABLE_H
#include <stddef.h>
#include "out.h"

struct table_column {
	const char *title;
	int min;  /* it may shrink to this many columns; 0: it may not */
	int drop; /* 0: it is never left out */
	bool right;
	bool tail; /* where it doesn't fit, its end is kept: paths */
};

struct table;
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *t);
/* The next cell, row by row; any text (NULL is ""): it is cleaned. */
void table_cell(struct table *t, const char *text, enum style style);
void table_cellf(struct table *t, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_print(const struct table *t, struct out *o);
#endif
