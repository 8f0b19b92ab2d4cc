/* FNV-1a, 64 bits: is it still the same? Against chance, not against an adversary. */
#ifndef HASH_H
#define HASH_H
#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN 14695981039346656037u

/* The hash of what `h` is the hash of (HASH_BEGIN: of nothing), and of these bytes. */
uint64_t hash_bytes(uint64_t h, const void *data, size_t len);

enum { HASH_TEXT = 17 };
const char *hash_text(uint64_t h, char out[static HASH_TEXT]); /* 16 digits; out */
#endif
