/* Hooks as children: their order, what they may say, and how they may misbehave. */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "buf.h"
#include "clock.h"
#include "demo/hooks.h"
#include "json.h"
#include "loop.h"

enum { PATIENCE_MS = 20000 };

struct fixture {
	char dir[64], program[80];
	struct loop *loop;
	struct timer *deadline;
	struct hooks *hooks;
	struct buf told; /* one letter for each callback, and what it said */
	size_t left;     /* callbacks until the loop may stop */
};

static void
too_late(void *arg)
{
	struct fixture *f = arg;

	loop_stop(f->loop, 1);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	unit_tmpdir(f->dir);
	snprintf(f->program, sizeof(f->program), "%s/hook", f->dir);
	setenv("DIR", f->dir, 1);
	f->loop = loop_new();
	f->deadline = timer_new(f->loop, too_late, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	hooks_free(f->hooks);
	timer_free(f->deadline);
	loop_free(f->loop);
	buf_free(&f->told);
	unit_rmdir(f->dir);
	free(f);
	return 0;
}

/* The hook is this shell script; NULL: there is none. */
static void
with_script(struct fixture *f, const char *script)
{
	FILE *file = script == NULL ? NULL : fopen(f->program, "we");

	if (script != NULL) {
		assert_non_null(file);
		fprintf(file, "#!/bin/sh\n%s\n", script);
		fclose(file);
		assert_int_equal(chmod(f->program, 0700), 0);
	}
	f->hooks = hooks_new(
	    f->loop, script == NULL ? NULL : f->program, "sid", "/t.jsonl", "/x");
}

struct call {
	struct fixture *f;
	const char *name;
};

static void
done(const struct hook_answer *a, void *arg)
{
	struct call *call = arg;

	buf_addf(&call->f->told, "%s", call->name);
	if (a->failed || a->block)
		buf_addf(&call->f->told, "(%s: %s)", a->failed ? "failed" : "block",
		    a->reason == NULL ? "" : a->reason);
	buf_addc(&call->f->told, ' ');
	if (--call->f->left == 0)
		loop_stop(call->f->loop, 0);
}

static yyjson_mut_doc *
input(struct fixture *f, const char *what)
{
	yyjson_mut_doc *doc = hooks_input(f->hooks, HOOK_USER_PROMPT_SUBMIT);

	json_add_str(doc, "prompt", what);
	return doc;
}

static void
run(struct fixture *f, struct call *call, const char *what)
{
	*call = (struct call){f, what};
	hooks_run(f->hooks, HOOK_USER_PROMPT_SUBMIT, input(f, what), done, call);
}

static void
gives(struct fixture *f, size_t callbacks, const char *wanted)
{
	f->left = callbacks;
	timer_in(f->deadline, PATIENCE_MS);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(buf_str(&f->told), wanted);
}

static void
hooks_run_in_the_order_asked_for(void **state)
{
	struct fixture *f = *state;
	struct call calls[3];
	struct buf log = BUF_INIT;
	char path[96];

	with_script(f, "case $(cat) in *slow*) sleep 0.2; echo slow >>$DIR/log ;; *) "
		       "echo quick >>$DIR/log ;; esac");
	run(f, &calls[0], "slow");
	run(f, &calls[1], "a");
	run(f, &calls[2], "b");
	gives(f, 3, "slow a b ");
	snprintf(path, sizeof(path), "%s/log", f->dir);
	assert_int_equal(buf_read_file(&log, path, 100), 0);
	assert_string_equal(log.data, "slow\nquick\nquick\n");
	buf_free(&log);
}

/* Only now may the slow one end. */
static void
done_beside(const struct hook_answer *a, void *arg)
{
	struct call *call = arg;
	char go[96];

	snprintf(go, sizeof(go), "%s/go", call->f->dir);
	assert_int_equal(mkdir(go, 0700), 0);
	done(a, arg);
}

static void
a_hook_beside_waits_for_nobody(void **state)
{
	struct fixture *f = *state;
	struct call first, beside = {f, "beside"}, last;

	with_script(f, "case $(cat) in *slow*) while [ ! -e $DIR/go ]; do sleep 0.01; "
		       "done ;; esac");
	run(f, &first, "slow");
	hooks_beside(
	    f->hooks, HOOK_PERMISSION_REQUEST, input(f, "beside"), done_beside, &beside);
	run(f, &last, "last");
	gives(f, 3, "beside slow last ");
}

static void
what_is_forgotten_holds_nobody_up(void **state)
{
	struct fixture *f = *state;
	struct call running, waiting, last;

	with_script(f, "case $(cat) in *running*) touch $DIR/up; sleep 5 ;; *waiting*) "
		       "touch $DIR/never ;; esac");
	run(f, &running, "running");
	run(f, &waiting, "waiting");
	timer_in(f->deadline, 100);
	loop_run(f->loop);
	hooks_forget(f->hooks);
	run(f, &last, "last");
	int64_t since = mono_ms();
	gives(f, 1, "last ");
	assert_true(mono_ms() - since < 4000);
	char path[96];
	snprintf(path, sizeof(path), "%s/never", f->dir);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void
a_hook_may_misbehave(void **state)
{
	struct fixture *f = *state;
	struct call calls[5];
	char *large = malloc((1 << 20) + 1);

	memset(large, 'x', 1 << 20);
	large[1 << 20] = '\0';
	with_script(f, "case $(head -c 2000) in\n"
		       "*exit1*) exit 1 ;; *exit2*) exit 2 ;; *killed*) kill -9 $$ ;;\n"
		       "*child*) sleep 10 & exit 0 ;; *) exit 0 ;; esac");
	run(f, &calls[0], "exit1");
	run(f, &calls[1], "exit2");
	run(f, &calls[2], "killed");
	run(f, &calls[3], "child"); /* which keeps the output open */
	run(f, &calls[4], large);   /* of which the hook reads little */
	calls[4].name = "large";
	int64_t since = mono_ms();
	gives(f, 5,
	    "exit1(failed: the hook failed) exit2(block: the hook exited with 2) "
	    "killed(failed: the hook failed) child large ");
	assert_true(mono_ms() - since < 8000);
	free(large);
}

static void
a_program_that_is_not_there_is_a_failure(void **state)
{
	struct fixture *f = *state;
	struct call calls[2];

	with_script(f, "");
	unlink(f->program);
	run(f, &calls[0], "a");
	run(f, &calls[1], "b");
	gives(f, 2,
	    "a(failed: No such file or directory) b(failed: No such file or directory) ");
}

static void
without_hooks_each_counts_as_run(void **state)
{
	struct fixture *f = *state;
	struct call calls[2];

	with_script(f, NULL);
	run(f, &calls[0], "a");
	run(f, &calls[1], "b");
	assert_string_equal(buf_str(&f->told), ""); /* never from inside */
	gives(f, 2, "a b ");
}

static void
a_hook_starts_with_clean_signals(void **state)
{
	struct fixture *f = *state;
	struct call call;

	/* SIGPIPE is ignored in here. Read by the shell itself: it blocks signals while
	 * it waits for a child. */
	with_script(f,
	    "while read name mask; do case $name in SigIgn:|SigBlk:)\n"
	    "[ $mask = 0000000000000000 ] || exit 1 ;; esac; done </proc/$$/status");
	run(f, &call, "clean");
	gives(f, 1, "clean ");
}

static void
answers_are_read(void **state)
{
	static const struct {
		const char *text;
		int status;
		struct hook_answer wanted;
	} cases[] = {
	    {"", 0, {0}},
	    {"no JSON", 0, {0}},
	    {"[]", 0, {0}},
	    {"{\"decision\":\"block\",\"reason\":\"r\"}", 0,
		{.block = true, .reason = "r"}},
	    {"{\"decision\":\"approve\"}", 0, {0}},
	    {"{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"allow\"}}}", 0,
		{.decision = HOOK_ALLOW}},
	    {"{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"deny\",\"message\":"
	     "\"m\",\"interrupt\":true}}}",
		0, {.decision = HOOK_DENY, .message = "m", .interrupt = true}},
	    {"{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"maybe\"}}}", 0, {0}},
	    {"{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"allow\"}}}", 1 << 8,
		{.failed = true, .reason = "the hook failed"}},
	    {"{\"decision\":\"approve\"}", 2 << 8,
		{.block = true, .reason = "the hook exited with 2"}},
	    {"", 9, {.failed = true, .reason = "the hook failed"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		yyjson_doc *doc;
		struct hook_answer a = hook_answer_parse(
		    cases[i].text, strlen(cases[i].text), cases[i].status, &doc);
		const struct hook_answer *w = &cases[i].wanted;
		assert_int_equal(a.failed, w->failed);
		assert_int_equal(a.block, w->block);
		assert_int_equal(a.decision, w->decision);
		assert_int_equal(a.interrupt, w->interrupt);
		assert_string_equal(a.reason == NULL ? "-" : a.reason,
		    w->reason == NULL ? "-" : w->reason);
		assert_string_equal(a.message == NULL ? "-" : a.message,
		    w->message == NULL ? "-" : w->message);
		yyjson_doc_free(doc);
	}
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(hooks_run_in_the_order_asked_for),
	    T(a_hook_beside_waits_for_nobody),
	    T(what_is_forgotten_holds_nobody_up),
	    T(a_hook_may_misbehave),
	    T(a_program_that_is_not_there_is_a_failure),
	    T(without_hooks_each_counts_as_run),
	    T(a_hook_starts_with_clean_signals),
	    cmocka_unit_test(answers_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
