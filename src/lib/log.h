/*
 * One line on stderr for each call: `service: level: text key=value`. No timestamps:
 * s6-log adds them. Control characters in what is printed are escaped as \xNN, so that
 * nobody can forge a line.
 */
#ifndef LOG_H
#define LOG_H

/* Exit codes the supervisor acts on (docs/architecture.md). */
enum { EXIT_BAD_USAGE = 100, EXIT_BUG = 101, EXIT_SYSTEM = 111 };

/* Called once, first thing in main; `service` is borrowed for the process's life. */
void log_init(const char *service);

/* Only with BERTH_DEBUG=1. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Adds strerror(errno). All of them keep errno. */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Log at level `fatal` and end the process with `status`, running no exit handlers;
 * fatal() adds strerror(errno). */
void fatal(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
void fatalx(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
#endif
