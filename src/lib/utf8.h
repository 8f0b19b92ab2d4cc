/* UTF-8 text that came from anybody. */
#ifndef UTF8_H
#define UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
/* Decodes one scalar at text (len > 0): its length in bytes; -1 if it is not valid UTF-8
 * (RFC 3629). */
int utf8_next(const char *text, size_t len, uint32_t *scalar);
bool utf8_valid(const char *text, size_t len);
/* Appends text with every invalid byte replaced by U+FFFD. */
void utf8_repair(struct buf *out, const char *text, size_t len);
/* Columns on a terminal (wcwidth-like, no locale): control and combining 0, wide 2, an
 * invalid byte 1. */
int utf8_width(const char *text, size_t len);
#endif
