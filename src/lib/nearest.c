/*
 * Edit distance with swaps of neighbours (optimal string alignment), blind to case and to
 * '-' for '_'. Both words are capped, for the table of distances is on the stack and what
 * was typed is anybody's.
 */
#include "nearest.h"
#include <stdbool.h>
#include <string.h>

enum { LONGEST = 40 };

static int
folded(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 'a';
	return c == '-' ? '_' : c;
}

static int
least(int a, int b, int c)
{
	int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static int
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int d[LONGEST + 1][LONGEST + 1];

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = (int)i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = (int)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			int a1 = folded(a[i - 1]), b1 = folded(b[j - 1]);

			d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1,
			    d[i - 1][j - 1] + (a1 != b1));
			if (i > 1 && j > 1 && a1 == folded(b[j - 2]) &&
			    folded(a[i - 2]) == b1 && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[a_len][b_len];
}

/* "environment" for "env", "perm" for "permissions" */
static bool
abbreviates(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t common = a_len < b_len ? a_len : b_len;

	return common >= 3 && distance(a, common, b, common) == 0;
}

void
nearest_try(struct nearest *n, const char *known)
{
	size_t typed = strlen(n->typed), len = strlen(known);
	int slips = typed < 6   ? 1
		    : typed < 9 ? 2
				: 3; /* that a word of this length may have */
	int near;

	if (typed > LONGEST || len > LONGEST)
		return;
	near = distance(n->typed, typed, known, len);
	if (near > slips && abbreviates(n->typed, typed, known, len))
		near = slips;
	if (near > slips || (n->best != NULL && near >= n->distance))
		return;
	n->best = known;
	n->distance = near;
}
