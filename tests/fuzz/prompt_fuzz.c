/* libFuzzer: a message's channel, sender, thread and text, apart by NUL. Of what an agent
 * is given, no character is a key, no line but the first passes for a header, and
 * cleaning it again only adds backslashes. */
#include "launcher/prompt.c"

#include <stdlib.h>
#include "xmalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char id[] = "01M7Y1EB0YMK3B662T1KHK2DJE";

/* The text's lines, from `line` on. */
static void
check_lines(const char *line)
{
	const char *stop = line + strlen(line), *first;

	if (!utf8_valid(line, strlen(line)))
		abort();
	for (const char *end; line < stop; line = end) {
		end = memchr(line, '\n', (size_t)(stop - line));
		end = end != NULL ? end + 1 : stop;
		if (like_mark(line, end, &first))
			abort();
		for (const char *p = line; p < end; p++)
			if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f)
				abort();
	}
}

static void
check_clean(const char *text)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;

	prompt_clean(&once, text);
	check_lines(buf_str(&once));
	if (once.len > 0 && strchr(" \n", once.data[once.len - 1]) != NULL)
		abort();
	prompt_clean(&twice, buf_str(&once));
	if (twice.len != once.len ||
	    memcmp(buf_str(&twice), buf_str(&once), once.len) != 0)
		abort();
	buf_free(&once);
	buf_free(&twice);
}

static void
check_header(const struct prompt_part *part)
{
	struct buf out = BUF_INIT;
	const char *text;

	prompt_add(&out, part);
	text = strstr(buf_str(&out), "] ");
	if (text == NULL || strncmp(buf_str(&out), mark, sizeof(mark) - 1) != 0 ||
	    strcspn(buf_str(&out), "\n]") != (size_t)(text - out.data) ||
	    !prompt_carries(buf_str(&out), id))
		abort();
	check_lines(strchr(text, '\n') != NULL ? strchr(text, '\n') + 1 : "");
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *all = xmalloc(size + 4);
	const char *fields[4];
	struct prompt_part part = {.id = id, .at = (int64_t)size << 24};

	memset(all, 0, size + 4);
	if (size > 0)
		memcpy(all, data, size);
	fields[0] = all;
	for (int i = 1; i < 4; i++)
		fields[i] = fields[i - 1] + strlen(fields[i - 1]) + 1;
	part.text = fields[0];
	part.sender = fields[1];
	part.thread = fields[2];
	part.channel = fields[3];
	check_clean(part.text);
	check_header(&part);
	prompt_carries(part.text, id);
	free(all);
	return 0;
}
