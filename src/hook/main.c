/*
 * hook: what the CLI runs for its hooks. It hands its standard input to the agent's shim
 * and prints what comes back. Small and quick, for it runs on every event; and it fails
 * safe: a question that nobody answered in time is answered with a denial, anything else
 * with exit status 1, which the CLI shows but does not stop for (2 would).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "line.h"
#include "log.h"

enum {
	INPUT_MAX = 16 << 20,
	ANSWER_MAX = 2 << 20,
	PLAIN_MS = 5000, /* how long a hook that asks nothing waits for its shim */
	RETRY_MS = 100,
	RETRY_MAX_MS = 1000,
	EXIT_HARMLESS = 1
};

static bool
read_input(struct buf *input)
{
	ssize_t got;

	do {
		buf_reserve(input, 1 << 16);
		got = read(STDIN_FILENO, input->data + input->len, 1 << 16);
		input->len += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && input->len <= INPUT_MAX) || (got == -1 && errno == EINTR));
	input->data[input->len] = '\0';
	return got == 0;
}

/* Waits until fd is ready; false when the deadline has passed. */
static bool
await(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - mono_ms();
		int n;

		if (left <= 0)
			return false;
		n = poll(&p, 1, left < 60000 ? (int)left : 60000);
		if (n == 1)
			return true;
		if (n == -1 && errno != EINTR)
			return false;
	}
}

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool
send_all(int fd, const struct buf *line, int64_t deadline)
{
	for (size_t done = 0; done < line->len;) {
		ssize_t sent =
		    send(fd, line->data + done, line->len - done, MSG_NOSIGNAL);

		if (sent > 0)
			done += (size_t)sent;
		else if (errno == EAGAIN ? !await(fd, POLLOUT, deadline) : errno != EINTR)
			return false;
	}
	return true;
}

static bool
read_line(int fd, struct buf *answer, int64_t deadline)
{
	while (answer->len < ANSWER_MAX) {
		ssize_t got;

		if (answer->len > 0 && answer->data[answer->len - 1] == '\n')
			return true;
		if (!await(fd, POLLIN, deadline))
			return false;
		buf_reserve(answer, 4096);
		got = recv(fd, answer->data + answer->len, 4096, 0);
		if (got == 0 || (got == -1 && errno != EAGAIN && errno != EINTR))
			return false;
		answer->len += got > 0 ? (size_t)got : 0;
		answer->data[answer->len] = '\0';
	}
	return false;
}

/* One try; true if the shim answered with a line, else *why (static). */
static bool
exchange(const char *path, const struct buf *line, struct buf *answer, int64_t deadline,
    const char **why)
{
	int fd = connect_to(path);
	bool answered;

	buf_clear(answer);
	if (fd == -1) {
		*why = strerror(errno);
		return false;
	}
	/* What was not taken whole may still have been refused in words. */
	send_all(fd, line, deadline);
	answered = read_line(fd, answer, deadline);
	*why = mono_ms() < deadline ? "it closed the connection" : "no answer in time";
	close(fd);
	return answered;
}

static void
pause_ms(int64_t ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* 0: done, and what it says is printed; 1: refused, and in words why. */
static int
obey(const struct buf *answer, char *words, size_t size)
{
	const char *parse_error;
	yyjson_doc *doc = json_parse(answer->data, answer->len, &parse_error);
	yyjson_val *root = yyjson_doc_get_root(doc), *output = json_get(root, "output");
	bool ok = json_bool(root, "ok", false);
	char *text = ok && output != NULL ? yyjson_val_write(output, 0, NULL) : NULL;

	if (!ok)
		snprintf(words, size, "%s",
		    json_str(root, "error", "its answer makes no sense"));
	if (text != NULL && !yyjson_is_null(output))
		puts(text);
	free(text);
	yyjson_doc_free(doc);
	return ok ? 0 : 1;
}

/* Until the shim has taken it, or the deadline. */
static int
hand_over(const char *path, const struct hook_line *h, int64_t deadline)
{
	struct buf answer = BUF_INIT;
	const char *why = NULL;
	char words[256];
	int64_t wait = RETRY_MS;
	bool answered;
	int result = 1;

	for (;;) {
		answered = exchange(path, &h->line, &answer, deadline, &why);
		if (answered) {
			result = obey(&answer, words, sizeof(words));
			why = words;
		}
		/* Refused in words: only a question is worth asking again. */
		if (result == 0 || (answered && !h->ask) || mono_ms() + wait >= deadline)
			break;
		pause_ms(wait);
		wait = wait * 2 < RETRY_MAX_MS ? wait * 2 : RETRY_MAX_MS;
	}
	if (result != 0)
		fprintf(stderr, "hook: berth's shim did not take it: %s\n", why);
	buf_free(&answer);
	return result;
}

int
main(void)
{
	const char *path = getenv("BERTH_HOOK_SOCK");
	struct buf input = BUF_INIT;
	struct hook_line h;
	const char *why;
	int64_t wait_ms;
	int result;

	log_init("hook");
	signal(SIGPIPE, SIG_IGN);
	if (path == NULL) {
		fputs("hook: BERTH_HOOK_SOCK is not set: not started by berth\n", stderr);
		return EXIT_HARMLESS;
	}
	if (!read_input(&input)) {
		fputs("hook: standard input is longer than 16 MiB, or can't be read\n",
		    stderr);
		return EXIT_HARMLESS;
	}
	if (hook_line_build(&h, &input, getenv("BERTH_HOOK_DEADLINE_S"), &why) == -1) {
		fprintf(stderr, "hook: standard input is no hook's: %s\n", why);
		return EXIT_HARMLESS;
	}
	buf_free(&input);
	wait_ms = h.ask ? h.wait_ms : PLAIN_MS;
	result = hand_over(path, &h, mono_ms() + wait_ms);
	if (result != 0 && h.ask) {
		puts(hook_denial);
		result = 0;
	}
	buf_free(&h.line);
	return result;
}
