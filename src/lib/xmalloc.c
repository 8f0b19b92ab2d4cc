/*
 * Allocation that ends the process instead of returning NULL. A request for 0 bytes gets
 * one, so that every pointer returned here can be told from NULL and freed.
 */
#include "xmalloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static void *
checked(void *ptr, size_t size)
{
	if (ptr == NULL)
		fatalx(EXIT_SYSTEM, "out of memory: %zu bytes", size);
	return ptr;
}

void *
xmalloc(size_t size)
{
	return checked(malloc(size == 0 ? 1 : size), size);
}

void *
xcalloc(size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;
	return checked(calloc(count, size), size);
}

void *
xreallocarray(void *ptr, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		fatalx(EXIT_SYSTEM, "out of memory: %zu times %zu bytes", count, size);
	return checked(realloc(ptr, total == 0 ? 1 : total), total);
}

char *
xstrdup(const char *text)
{
	return text == NULL ? NULL : xstrndup(text, SIZE_MAX - 1);
}

char *
xstrndup(const char *text, size_t max_len)
{
	size_t len = strnlen(text, max_len);
	char *copy = xmalloc(len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
xasprintf(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *text = xvasprintf(format, ap);
	va_end(ap);
	return text;
}

char *
xvasprintf(const char *format, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		fatalx(EXIT_SYSTEM, "out of memory: text like \"%s\"", format);
	return text;
}

void
xfree_wiped(void *ptr, size_t len)
{
	if (ptr != NULL)
		explicit_bzero(ptr, len);
	free(ptr);
}
