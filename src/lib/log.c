/*
 * A line is built on the stack and leaves in one write(2) of at most PIPE_BUF bytes:
 * lines of several processes on one pipe never mix, and there is a last word when memory
 * has run out. Nobody waits for a logger that does not read. What is printed may come
 * from anybody: control characters (C0, DEL, C1) and bytes that are not UTF-8 are
 * escaped. A line that is too long ends in "...".
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

enum { LINE_BYTES = 4096 }; /* PIPE_BUF on Linux */

enum { LAST_WORD_MS = 200 };

static const char *log_service = "berth";
static bool log_debugging;
static unsigned log_dropped; /* lines, since the last that was written */

struct line {
	char data[LINE_BYTES];
	size_t len;
	bool full;
};

/* Whole or not at all; room for "...\n" is always left. */
static void
line_put(struct line *l, const char *bytes, size_t len)
{
	if (l->full || l->len + len > sizeof(l->data) - 4) {
		l->full = true;
		return;
	}
	memcpy(l->data + l->len, bytes, len);
	l->len += len;
}

static void
line_put_escaped(struct line *l, const char *bytes, size_t len)
{
	char hex[5];

	for (size_t i = 0; i < len; i++) {
		snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)bytes[i]);
		line_put(l, hex, 4);
	}
}

static void
line_put_text(struct line *l, const char *text)
{
	size_t left = strlen(text);

	while (left > 0 && !l->full) {
		uint32_t scalar = 0;
		int len = utf8_next(text, left, &scalar);
		bool control = scalar < 0x20 || (scalar >= 0x7f && scalar < 0xa0);

		if (len < 0 || control)
			line_put_escaped(l, text, len < 0 ? 1 : (size_t)len);
		else
			line_put(l, text, (size_t)len);
		text += len < 0 ? 1 : len;
		left -= len < 0 ? 1 : (size_t)len;
	}
}

static void
line_write(struct line *l)
{
	if (l->full) {
		memcpy(l->data + l->len, "...", 3);
		l->len += 3;
	}
	l->data[l->len++] = '\n';
	while (write(STDERR_FILENO, l->data, l->len) < 0 && errno == EINTR)
		continue;
}

/* A pipe that says it can be written to takes PIPE_BUF bytes at once. A logger that
 * stands still, on a full disk perhaps, must not stop who logs. */
static bool
can_write(int wait_ms)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&p, 1, wait_ms) != 0;
}

static void
line_say_dropped(void)
{
	struct line line = {.len = 0};
	char text[64];

	snprintf(
	    text, sizeof(text), ": warning: %u lines were dropped here", log_dropped);
	log_dropped = 0;
	line_put_text(&line, log_service);
	line_put_text(&line, text);
	line_write(&line);
}

static void
line_send(struct line *l, bool last)
{
	if (!can_write(last ? LAST_WORD_MS : 0)) {
		log_dropped++;
		return;
	}
	if (log_dropped > 0)
		line_say_dropped();
	if (can_write(last ? LAST_WORD_MS : 0))
		line_write(l);
	else
		log_dropped++;
}

/* `error` is an errno to name behind the text, or 0. Keeps errno. */
__attribute__((format(printf, 3, 0))) static void
emit(const char *level, int error, const char *format, va_list ap)
{
	int saved = errno;
	char text[LINE_BYTES];
	struct line line = {.len = 0};

	int need = vsnprintf(text, sizeof(text), format, ap);
	if (need < 0)
		snprintf(text, sizeof(text), "(cannot format: %s)", format);
	line_put_text(&line, log_service);
	line_put(&line, ": ", 2);
	line_put_text(&line, level);
	line_put(&line, ": ", 2);
	line_put_text(&line, text);
	if (need >= (int)sizeof(text))
		line.full = true;
	if (error != 0) {
		line_put(&line, ": ", 2);
		line_put_text(&line, strerror(error));
	}
	line_send(&line, strcmp(level, "fatal") == 0);
	errno = saved;
}

void
log_init(const char *service)
{
	const char *debug = getenv("BERTH_DEBUG");

	log_service = service;
	log_debugging = debug != NULL && strcmp(debug, "1") == 0;
}

void
log_debug(const char *format, ...)
{
	va_list ap;

	if (!log_debugging)
		return;
	va_start(ap, format);
	emit("debug", 0, format, ap);
	va_end(ap);
}

void
log_info(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit("info", 0, format, ap);
	va_end(ap);
}

void
log_warnx(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit("warning", 0, format, ap);
	va_end(ap);
}

void
log_warn(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit("warning", errno, format, ap);
	va_end(ap);
}

/* No atexit handlers: nothing of this process is trusted any more, but what it printed
 * is. */
__attribute__((noreturn)) static void
end(int status)
{
	fflush(stdout);
	_exit(status);
}

void
fatal(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit("fatal", errno, format, ap);
	va_end(ap);
	end(status);
}

void
fatalx(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	emit("fatal", 0, format, ap);
	va_end(ap);
	end(status);
}
