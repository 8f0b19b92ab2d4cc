/* Turns the test's loop (testloop.h) until what is under test has said enough. The test
 * defines said(), which is asked again and again: how much it was until now. */
#ifndef AWAIT_H
#define AWAIT_H
#include "testloop.h"

#include "clock.h"

enum { LOOK_MS = 2 };

static size_t said(void);

static struct {
	struct timer *timer;
	size_t enough;
	int64_t deadline;
} awaited;

static void
look(void *arg)
{
	(void)arg;
	if (said() >= awaited.enough || mono_ms() > awaited.deadline)
		loop_stop(loop, 0);
	else
		timer_in(awaited.timer, LOOK_MS);
}

static void
turn(size_t count, int64_t ms)
{
	awaited.timer = timer_new(loop, look, NULL);
	awaited.enough = count;
	awaited.deadline = mono_ms() + ms;
	timer_in(awaited.timer, 0);
	assert_int_equal(loop_run(loop), 0);
	timer_free(awaited.timer);
}

static UNUSED void
await(size_t count)
{
	turn(count, TOO_LONG_MS / 2);
	if (said() < count)
		fail_msg("only %zu of %zu came", said(), count);
}

/* Whatever it still says. */
static UNUSED void
settle(int64_t ms)
{
	turn(SIZE_MAX, ms);
}
#endif
