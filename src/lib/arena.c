/* Blocks in a list, the newest first; what does not fit into a block gets one of its own
 * size. */
#include "arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "xmalloc.h"

enum { ALIGN = 16, BLOCK = 16384 };

struct block {
	struct block *next;
	size_t used, size; /* of bytes */
	_Alignas(ALIGN) unsigned char bytes[];
};

struct arena {
	struct block *blocks;
};

struct arena *
arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void
arena_free(struct arena *a)
{
	struct block *b;

	if (a == NULL)
		return;
	while ((b = a->blocks) != NULL) {
		a->blocks = b->next;
		free(b);
	}
	free(a);
}

/* A block of the usual size is kept; larger ones would hold on to one request's memory
 * for ever. */
void
arena_reset(struct arena *a)
{
	struct block *b, *kept = NULL;

	while ((b = a->blocks) != NULL) {
		a->blocks = b->next;
		if (kept == NULL && b->size == BLOCK)
			kept = b;
		else
			free(b);
	}
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
	}
	a->blocks = kept;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->blocks;

	if (size > SIZE_MAX / 2)
		fatalx(EXIT_SYSTEM, "out of memory: %zu bytes", size);
	size = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
	if (b == NULL || b->size - b->used < size) {
		size_t room = size > BLOCK ? size : BLOCK;
		b = xmalloc(sizeof(*b) + room);
		b->size = room;
		b->used = 0;
		b->next = a->blocks;
		a->blocks = b;
	}
	void *place = b->bytes + b->used;
	b->used += size;
	return memset(place, 0, size);
}

char *
arena_strdup(struct arena *a, const char *text)
{
	return text == NULL ? NULL : arena_strndup(a, text, strlen(text));
}

char *
arena_strndup(struct arena *a, const char *text, size_t len)
{
	size_t have = strnlen(text, len);

	return memcpy(arena_alloc(a, have + 1), text, have);
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0)
		fatalx(EXIT_BUG, "arena_printf: cannot format \"%s\"", format);
	char *text = arena_alloc(a, (size_t)len + 1);
	va_start(ap, format);
	vsnprintf(text, (size_t)len + 1, format, ap);
	va_end(ap);
	return text;
}
