/* libFuzzer: any bytes as UTF-8. A scalar is what its bytes say and nothing else says it;
 * what was repaired is valid, and what was valid is left alone. */
#include "utf8.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 3629, the other way round. */
static int
encode(uint32_t c, char out[4])
{
	static const unsigned char firsts[] = {0, 0, 0xc0, 0xe0, 0xf0};
	int len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (int i = len - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(firsts[len] | c);
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf repaired = BUF_INIT;
	char same[4];
	uint32_t c;
	int width = 0;

	for (size_t at = 0; at < size;) {
		int n = utf8_next(text + at, size - at, &c);

		if (n != -1 &&
		    (encode(c, same) != n || memcmp(same, text + at, (size_t)n) != 0 ||
			(c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff))
			abort();
		width += utf8_width(text + at, n == -1 ? 1 : (size_t)n);
		at += n == -1 ? 1 : (size_t)n;
	}
	if (utf8_width(text, size) != width)
		abort();
	utf8_repair(&repaired, text, size);
	if (!utf8_valid(buf_str(&repaired), repaired.len))
		abort();
	if (utf8_valid(text, size) &&
	    (repaired.len != size || memcmp(buf_str(&repaired), text, size) != 0))
		abort();
	buf_free(&repaired);
	return 0;
}
