/* The wall clock, in a file of its own so that the golden tests can link one that stands
 * still. */
#include "clock.h"
#include "cli.h"

int64_t
cli_now(void)
{
	return wall_ms();
}
