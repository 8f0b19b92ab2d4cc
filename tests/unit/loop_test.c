#include "testloop.h"

#include <fcntl.h>
#include <signal.h>

#include "clock.h"

static int
setup(void **state)
{
	(void)state;
	loop_begin();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_end();
	return 0;
}

static void
stop_with_7(void *arg)
{
	(void)arg;
	loop_stop(loop, 7);
}

static void
fail_if_called(void *arg)
{
	fail_msg("%s fired", (const char *)arg);
}

static void
a_timer_fires_at_its_deadline_never_before(void **state)
{
	(void)state;
	static const int waits[] = {-5, 0, 1, 3, 17};
	struct timer *t = timer_new(loop, stop_with_7, NULL);

	assert_false(timer_armed(t));
	for (size_t i = 0; i < COUNT(waits); i++) {
		int64_t deadline = mono_ms() + waits[i];
		timer_at(t, deadline);
		assert_true(timer_armed(t));
		assert_int_equal(loop_run(loop), 7);
		assert_true(mono_ms() >= deadline);
		assert_false(timer_armed(t));
	}
	timer_free(t);
	timer_free(NULL);
}

static void
a_timer_can_be_moved_and_cancelled(void **state)
{
	(void)state;
	struct timer *t = timer_new(loop, stop_with_7, NULL);
	struct timer *never = timer_new(loop, fail_if_called, "a cancelled timer");
	struct timer *far = timer_new(loop, fail_if_called, "a timer of years");

	timer_in(never, 0);
	timer_cancel(never);
	assert_false(timer_armed(never));
	timer_in(far, INT64_MAX);
	timer_at(t, mono_ms() + 3600000);
	timer_at(t, mono_ms() + 2);
	assert_int_equal(loop_run(loop), 7);
	assert_true(timer_armed(far));
	timer_free(t);
	timer_free(never);
	timer_free(far);
}

struct pair {
	struct timer *own, *other;
	int calls;
};

static void
free_both(void *arg)
{
	struct pair *p = arg;

	p->calls++;
	timer_free(p->own);
	timer_free(p->other);
	loop_stop(loop, 0);
}

/* Both are due in the same turn; whichever fires first frees both. */
static void
a_callback_may_free_any_timer(void **state)
{
	(void)state;
	struct pair p = {0};

	p.own = timer_new(loop, free_both, &p);
	p.other = timer_new(loop, free_both, &p);
	int64_t now = mono_ms();
	timer_at(p.own, now);
	timer_at(p.other, now);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(p.calls, 1);
}

struct ends {
	int fd[2];
	struct watch *watch[2];
	int calls;
};

static void
free_watches(int fd, int what, void *arg)
{
	struct ends *e = arg;

	(void)fd;
	assert_int_equal(what, LOOP_READ);
	e->calls++;
	watch_free(e->watch[0]);
	watch_free(e->watch[1]);
	loop_stop(loop, 0);
}

static void
a_callback_may_free_any_watch(void **state)
{
	(void)state;
	struct ends one, two;
	struct ends both = {0};

	assert_int_equal(pipe2(one.fd, O_CLOEXEC), 0);
	assert_int_equal(pipe2(two.fd, O_CLOEXEC), 0);
	assert_int_equal(write(one.fd[1], "x", 1), 1);
	assert_int_equal(write(two.fd[1], "x", 1), 1);
	both.watch[0] = watch_new(loop, one.fd[0], LOOP_READ, free_watches, &both);
	both.watch[1] = watch_new(loop, two.fd[0], LOOP_READ, free_watches, &both);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(both.calls, 1);
	for (int i = 0; i < 2; i++) {
		close(one.fd[i]);
		close(two.fd[i]);
	}
	watch_free(NULL);
}

static int seen_what;

static void
note_what(int fd, int what, void *arg)
{
	(void)fd;
	(void)arg;
	seen_what = what;
	loop_stop(loop, 0);
}

static void
a_watch_tells_what_it_was_set_to(void **state)
{
	(void)state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	struct watch *r = watch_new(loop, ends[0], 0, note_what, NULL);
	struct watch *w = watch_new(loop, ends[1], LOOP_WRITE, note_what, NULL);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen_what, LOOP_WRITE);
	watch_set(w, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	watch_set(r, LOOP_READ);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen_what, LOOP_READ);
	watch_free(r);
	watch_free(w);
	close(ends[0]);
	close(ends[1]);
}

static void
on_signal(int signo, void *arg)
{
	*(int *)arg = signo;
	loop_stop(loop, 0);
}

static void
signals_arrive_in_the_loop(void **state)
{
	(void)state;
	int usr1 = 0, term = 0;

	loop_signal(loop, SIGUSR1, on_signal, &usr1);
	loop_signal(loop, SIGTERM, on_signal, &term);
	raise(SIGTERM);
	assert_int_equal(term, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(term, SIGTERM);
	raise(SIGUSR1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(usr1, SIGUSR1);
}

static void
a_stop_before_the_run_counts(void **state)
{
	(void)state;
	loop_stop(loop, 3);
	assert_int_equal(loop_run(loop), 3);
}

static void
sigpipe_is_ignored(void **state)
{
	(void)state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	close(ends[1]);
}

int
main(void)
{
#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    LOOP_TEST(a_timer_fires_at_its_deadline_never_before),
	    LOOP_TEST(a_timer_can_be_moved_and_cancelled),
	    LOOP_TEST(a_callback_may_free_any_timer),
	    LOOP_TEST(a_callback_may_free_any_watch),
	    LOOP_TEST(a_watch_tells_what_it_was_set_to),
	    LOOP_TEST(signals_arrive_in_the_loop),
	    LOOP_TEST(a_stop_before_the_run_counts),
	    LOOP_TEST(sigpipe_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
