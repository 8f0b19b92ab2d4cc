/* libFuzzer: any bytes as TOML. Build: clang -fsanitize=fuzzer,address,undefined; seeds
 * in seeds/toml. */
#include "toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toml_error error;

	toml_free(toml_parse("fuzz", (const char *)data, size, &error));
	return 0;
}
