/* Both ends of control sockets, in one loop; the blocking client runs in a child. */
#include "testloop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "buf.h"
#include "clock.h"
#include "ipc.h"
#include "json.h"
#include "log.h"

enum { ALICE = 1, BOB = 2 };

static char dir[64], path[128];

/* The service under test, and what happened to it, in order. */
static struct ipc_server *server;
static struct buf seen;
static struct ipc_req *held;
static unsigned roles;
static const char *stop_at; /* the loop stops when this is in `seen` */

static void
note(const char *what)
{
	buf_addf(&seen, "%s|", what);
	if (stop_at != NULL && strstr(buf_str(&seen), stop_at) != NULL)
		loop_stop(loop, 0);
}

static void
run_until(const char *what)
{
	stop_at = what;
	if (strstr(buf_str(&seen), what) == NULL && loop_run(loop) != 0)
		fail_msg("waited for \"%s\" in \"%s\"", what, buf_str(&seen));
	stop_at = NULL;
}

/* ---- the service ---- */

static void
op_echo(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	yyjson_mut_doc *doc = json_object();

	(void)ctx;
	note("echo");
	json_add_val(doc, "said", json_get(args, "say"));
	json_add_str(doc, "id", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	ipc_ok(req, doc);
}

static void
op_hold(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)args;
	(void)ctx;
	held = req;
	note("hold");
}

static void
op_rows(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)args;
	(void)ctx;
	for (int i = 1; i <= 2; i++) {
		yyjson_mut_doc *row = json_object();
		json_add_int(row, "id", i);
		ipc_row(req, row);
	}
	ipc_end(req);
}

static void
op_fail(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)args;
	(void)ctx;
	ipc_error(req, "no-agent", "there is no agent \"%s\"", "x\xff");
}

static void
op_reserved(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	yyjson_mut_doc *doc = json_object();

	(void)args;
	(void)ctx;
	json_add_str(doc, "req", "mine");
	json_add_bool(doc, "ok", false);
	ipc_ok(req, doc);
}

static void
op_stream(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	yyjson_mut_doc *event = json_object(), *push = json_object();

	(void)args;
	(void)ctx;
	json_add_int(event, "seq", 7);
	ipc_event(req, event);
	json_add_str(push, "for", "you");
	ipc_push(ipc_req_peer(req), push);
}

static void
op_leave(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)args;
	(void)ctx;
	ipc_peer_close(ipc_req_peer(req));
	ipc_ok(req, NULL);
	note("leave");
}

static void
op_leave_open(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)args;
	(void)ctx;
	ipc_peer_close(ipc_req_peer(req));
	note("leave_open");
}

static void
op_quit(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)req;
	(void)args;
	(void)ctx;
	ipc_server_free(server);
	server = NULL;
	note("quit");
}

static void
op_secret(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)args;
	(void)ctx;
	note("secret");
	ipc_ok(req, NULL);
}

static const struct ipc_op ops[] = {
    {"echo", op_echo, ALICE | BOB},
    {"hold", op_hold, ALICE | BOB},
    {"rows", op_rows, ALICE | BOB},
    {"fail", op_fail, ALICE | BOB},
    {"reserved", op_reserved, ALICE | BOB},
    {"stream", op_stream, ALICE | BOB},
    {"leave", op_leave, ALICE | BOB},
    {"leave_open", op_leave_open, ALICE | BOB},
    {"quit", op_quit, ALICE | BOB},
    {"secret", op_secret, ALICE},
    {0},
};

static unsigned
role(struct ipc_peer *peer, void *ctx)
{
	assert_int_equal(ipc_peer_uid(peer), getuid());
	assert_ptr_equal(ctx, &server);
	return roles;
}

static void
opened(struct ipc_peer *peer, void *ctx)
{
	(void)ctx;
	(void)peer;
	note("opened");
}

static void
closed(struct ipc_peer *peer, void *ctx)
{
	(void)ctx;
	(void)peer;
	note("closed");
}

static void
dropped(struct ipc_req *req, void *ctx)
{
	(void)ctx;
	/* Late, but allowed: it is answered to nobody. */
	if (req == held)
		ipc_ok(req, NULL);
	held = NULL;
	note("dropped");
}

static const struct ipc_handlers handlers = {.ops = ops,
    .role = role,
    .opened = opened,
    .closed = closed,
    .dropped = dropped,
    .max_peers = 8};

static void
serve(void)
{
	server = ipc_listen(loop, path, 0600, &handlers, &server);
}

static int
setup(void **state)
{
	(void)state;
	log_init("unit");
	loop_begin();
	unit_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/sock", dir);
	roles = ALICE | BOB;
	held = NULL;
	serve();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ipc_server_free(server);
	server = NULL;
	buf_free(&seen);
	loop_end();
	unit_rmdir(dir);
	return 0;
}

/* ---- a raw peer ---- */

static int
raw_connect(void)
{
	int fd = ipc_connect(path);

	assert_true(fd >= 0);
	return fd;
}

static void
raw_send(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

struct raw {
	int fd;
	struct buf got;
	int lines; /* until this many; -1: until the end */
};

static void
raw_read(int fd, int what, void *arg)
{
	struct raw *raw = arg;
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes));
	int lines = 0;

	(void)what;
	if (n > 0)
		buf_add(&raw->got, bytes, (size_t)n);
	for (const char *at = buf_str(&raw->got); (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	if (n <= 0 || lines == raw->lines)
		loop_stop(loop, n <= 0 ? 2 : 1);
}

/* Runs the loop until the peer has `lines` lines, or -1: until it is closed. Borrowed
 * until the next. */
static const char *
raw_lines(int fd, int lines)
{
	static struct raw raw;

	buf_free(&raw.got);
	raw.lines = lines;
	struct watch *w = watch_new(loop, fd, LOOP_READ, raw_read, &raw);
	assert_int_equal(loop_run(loop), lines < 0 ? 2 : 1);
	watch_free(w);
	static char text[8192];
	snprintf(text, sizeof(text), "%s", buf_str(&raw.got));
	buf_free(&raw.got);
	return text;
}

static void
expect(const char *request, const char *answer)
{
	int fd = raw_connect(), lines = 0;

	for (const char *at = answer; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	raw_send(fd, request);
	assert_string_equal(raw_lines(fd, lines), answer);
	close(fd);
}

/* As expect(), and the connection is closed behind it. */
static void
expect_closed(const char *request, const char *answer)
{
	int fd = raw_connect();

	raw_send(fd, request);
	assert_string_equal(raw_lines(fd, -1), answer);
	close(fd);
}

/* ---- the serving end ---- */

static void
answers_have_the_callers_number(void **state)
{
	(void)state;
	expect("{\"op\":\"echo\",\"req\":3,\"say\":[1]}\n",
	    "{\"req\":3,\"ok\":true,\"said\":[1],\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"}"
	    "\n");
	expect("{\"op\":\"echo\"}\n",
	    "{\"ok\":true,\"said\":null,\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"}\n");
	expect("{\"op\":\"rows\",\"req\":-9}\n",
	    "{\"req\":-9,\"row\":{\"id\":1}}\n"
	    "{\"req\":-9,\"row\":{\"id\":2}}\n"
	    "{\"req\":-9,\"ok\":true,\"end\":true}\n");
	expect("{\"op\":\"fail\",\"req\":1}\n",
	    "{\"req\":1,\"ok\":false,\"error\":\"no-agent\","
	    "\"message\":\"there is no agent \\\"x\xef\xbf\xbd\\\"\"}\n");
	expect("{\"op\":\"reserved\",\"req\":1}\n", "{\"req\":1,\"ok\":true}\n");
	expect("{\"op\":\"stream\",\"req\":2}\n",
	    "{\"req\":2,\"event\":{\"seq\":7}}\n{\"push\":{\"for\":\"you\"}}\n");
}

static void
who_speaks_another_language_is_closed(void **state)
{
	(void)state;
	expect_closed("{\"op\":\"nonsense\",\"req\":1}\n{\"op\":\"echo\"}\n",
	    "{\"req\":1,\"ok\":false,\"error\":\"unknown-op\",\"message\":\"there is no "
	    "such op\"}\n");
	expect_closed("{}\n", "{\"ok\":false,\"error\":\"unknown-op\",\"message\":"
			      "\"there is no such op\"}\n");
	expect_closed("[]\n", "{\"ok\":false,\"error\":\"not-json\",\"message\":\"a "
			      "request is an object\"}\n");
	expect_closed("{\"op\":\"echo\",\"req\":\"one\"}\n",
	    "{\"req\":0,\"ok\":false,\"error\":\"not-request\","
	    "\"message\":\"\\\"req\\\" is not a whole number\"}\n");
	int fd = raw_connect();
	raw_send(fd, "GET / HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(raw_lines(fd, -1), "\"error\":\"not-json\""));
	close(fd);
	assert_null(strstr(buf_str(&seen), "echo"));
}

static void
a_line_without_end_is_closed(void **state)
{
	(void)state;
	int fd = raw_connect();
	char *bytes = calloc(1, 65537);

	assert_non_null(bytes);
	memset(bytes, ' ', 65536);
	/* Forked before the loop accepts, or the child would hold the server's end open
	 * too. */
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(20);
		while (write(fd, bytes, 65536) > 0)
			continue;
		_exit(0);
	}
	run_until("closed");
	close(fd);
	waitpid(pid, NULL, 0);
	free(bytes);
}

static void
a_role_is_asked_at_each_request(void **state)
{
	(void)state;
	int fd = raw_connect();

	roles = BOB;
	raw_send(fd, "{\"op\":\"secret\"}\n");
	assert_non_null(strstr(raw_lines(fd, 1), "\"error\":\"forbidden\""));
	roles = 0;
	raw_send(fd, "{\"op\":\"echo\"}\n");
	assert_non_null(strstr(raw_lines(fd, 1), "\"error\":\"forbidden\""));
	roles = ALICE;
	raw_send(fd, "{\"op\":\"secret\"}\n");
	assert_string_equal(raw_lines(fd, 1), "{\"ok\":true}\n");
	assert_string_equal(buf_str(&seen), "opened|secret|");
	close(fd);
}

static void
silent_peers_cost_their_slots_only(void **state)
{
	(void)state;
	int fd[9];

	for (int i = 0; i < 8; i++)
		fd[i] = raw_connect();
	run_until("opened|opened|opened|opened|opened|opened|opened|opened|");
	raw_send(fd[5], "{\"op\":\"secret\"}\n");
	assert_string_equal(raw_lines(fd[5], 1), "{\"ok\":true}\n");
	/* One too many is closed, one after a leaver is served. */
	fd[8] = raw_connect();
	assert_string_equal(raw_lines(fd[8], -1), "");
	close(fd[8]);
	close(fd[0]);
	run_until("closed");
	fd[0] = raw_connect();
	raw_send(fd[0], "{\"op\":\"secret\"}\n");
	assert_string_equal(raw_lines(fd[0], 1), "{\"ok\":true}\n");
	for (int i = 0; i < 8; i++)
		close(fd[i]);
}

static void
open_requests_have_a_limit(void **state)
{
	(void)state;
	int fd = raw_connect();

	for (int i = 0; i < 256; i++)
		raw_send(fd, "{\"op\":\"hold\"}\n");
	raw_send(fd, "{\"op\":\"hold\",\"req\":5}\n");
	assert_string_equal(raw_lines(fd, 1),
	    "{\"req\":5,\"ok\":false,\"error\":\"too-many\","
	    "\"message\":\"256 requests are open\"}\n");
	ipc_ok(held, NULL);
	assert_string_equal(raw_lines(fd, 1), "{\"ok\":true}\n");
	raw_send(fd, "{\"op\":\"secret\",\"req\":6}\n");
	assert_string_equal(raw_lines(fd, 1), "{\"req\":6,\"ok\":true}\n");
	close(fd);
	run_until("dropped|closed|");
}

static void
a_request_can_be_answered_later(void **state)
{
	(void)state;
	int fd = raw_connect();

	raw_send(fd, "{\"op\":\"hold\",\"req\":1}\n{\"op\":\"secret\",\"req\":2}\n");
	assert_string_equal(raw_lines(fd, 1), "{\"req\":2,\"ok\":true}\n");
	assert_int_equal(ipc_peer_pid(ipc_req_peer(held)), getpid());
	ipc_ok(held, NULL);
	assert_string_equal(raw_lines(fd, 1), "{\"req\":1,\"ok\":true}\n");
	close(fd);
	run_until("closed");
	assert_null(strstr(buf_str(&seen), "dropped"));
}

static void
a_peer_that_leaves_drops_its_requests(void **state)
{
	(void)state;
	int fd = raw_connect();

	raw_send(fd, "{\"op\":\"hold\"}\n");
	close(fd);
	run_until("closed");
	assert_string_equal(buf_str(&seen), "opened|hold|dropped|closed|");
	assert_null(held);
}

static void
a_handler_may_close_its_peer(void **state)
{
	(void)state;
	expect_closed("{\"op\":\"leave_open\",\"req\":1}\n{\"op\":\"secret\"}\n", "");
	run_until("leave_open|dropped|closed|");
	buf_clear(&seen);
	expect_closed("{\"op\":\"echo\"}\n{\"op\":\"leave\"}\n{\"op\":\"secret\"}\n",
	    "{\"ok\":true,\"said\":null,\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"}\n");
	assert_null(strstr(buf_str(&seen), "secret"));
}

static void
a_handler_may_free_the_server(void **state)
{
	(void)state;
	int other = raw_connect(), fd = raw_connect();
	struct stat st;

	raw_send(fd, "{\"op\":\"hold\"}\n{\"op\":\"quit\"}\n{\"op\":\"secret\"}\n");
	run_until("quit");
	assert_null(strstr(buf_str(&seen), "secret"));
	assert_non_null(strstr(buf_str(&seen), "dropped|dropped|closed|"));
	assert_int_equal(stat(path, &st), -1);
	close(other);
	close(fd);
}

static void
closed_and_quit(struct ipc_peer *peer, void *ctx)
{
	(void)peer;
	(void)ctx;
	if (server != NULL) {
		struct ipc_server *s = server;
		server = NULL;
		ipc_server_free(s);
		note("quit");
	}
}

static void
the_last_word_of_a_peer_may_free_the_server(void **state)
{
	(void)state;
	struct ipc_handlers own = handlers;

	own.closed = closed_and_quit;
	ipc_server_free(server);
	server = ipc_listen(loop, path, 0600, &own, &server);
	int fd = raw_connect(), other = raw_connect();
	run_until("opened|opened|");
	raw_send(fd, "{\"op\":\"hold\"}\n");
	close(fd);
	run_until("quit");
	close(other);
}

/* ---- the socket itself ---- */

static void
listen_again(void *arg)
{
	(void)arg;
	serve();
}

static void
the_socket_is_bound_safely(void **state)
{
	(void)state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char said[512];
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(
	    unit_in_child(listen_again, NULL, said, sizeof(said)), EXIT_SYSTEM);
	assert_non_null(strstr(said, "another process is serving it"));
	ipc_server_free(server);
	/* A dead one's socket is replaced. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	serve();
	expect("{\"op\":\"secret\"}\n", "{\"ok\":true}\n");
	/* Anything else is not. */
	ipc_server_free(server);
	server = NULL;
	fclose(fopen(path, "w"));
	assert_int_equal(
	    unit_in_child(listen_again, NULL, said, sizeof(said)), EXIT_SYSTEM);
	assert_non_null(strstr(said, "not a socket"));
	assert_int_equal(stat(path, &st), 0);
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(
	    unit_in_child(listen_again, NULL, said, sizeof(said)), EXIT_SYSTEM);
	assert_int_equal(ipc_connect(path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static void
give_up(void *arg)
{
	(void)arg;
	loop_stop(loop, 5);
}

static void
no_descriptors_left_is_waited_out(void **state)
{
	(void)state;
	struct rlimit old, none;
	int fd = raw_connect(); /* waits in the queue: the loop has not run */
	struct timer *t = timer_new(loop, give_up, NULL);

	/* epoll and all are there already; the next descriptor would be one too many. */
	int next = dup(fd);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int64_t start = mono_ms();
	timer_in(t, 100);
	assert_int_equal(loop_run(loop), 5);
	assert_string_equal(buf_str(&seen), "");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	run_until("opened");
	assert_true(mono_ms() - start >= 1000);
	timer_free(t);
	close(fd);
}

/* ---- the calling end ---- */

static struct ipc_client *client;

static void
client_up(struct ipc_client *c, void *ctx)
{
	(void)ctx;
	assert_true(ipc_client_up(c));
	note("up");
}

static void
client_down(struct ipc_client *c, void *ctx)
{
	(void)ctx;
	assert_false(ipc_client_up(c));
	note("down");
}

static void
client_push(yyjson_val *line, void *ctx)
{
	(void)ctx;
	note(json_str(json_get(line, "push"), "for", "?"));
}

static const struct ipc_client_handlers client_handlers = {
    client_up, client_down, client_push};

static void
answer(yyjson_val *line, void *arg)
{
	char text[64];
	const char *kind = line == NULL              ? "lost"
			   : json_get(line, "row")   ? "row"
			   : json_get(line, "event") ? "event"
						     : "answer";

	snprintf(text, sizeof(text), "%s-%s", (const char *)arg, kind);
	note(text);
}

static void
answer_and_free(yyjson_val *line, void *arg)
{
	(void)line;
	(void)arg;
	struct ipc_client *c = client;
	client = NULL;
	ipc_client_free(c);
	note("freed");
}

static void
connect_client(void)
{
	client = ipc_client_new(loop, path, &client_handlers, NULL);
	assert_false(ipc_client_up(client));
	run_until("up|");
}

static void
calls_are_answered(void **state)
{
	(void)state;
	connect_client();
	yyjson_mut_doc *doc = json_object();
	json_add_str(doc, "say", "x");
	assert_true(ipc_call(client, "hold", NULL, answer, "a"));
	assert_true(ipc_call(client, "echo", doc, answer, "b"));
	assert_true(ipc_call(client, "rows", NULL, answer, "c"));
	run_until("b-answer|");
	run_until("c-row|c-row|c-answer|");
	ipc_ok(held, NULL);
	run_until("a-answer|");
	assert_true(ipc_call(client, "stream", NULL, answer, "s"));
	run_until("s-event|you|");
	ipc_client_free(client);
	assert_non_null(strstr(buf_str(&seen), "s-lost|"));
	run_until("closed|");
}

static void
a_client_comes_back_with_its_service(void **state)
{
	(void)state;
	ipc_server_free(server);
	client = ipc_client_new(loop, path, &client_handlers, NULL);
	assert_false(ipc_call(client, "echo", json_object(), answer, "x"));
	serve();
	run_until("up|");
	assert_true(ipc_call(client, "hold", NULL, answer, "a"));
	run_until("hold|");
	ipc_server_free(server);
	server = NULL;
	run_until("a-lost|down|");
	assert_false(ipc_call(client, "echo", NULL, answer, "x"));
	buf_clear(&seen);
	serve();
	run_until("up|");
	assert_true(ipc_call(client, "secret", NULL, answer, "b"));
	run_until("b-answer|");
	ipc_client_free(client);
	ipc_client_free(NULL);
}

static void
an_answer_may_free_the_client(void **state)
{
	(void)state;
	static const char *const last[] = {"echo", "rows", "leave_open"};

	for (size_t i = 0; i < COUNT(last); i++) {
		buf_clear(&seen);
		connect_client();
		assert_true(ipc_call(client, "hold", NULL, answer, "h"));
		assert_true(ipc_call(client, last[i], NULL, answer_and_free, NULL));
		run_until("freed|");
		if (client != NULL)
			fail_msg("not freed");
		run_until("closed|");
	}
}

static void
down_and_free(struct ipc_client *c, void *ctx)
{
	(void)ctx;
	ipc_client_free(c);
	note("freed");
}

static void
up_and_free(struct ipc_client *c, void *ctx)
{
	(void)ctx;
	ipc_client_free(c);
	note("freed");
}

static void
up_and_down_may_free_the_client(void **state)
{
	(void)state;
	const struct ipc_client_handlers up = {.up = up_and_free},
					 down = {.down = down_and_free};

	ipc_client_new(loop, path, &up, NULL);
	run_until("freed|");
	run_until("closed|");
	buf_clear(&seen);
	ipc_client_new(loop, path, &down, NULL);
	run_until("opened|");
	ipc_server_free(server);
	server = NULL;
	run_until("freed|");
}

/* ---- the blocking client ---- */

static void
blocking_caller(void *arg)
{
	struct ipc_stream *s = ipc_stream_open(arg);
	yyjson_mut_doc *doc = json_object();

	if (s == NULL)
		_exit(1);
	json_add_str(doc, "say", "hi");
	if (ipc_stream_send(s, "echo", doc) != 0 || ipc_stream_send(s, "rows", NULL) != 0)
		_exit(2);
	yyjson_doc *line = ipc_stream_read(s, -1);
	if (strcmp(json_str(yyjson_doc_get_root(line), "said", ""), "hi") != 0)
		_exit(3);
	yyjson_doc_free(line);
	for (int i = 0; i < 3; i++) {
		line = ipc_stream_read(s, 10000);
		if (json_int(yyjson_doc_get_root(line), "req", 0) != 2)
			_exit(4);
		yyjson_doc_free(line);
	}
	if (ipc_stream_read(s, 1) != NULL || errno != ETIMEDOUT)
		_exit(5);
	if (ipc_stream_send(s, "leave_open", NULL) != 0 ||
	    ipc_stream_read(s, -1) != NULL || errno != ECONNRESET)
		_exit(6);
	ipc_stream_close(s);
	ipc_stream_close(NULL);
	if (ipc_stream_open("/nowhere/at/all") != NULL || errno != ENOENT)
		_exit(7);
}

static void
child_ended(int signo, void *arg)
{
	int status;

	(void)signo;
	assert_int_equal(waitpid(*(pid_t *)arg, &status, 0), *(pid_t *)arg);
	loop_stop(loop, 100 + (WIFEXITED(status) ? WEXITSTATUS(status) : 99));
}

static void
a_program_that_waits(void **state)
{
	(void)state;
	pid_t pid;

	loop_signal(loop, SIGCHLD, child_ended, &pid);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(20);
		blocking_caller(path);
		_exit(0);
	}
	assert_int_equal(loop_run(loop), 100);
}

int
main(void)
{
#define IPC_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    IPC_TEST(answers_have_the_callers_number),
	    IPC_TEST(who_speaks_another_language_is_closed),
	    IPC_TEST(a_line_without_end_is_closed),
	    IPC_TEST(a_role_is_asked_at_each_request),
	    IPC_TEST(silent_peers_cost_their_slots_only),
	    IPC_TEST(open_requests_have_a_limit),
	    IPC_TEST(a_request_can_be_answered_later),
	    IPC_TEST(a_peer_that_leaves_drops_its_requests),
	    IPC_TEST(a_handler_may_close_its_peer),
	    IPC_TEST(a_handler_may_free_the_server),
	    IPC_TEST(the_last_word_of_a_peer_may_free_the_server),
	    IPC_TEST(the_socket_is_bound_safely),
	    IPC_TEST(no_descriptors_left_is_waited_out),
	    IPC_TEST(calls_are_answered),
	    IPC_TEST(a_client_comes_back_with_its_service),
	    IPC_TEST(an_answer_may_free_the_client),
	    IPC_TEST(up_and_down_may_free_the_client),
	    IPC_TEST(a_program_that_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
