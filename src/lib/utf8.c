/*
 * UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing over U+10FFFF. No
 * locale, so that a service's answer never depends on how it was started.
 */
#include "utf8.h"

#include "buf.h"
#include "utf8_tables.h"

/* By the first byte's length: the bits it carries, and the smallest scalar that needs so
 * many bytes. */
static const struct {
	unsigned char mask;
	uint32_t least;
} forms[5] = {{0, 0}, {0x7f, 0}, {0x1f, 0x80}, {0x0f, 0x800}, {0x07, 0x10000}};

static int
form_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc0)
		return -1;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : -1;
}

int
utf8_next(const char *text, size_t len, uint32_t *scalar)
{
	int form = form_of((unsigned char)text[0]);

	if (form < 0 || (size_t)form > len)
		return -1;
	uint32_t value = (unsigned char)text[0] & forms[form].mask;
	for (int i = 1; i < form; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return -1;
		value = value << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (value < forms[form].least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return -1;
	*scalar = value;
	return form;
}

bool
utf8_valid(const char *text, size_t len)
{
	uint32_t scalar;

	while (len > 0) {
		int step = utf8_next(text, len, &scalar);
		if (step < 0)
			return false;
		text += step;
		len -= (size_t)step;
	}
	return true;
}

void
utf8_repair(struct buf *out, const char *text, size_t len)
{
	uint32_t scalar;

	buf_reserve(out, len);
	while (len > 0) {
		int step = utf8_next(text, len, &scalar);
		if (step < 0) {
			buf_add(out, "\xef\xbf\xbd", 3);
			step = 1;
		} else {
			buf_add(out, text, (size_t)step);
		}
		text += step;
		len -= (size_t)step;
	}
}

static bool
in_table(const struct utf8_range *table, size_t count, uint32_t scalar)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (scalar > table[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && scalar >= table[low].first;
}

static int
scalar_width(uint32_t scalar)
{
	if (scalar < 0x20 || (scalar >= 0x7f && scalar < 0xa0))
		return 0;
	if (scalar < 0x300)
		return 1;
	if (in_table(utf8_zero, sizeof(utf8_zero) / sizeof(utf8_zero[0]), scalar))
		return 0;
	return in_table(utf8_wide, sizeof(utf8_wide) / sizeof(utf8_wide[0]), scalar) ? 2
										     : 1;
}

int
utf8_width(const char *text, size_t len)
{
	uint32_t scalar;
	int width = 0;

	while (len > 0) {
		int step = utf8_next(text, len, &scalar);
		width += step < 0 ? 1 : scalar_width(scalar);
		text += step < 0 ? 1 : step;
		len -= step < 0 ? 1 : (size_t)step;
	}
	return width;
}
