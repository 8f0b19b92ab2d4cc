/* See hash.h. http://www.isthe.com/chongo/tech/comp/fnv/ */
#include "hash.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t
hash_bytes(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

const char *
hash_text(uint64_t h, char out[static HASH_TEXT])
{
	snprintf(out, HASH_TEXT, "%016" PRIx64, h);
	return out;
}
