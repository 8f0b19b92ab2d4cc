/* Prompts that wait. */
#include "queue.h"

#include <stdlib.h>

#include "buf.h"
#include "xmalloc.h"

void
queue_add(struct queue *q, const char *text)
{
	q->items = xreallocarray(q->items, q->count + 1, sizeof(*q->items));
	q->items[q->count++] = xstrdup(text);
}

char *
queue_take(struct queue *q)
{
	struct buf all = BUF_INIT;

	for (size_t i = 0; i < q->count; i++) {
		if (i > 0)
			buf_addc(&all, '\n');
		buf_adds(&all, q->items[i]);
		free(q->items[i]);
	}
	free(q->items);
	*q = (struct queue){0};
	return all.len > 0 ? buf_take(&all) : NULL;
}
