/*
 * What test_trust.py runs in the container: it tries what it is told, as who it is, and
 * says what came of it. It is linked statically, so that it runs on either base.
 *   trust-probe run              reads attempts from standard input
 *   trust-probe serve SOCKET     an agent that does so for whoever connects
 *   trust-probe call SOCKET      the other end of that
 *   trust-probe ids              uid, euid, groups, no_new_privs, seccomp
 * An attempt is a line, words between tabs; its answer is a line, a word, a tab, details.
 * The word is `ok`, an error's name, or what the attempt's function says. Each attempt is
 * a process of its own, so none changes the next.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../../src/lib/spawnmsg.h"

enum { LINE_MAX_ = 65536, WORDS = 12, PATIENCE_MS = 1500, ATTEMPT_S = 15 };

static void
say(const char *word, const char *details)
{
	printf("%s\t%s\n", word, details);
	fflush(stdout);
}

/* Returns whether it went well, having said why if not. */
static int
went_well(long rc)
{
	char number[16];
	const char *name;

	if (rc != -1)
		return 1;
	snprintf(number, sizeof(number), "errno-%d", errno);
	name = errno == EACCES         ? "EACCES"
	       : errno == EPERM        ? "EPERM"
	       : errno == ENOENT       ? "ENOENT"
	       : errno == EROFS        ? "EROFS"
	       : errno == ESRCH        ? "ESRCH"
	       : errno == ECONNREFUSED ? "ECONNREFUSED"
	       : errno == ENXIO        ? "ENXIO"
				       : number;
	say(name, strerror(errno));
	return 0;
}

static void
outcome(long rc)
{
	if (went_well(rc))
		say("ok", "");
}

/* ---- sockets ---- */

static int
dial(const char *path, int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), saved;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
dial_any(const char *path)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
	int fd = -1;

	for (int i = 0; i < 3 && fd == -1; i++) {
		fd = dial(path, types[i]);
		if (fd == -1 && errno != EPROTOTYPE)
			break;
	}
	return fd;
}

/* 1: there is something to read, also an end; 0: nothing came in time. */
static int
wait_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void
try_connect(char **w)
{
	outcome(dial_any(w[1]));
}

/* connect, and see whether that is closed at once */
static void
try_hold(char **w)
{
	int fd = dial_any(w[1]);
	char byte;

	if (!went_well(fd))
		return;
	if (wait_readable(fd, 300) && recv(fd, &byte, 1, MSG_PEEK) <= 0)
		say("closed", "");
	else
		say("ok", "");
}

/* talk PATH LINE: what is the answer's line? */
static void
try_talk(char **w)
{
	char line[LINE_MAX_];
	size_t have = 0;
	ssize_t n = 1;
	int fd = dial(w[1], SOCK_STREAM);

	if (!went_well(fd))
		return;
	snprintf(line, sizeof(line), "%s\n", w[2]);
	send(fd, line, strlen(line),
	    MSG_NOSIGNAL); /* who is refused may be told so before */
	while (have < sizeof(line) - 1 && wait_readable(fd, PATIENCE_MS)) {
		n = read(fd, line + have, sizeof(line) - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		if (memchr(line, '\n', have) != NULL)
			break;
	}
	line[have] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (have > 0)
		say("said", line);
	else
		say(n <= 0 ? "closed" : "silent", "");
}

static void
receive_spawn(int fd, uint32_t op)
{
	struct spawn_msg m;
	char text[64];

	for (;;) {
		if (!wait_readable(fd, PATIENCE_MS)) {
			say("silent", "");
			return;
		}
		if (recv(fd, &m, sizeof(m), 0) <= 0) {
			say("closed", "");
			return;
		}
		if (m.op == op)
			break;
	}
	snprintf(text, sizeof(text), "%u %d", m.error, m.sys_errno);
	say("answered", text);
}

static int
send_with_fd(int sock, const void *msg, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd != -1) {
		h.msg_control = control.bytes;
		h.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return (int)sendmsg(sock, &h, MSG_NOSIGNAL);
}

/* spawn PATH MAGIC OP UID GID PID SIZE FILE NAME: as the launcher or a pane would, or
 * nearly */
static void
try_spawn(char **w)
{
	struct spawn_msg m = {.magic = (uint32_t)strtoul(w[2], NULL, 0),
	    .op = (uint32_t)strtoul(w[3], NULL, 0),
	    .uid = (uint32_t)strtoul(w[4], NULL, 0),
	    .gid = (uint32_t)strtoul(w[5], NULL, 0),
	    .pid = atoi(w[6])};
	int fd = dial(w[1], SOCK_SEQPACKET);
	int file = *w[8] == '-' ? -1 : open(w[8], O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (!went_well(fd))
		return;
	memcpy(m.agent, w[9],
	    strlen(w[9]) < sizeof(m.agent) ? strlen(w[9]) : sizeof(m.agent));
	if (send_with_fd(fd, &m, strtoul(w[7], NULL, 0), file) == -1)
		say("closed", strerror(errno));
	else
		receive_spawn(fd, m.op);
}

/* ---- files ---- */

static void
try_read(char **w)
{
	outcome(open(w[1], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

static void
try_write(char **w)
{
	outcome(open(w[1], O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

/* create DIRECTORY */
static void
try_create(char **w)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/trust-probe-%d", w[1], (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!went_well(fd))
		return;
	outcome(unlink(path));
}

static void
try_list(char **w)
{
	DIR *dir = opendir(w[1]);

	outcome(dir == NULL ? -1 : 0);
}

static void
try_content(char **w)
{
	char text[LINE_MAX_];
	int fd = open(w[1], O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (!went_well(fd))
		return;
	n = read(fd, text, sizeof(text) - 1);
	if (!went_well(n))
		return;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	say("ok", text);
}

/* ---- terminals ---- */

/* ioctl in each of the kernel's ABIs; the others take addresses of 32 bits, which static
 * data has here. */
static long
type_into(int fd, const char *abi)
{
	static const char key[] = "#";
	long rc = -ENOSYS;

	if (strcmp(abi, "native") == 0)
		return ioctl(fd, TIOCSTI, key);
#ifdef __x86_64__
	if (strcmp(abi, "x32") == 0)
		__asm__ volatile("syscall"
		    : "=a"(rc)
		    : "a"(0x40000000L | 514), "D"((long)fd), "S"((long)TIOCSTI), "d"(key)
		    : "rcx", "r11", "memory");
	else
		__asm__ volatile("int $0x80"
		    : "=a"(rc)
		    : "a"(54L), "b"((long)fd), "c"((long)TIOCSTI), "d"(key)
		    : "memory", "r8", "r9", "r10", "r11");
	rc = (int)rc;
#endif
	errno = rc < 0 ? (int)-rc : 0;
	return rc < 0 ? -1 : 0;
}

/* type PATH ABI: into one's own terminal */
static void
try_type(char **w)
{
	int fd = open(w[1], O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (went_well(fd))
		outcome(type_into(fd, w[2]));
}

/* type-new: into a terminal of one's own making */
static void
try_type_new(char **w)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), fd;

	(void)w;
	if (!went_well(master) || !went_well(grantpt(master)) ||
	    !went_well(unlockpt(master)))
		return;
	setsid();
	fd = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (went_well(fd) && went_well(ioctl(fd, TIOCSCTTY, 0)))
		outcome(type_into(fd, "native"));
}

/* steal PATH: as one's own controlling terminal */
static void
try_steal(char **w)
{
	int fd = open(w[1], O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (!went_well(fd))
		return;
	setsid();
	outcome(ioctl(fd, TIOCSCTTY, 1));
}

/* echo: what a terminal answers to sequences that make some repeat what they were told */
static void
try_echo(char **w)
{
	static const char ask[] = "\033]52;c;cGxhbnRlZA==\a" /* clipboard: "planted" */
				  "\033]52;c;?\a\033]52;p;?\a"
				  "\033]2;planted\a\033[21t\033[20t" /* title */
				  "\033P$qplanted\033\\"             /* settings */
				  "\033]4;1;?\a\033]10;?\a\005"
				  "\033[c"; /* this one is always answered, and last */
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios before, raw;
	char got[4096], hex[2 * sizeof(got) + 1] = "";
	size_t have = 0;
	ssize_t n;

	(void)w;
	if (!went_well(fd) || !went_well(tcgetattr(fd, &before)))
		return;
	raw = before;
	cfmakeraw(&raw);
	if (!went_well(tcsetattr(fd, TCSAFLUSH, &raw)) ||
	    !went_well(write(fd, ask, sizeof(ask) - 1)))
		return;
	while (have < sizeof(got) && wait_readable(fd, 700)) {
		n = read(fd, got + have, sizeof(got) - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	tcsetattr(fd, TCSAFLUSH, &before);
	for (size_t i = 0; i < have; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)got[i]);
	say("ok", hex);
}

/* ---- processes ---- */

static void
try_signal(char **w)
{
	outcome(kill(atoi(w[1]), 0));
}

static void
try_ptrace(char **w)
{
	outcome(ptrace(PTRACE_SEIZE, atoi(w[1]), 0, 0)); /* ends with this process */
}

/* trace PID: what ptrace(2)'s rules for reading cover */
static void
try_trace(char **w)
{
	static const char *const files[] = {"environ", "maps", "auxv", "io"};
	char path[64], link[256];
	int fd;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", w[1], files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd != -1 && read(fd, link, 1) != -1) {
			say("ok", files[i]);
			return;
		}
	}
	static const char *const links[] = {"cwd", "root", "exe", "fd/0"};
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", w[1], links[i]);
		if (readlink(path, link, sizeof(link)) != -1) {
			say("ok", links[i]);
			return;
		}
	}
	outcome(-1);
}

/* descriptors PID: what it has open */
static void
try_descriptors(char **w)
{
	char path[512], link[512], all[8192] = "";
	struct dirent *e;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", w[1]);
	dir = opendir(path);
	if (!went_well(dir == NULL ? -1 : 0))
		return;
	while ((e = readdir(dir)) != NULL && strlen(all) < sizeof(all) - sizeof(link)) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", w[1], e->d_name);
		n = readlink(path, link, sizeof(link) - 2);
		if (n <= 0)
			continue;
		link[n] = ' ';
		link[n + 1] = '\0';
		strcat(all, link);
	}
	say("ok", all);
}

static int
file_holds(const char *path, const char *text)
{
	static char data[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	if (fd == -1)
		return 0;
	while ((n = read(fd, data + have, sizeof(data) - have)) > 0)
		have += (size_t)n;
	close(fd);
	return memmem(data, have, text, strlen(text)) != NULL;
}

/* scan TEXT: in which processes' command lines and environments is it? */
static void
try_scan(char **w)
{
	static const char *const files[] = {"cmdline", "environ"};
	char path[512], found[4096] = "";
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while ((e = readdir(proc)) != NULL)
		for (int i = 0; i < 2; i++) {
			pid_t pid = atoi(e->d_name);

			if (pid <= 0 || pid == getpid() || pid == getppid())
				continue;
			snprintf(path, sizeof(path), "/proc/%s/%s", e->d_name, files[i]);
			if (file_holds(path, w[1]))
				snprintf(found + strlen(found),
				    sizeof(found) - strlen(found), "%s/%s ", e->d_name,
				    files[i]);
		}
	say("ok", found);
}

static void
show_ids(void)
{
	char line[512], all[2048] = "";
	FILE *f = fopen("/proc/self/status", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0 ||
		    strncmp(line, "Groups:", 7) == 0 || strncmp(line, "Cap", 3) == 0 ||
		    strncmp(line, "NoNewPrivs:", 11) == 0) {
			line[strcspn(line, "\n")] = '\0';
			for (char *c = line; *c != '\0'; c++)
				*c = *c == '\t' ? ' ' : *c;
			strcat(strcat(all, line), ";");
		}
	say("ok", all);
}

static void
try_ids(char **w)
{
	(void)w;
	show_ids();
}

/* exec PROGRAM ARGUMENTS...: its first line */
static void
try_exec(char **w)
{
	fflush(stdout);
	dup2(STDOUT_FILENO, STDERR_FILENO);
	execv(w[1], w + 1);
	outcome(-1);
}

extern char **environ;

static void
try_environment(char **w)
{
	(void)w;
	printf("ok\t");
	for (char **e = environ; *e != NULL; e++)
		printf("%s\037", *e);
	printf("\n");
	fflush(stdout);
}

static const struct {
	const char *name;
	void (*attempt)(char **words);
} attempts[] = {
    {"connect", try_connect},
    {"hold", try_hold},
    {"talk", try_talk},
    {"spawn", try_spawn},
    {"read", try_read},
    {"write", try_write},
    {"create", try_create},
    {"list", try_list},
    {"content", try_content},
    {"type", try_type},
    {"type-new", try_type_new},
    {"steal", try_steal},
    {"echo", try_echo},
    {"signal", try_signal},
    {"ptrace", try_ptrace},
    {"trace", try_trace},
    {"descriptors", try_descriptors},
    {"scan", try_scan},
    {"ids", try_ids},
    {"exec", try_exec},
    {"environment", try_environment},
};

static void
attempt(char *line)
{
	char *words[WORDS + 1] = {NULL};
	int n = 0, status;
	pid_t pid;

	while (n < WORDS && (words[n] = strsep(&line, "\t")) != NULL)
		n++;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(ATTEMPT_S);
		for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
			if (strcmp(words[0], attempts[i].name) == 0) {
				attempts[i].attempt(words);
				_exit(0);
			}
		say("no-such-attempt", words[0]);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		say("killed", strsignal(WTERMSIG(status)));
}

static void
run(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line == '\0')
			break;
		attempt(line);
	}
}

/* One after the other: they share a terminal. */
static int
serve(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	umask(0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    listen(fd, 8) == -1) {
		perror(path);
		return 1;
	}
	umask(022);
	printf("serving\n");
	fflush(stdout);
	for (;;) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid = fork();

		if (pid == 0) {
			dup2(conn, STDIN_FILENO);
			dup2(conn, STDOUT_FILENO);
			run();
			_exit(0);
		}
		close(conn);
		while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
			continue;
	}
}

static int
call(const char *path)
{
	char data[LINE_MAX_];
	ssize_t n;
	int fd = dial(path, SOCK_STREAM);

	if (fd == -1) {
		perror(path);
		return 1;
	}
	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		if (write(fd, data, (size_t)n) != n)
			return 1;
	shutdown(fd, SHUT_WR);
	while ((n = read(fd, data, sizeof(data))) > 0)
		if (write(STDOUT_FILENO, data, (size_t)n) != n)
			return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], "run") == 0)
		return run(), 0;
	if (argc == 2 && strcmp(argv[1], "ids") == 0)
		return show_ids(), 0;
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc == 3 && strcmp(argv[1], "call") == 0)
		return call(argv[2]);
	fprintf(stderr, "usage: trust-probe run | ids | serve SOCKET | call SOCKET\n");
	return 100;
}
