/*
 * libFuzzer: any bytes on their way to a terminal. What must hold is checked: nothing
 * that acts on a terminal is left, and no line of a table or paragraph is longer than it
 * may be. The module isn't in libberth, so it is included.
 */
#include "../../src/cli/text.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_clean(const char *text, bool one_line)
{
	size_t len = strlen(text);
	uint32_t scalar;

	if (!utf8_valid(text, len))
		abort();
	while (len > 0) {
		int step = utf8_next(text, len, &scalar);
		if (text_hidden(scalar) &&
		    (one_line || (scalar != '\n' && scalar != '\t')))
			abort();
		text += step;
		len -= (size_t)step;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	char *line = text_cleaned(text, TEXT_LINE),
	     *lines = text_cleaned(text, TEXT_LINES);
	int width = size > 0 ? data[0] % 40 : 0;
	struct buf b = BUF_INIT;

	check_clean(line, true);
	check_clean(lines, false);
	text_fit(&b, line, width);
	if (text_width(buf_str(&b)) > width)
		abort();
	buf_clear(&b);
	text_fit_tail(&b, line, width);
	if (text_width(buf_str(&b)) > width)
		abort();
	buf_clear(&b);
	text_wrap(&b, lines, width, width % 7);
	check_clean(buf_str(&b), false);
	buf_free(&b);
	free(text);
	free(line);
	free(lines);
	return 0;
}
