/* libFuzzer: the present, four bytes of it, and what a CLI says of its limit. It ends in
 * the future, within a year or so, and the time zone is as it was. */
#include "launcher/limit.c"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t day_ms = 24 * 3600 * 1000;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const zones[] = {"Europe/Berlin", "America/St_Johns", "UTC"};
	int64_t now, until;
	uint32_t seconds;
	char *text;

	if (size < sizeof(seconds))
		return 0;
	memcpy(&seconds, data, sizeof(seconds));
	now = ((int64_t)seconds + 1600000000) * 1000;
	text = xstrndup((const char *)data + sizeof(seconds), size - sizeof(seconds));
	setenv("TZ", zones[seconds % 3], 1);
	limit_is_usage(text);
	until = limit_reset_time(text, now);
	if (until < now || until > now + 367 * day_ms)
		abort();
	if (strcmp(getenv("TZ"), zones[seconds % 3]) != 0)
		abort();
	free(text);
	return 0;
}
