/* A loop of the test's own: loop_begin() in its setup, loop_end() in its teardown. One
 * that turns for too long stops, and loop_run() is -1. */
#ifndef TESTLOOP_H
#define TESTLOOP_H
#include "unit.h"

#include "loop.h"

enum { TOO_LONG_MS = 20000 };

static struct loop *loop;
static struct timer *watchdog;

static void
too_long(void *arg)
{
	(void)arg;
	loop_stop(loop, -1);
}

static UNUSED void
loop_begin(void)
{
	loop = loop_new();
	watchdog = timer_new(loop, too_long, NULL);
	timer_in(watchdog, TOO_LONG_MS);
}

static UNUSED void
loop_end(void)
{
	timer_free(watchdog);
	loop_free(loop);
}
#endif
