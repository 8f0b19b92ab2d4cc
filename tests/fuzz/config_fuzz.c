/* libFuzzer: a berth.toml, and after a NUL each variable of its environment. Seeds in
 * seeds/config. */
#include "config.h"
#include "xmalloc.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size + 1), *environ[9] = {NULL};
	struct config_source source = {"fuzz", text, 0, environ, "host"};
	struct config *c;
	size_t at;

	memcpy(text, data, size);
	text[size] = '\0';
	source.len = at = strlen(text);
	for (size_t i = 0; i < 8 && at < size; i++, at += strlen(text + at))
		environ[i] = text + ++at;
	c = config_load(&source);
	free(config_show(c));
	config_free(c);
	free(text);
	return 0;
}
