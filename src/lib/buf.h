/* A growing byte buffer, always NUL-terminated at data[len] (the NUL is not counted). */
#ifndef BUF_H
#define BUF_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* never NULL after the first append; buf_str() is "" before */
	size_t len;
	size_t cap;
};

#define BUF_INIT {0}
void buf_free(struct buf *b);  /* frees the memory and resets to empty */
void buf_clear(struct buf *b); /* keeps the memory */
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buf_reserve(struct buf *b, size_t more);    /* room for `more` bytes after len */
void buf_cut_front(struct buf *b, size_t count); /* drops the first `count` bytes */
const char *buf_str(const struct buf *b);
char *buf_take(struct buf *b); /* returns the memory (caller frees), resets to empty */
/* Whole file into b (appended). -1 with errno; EFBIG if larger than max bytes.
 * O_NOFOLLOW. */
int buf_read_file(struct buf *b, const char *path, size_t max);
#endif
