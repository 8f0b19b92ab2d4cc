/*
 * The real program on a terminal of its own, with a hook that writes down what it is
 * told. Each test has its own home; nothing is waited for but state: what the terminal
 * shows and what the files say.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "buf.h"
#include "clock.h"
#include "json.h"

#define SID   "11111111-2222-4333-8444-555555555555"
#define PASTE "\033[200~%s\033[201~"
#define CHORD "\x18\x19"
enum { PATIENCE_MS = 20000, QUIET_MS = 250 };

/* Answers with <event>.answer, if the test has put one there. */
static const char hook_text[] =
    "#!/bin/sh\n"
    "in=$(cat)\n"
    "printf '%s\\n' \"$in\" >>\"$HOME/hooks\"\n"
    "case $in in\n"
    "*'\"UserPromptSubmit\"'*) e=submit ;;\n"
    "*'\"PermissionRequest\"'*) e=permission ;;\n"
    "*) e=other ;;\n"
    "esac\n"
    "[ ! -f \"$HOME/$e.answer\" ] || cat \"$HOME/$e.answer\"\n";

struct fixture {
	char home[64];
	char program[256], hook[128];
	int fd; /* the terminal */
	pid_t pid;
	struct buf raw;   /* the start of an escape sequence whose end has not come yet */
	struct buf shown; /* as plain text: see render() */
	size_t seen;      /* shown up to here was expected already */
};

/* ---- the terminal ---- */

static void
find_program(char *out, size_t size)
{
	char self[200] = "";
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(len > 0);
	*strrchr(self, '/') = '\0'; /* build/x/test */
	snprintf(out, size, "%s/../bin/demo", self);
}

static void
write_file(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", f->home, name);
	unlink(path); /* a shell may be running the old one */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	unit_tmpdir(f->home);
	find_program(f->program, sizeof(f->program));
	write_file(f, "hook", hook_text, 0700);
	snprintf(f->hook, sizeof(f->hook), "%s/hook", f->home);
	f->fd = -1;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	if (f->fd >= 0)
		close(f->fd);
	buf_free(&f->raw);
	buf_free(&f->shown);
	unit_rmdir(f->home);
	free(f);
	return 0;
}

/* hooks: whether the hook is run. */
static void
start(struct fixture *f, const char *option, const char *value, bool hooks)
{
	struct winsize size = {.ws_row = 30, .ws_col = 100};

	buf_clear(&f->raw);
	buf_clear(&f->shown);
	f->seen = 0;
	if (f->fd >= 0)
		close(f->fd);
	f->pid = forkpty(&f->fd, NULL, NULL, &size);
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		setenv("HOME", f->home, 1);
		setenv("BERTH_DEMO_LEDGER", "1", 1);
		if (chdir(f->home) == 0)
			execl(f->program, "demo", option, value,
			    hooks ? "--hook" : "--no-hooks", hooks ? f->hook : NULL,
			    NULL);
		_exit(127);
	}
	fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

/* The length of the escape sequence at `text`, 0 if its end has not come. */
static size_t
sequence_len(const char *text, size_t len)
{
	size_t at = 2;

	if (len < 2 || text[1] != '[')
		return len < 2 ? 0 : 2;
	while (at < len && (text[at] < 0x40 || text[at] > 0x7e))
		at++;
	return at < len ? at + 1 : 0;
}

/* Plain text, but '|' for where the cursor stays, a newline where the screen is wiped
 * from there on, and <on> and <off> for bracketed paste. */
static void
render(struct fixture *f)
{
	static const struct {
		const char *sequence, *text;
	} known[] = {{"\0337", "|"}, {"\033[J", "\n"}, {"\033[?2004h", "<on>"},
	    {"\033[?2004l", "<off>"}};
	size_t at = 0, len;

	for (; at < f->raw.len; at += len) {
		const char *text = f->raw.data + at;
		len = *text == '\033' ? sequence_len(text, f->raw.len - at) : 1;
		if (len == 0)
			break;
		for (size_t i = 0; i < COUNT(known); i++)
			if (len == strlen(known[i].sequence) &&
			    memcmp(text, known[i].sequence, len) == 0)
				buf_adds(&f->shown, known[i].text);
		if (*text != '\033' && *text != '\r')
			buf_addc(&f->shown, *text);
	}
	buf_cut_front(&f->raw, at);
}

/* Reads what is there within `ms`; false once the terminal is gone or nothing came. */
static bool
pump(struct fixture *f, int ms)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	char bytes[65536];

	if (poll(&p, 1, ms) <= 0)
		return false;
	ssize_t n = read(f->fd, bytes, sizeof(bytes));
	if (n > 0)
		buf_add(&f->raw, bytes, (size_t)n);
	render(f);
	return n > 0;
}

static void
expect(struct fixture *f, const char *text)
{
	int64_t deadline = mono_ms() + PATIENCE_MS;

	for (;;) {
		const char *at = strstr(buf_str(&f->shown) + f->seen, text);
		if (at != NULL) {
			f->seen = (size_t)(at - f->shown.data) + strlen(text);
			return;
		}
		if (!pump(f, 100) && mono_ms() > deadline)
			fail_msg("never shown: \"%s\"; shown since: \"%.1000s\"", text,
			    buf_str(&f->shown) + f->seen);
	}
}

static void
type(struct fixture *f, const char *bytes)
{
	size_t len = strlen(bytes);

	while (len > 0) {
		ssize_t n = write(f->fd, bytes, len);
		if (n < 0 && errno != EAGAIN)
			fail_msg("write to the terminal: %s", strerror(errno));
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
		pump(f, n > 0 ? 0 : 10);
	}
}

static void
paste(struct fixture *f, const char *text, const char *then)
{
	struct buf bytes = BUF_INIT;

	buf_addf(&bytes, PASTE "%s", text, then);
	type(f, bytes.data);
	buf_free(&bytes);
}

/* Exit status, or 1000 + the signal. */
static int
ended(struct fixture *f)
{
	int64_t deadline = mono_ms() + PATIENCE_MS;
	int status;

	while (waitpid(f->pid, &status, WNOHANG) == 0) {
		pump(f, 10);
		if (mono_ms() > deadline)
			fail_msg("it does not end; shown: \"%s\"",
			    buf_str(&f->shown) + f->seen);
	}
	while (pump(f, 0))
		;
	f->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- the files ---- */

/* All files that match, one after the other. */
static void
read_files(const struct fixture *f, const char *pattern, struct buf *out)
{
	char path[200];
	glob_t found;

	snprintf(path, sizeof(path), "%s/%s", f->home, pattern);
	if (glob(path, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			buf_read_file(out, found.gl_pathv[i], 64 << 20);
	globfree(&found);
}

static const char sessions[] = ".berth-demo/sessions/*.json";
static const char transcripts[] = ".berth-demo/projects/*/*.jsonl";
static const char ledger[] = ".berth-demo/ledger.jsonl";

static size_t
count_in(const struct fixture *f, const char *pattern, const char *text)
{
	struct buf all = BUF_INIT;
	size_t count = 0;

	read_files(f, pattern, &all);
	for (const char *at = buf_str(&all); (at = strstr(at, text)) != NULL; at++)
		count++;
	buf_free(&all);
	return count;
}

static void
expect_in(struct fixture *f, const char *pattern, const char *text)
{
	int64_t deadline = mono_ms() + PATIENCE_MS;

	while (count_in(f, pattern, text) == 0) {
		pump(f, 10);
		if (mono_ms() > deadline)
			fail_msg("never in %s: %s", pattern, text);
	}
}

static void
expect_status(struct fixture *f, const char *status)
{
	char text[40];

	snprintf(text, sizeof(text), "\"status\":\"%s\"", status);
	expect_in(f, sessions, text);
}

/* "SessionStart:startup UserPromptSubmit Stop": the events the hook was told, each with
 * what tells it from others of its kind. */
static void
hooks_were(struct fixture *f, const char *wanted)
{
	static const char *const details[] = {
	    "source", "error", "trigger", "reason", "tool_name"};
	struct buf all = BUF_INIT, told = BUF_INIT;
	const char *why;

	read_files(f, "hooks", &all);
	for (char *line = all.data, *end; line != NULL && *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		yyjson_doc *doc = json_parse(line, (size_t)(end - line), &why);
		yyjson_val *root = yyjson_doc_get_root(doc);
		assert_string_equal(json_str(root, "session_id", ""), SID);
		buf_addf(&told, "%s%s", told.len > 0 ? " " : "",
		    json_str(root, "hook_event_name", "?"));
		for (size_t i = 0; i < COUNT(details); i++)
			if (json_str(root, details[i], NULL) != NULL)
				buf_addf(&told, ":%s", json_str(root, details[i], NULL));
		yyjson_doc_free(doc);
	}
	assert_string_equal(buf_str(&told), wanted);
	buf_free(&all);
	buf_free(&told);
}

/* The input line is there, with nothing in it: its text is dim from the first character
 * on. */
static void
expect_prompt(struct fixture *f)
{
	expect(f, "\n\xe2\x9d\xaf |Say");
}

static void
start_ready(struct fixture *f, bool hooks)
{
	start(f, "--session-id", SID, hooks);
	expect(f, "<on>");
	expect(f, "/help");
	expect(f, "\xe2\x9d\xaf ");
	if (hooks)
		expect_in(f, "hooks", "\"SessionStart\"");
}

/* Not before the last turn's hooks are through. */
static void
leave(struct fixture *f)
{
	expect_status(f, "idle");
	type(f, "exit\r");
	assert_int_equal(ended(f), 0);
}

/* ---- a session's life ---- */

static void
it_answers_and_leaves_in_order(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	expect_status(f, "idle");
	type(f, "hello \xe6\x97\xa5\r");
	expect(f, "\nYou said: hello \xe6\x97\xa5\n");
	expect_prompt(f);
	expect_status(f, "idle");
	leave(f);
	expect(f, "<off>");
	expect(f, "demo --resume " SID);
	assert_int_equal(count_in(f, sessions, "pid"), 0);
	assert_int_equal(count_in(f, transcripts, "\"turn_duration\""), 1);
}

static void
a_session_id_is_good_once(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	leave(f);
	start_ready(f, false); /* nothing was said: still free */
	type(f, "hello\r");
	expect(f, "You said: hello");
	leave(f);
	start(f, "--session-id", SID, false);
	assert_int_equal(ended(f), 1);
	expect(f, "Session ID " SID " is already in use");
	assert_int_equal(count_in(f, sessions, "pid"), 0);
}

static void
a_session_is_resumed_with_what_was_said(void **state)
{
	struct fixture *f = *state;

	start(f, "--resume", SID, false);
	assert_int_equal(ended(f), 1);
	expect(f, "No conversation found with session ID: " SID);
	start_ready(f, true);
	type(f, "[[say the moon]]\r");
	expect_in(f, "hooks", "\"Stop\"");
	leave(f);
	start(f, "--resume", SID, true);
	expect(f, "> [[say the moon]]");
	expect(f, "the moon");
	expect_in(f, "hooks", "\"resume\"");
	type(f, "\033[A\r"); /* what was said is there for Up, too */
	expect(f, "\nthe moon\n");
	leave(f);
	assert_int_equal(count_in(f, transcripts, "\"content\":\"[[say the moon]]\""), 2);
	hooks_were(f,
	    "SessionStart:startup UserPromptSubmit Stop SessionEnd:prompt_input_exit "
	    "SessionStart:resume UserPromptSubmit Stop SessionEnd:prompt_input_exit");
}

static void
bad_arguments_are_refused(void **state)
{
	struct fixture *f = *state;

	start(f, "--session-id", "not-a-uuid", false);
	assert_int_equal(ended(f), 1);
	expect(f, "a session's id is a UUID");
	start(f, "--nonsense", "x", false);
	assert_int_equal(ended(f), 1);
	start(f, "--version", NULL, false);
	assert_int_equal(ended(f), 0);
	expect(f, BERTH_VERSION " (berth demo)");
}

static void
signals_end_it_with_a_session_end(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[sleep 60000]]\r");
	expect_status(f, "busy");
	expect_in(f, "hooks", "UserPromptSubmit");
	kill(f->pid, SIGTERM);
	assert_int_equal(ended(f), 143);
	hooks_were(f, "SessionStart:startup UserPromptSubmit SessionEnd:other");
	assert_int_equal(count_in(f, sessions, "pid"), 0);
}

static void
a_terminal_that_goes_away_ends_it(void **state)
{
	struct fixture *f = *state;
	int status;

	start_ready(f, true);
	close(f->fd);
	f->fd = -1;
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 129);
	hooks_were(f, "SessionStart:startup SessionEnd:other");
}

static void
a_hook_that_hangs_does_not_keep_it_from_ending(void **state)
{
	struct fixture *f = *state;

	write_file(f, "hook",
	    "#!/bin/sh\nin=$(cat)\nprintf '%s\\n' \"$in\" >>\"$HOME/hooks\"\n"
	    "case $in in *UserPromptSubmit*) exec sleep 25 ;; esac\n",
	    0700);
	start_ready(f, true);
	int64_t since = mono_ms();
	type(f, "hello\r");
	expect_in(f, "hooks", "UserPromptSubmit");
	type(f, "exit\r");
	assert_int_equal(ended(f), 0);
	assert_true(mono_ms() - since < 15000);
	hooks_were(
	    f, "SessionStart:startup UserPromptSubmit SessionEnd:prompt_input_exit");
}

static void
ctrl_c_twice_ends_it(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "half\x03");
	expect(f, "Press Ctrl-C again");
	type(f, "\x03");
	assert_int_equal(ended(f), 0);
	hooks_were(f, "SessionStart:startup SessionEnd:prompt_input_exit");
}

static void
it_can_die_in_every_way(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[crash]]\r");
	assert_int_equal(ended(f), 1000 + SIGKILL);
	assert_int_equal(
	    count_in(f, sessions, "\"busy\""), 1); /* stale, as the CLI leaves it */
	start(f, "--resume", SID, true);
	expect(f, "> [[crash]]");
	expect(f, "Say something");
	assert_int_equal(count_in(f, transcripts, "No response requested."), 1);
	type(f, "[[abort]]\r");
	assert_int_equal(ended(f), 1000 + SIGABRT);
	start(f, "--resume", SID, true);
	expect(f, "Say something");
	type(f, "[[exit 7]]\r");
	assert_int_equal(ended(f), 7);
	hooks_were(f,
	    "SessionStart:startup UserPromptSubmit SessionStart:resume UserPromptSubmit "
	    "SessionStart:resume UserPromptSubmit SessionEnd:other");
}

/* ---- hooks ---- */

static void
hooks_are_told_what_the_cli_tells_them(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	paste(f, "[berth 01JD 14:05 cli] two\nlines \"quoted\"\n", CHORD);
	expect_in(f, "hooks", "\"Stop\"");
	expect_in(f, "hooks",
	    "\"prompt\":\"[berth 01JD 14:05 cli] two\\nlines \\\"quoted\\\"\"");
	expect_in(f, "hooks",
	    "\"last_assistant_message\":\"You said: two\\nlines \\\"quoted\\\"\"");
	expect_in(f, "hooks",
	    "\"effort\":{\"level\":\"medium\"},\"hook_event_name\":\"Stop\",\"stop_hook_"
	    "active\":false");
	expect_in(f, "hooks", "\"background_tasks\":[],\"session_crons\":[]}");
	assert_int_equal(
	    count_in(f, ledger, "\"prompt\":\"[berth 01JD 14:05 cli] two\\nlines"), 1);
	leave(f);
	hooks_were(
	    f, "SessionStart:startup UserPromptSubmit Stop SessionEnd:prompt_input_exit");
}

static void
a_hook_can_block_a_prompt(void **state)
{
	struct fixture *f = *state;

	write_file(f, "submit.answer",
	    "{\"decision\":\"block\",\"reason\":\"not today\"}", 0600);
	start_ready(f, true);
	type(f, "hello\r");
	expect(f, "Blocked by a hook: not today");
	expect(f, "\xe2\x9d\xaf hello|"); /* back in the input line */
	expect_status(f, "idle");
	assert_int_equal(count_in(f, transcripts, "hello"), 0);
	assert_int_equal(count_in(f, ledger, "hello"), 0);
}

static void
a_hook_that_cannot_run_is_told_once(void **state)
{
	struct fixture *f = *state;

	unlink(f->hook);
	start(f, "--session-id", SID, true);
	expect(f, "A hook did not work: No such file or directory");
	type(f, "hello\r");
	expect(f, "You said: hello");
	leave(f);
}

static void
failures_have_their_own_hook(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[auth]]\r");
	expect(f, "Not logged in \xc2\xb7 Please run /login");
	expect_in(f, "hooks", "Not logged in");
	expect_status(f, "idle");
	type(f, "[[error it broke]]\r");
	expect_in(f, "hooks", "API Error: it broke");
	expect_status(f, "idle");
	type(f, "[[limit 3600]]\r");
	expect_in(f, "hooks", "You've hit your 5-hour limit \xc2\xb7 resets ");
	expect_in(f, transcripts, "\"resetsAt\":");
	leave(f);
	hooks_were(f,
	    "SessionStart:startup UserPromptSubmit StopFailure:authentication_failed "
	    "UserPromptSubmit StopFailure:unknown UserPromptSubmit "
	    "StopFailure:rate_limit "
	    "SessionEnd:prompt_input_exit");
}

static void
compacting_has_its_hooks(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "/compact keep it short\r");
	expect(f, "Compacted");
	expect_in(f, "hooks", "\"custom_instructions\":\"keep it short\"");
	leave(f);
	hooks_were(f, "SessionStart:startup PreCompact:manual SessionStart:compact "
		      "PostCompact:manual "
		      "SessionEnd:prompt_input_exit");
}

static void
a_turn_can_end_without_its_hook(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[nohook]] [[say quiet]]\r");
	expect(f, "\nquiet\n");
	expect_status(f, "idle");
	leave(f);
	hooks_were(
	    f, "SessionStart:startup UserPromptSubmit SessionEnd:prompt_input_exit");
}

/* ---- while it works ---- */

static void
what_is_pasted_while_busy_becomes_the_next_turn(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[stream 100000 5]]\r");
	expect(f, "\nline 1\n");
	paste(f, "first\n", CHORD);
	expect_in(f, transcripts, "\"operation\":\"enqueue\"");
	paste(f, "second\n", CHORD);
	expect_in(f, ledger, "\"prompt\":\"second\"");
	type(f, "\033");
	expect(f, "Interrupted");
	expect(f, "You said: first\nsecond");
	expect_in(f, "hooks", "\"Stop\"");
	leave(f);
	assert_int_equal(count_in(f, transcripts, "\"enqueue\""), 2);
	assert_int_equal(count_in(f, transcripts, "\"dequeue\""), 2);
	assert_int_equal(count_in(f, ledger, "first"), 1);
	assert_int_equal(count_in(f, ledger, "second"), 1);
	hooks_were(f, "SessionStart:startup UserPromptSubmit UserPromptSubmit Stop "
		      "SessionEnd:prompt_input_exit");
}

static void
up_takes_back_what_waits(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	type(f, "[[sleep 60000]]\r");
	expect_status(f, "busy");
	type(f, "later\r");
	expect(f, "  > later");
	type(f, "\033[A");
	expect(f, "\xe2\x9d\xaf later|");
	expect_in(f, transcripts, "\"operation\":\"remove\"");
}

static void
a_running_turn_can_absorb_what_waits(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[sleep 400]] [[absorb]] [[say end]]\r");
	expect_status(f, "busy");
	type(f, "meanwhile\r");
	expect(f, "\nYou said: meanwhile\n");
	expect(f, "end\n");
	expect_in(f, transcripts, "absorbed_mid_turn");
	expect_in(f, "hooks", "\"last_assistant_message\":\"You said: meanwhile\\nend\"");
	leave(f);
	hooks_were(
	    f, "SessionStart:startup UserPromptSubmit Stop SessionEnd:prompt_input_exit");
}

static void
esc_interrupts_and_no_hook_tells_it(void **state)
{
	struct fixture *f = *state;

	start_ready(f, true);
	type(f, "[[say begun]] [[sleep 60000]]\r");
	expect(f, "\nbegun\n");
	type(f, "\033");
	expect(f, "Interrupted");
	expect_status(f, "idle");
	expect_in(f, transcripts, "\"text\":\"begun\"");
	expect_in(f, transcripts, "\"text\":\"[Request interrupted by user]\"");
	leave(f);
	hooks_were(
	    f, "SessionStart:startup UserPromptSubmit SessionEnd:prompt_input_exit");
}

static void
half_typed_text_survives_a_message(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	type(f, "half ty\x13");
	paste(f, "message\n", CHORD);
	expect(f, "You said: message");
	expect(f, "\xe2\x9d\xaf half ty|");
	type(f, "ped\r");
	expect(f, "You said: half typed");
}

static void
what_is_typed_while_deaf_is_read_later(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	type(f, "[[deaf 400]] [[say deaf now]]\r");
	expect(f, "\ndeaf now\n");
	int64_t since = mono_ms();
	type(f, "hello\r");
	expect(f, "You said: hello");
	assert_true(mono_ms() - since > 200);
}

/* ---- permission ---- */

static void
ask(struct fixture *f)
{
	type(f, "[[tool Bash {\"command\":\"ls\"}]]\r");
	expect(f, " \xe2\x9d\xaf 1. Yes");
	expect_status(f, "waiting");
	assert_int_equal(
	    count_in(f, sessions, "\"waitingFor\":\"permission prompt\""), 1);
}

static void
an_open_dialog_is_as_dangerous_as_the_real_one(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	ask(f);
	paste(f, "1 this is lost\n", CHORD);
	pump(f, QUIET_MS);
	expect_status(f, "waiting");
	type(f, "\r"); /* Enter approves */
	expect(f, "\nBash was allowed: {\"command\":\"ls\"}");
	expect_prompt(f);
	assert_int_equal(count_in(f, transcripts, "lost"), 0);
	ask(f);
	type(f, "1");
	expect(f, "\nBash was allowed");
	expect_prompt(f);
	ask(f);
	type(f, "2");
	expect(f, "\nBash was denied");
	expect_prompt(f);
	ask(f);
	type(f, "\033");
	expect(f, "\nBash was denied");
	expect_prompt(f);
	expect_status(f, "idle");
}

static void
a_hook_may_answer_instead(void **state)
{
	struct fixture *f = *state;

	write_file(f, "permission.answer",
	    "{\"hookSpecificOutput\":{\"hookEventName\":\"PermissionRequest\","
	    "\"decision\":"
	    "{\"behavior\":\"allow\",\"updatedInput\":{\"command\":\"id\"}}}}",
	    0600);
	start_ready(f, true);
	type(f, "[[tool Bash {\"command\":\"ls\"}]]\r");
	expect(f, "Allowed by PermissionRequest hook");
	expect(f, "\nBash was allowed: {\"command\":\"id\"}");
	expect_status(f, "idle");
	write_file(f, "permission.answer",
	    "{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"deny\",\"message\":"
	    "\"no way\"}}}",
	    0600);
	type(f, "[[tool Bash]] [[say and on]]\r");
	expect(f, "\nBash was denied: no way\n");
	expect(f, "\nand on\n");
	expect_status(f, "idle");
	write_file(f, "permission.answer",
	    "{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"deny\",\"interrupt\":"
	    "true}}}",
	    0600);
	type(f, "[[tool Bash]] [[say never]]\r");
	expect(f, "Interrupted");
	expect_status(f, "idle");
	leave(f);
	hooks_were(f,
	    "SessionStart:startup UserPromptSubmit PermissionRequest:Bash Stop "
	    "UserPromptSubmit PermissionRequest:Bash Stop "
	    "UserPromptSubmit PermissionRequest:Bash SessionEnd:prompt_input_exit");
}

static void
a_hook_that_answers_too_late_is_not_heard(void **state)
{
	struct fixture *f = *state;

	write_file(f, "hook",
	    "#!/bin/sh\nin=$(cat)\nprintf '%s\\n' \"$in\" >>\"$HOME/hooks\"\n"
	    "case $in in *PermissionRequest*) while [ ! -e \"$HOME/go\" ]; do sleep "
	    "0.02; done\n"
	    "echo '{\"hookSpecificOutput\":{\"decision\":{\"behavior\":\"deny\"}}}'\n"
	    "echo yes >\"$HOME/said\" ;; esac\n",
	    0700);
	start_ready(f, true);
	ask(f);
	expect_in(f, "hooks", "PermissionRequest");
	type(f, "1");
	expect(f, "\nBash was allowed");
	expect_status(f, "idle");
	write_file(f, "hook", hook_text, 0700);
	ask(f); /* the first one's answer must not be taken for the second's */
	write_file(f, "go", "", 0600);
	expect_in(f, "said", "yes");
	pump(f, QUIET_MS);
	expect_status(f, "waiting");
	type(f, "1");
	expect(f, "\nBash was allowed");
	leave(f);
}

/* ---- what it costs ---- */

static void
a_thousand_turns_are_each_seen_once(void **state)
{
	enum { TURNS = 1000 };
	struct fixture *f = *state;
	char text[64];

	start_ready(f, false);
	for (int i = 0; i < TURNS; i++) {
		snprintf(text, sizeof(text), "number %d.\n", i);
		paste(f, text, CHORD);
		snprintf(text, sizeof(text), "You said: number %d.", i);
		expect(f, text);
		buf_clear(&f->shown);
		f->seen = 0;
	}
	leave(f);
	assert_int_equal(count_in(f, ledger, "\"prompt\":"), TURNS);
	for (int i = 0; i < TURNS; i += 97) {
		snprintf(text, sizeof(text), "\"prompt\":\"number %d.\"", i);
		assert_int_equal(count_in(f, ledger, text), 1);
	}
}

static void
a_megabyte_is_taken_whole(void **state)
{
	enum { LEN = 1 << 20 };
	struct fixture *f = *state;
	char *text = malloc(LEN + 1);

	for (size_t i = 0; i < LEN; i++)
		text[i] = (char)(i % 61 == 60 ? '\n' : 'a' + i % 26);
	text[LEN - 1] = 'z';
	text[LEN] = '\0';
	start_ready(f, true);
	paste(f, text, CHORD);
	expect_in(f, "hooks", "\"Stop\"");
	leave(f);
	struct buf all = BUF_INIT;
	const char *why;
	read_files(f, ledger, &all);
	yyjson_doc *doc = json_parse(all.data, all.len, &why);
	assert_string_equal(json_str(yyjson_doc_get_root(doc), "prompt", ""), text);
	yyjson_doc_free(doc);
	buf_free(&all);
	free(text);
}

static void
a_flood_can_be_interrupted(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	type(f, "[[spam 1000000000]]\r");
	expect(f, "aaaaaaaa");
	type(f, "\033");
	expect(f, "Interrupted");
	expect_status(f, "idle");
}

/* Times it gave up the processor of its own will: one for each wake-up. */
static long
wakeups(const struct fixture *f)
{
	char path[64];
	struct buf all = BUF_INIT;
	char bytes[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)f->pid);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(n > 0);
	buf_add(&all, bytes, (size_t)n);
	long count = atol(strstr(all.data, "\nvoluntary_ctxt_switches:") + 25);
	buf_free(&all);
	return count;
}

static void
idle_it_never_wakes_up(void **state)
{
	struct fixture *f = *state;

	start_ready(f, false);
	type(f, "hello\r");
	expect(f, "You said: hello");
	expect_prompt(f);
	expect_status(f, "idle");
	while (pump(f, QUIET_MS))
		;
	long before = wakeups(f);
	assert_false(pump(f, 4 * QUIET_MS));
	assert_int_equal(wakeups(f), before);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(it_answers_and_leaves_in_order),
	    T(a_session_id_is_good_once),
	    T(a_session_is_resumed_with_what_was_said),
	    T(bad_arguments_are_refused),
	    T(signals_end_it_with_a_session_end),
	    T(a_terminal_that_goes_away_ends_it),
	    T(a_hook_that_hangs_does_not_keep_it_from_ending),
	    T(ctrl_c_twice_ends_it),
	    T(it_can_die_in_every_way),
	    T(hooks_are_told_what_the_cli_tells_them),
	    T(a_hook_can_block_a_prompt),
	    T(a_hook_that_cannot_run_is_told_once),
	    T(failures_have_their_own_hook),
	    T(compacting_has_its_hooks),
	    T(a_turn_can_end_without_its_hook),
	    T(what_is_pasted_while_busy_becomes_the_next_turn),
	    T(up_takes_back_what_waits),
	    T(a_running_turn_can_absorb_what_waits),
	    T(esc_interrupts_and_no_hook_tells_it),
	    T(half_typed_text_survives_a_message),
	    T(what_is_typed_while_deaf_is_read_later),
	    T(an_open_dialog_is_as_dangerous_as_the_real_one),
	    T(a_hook_may_answer_instead),
	    T(a_hook_that_answers_too_late_is_not_heard),
	    T(a_thousand_turns_are_each_seen_once),
	    T(a_megabyte_is_taken_whole),
	    T(a_flood_can_be_interrupted),
	    T(idle_it_never_wakes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
