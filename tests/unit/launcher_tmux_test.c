/* The control-mode client against a real tmux server of the test's own. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "buf.h"
#include "clock.h"
#include "launcher/tmux.h"
#include "loop.h"
#include "paths.h"
#include "xmalloc.h"

#define TMUX "env -u TMUX tmux -u -S " TMUX_SOCK " "

static struct loop *loop;
static struct tmux *t;
static int ups, downs, changes;

static void
sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void
start_server(void)
{
	sh(TMUX "-f " RUN_DIR "/tmux.conf start-server");
}

static void
stop_server(void)
{
	if (system(TMUX "kill-server 2>/dev/null") == -1)
		fail();
}

/* Patience with the server is 30 s: here 2 s. */
void __real_timer_in(struct timer *timer, int64_t ms);
void __wrap_timer_in(struct timer *timer, int64_t ms);

void
__wrap_timer_in(struct timer *timer, int64_t ms)
{
	__real_timer_in(timer, ms >= 30000 ? 2000 : ms);
}

/* ---- the loop ---- */

struct until {
	struct timer *timer;
	const int *counter;
	int wanted;
	int64_t deadline;
};

static void
look(void *arg)
{
	struct until *u = arg;

	if (*u->counter >= u->wanted || mono_ms() > u->deadline)
		loop_stop(loop, 0);
	else
		timer_in(u->timer, 2);
}

static void
wait_until(const int *counter, int wanted)
{
	struct until u = {
	    .counter = counter, .wanted = wanted, .deadline = mono_ms() + 10000};

	u.timer = timer_new(loop, look, &u);
	timer_in(u.timer, 0);
	loop_run(loop);
	timer_free(u.timer);
	if (*counter < wanted)
		fail_msg("waited for %d, got %d", wanted, *counter);
}

static void
turn_loop(int ms)
{
	int never = 0;
	struct until u = {.counter = &never, .wanted = 1, .deadline = mono_ms() + ms};

	u.timer = timer_new(loop, look, &u);
	timer_in(u.timer, 0);
	loop_run(loop);
	timer_free(u.timer);
}

static void
on_up(void *ctx)
{
	(void)ctx;
	ups++;
}

static void
on_down(void *ctx)
{
	(void)ctx;
	downs++;
}

static void
on_windows(void *ctx)
{
	(void)ctx;
	changes++;
}

static const struct tmux_handlers handlers = {
    .up = on_up, .down = on_down, .windows_changed = on_windows};

static int
setup(void **state)
{
	FILE *f;

	(void)state;
	sh("rm -rf '" RUN_DIR "' && mkdir -p '" TMUX_DIR "/tmux-901' '" LIBEXEC_DIR "'");
	f = fopen(LIBEXEC_DIR "/pane", "w");
	fputs("#!/bin/sh\nexec sleep 600\n", f);
	fclose(f);
	chmod(LIBEXEC_DIR "/pane", 0755);
	f = fopen(RUN_DIR "/tmux.conf", "w");
	fputs("set -g exit-empty off\nset -g default-shell /bin/sh\n", f);
	fclose(f);
	ups = downs = changes = 0;
	start_server();
	loop = loop_new();
	t = tmux_new(loop, &handlers, NULL);
	wait_until(&ups, 1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tmux_free(t);
	loop_free(loop);
	stop_server();
	return 0;
}

/* ---- commands ---- */

struct answer {
	int came;
	bool ok;
	char *text;
};

static int answers;

static void
keep(bool ok, char *text, void *arg)
{
	struct answer *a = arg;

	a->came = ++answers;
	a->ok = ok;
	free(a->text);
	a->text = xstrdup(text);
}

/* Runs a line; its answer, until the next. */
static struct answer *
run(const char *line)
{
	static struct answer a;

	a.came = 0;
	tmux_run(t, keep, &a, line);
	if (a.came == 0)
		wait_until(&a.came, 1); /* others' answers come before it */
	return &a;
}

static void
answers_are_matched(void **state)
{
	struct answer many[200] = {0};
	int before = answers;

	(void)state;
	assert_true(tmux_up(t));
	assert_string_equal(run("display-message -p hello")->text, "hello");
	assert_true(run("display-message -p hello")->ok);
	for (int i = 0; i < 200; i++)
		tmux_runf(t, keep, &many[i], "display-message -p \"answer %d\"", i);
	wait_until(&answers, before + 202);
	for (int i = 0; i < 200; i++) {
		char expected[32];

		snprintf(expected, sizeof(expected), "answer %d", i);
		assert_string_equal(many[i].text, expected);
		assert_int_equal(many[i].came, before + 3 + i);
		free(many[i].text);
	}
}

static void
an_error_says_why(void **state)
{
	struct answer *a = run("kill-window -t @999");

	(void)state;
	assert_false(a->ok);
	assert_non_null(strstr(a->text, "@999"));
	assert_false(run("no-such-command")->ok);
	assert_string_equal(run("display-message -p after")->text, "after");
	tmux_run(t, NULL, NULL, "kill-window -t @999"); /* nobody listens */
	assert_string_equal(run("display-message -p after")->text, "after");
}

static void
several_commands_are_one_answer(void **state)
{
	struct answer *a = run(
	    "display-message -p one ; display-message -p two ; display-message -p three");

	(void)state;
	assert_true(a->ok);
	assert_string_equal(a->text, "one\ntwo\nthree");
	/* those that say nothing leave no line */
	assert_string_equal(
	    run("set-option -g @x 1 ; display-message -p one ; set-option -g @x 2")->text,
	    "one");
	assert_string_equal(run("display-message -p last")->text, "last");
}

static void
an_error_ends_its_line_only(void **state)
{
	struct answer *a =
	    run("display-message -p one ; kill-window -t @999 ; set-option -g @never 1");

	(void)state;
	assert_false(a->ok);
	assert_non_null(strstr(a->text, "one"));
	assert_string_equal(run("display-message -p \"#{@never}\"")->text, "");
	assert_string_equal(run("display-message -p after")->text, "after");
	assert_false(
	    run("kill-window -t @999 ; display-message -p one ; display-message -p two")
		->ok);
	assert_string_equal(run("display-message -p after")->text, "after");
}

static void
semicolons_in_quotes_part_nothing(void **state)
{
	static const struct {
		const char *line, *text;
	} lines[] = {
	    {"display-message -p \"a ; b\"", "a ; b"},
	    {"display-message -p \"a ; b\" ; display-message -p c", "a ; b\nc"},
	    {"display-message -p \"a \\\" ; b\" ; display-message -p c", "a \" ; b\nc"},
	    {"display-message -p \"a \\\\\" ; display-message -p c", "a \\\nc"},
	    {"display-message -p \" ;\" ; display-message -p \"; \"", " ;\n; "},
	    {"display-message -p a\\;b ; display-message -p c", "a;b\nc"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_string_equal(run(lines[i].line)->text, lines[i].text);
		assert_string_equal(run("display-message -p after")->text, "after");
	}
}

static void
who_is_gone_hears_nothing(void **state)
{
	struct answer gone = {0}, here = {0};
	int before = answers;

	(void)state;
	tmux_run(t, keep, &gone, "display-message -p one");
	tmux_run(t, keep, &here, "display-message -p two");
	tmux_run(t, keep, &gone, "kill-window -t @999");
	tmux_forget(t, &gone);
	assert_string_equal(run("display-message -p after")->text, "after");
	assert_int_equal(gone.came, 0);
	assert_string_equal(here.text, "two");
	assert_int_equal(answers, before + 2);
	free(here.text);
}

/* ---- quoting ---- */

/* Into a buffer and back, byte by byte. */
static void
round_trip(const char *text, size_t len)
{
	struct buf line = BUF_INIT, back = BUF_INIT;
	struct answer *a;

	buf_adds(&line, "set-buffer -b t -- ");
	tmux_quote(&line, text, len);
	assert_null(memchr(line.data, '\n', line.len));
	buf_adds(&line, " ; save-buffer -b t " RUN_DIR "/back");
	a = run(buf_str(&line));
	if (!a->ok)
		fail_msg("%.60s: %s", text, a->text);
	assert_int_equal(buf_read_file(&back, RUN_DIR "/back", 8 << 20), 0);
	if (back.len != len || memcmp(back.data, text, len) != 0)
		fail_msg("\"%.60s\" came back as \"%.60s\"", text, back.data);
	buf_free(&line);
	buf_free(&back);
}

static void
every_byte_comes_back(void **state)
{
	char all[256];

	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[] = {'a', (char)c, 'b', (char)c, '\0'};

		round_trip(text, 4);
		round_trip(text + 1, 1); /* alone, and first */
		all[c - 1] = (char)c;
	}
	all[255] = '\0';
	round_trip(all, 255);
}

static void
every_trick_comes_back(void **state)
{
	static const char *const texts[] = {"~", "~/x", "~root/x", "$HOME", "${HOME}",
	    "$", "#{pane_id}", "#(date)", "#[fg=red]", "%if", "%hidden x=1", "%1", "{",
	    "}", "{ kill-server }", ";", " ; kill-server", "\\; x", "\\", "\\\\", "\\n",
	    "\\u00e9", "\\101", "\"", "'", "\"'\"'", "# comment", "-b", "-n x", "--", "-",
	    " ", "  lead and trail  ", "a\nb\n", "\n", "\n\n\n", "\t", "\033[201~", "=",
	    "@1", "*", "?", "!", "\r\n", "a=b", "%end 1 2 1",
	    "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
	    "\xff\xfe", "\xc2"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		round_trip(texts[i], strlen(texts[i]));
}

static void
a_megabyte_comes_back(void **state)
{
	static const char *const units[] = {
	    "x", "\n", "\"", "\xf0\x9f\x98\x80", "line; \\ $x\n", "\x01"};
	char *text = malloc((1 << 20) + 16);

	(void)state;
	for (size_t i = 0; i < COUNT(units); i++) {
		size_t len = 0;

		for (; len < 1 << 20; len += strlen(units[i]))
			memcpy(text + len, units[i], strlen(units[i]));
		round_trip(text, len);
	}
	free(text);
	assert_string_equal(run("display-message -p after")->text, "after");
}

static void
random_bytes_come_back(void **state)
{
	unsigned seed = 3;
	char text[600];

	(void)state;
	for (int round = 0; round < 100; round++) {
		size_t len = 1 + (size_t)rand_r(&seed) % (sizeof(text) - 1);

		for (size_t i = 0; i < len; i++)
			text[i] =
			    (char)(1 + rand_r(&seed) % (round % 2 == 0 ? 255 : 0x7e));
		text[len] = '\0';
		round_trip(text, len);
	}
}

/* ---- what panes show ---- */

static void
show(const char *text)
{
	FILE *f = fopen(RUN_DIR "/show", "w");

	fputs(text, f);
	fclose(f);
	assert_true(run(
	    "new-window -d -n show -t =berth: \"cat " RUN_DIR "/show; exec sleep 600\"")
		->ok);
	for (int i = 0; i < 500; i++) {
		if (strstr(run("capture-pane -p -t =berth:show")->text, "THE END") !=
		    NULL)
			return;
		usleep(10000);
	}
	fail_msg("nothing shows");
}

/* An agent may print what tmux says to its control clients. */
static void
what_a_pane_shows_is_no_protocol(void **state)
{
	struct answer *a;

	(void)state;
	show("%end 1 1 1\n%begin 2 2 1\n%error 3 3 1\n%exit\n%window-close @1\n"
	     "%end 1 1 0\nTHE END\n");
	a = run("display-message -p first ; capture-pane -p -t =berth:show");
	assert_true(a->ok);
	assert_non_null(
	    strstr(a->text, "first\n%end 1 1 1\n%begin 2 2 1\n%error 3 3 "
			    "1\n%exit\n%window-close @1\n%end 1 1 0\nTHE END"));
	assert_string_equal(run("display-message -p after")->text, "after");
	assert_int_equal(downs, 0);
	assert_true(tmux_up(t));
}

/* A bracket's time and number can be guessed: here all that they may be are. */
static void
a_guessed_end_ends_nothing(void **state)
{
	struct answer next = {0};
	struct buf text = BUF_INIT;
	time_t now = time(NULL);

	(void)state;
	run("set-option -g history-limit 50000");
	for (time_t at = now; at < now + 4; at++)
		for (int i = 1; i < 1500; i++)
			buf_addf(&text,
			    "%%end %lld %d 1\n%%begin %lld %d 1\nallow\n%%end %lld %d 1\n"
			    "%%error %lld %d 1\n",
			    (long long)at, i, (long long)at, i + 1, (long long)at, i + 1,
			    (long long)at, i);
	buf_adds(&text, "THE END\n");
	show(buf_str(&text));
	for (int i = 0; i < 10; i++) {
		struct answer *a = run("display-message -p first ; capture-pane -p -S - "
				       "-t =berth:show");

		assert_true(a->ok);
		assert_int_equal(strncmp(a->text, "first\n%end ", 11), 0);
		assert_non_null(strstr(a->text, "THE END"));
		tmux_run(t, keep, &next, "display-message -p \"second\"");
		assert_string_equal(run("display-message -p third")->text, "third");
		assert_string_equal(next.text, "second");
	}
	assert_int_equal(downs, 0);
	free(next.text);
	buf_free(&text);
}

/* One row of history, joined, of more than is kept of a line. */
static void
a_huge_row_is_cut_and_costs_no_connection(void **state)
{
	struct answer *a;
	int made = 0;

	(void)state;
	run("set-option -g history-limit 50000");
	run("new-window -d -n wide -t =berth: \"head -c 6000000 /dev/zero | tr '\\\\0' "
	    "x; "
	    "echo; echo THE END; exec sleep 600\"");
	for (int i = 0; made == 0 && i < 1000; i++) {
		made = strstr(run("capture-pane -p -t =berth:wide")->text, "THE END") !=
		       NULL;
		usleep(10000);
	}
	assert_true(made);
	a = run("display-message -p x ; capture-pane -p -J -S - -t =berth:wide");
	assert_true(a->ok);
	assert_true(strlen(a->text) > 1 << 20 && strlen(a->text) < 5 << 20);
	assert_string_equal(run("display-message -p after")->text, "after");
	assert_int_equal(downs, 0);
}

static void
empty_rows_at_the_top_are_rows(void **state)
{
	(void)state;
	show("\n\n\nTHE END\n");
	assert_int_equal(
	    strncmp(run("capture-pane -p -t =berth:show")->text, "\n\n\nTHE END", 10), 0);
	assert_int_equal(
	    strncmp(run("display-message -p x ; capture-pane -p -t =berth:show")->text,
		"x\n\n\n\nTHE", 8),
	    0);
}

static void
a_closed_window_is_told(void **state)
{
	(void)state;
	show("THE END\n");
	changes = 0;
	run("kill-window -t =berth:show");
	wait_until(&changes, 1);
}

/* ---- coming and going ---- */

static void
a_server_that_dies_answers_all(void **state)
{
	struct answer waiting = {0};
	int before = answers;

	(void)state;
	int server = atoi(run("display-message -p \"#{pid}\"")->text);
	kill(server, SIGSTOP);
	tmux_run(t, keep, &waiting, "display-message -p never");
	turn_loop(50);
	assert_int_equal(waiting.came, 0);
	kill(server, SIGKILL);
	wait_until(&downs, 1);
	assert_int_equal(answers, before + 2);
	assert_false(waiting.ok);
	assert_string_equal(waiting.text, "");
	assert_false(tmux_up(t));
	assert_false(run("display-message -p x")->ok); /* at once */
	start_server();
	wait_until(&ups, 2);
	assert_string_equal(run("display-message -p again")->text, "again");
	assert_int_equal(downs, 1);
	free(waiting.text);
}

/* As a server does that writes to a disk which doesn't answer. */
static void
a_server_that_hangs_is_left(void **state)
{
	struct answer waiting = {0};

	(void)state;
	int server = atoi(run("display-message -p \"#{pid}\"")->text);
	kill(server, SIGSTOP);
	tmux_run(t, keep, &waiting, "display-message -p never");
	wait_until(&downs, 1);
	assert_true(waiting.came > 0);
	assert_false(waiting.ok);
	kill(server, SIGCONT);
	wait_until(&ups, 2);
	assert_string_equal(run("display-message -p again")->text, "again");
	free(waiting.text);
}

static void
a_client_that_is_dropped_comes_back(void **state)
{
	(void)state;
	sh(TMUX "detach-client -a -s berth 2>/dev/null; " TMUX
		"detach-client -s berth 2>/dev/null || true");
	wait_until(&downs, 1);
	wait_until(&ups, 2);
	assert_string_equal(run("display-message -p again")->text, "again");
}

static void
being_freed_answers_all(void **state)
{
	struct answer waiting = {0};

	(void)state;
	tmux_run(t, keep, &waiting, "run-shell \"sleep 5\"");
	tmux_free(t);
	t = NULL;
	assert_true(waiting.came > 0);
	assert_false(waiting.ok);
	assert_int_equal(downs, 0);
	free(waiting.text);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(answers_are_matched),
	    TEST(an_error_says_why),
	    TEST(several_commands_are_one_answer),
	    TEST(an_error_ends_its_line_only),
	    TEST(semicolons_in_quotes_part_nothing),
	    TEST(who_is_gone_hears_nothing),
	    TEST(every_byte_comes_back),
	    TEST(every_trick_comes_back),
	    TEST(a_megabyte_comes_back),
	    TEST(random_bytes_come_back),
	    TEST(what_a_pane_shows_is_no_protocol),
	    TEST(a_guessed_end_ends_nothing),
	    TEST(a_huge_row_is_cut_and_costs_no_connection),
	    TEST(empty_rows_at_the_top_are_rows),
	    TEST(a_closed_window_is_told),
	    TEST(a_server_that_dies_answers_all),
	    TEST(a_server_that_hangs_is_left),
	    TEST(a_client_that_is_dropped_comes_back),
	    TEST(being_freed_answers_all),
	};

	if (system("command -v tmux >/dev/null 2>&1") != 0) {
		print_message("no tmux here: skipped\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
