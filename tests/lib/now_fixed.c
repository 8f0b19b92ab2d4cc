/* The clock of the golden tests' berth: it is always 2025-11-20 12:00:00 UTC. */
#include "cli/cli.h"

int64_t
cli_now(void)
{
	return INT64_C(1763640000000);
}
