/*
 * Memory that is never NULL: out of memory ends the process (exit 111). Sizes that come
 * from outside are capped by the caller before they get here.
 */
#ifndef XMALLOC_H
#define XMALLOC_H
#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
/* Overflow-checked realloc(ptr, count * size). */
void *xreallocarray(void *ptr, size_t count, size_t size);
char *xstrdup(const char *text); /* NULL stays NULL */
char *xstrndup(const char *text, size_t max_len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));
/* Wipes `len` bytes, then frees: for secrets. */
void xfree_wiped(void *ptr, size_t len);
#endif
