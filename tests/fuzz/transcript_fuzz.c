/* libFuzzer: lines of a transcript. Whatever an agent writes there, turns are told of
 * texts and numbers, and one message is counted once. */
#include "launcher/transcript.c"

#include <stdlib.h>
#include "xmalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t told, told_max, counted;

static void
tell(const char *prompt)
{
	told += strlen(prompt) + 1;
}

void
turn_prompt(struct agent *a, const char *prompt, const char *proof)
{
	if (a->turn[0] == '\0' || strcmp(proof, "transcript") != 0)
		abort();
	tell(prompt);
}

void
turn_seen(struct agent *a, const char *prompt)
{
	(void)a;
	tell(prompt);
}

void
turn_recorded(struct agent *a, const char *prompt)
{
	(void)a;
	if (strlen(prompt) > told_max)
		abort();
}

void
turn_absorbed(struct agent *a, const char *prompt)
{
	(void)a;
	tell(prompt);
}

void
turn_tokens(
    struct agent *a, int64_t in, int64_t out, int64_t cache_read, int64_t cache_write)
{
	if (in < 0 || out < 0 || cache_read < 0 || cache_write < 0 ||
	    (in | out | cache_read | cache_write) > 2 * (int64_t)TOKENS_MAX)
		abort();
	if (strlen(a->last_usage_id) >= sizeof(a->last_usage_id))
		abort();
	counted++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *line = text, *end;
	struct agent a = {0};
	size_t before;

	if (size % 2 == 1)
		strcpy(a.turn, "01M7Y1EB0YMK3B662T1KHK2DJE");
	told = 0;
	told_max = size;
	for (; line != NULL; line = end != NULL ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end = '\0';
		before = counted;
		transcript_apply(&a, line);
		if (counted > before + 1)
			abort();
		before = counted;
		transcript_apply(&a, line);
		if (counted != before)
			abort();
	}
	/* Twice each, and an escape is longer than what it stands for. */
	if (told > 2 * size + 2)
		abort();
	transcript_apply(&a, NULL);
	free(text);
	return 0;
}
