/* libFuzzer: the cursor's column and row, and a pane's picture. Nothing is read past its
 * end; where there is a prompt, it begins on a row of the picture. */
#include "launcher/screen.c"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "xmalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const glyphs[] = {"\xe2\x9d\xaf", ">", "demo>"};

static void
check(const char *rows, int x, int y, const char *glyph)
{
	enum screen_prompt found = screen_prompt(rows, x, y, glyph);
	const char *from = screen_prompt_rows(rows, y, glyph);

	if (found != SCREEN_NO_PROMPT && from == NULL)
		abort();
	if (from != NULL && (from < rows || from > rows + strlen(rows) ||
				(from > rows && from[-1] != '\n')))
		abort();
	if (from != NULL && !screen_shows(rows, glyph))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *rows;

	if (size < 2)
		return 0;
	rows = xstrndup((const char *)data + 2, size - 2);
	check(rows, data[0] % 100, data[1] % 64, glyphs[data[0] / 100]);
	if (!screen_shows(rows, ""))
		abort();
	free(rows);
	return 0;
}
