/* Prompts that wait for the running turn to end. */
#ifndef DEMO_QUEUE_H
#define DEMO_QUEUE_H
#include <stddef.h>

struct queue {
	char **items;
	size_t count;
};

void queue_add(struct queue *q, const char *text);
char *queue_take(
    struct queue *q); /* all, a newline between them; the caller frees; NULL if empty */
#endif
