/* Ids: nobody may guess them from a clock or a pid, for two agents start at the same
 * time. */
#include "ids.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"

static void
random_hex(char *out, size_t bytes)
{
	unsigned char raw[16];

	if (bytes > sizeof(raw) || getrandom(raw, bytes, 0) != (ssize_t)bytes)
		fatal(EXIT_SYSTEM, "getrandom");
	for (size_t i = 0; i < bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

void
uuid_new(char out[static UUID_LEN + 1])
{
	char hex[33];

	random_hex(hex, 16);
	hex[12] = '4';
	hex[16] = "89ab"[hex[16] & 3];
	snprintf(out, UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
	    hex + 16, hex + 20);
}

bool
uuid_ok(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool hex = strchr("0123456789abcdefABCDEF", text[i]) != NULL;
		if (form[i] == '-' ? text[i] != '-' : !hex)
			return false;
	}
	return true;
}

void
id_new(char out[static ID_MAX], const char *prefix)
{
	char hex[25];

	random_hex(hex, 12);
	snprintf(out, ID_MAX, "%s%s", prefix, hex);
}
