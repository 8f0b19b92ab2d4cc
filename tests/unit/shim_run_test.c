/*
 * The real `agent` and `hook` against a launcher made here: what each promises to the
 * other side. TEST_AGENT is built with RUN_DIR and DATA_DIR beneath the build directory
 * (objects.mk).
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#include "buf.h"
#include "clock.h"
#include "ipc.h"
#include "json.h"
#include "loop.h"
#include "paths.h"
#include "xmalloc.h"

#define NAME       "bot"
#define AGENT_SOCK AGENT_DIR "/" NAME "/sock"
#define HOOK_SOCK  SHIM_DIR "/" NAME "/hook.sock"
#define SPOOL      SPOOL_DIR "/" NAME "/hooks.jsonl"
#define HOME       HOME_DIR "/agent"
#define SESSIONS   HOME "/.claude/sessions"
#define ROOM       HOME "/room" /* what the scripts write */

enum { TOO_LONG_MS = 20000, LOOK_MS = 5, SAID_MAX = 4096 };

struct said { /* what the shim said */
	char *op, *args;
};

static struct {
	struct loop *loop;
	struct timer *timer;
	struct ipc_server *server;
	struct ipc_peer *shim;
	struct said said[SAID_MAX];
	size_t count;
	char *run; /* what `run` answers */
	bool answer_run;
	const char *hold; /* an op that gets no answer */
	pid_t pid;
	int master, status;
	bool ended;
	struct watch *watch;
	struct buf screen;
} t;

/* ---- the launcher ---- */

static void
note(const char *op, yyjson_val *args)
{
	assert_true(t.count < SAID_MAX);
	t.said[t.count++] =
	    (struct said){.op = xstrdup(op), .args = yyjson_val_write(args, 0, NULL)};
}

/* The n-th (from 0) of an op whose text holds `part`; NULL if there is none. */
static const char *
said(const char *op, const char *part, int n)
{
	for (size_t i = 0; i < t.count; i++)
		if (strcmp(t.said[i].op, op) == 0 &&
		    strstr(t.said[i].args, part) != NULL && n-- == 0)
			return t.said[i].args;
	return NULL;
}

static void
forget(void)
{
	for (size_t i = 0; i < t.count; i++) {
		free(t.said[i].op);
		free(t.said[i].args);
	}
	t.count = 0;
}

static void
answer(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	const char *op = json_str(args, "op", "?"), *why;
	yyjson_mut_doc *doc = NULL;
	yyjson_doc *run;

	(void)ctx;
	note(op, args);
	t.shim = ipc_req_peer(req);
	if (t.hold != NULL && strcmp(op, t.hold) == 0)
		return;
	if (strcmp(op, "hello") == 0) {
		doc = json_object();
		json_add_bool(doc, "run", t.answer_run);
	} else if (strcmp(op, "run") == 0) {
		run = json_parse(t.run, strlen(t.run), &why);
		assert_non_null(run);
		doc = yyjson_doc_mut_copy(run, NULL);
		yyjson_doc_free(run);
	}
	ipc_ok(req, doc);
}

static void
closed(struct ipc_peer *peer, void *ctx)
{
	(void)ctx;
	if (t.shim == peer)
		t.shim = NULL;
}

static void
launcher_up(void)
{
	static const struct ipc_op ops[] = {{"hello", answer, 1}, {"run", answer, 1},
	    {"started", answer, 1}, {"hook", answer, 1}, {"registry", answer, 1},
	    {"line", answer, 1}, {"exited", answer, 1}, {"ask_gone", answer, 1},
	    {"folder", answer, 1}, {"pending", answer, 1}, {"log", answer, 1},
	    {NULL, NULL, 0}};
	static const struct ipc_handlers handlers = {.ops = ops, .closed = closed};

	t.server = ipc_listen(t.loop, AGENT_SOCK, 0600, &handlers, NULL);
}

static void
launcher_down(void)
{
	ipc_server_free(t.server);
	t.server = NULL;
	t.shim = NULL;
}

__attribute__((format(printf, 1, 2))) static void
push(const char *format, ...)
{
	va_list ap;
	const char *why;

	va_start(ap, format);
	char *text = xvasprintf(format, ap);
	va_end(ap);
	yyjson_doc *doc = json_parse(text, strlen(text), &why);
	assert_non_null(doc);
	assert_non_null(t.shim);
	ipc_push(t.shim, yyjson_doc_mut_copy(doc, NULL));
	yyjson_doc_free(doc);
	free(text);
}

/* ---- waiting ---- */

typedef bool condition(const void *arg);
static struct {
	condition *holds;
	const void *arg;
	int64_t deadline;
} until;

static void
look(void *arg)
{
	(void)arg;
	if (!t.ended && t.pid > 0 && waitpid(t.pid, &t.status, WNOHANG) == t.pid)
		t.ended = true;
	if (until.holds(until.arg))
		loop_stop(t.loop, 0);
	else if (mono_ms() > until.deadline)
		loop_stop(t.loop, 1);
	else
		timer_in(t.timer, LOOK_MS);
}

static bool
wait_until(condition *holds, const void *arg)
{
	until.holds = holds;
	until.arg = arg;
	until.deadline = mono_ms() + TOO_LONG_MS;
	timer_in(t.timer, 0);
	return loop_run(t.loop) == 0;
}

struct what {
	const char *op, *part;
	int n;
};

static bool
is_said(const void *arg)
{
	const struct what *w = arg;

	return said(w->op, w->part, w->n) != NULL;
}

static void
dump(const char *what)
{
	for (size_t i = 0; i < t.count; i++)
		fprintf(stderr, "  %s %.300s\n", t.said[i].op, t.said[i].args);
	fail_msg("%s; the terminal: %s", what, buf_str(&t.screen));
}

static const char *
await_nth(const char *op, const char *part, int n)
{
	if (!wait_until(is_said, &(struct what){op, part, n}))
		dump(op);
	return said(op, part, n);
}

static const char *
await(const char *op, const char *part)
{
	return await_nth(op, part, 0);
}

static bool
is_ended(const void *arg)
{
	(void)arg;
	return t.ended;
}

static bool
is_there(const void *arg)
{
	return access(arg, F_OK) == 0;
}

static bool
is_gone(const void *arg)
{
	return kill(*(const pid_t *)arg, 0) == -1 && errno == ESRCH;
}

static bool
is_empty(const void *arg)
{
	struct stat st;

	return stat(arg, &st) == 0 && st.st_size == 0;
}

static void
await_file(const char *path)
{
	if (!wait_until(is_there, path))
		dump(path);
}

/* ---- the shim ---- */

static void
read_screen(int fd, int what, void *arg)
{
	char chunk[4096];
	ssize_t got = read(fd, chunk, sizeof(chunk));

	(void)what;
	(void)arg;
	if (got > 0)
		buf_add(&t.screen, chunk, (size_t)got);
	else
		watch_set(t.watch, 0);
}

static pid_t
shim_fork(int *master)
{
	pid_t pid = forkpty(master, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0) {
		execl(TEST_AGENT, "agent", NAME, NULL);
		_exit(99);
	}
	return pid;
}

static void
shim_start(void)
{
	t.ended = false;
	t.pid = shim_fork(&t.master);
	t.watch = watch_new(t.loop, t.master, LOOP_READ, read_screen, NULL);
}

/* What `run` answers: sh -c script, and more members (each begins with a comma). */
static void
run_script_in(const char *home, const char *cwd, const char *script, const char *more)
{
	yyjson_mut_doc *doc = json_object();
	json_add_str(doc, "s", script);
	size_t len;
	char *quoted = json_line(doc, &len);

	quoted[len - 1] = '\0'; /* {"s":"..."} */
	free(t.run);
	t.run =
	    xasprintf("{\"argv\":[\"sh\",\"-c\",%s],\"argv_resume\":null,"
		      "\"env\":{\"PATH\":\"/usr/local/bin:/usr/bin:/bin\",\"HOME\":\"%s"
		      "\",\"BERTH_HOOK_SOCK\":\"" HOOK_SOCK "\",\"HOOK\":\"" TEST_HOOK
		      "\",\"ROOM\":\"" ROOM "\",\"ASAN_OPTIONS\":\"detect_leaks=0\"},"
		      "\"cwd\":\"%s\",\"dirs\":[\"" SESSIONS "\",\"" ROOM "\"],"
		      "\"registry\":\"" SESSIONS "\"%s}",
		quoted + 5, home, cwd, more);
	free(quoted);
}

static void
run_script(const char *script, const char *more)
{
	run_script_in(HOME, HOME, script, more);
}

static int
exit_of(void)
{
	if (!wait_until(is_ended, NULL))
		dump("the shim does not end");
	return WIFEXITED(t.status) ? WEXITSTATUS(t.status) : 1000 + WTERMSIG(t.status);
}

static char *
file_text(const char *path)
{
	struct buf text = BUF_INIT;

	if (buf_read_file(&text, path, 1 << 20) == -1)
		fail_msg("%s: %s", path, strerror(errno));
	return buf_take(&text);
}

static void
go(void)
{
	unit_put(ROOM "-go", "");
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(
	    system("rm -rf '" RUN_DIR "' '" DATA_DIR "' && mkdir -p '" AGENT_DIR "/" NAME
		   "' '" SHIM_DIR "/" NAME "' '" SHIM_DIR "/other' '" SPOOL_DIR "/" NAME
		   "' '" SPOOL_DIR "/other' '" HOME "'"),
	    0);
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	t.timer = timer_new(t.loop, look, NULL);
	t.answer_run = true;
	launcher_up();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (t.pid > 0 && !t.ended) {
		kill(t.pid, SIGTERM);
		if (!wait_until(is_ended, NULL))
			kill(t.pid, SIGKILL);
	}
	watch_free(t.watch);
	if (t.pid > 0)
		close(t.master);
	if (t.server != NULL)
		ipc_server_free(t.server);
	timer_free(t.timer);
	loop_free(t.loop);
	forget();
	free(t.run);
	buf_free(&t.screen);
	return 0;
}

/* ---- start and end ---- */

static void
the_environment_is_what_the_launcher_sent(void **state)
{
	(void)state;
	run_script("echo \"hello on $(tty)\"; tr '\\0' '\\n' </proc/$$/environ | sort "
		   ">$ROOM/env; "
		   "pwd >$ROOM/pwd; ulimit -n >$ROOM/files; exit 7",
	    ",\"open_files\":99");
	shim_start();
	assert_non_null(strstr(await("started", "\"pid\":"), "\"resumed\":false"));
	assert_non_null(
	    strstr(await("exited", ""), "\"status\":7,\"signal\":0,\"error\":null"));
	assert_int_equal(exit_of(), 7);
	char *text = file_text(ROOM "/env");
	assert_string_equal(text,
	    "ASAN_OPTIONS=detect_leaks=0\nBERTH_HOOK_SOCK=" HOOK_SOCK "\nHOME=" HOME
	    "\nHOOK=" TEST_HOOK "\nPATH=/usr/local/bin:/usr/bin:/bin\nROOM=" ROOM "\n");
	free(text);
	text = file_text(ROOM "/pwd");
	assert_string_equal(text, HOME "\n");
	free(text);
	text = file_text(ROOM "/files");
	assert_string_equal(text, "99\n");
	free(text);
	assert_non_null(strstr(buf_str(&t.screen), "hello on /dev/pts/"));
}

static void
argv_resume_is_used_if_its_file_exists(void **state)
{
	(void)state;
	run_script("exit 1",
	    ",\"argv_resume\":[\"sh\",\"-c\",\"exit 5\"],\"resume_if\":\"" HOME
	    "/transcript\"");
	/* the first of two members of one name counts: make it the list */
	char *null = strstr(t.run, "\"argv_resume\":null,");
	memset(null, ' ', strlen("\"argv_resume\":null,"));
	unit_put(HOME "/transcript", "");
	shim_start();
	await("started", "\"resumed\":true");
	assert_int_equal(exit_of(), 5);
}

static void
a_missing_directory_is_named(void **state)
{
	(void)state;
	run_script("exit 0", "");
	char *cwd = strstr(t.run, "\"cwd\":\"" HOME "\"");
	memcpy(cwd + strlen("\"cwd\":\"" HOME) - 1, "X", 1);
	shim_start();
	assert_non_null(strstr(await("exited", ""), ": no such directory\""));
	assert_null(said("started", "", 0));
	assert_int_equal(exit_of(), 127);
}

static void
a_missing_program_is_named(void **state)
{
	(void)state;
	free(t.run);
	t.run =
	    xstrdup("{\"argv\":[\"no-such-thing\"],\"env\":{\"PATH\":\"/bin:/usr/bin\"},"
		    "\"cwd\":\"/\"}");
	shim_start();
	await("exited", "\"error\":\"no-such-thing: no such program\"");
	assert_int_equal(exit_of(), 127);
}

static void
a_killed_agent_is_reported_and_imitated(void **state)
{
	(void)state;
	run_script("kill -KILL $$", "");
	shim_start();
	await("exited", "\"status\":0,\"signal\":9");
	assert_int_equal(exit_of(), 1009);
}

static void
stop_is_term_then_kill(void **state)
{
	(void)state;
	run_script("trap 'echo termed >$ROOM/term' TERM; touch $ROOM/ready; "
		   "while :; do sleep 0.05; done",
	    "");
	shim_start();
	await_file(ROOM "/ready");
	push("{\"stop\":{\"grace_ms\":400}}");
	await("exited", "\"signal\":9");
	assert_int_equal(access(ROOM "/term", F_OK), 0);
	assert_int_equal(exit_of(), 1009);
}

static void
sigterm_to_the_shim_stops_the_agent(void **state)
{
	(void)state;
	run_script(
	    "trap 'exit 3' TERM; touch $ROOM/ready; while :; do sleep 0.05; done", "");
	shim_start();
	await_file(ROOM "/ready");
	kill(t.pid, SIGTERM);
	await("exited", "\"status\":3");
	assert_int_equal(exit_of(), 3);
}

static void
a_held_lock_is_told(void **state)
{
	(void)state;
	int master;

	run_script("sleep 60", "");
	shim_start();
	await("started", "");
	pid_t second = shim_fork(&master);
	int status;
	await("exited", "\"status\":75,\"signal\":0,\"error\":\"locked\"");
	assert_int_equal(waitpid(second, &status, 0), second);
	close(master);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 75);
	assert_int_equal(access(HOOK_SOCK, F_OK), 0); /* the first one's stays */
}

static void
a_spool_that_cannot_be_opened_is_told(void **state)
{
	(void)state;
	assert_int_equal(mkdir(SPOOL, 0700), 0);
	run_script("exit 0", "");
	shim_start();
	await("exited", "\"error\":\"" SPOOL ": Is a directory\"");
	assert_null(said("hello", "", 0));
	assert_int_equal(exit_of(), 111);
	assert_non_null(strstr(buf_str(&t.screen), "Is a directory"));
}

static void
what_the_agent_leaves_behind_is_killed(void **state)
{
	(void)state;
	run_script("(setsid sh -c 'echo $$ >$ROOM/left; exec sleep 600' &) ; "
		   "while [ ! -s $ROOM/left ]; do sleep 0.02; done; exit 0",
	    "");
	shim_start();
	await("exited", "");
	assert_int_equal(exit_of(), 0);
	char *text = file_text(ROOM "/left");
	pid_t left = atoi(text);
	free(text);
	assert_true(left > 1);
	assert_true(wait_until(is_gone, &left));
}

static void
a_stopped_agent_is_continued(void **state)
{
	(void)state;
	run_script("touch $ROOM/ready; kill -STOP $$; exit 4", "");
	shim_start();
	assert_int_equal(exit_of(), 4);
}

static void
keys_reach_the_agent_not_the_shim(void **state)
{
	(void)state;
	run_script("trap 'echo interrupted >$ROOM/int; exit 2' INT; touch $ROOM/ready; "
		   "while :; do sleep 0.05; done",
	    "");
	shim_start();
	await_file(ROOM "/ready");
	assert_int_equal(write(t.master, "\003", 1), 1);
	await("exited", "\"status\":2");
	assert_int_equal(exit_of(), 2);
}

static void
the_end_of_the_terminal_is_passed_on(void **state)
{
	(void)state;
	run_script(
	    "trap 'exit 6' HUP; touch $ROOM/ready; while :; do sleep 0.05; done", "");
	shim_start();
	await_file(ROOM "/ready");
	watch_free(t.watch);
	t.watch = NULL;
	close(t.master);
	t.master = open("/dev/null", O_RDWR);
	await("exited", "\"status\":6");
	assert_int_equal(exit_of(), 6);
}

/* ---- hooks ---- */

static void
a_hook_reaches_the_launcher_and_leaves_the_spool(void **state)
{
	(void)state;
	run_script("printf '{\"hook_event_name\":\"Stop\",\n \"x\":1}' | $HOOK; echo $? "
		   ">$ROOM/rc; "
		   "touch $ROOM/done; sleep 60",
	    "");
	shim_start();
	const char *hook = await("hook", "\"hook_event_name\":\"Stop\"");
	assert_non_null(strstr(hook, "\"seq\":1,"));
	assert_non_null(strstr(hook, "\"ask\":false"));
	await_file(ROOM "/done");
	char *rc = file_text(ROOM "/rc");
	assert_string_equal(rc, "0\n");
	free(rc);
	assert_true(wait_until(is_empty, SPOOL));
}

static void
hooks_wait_for_a_launcher_that_is_away(void **state)
{
	(void)state;
	run_script(
	    "while [ ! -e $ROOM-go ]; do sleep 0.02; done; "
	    "for i in 1 2 3; do echo '{\"hook_event_name\":\"E'$i'\"}' | $HOOK; done; "
	    "touch $ROOM/done; sleep 60",
	    "");
	shim_start();
	await("started", "");
	launcher_down();
	forget();
	go();
	await_file(ROOM "/done");
	char *spool = file_text(SPOOL);
	assert_non_null(strstr(spool, "\"E3\""));
	free(spool);
	launcher_up();
	await("hello", "\"agent_pid\":");
	assert_null(said("hello", "\"agent_pid\":0", 0));
	assert_non_null(strstr(await("hook", "\"E3\""), "\"seq\":3"));
	assert_non_null(strstr(said("hook", "", 0), "\"E1\""));
	assert_null(said("run", "", 0));
	assert_true(wait_until(is_empty, SPOOL));
}

static void
unacknowledged_hooks_come_again(void **state)
{
	(void)state;
	run_script(
	    "echo '{\"hook_event_name\":\"Stop\"}' | $HOOK; touch $ROOM/done; sleep 60",
	    "");
	t.hold = "hook";
	shim_start();
	await("hook", "\"Stop\"");
	await_file(ROOM "/done");
	launcher_down();
	t.hold = NULL;
	forget();
	launcher_up();
	assert_non_null(strstr(await("hook", "\"Stop\""), "\"seq\":1"));
	assert_true(wait_until(is_empty, SPOOL));
}

static void
what_an_earlier_shim_left_comes_first(void **state)
{
	(void)state;
	unit_put(SPOOL, "{\"instance\":\"01JD3Y0N6Q8Z4V5W6X7Y8Z9A0B\",\"seq\":4,\"at\":"
			"5,\"ask\":true,"
			"\"hook\":{\"hook_event_name\":\"Old\"}}\nnonsense\n{\"torn");
	run_script("exit 0", "");
	shim_start();
	const char *hook = await("hook", "\"Old\"");
	assert_non_null(strstr(hook, "\"seq\":4"));
	assert_non_null(strstr(hook, "\"ask\":false")); /* nobody waits any more */
	await("log", "bad line");
	await("log", "torn last line");
	assert_int_equal(exit_of(), 0);
	assert_true(is_empty(SPOOL));
}

static void
a_killed_shim_takes_its_agent_along_and_loses_no_hook(void **state)
{
	(void)state;
	run_script(
	    "echo '{\"hook_event_name\":\"First\"}' | $HOOK; echo $$ >$ROOM/pid.tmp; "
	    "mv $ROOM/pid.tmp $ROOM/pid; exec sleep 60",
	    "");
	t.hold = "hook";
	shim_start();
	await_file(ROOM "/pid");
	char *text = file_text(ROOM "/pid");
	pid_t agent = atoi(text);
	free(text);
	kill(t.pid, SIGKILL);
	assert_int_equal(exit_of(), 1009);
	assert_true(wait_until(is_gone, &agent));
	watch_free(t.watch);
	close(t.master);
	t.hold = NULL;
	forget();
	run_script("echo '{\"hook_event_name\":\"Second\"}' | $HOOK; exit 0", "");
	shim_start();
	const char *second = await("hook", "\"Second\""),
		   *first = said("hook", "\"First\"", 0);
	assert_non_null(first);
	assert_string_not_equal(first, second);
	assert_ptr_equal(first, said("hook", "", 0));
	assert_non_null(strstr(first, "\"seq\":1,"));
	assert_non_null(strstr(second, "\"seq\":1,")); /* of another instance */
	assert_int_equal(exit_of(), 0);
	assert_true(is_empty(SPOOL));
}

/* Into sessions of their own, out of the reach of whoever kills the agent's. */
static void
what_a_killed_shim_left_does_not_lock_out_the_next(void **state)
{
	(void)state;
	run_script("setsid sh -c 'echo $$ >$ROOM/pid.tmp; mv $ROOM/pid.tmp $ROOM/pid; "
		   "exec sleep "
		   "60' & exec sleep 60",
	    "");
	shim_start();
	await_file(ROOM "/pid");
	char *text = file_text(ROOM "/pid");
	pid_t left = atoi(text);
	free(text);
	kill(t.pid, SIGKILL);
	assert_int_equal(exit_of(), 1009);
	assert_int_equal(kill(left, 0), 0);
	watch_free(t.watch);
	close(t.master);
	forget();
	run_script("exit 0", "");
	shim_start();
	await("exited", "\"status\":0,\"signal\":0,\"error\":null");
	assert_int_equal(exit_of(), 0);
	assert_true(wait_until(is_gone, &left));
}

/* More than are under way at once: what they tell decides what is to run. */
static void
the_earlier_life_is_told_before_the_next_begins(void **state)
{
	char *spool = xcalloc(100, 200), *at = spool;

	(void)state;
	for (int i = 1; i <= 100; i++)
		at += sprintf(at,
		    "{\"instance\":\"01JD3Y0N6Q8Z4V5W6X7Y8Z9A0B\",\"seq\":%d,\"at\":5,"
		    "\"ask\":false,\"hook\":{\"hook_event_name\":\"Old\"}}\n",
		    i);
	unit_put(SPOOL, spool);
	free(spool);
	run_script("exit 0", "");
	shim_start();
	await("run", "");
	assert_non_null(said("hook", "\"seq\":100,", 0));
	assert_int_equal(exit_of(), 0);
}

static void
a_question_is_answered_by_the_launcher(void **state)
{
	(void)state;
	run_script(
	    "echo '{\"hook_event_name\":\"PermissionRequest\"}' | $HOOK >$ROOM/out.tmp; "
	    "mv $ROOM/out.tmp $ROOM/out; sleep 60",
	    "");
	shim_start();
	const char *hook = await("hook", "\"PermissionRequest\"");
	assert_non_null(strstr(hook, "\"ask\":true"));
	assert_non_null(strstr(hook, "\"deadline\":"));
	const char *instance = strstr(hook, "\"instance\":\"") + 12;
	push("{\"decide\":{\"instance\":\"%.26s\",\"seq\":1,\"output\":{\"yes\":true}}}",
	    instance);
	await_file(ROOM "/out");
	char *out = file_text(ROOM "/out");
	assert_string_equal(out, "{\"yes\":true}\n");
	free(out);
	assert_null(said("ask_gone", "", 0));
}

static void
a_question_settled_elsewhere_lets_its_hook_go(void **state)
{
	(void)state;
	run_script(
	    "echo '{\"hook_event_name\":\"PermissionRequest\"}' | $HOOK >$ROOM/out.tmp; "
	    "echo status $? >>$ROOM/out.tmp; mv $ROOM/out.tmp $ROOM/out; sleep 60",
	    "");
	shim_start();
	const char *instance =
	    strstr(await("hook", "\"PermissionRequest\""), "\"instance\":\"") + 12;
	push("{\"decide\":{\"instance\":\"%.26s\",\"seq\":1,\"output\":null}}", instance);
	await_file(ROOM "/out");
	char *out = file_text(ROOM "/out");
	assert_string_equal(out, "status 0\n");
	free(out);
}

static void
who_asked_and_left_is_told(void **state)
{
	(void)state;
	run_script("echo '{\"hook_event_name\":\"PermissionRequest\"}' | $HOOK & "
		   "while [ ! -e $ROOM-go ]; do sleep 0.02; done; kill $!; sleep 60",
	    "");
	shim_start();
	await("hook", "\"ask\":true");
	launcher_down();
	forget();
	launcher_up();
	await("hello", "\"asks\":[1]");
	go();
	await("ask_gone", "\"seq\":1");
}

static void
an_unanswered_question_is_denied(void **state)
{
	(void)state;
	run_script("echo '{\"hook_event_name\":\"PermissionRequest\"}' | "
		   "BERTH_HOOK_DEADLINE_S=1 $HOOK >$ROOM/out.tmp; mv $ROOM/out.tmp "
		   "$ROOM/out; sleep 60",
	    "");
	shim_start();
	await_file(ROOM "/out");
	char *out = file_text(ROOM "/out");
	assert_non_null(strstr(out, "\"behavior\":\"deny\""));
	free(out);
	await("ask_gone", "\"seq\":1");
}

static void
others_cannot_speak_for_the_agent(void **state)
{
	(void)state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = HOOK_SOCK};
	char answer_text[256] = "";

	run_script("sleep 60", "");
	shim_start();
	await("started", "");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_true(read(fd, answer_text, sizeof(answer_text) - 1) > 0);
	assert_string_equal(
	    answer_text, "{\"ok\":false,\"error\":\"not a process of this agent\"}\n");
	close(fd);
}

static void
a_hook_too_long_for_the_socket_is_cut(void **state)
{
	(void)state;
	run_script("(printf '{\"hook_event_name\":\"PostToolUse\",\"big\":\"'; "
		   "head -c 3000000 /dev/zero | tr '\\0' x; printf '\",\"after\":1}') | "
		   "$HOOK; sleep 60",
	    "");
	shim_start();
	const char *hook = await("hook", "\"PostToolUse\"");
	assert_true(strlen(hook) < IPC_MAX_LINE);
	assert_non_null(strstr(hook, " [cut]\",\"after\":1"));
	assert_non_null(strstr(hook, "\"cut\":true"));
}

/* ---- registry, transcript, terminal ---- */

static void
the_registry_is_followed(void **state)
{
	(void)state;
	run_script("f=" SESSIONS "/$$.json; echo '{\"status\":\"busy\"}' >$f; "
		   "while [ ! -e $ROOM-go ]; do sleep 0.02; done; rm $f; "
		   "while [ ! -e $f ]; do sleep 0.02; done; "
		   "rm $ROOM-go; echo '{\"status\":\"idle\"}' >$f; "
		   "while [ ! -e $ROOM-go ]; do sleep 0.02; done; rm $f",
	    "");
	shim_start();
	await("registry", "busy");
	launcher_down();
	forget();
	launcher_up();
	await("registry", "busy"); /* again, to a launcher that knows nothing */
	go();
	await("registry", "idle"); /* somebody else's rm is made good */
	go();
	await("registry", "\"text\":null");
	await("exited", "");
}

static void
the_transcript_is_followed_to_its_end(void **state)
{
	(void)state;
	run_script("while [ ! -e $ROOM-go ]; do sleep 0.02; done; mkdir -p $HOME/p; "
		   "echo '{\"a\":1}' >>$HOME/p/t.jsonl; echo '{\"queue\":1}' "
		   ">>$HOME/p/t.jsonl; exit 0",
	    "");
	shim_start();
	await("started", "");
	push("{\"tail\":{\"path\":\"" HOME
	     "/p/t.jsonl\",\"from\":0,\"match\":[\"queue\"]}}");
	await("line", "\"eof\":true");
	go();
	assert_non_null(strstr(await("line", "queue"),
	    "\"from\":8,\"next\":20,\"text\":\"{\\\"queue\\\":1}\""));
	await("exited", "");
	assert_int_equal(exit_of(), 0);
}

static void
typed_input_can_be_counted(void **state)
{
	(void)state;
	run_script("stty raw -echo; touch $ROOM/ready; sleep 60", "");
	shim_start();
	await_file(ROOM "/ready");
	assert_int_equal(write(t.master, "abc", 3), 3);
	/* the terminal takes its time */
	for (int i = 0; said("pending", "\"bytes\":3", 0) == NULL && i < 1000; i++) {
		push("{\"pending\":{}}");
		await_nth("pending", "", i);
	}
	assert_non_null(said("pending", "\"bytes\":3", 0));
}

static void
a_file_that_is_no_json_is_kept_and_nothing_started(void **state)
{
	char *text;

	(void)state;
	unit_put(HOME "/.claude.json", "not json");
	run_script("touch $ROOM/ran",
	    ",\"ensure\":[{\"file\":\"" HOME "/.claude.json\",\"set\":"
	    "[{\"path\":[\"a\"],\"value\":1,\"how\":\"set\"}]}]");
	shim_start();
	await("exited", "\"error\":\"" HOME "/.claude.json: left alone: not JSON");
	assert_int_equal(exit_of(), 127);
	assert_int_equal(access(ROOM "/ran", F_OK), -1);
	text = file_text(HOME "/.claude.json");
	assert_string_equal(text, "not json");
	free(text);
}

/* What must work is tried where the agent would be: its directory, environment, domain.
 */
static void
what_fails_its_trial_is_not_started(void **state)
{
	(void)state;
	run_script("touch $ROOM/ran", ",\"try\":{\"argv\":[\"sh\",\"-c\",\"pwd "
				      ">$ROOM/tried; echo no luck; echo more; "
				      "exit 3\"],\"why\":\"it can't be\"}");
	shim_start();
	await("exited", "\"error\":\"it can't be (no luck)\"");
	assert_int_equal(exit_of(), 127);
	assert_int_equal(access(ROOM "/ran", F_OK), -1);
	char *text = file_text(ROOM "/tried");
	assert_string_equal(text, HOME "\n");
	free(text);
	assert_null(strstr(buf_str(&t.screen), "more"));
}

static void
what_passes_its_trial_is_started(void **state)
{
	(void)state;
	run_script("touch $ROOM/ran", ",\"try\":{\"argv\":[\"true\"],\"why\":\"x\"}");
	shim_start();
	await("started", "");
	assert_int_equal(exit_of(), 0);
	assert_int_equal(access(ROOM "/ran", F_OK), 0);
}

static void
a_trial_of_a_missing_program_fails(void **state)
{
	(void)state;
	run_script("touch $ROOM/ran",
	    ",\"try\":{\"argv\":[\"no-such-program\"],\"why\":\"it can't be\"}");
	shim_start();
	await("exited",
	    "\"error\":\"it can't be (no-such-program: No such file or directory)\"");
	assert_int_equal(exit_of(), 127);
	assert_int_equal(access(ROOM "/ran", F_OK), -1);
}

static void
the_domain_keeps_others_out(void **state)
{
	(void)state;
	unit_put(SPOOL_DIR "/other/secret", "s\n");
	unit_put(SHIM_DIR "/other/secret", "s\n");
	run_script(
	    "exec 2>/dev/null; cd /; { "
	    "cat " SPOOL_DIR "/other/secret && echo read-spool; "
	    "echo x >" SPOOL_DIR "/" NAME "/hooks.jsonl && echo wrote-spool; "
	    "cat " SHIM_DIR "/other/secret && echo read-shim; "
	    "cat /proc/$PPID/environ && echo read-environ; "
	    "kill -0 $PPID && echo signalled; "
	    "echo x >$HOME/f && mv $HOME/f $ROOM/f && echo home; "
	    "t=$(mktemp -p /var/tmp) && rm $t && echo tmp; ls / >/dev/null && echo list; "
	    "echo >/dev/tty && echo tty; echo >/dev/null && cat /proc/self/stat "
	    ">/dev/null && "
	    "echo proc; stty -a </dev/tty >/dev/null && echo ioctl; "
	    "echo '{\"hook_event_name\":\"Stop\"}' | $HOOK && echo hook; } "
	    ">$ROOM/out; exit 0",
	    "");
	shim_start();
	const char *started = await("started", "");
	bool files = strstr(started, "files\"") != NULL,
	     scoped = strstr(started, "scoped") != NULL;
	assert_int_equal(exit_of(), 0);
	char *out = file_text(ROOM "/out");
	const char *good = strstr(out, "home\ntmp\nlist\ntty\nproc\nioctl\nhook\n");
	if (good == NULL)
		fail_msg("the agent can't do what it should: %s", out);
	if (files && strstr(out, "spool") != NULL)
		fail_msg("the spool is open: %s", out);
	if (files && strstr(out, "read-") != NULL)
		fail_msg("others' files are open: %s", out);
	if (scoped && strstr(out, "signalled") != NULL)
		fail_msg("the shim can be signalled: %s", out);
	if (!files)
		print_message("no Landlock here: only half a test\n");
	free(out);
}

/* Each way to name what is another's as where the agent works, or as its home. */
static void
no_place_opens_what_is_anothers(void **state)
{
	static const struct {
		const char *home, *cwd;
	} tried[] = {{HOME, SPOOL_DIR "/other"}, {HOME, DATA_DIR "//spool/other"},
	    {HOME, DATA_DIR}, {HOME, DATA_DIR "/"}, {HOME, HOME "/to-spool/other"},
	    {HOME, DATA_DIR "/home/../spool"}, {HOME, DATA_DIR "/./spool/other"},
	    {HOME "/to-spool/other", HOME}, {HOME_DIR "//../spool/other", "/"},
	    {HOME_DIR "/../spool", "/"}, {SPOOL_DIR "/other", "/"}, {DATA_DIR, "/"},
	    {DATA_DIR "/", "/"}, {HOME "/to-spool", "/"}};

	for (size_t i = 0; i < COUNT(tried); i++) {
		unit_put(SPOOL_DIR "/other/secret", "s\n");
		unit_put(SHIM_DIR "/other/secret", "s\n");
		unit_put(HOME "/file", "mine\n");
		assert_true(symlink(SPOOL_DIR, HOME "/to-spool") == 0 || errno == EEXIST);
		/* outside of its home nothing can be written: the exit status tells */
		run_script_in(tried[i].home, tried[i].cwd,
		    "cat " SPOOL_DIR "/other/secret && exit 9; "
		    "cat " HOME "/file; exit 7",
		    "");
		shim_start();
		bool files = strstr(await("started", ""), "files\"") != NULL;
		int status = exit_of();
		if (files && status != 7)
			fail_msg("home %s, cwd %s: status %d", tried[i].home,
			    tried[i].cwd, status);
		teardown(state);
		setup(state);
	}
}

static void
a_folder_in_its_home_is_open_to_it(void **state)
{
	(void)state;
	assert_int_equal(mkdir(HOME "/work", 0700), 0);
	unit_put(HOME "/work/file", "mine\n");
	assert_int_equal(symlink(HOME "/work", HOME "/link"), 0);
	run_script_in(
	    HOME, HOME "/link", "grep -q mine file && echo more >>file && exit 7", "");
	shim_start();
	assert_int_equal(exit_of(), 7);
}

/* A launcher that comes back hears it again: it knows nothing. */
static void
a_folder_that_cannot_be_written_is_told(void **state)
{
	static const char folder[] = "/proc/sys"; /* in a container it is read-only */
	struct statvfs fs;

	(void)state;
	if (statvfs(folder, &fs) == -1 || (fs.f_flag & ST_RDONLY) == 0) {
		print_message("no read-only mount here: skipped\n");
		return;
	}
	run_script_in(HOME, folder, "sleep 60", "");
	shim_start();
	await("started", "");
	await("folder", "\"why\":\"/proc/sys is on a read-only mount\"");
	launcher_down();
	forget();
	launcher_up();
	assert_non_null(strstr(await("folder", "read-only"), "\"read_only\":true"));
	assert_null(said("run", "", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    T(the_environment_is_what_the_launcher_sent),
	    T(argv_resume_is_used_if_its_file_exists),
	    T(a_missing_directory_is_named),
	    T(a_missing_program_is_named),
	    T(a_killed_agent_is_reported_and_imitated),
	    T(stop_is_term_then_kill),
	    T(sigterm_to_the_shim_stops_the_agent),
	    T(a_held_lock_is_told),
	    T(a_spool_that_cannot_be_opened_is_told),
	    T(what_the_agent_leaves_behind_is_killed),
	    T(a_stopped_agent_is_continued),
	    T(keys_reach_the_agent_not_the_shim),
	    T(the_end_of_the_terminal_is_passed_on),
	    T(a_hook_reaches_the_launcher_and_leaves_the_spool),
	    T(hooks_wait_for_a_launcher_that_is_away),
	    T(unacknowledged_hooks_come_again),
	    T(what_an_earlier_shim_left_comes_first),
	    T(a_killed_shim_takes_its_agent_along_and_loses_no_hook),
	    T(what_a_killed_shim_left_does_not_lock_out_the_next),
	    T(the_earlier_life_is_told_before_the_next_begins),
	    T(a_question_is_answered_by_the_launcher),
	    T(a_question_settled_elsewhere_lets_its_hook_go),
	    T(who_asked_and_left_is_told),
	    T(an_unanswered_question_is_denied),
	    T(others_cannot_speak_for_the_agent),
	    T(a_hook_too_long_for_the_socket_is_cut),
	    T(the_registry_is_followed),
	    T(the_transcript_is_followed_to_its_end),
	    T(a_folder_that_cannot_be_written_is_told),
	    T(typed_input_can_be_counted),
	    T(a_file_that_is_no_json_is_kept_and_nothing_started),
	    T(a_trial_of_a_missing_program_fails),
	    T(what_passes_its_trial_is_started),
	    T(what_fails_its_trial_is_not_started),
	    T(the_domain_keeps_others_out),
	    T(no_place_opens_what_is_anothers),
	    T(a_folder_in_its_home_is_open_to_it),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
