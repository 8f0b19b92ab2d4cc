/*
 * "Did you mean ...?": the known name nearest to what somebody typed. Start with {.typed
 * = word}, try each known name, then look at best.
 */
#ifndef NEAREST_H
#define NEAREST_H

struct nearest {
	const char *typed;
	const char *best; /* borrowed; NULL while none is near enough to be meant */
	int distance;     /* of best: letters added, dropped, changed, or swapped with the
			     next */
};

void nearest_try(struct nearest *n, const char *known);
#endif
