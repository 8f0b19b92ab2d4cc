/*
 * pane AGENT: what tmux runs in an agent's pane. It hands the pane's terminal to
 * berth-spawn, gives it up as its own controlling terminal, so that the agent's session
 * can take it, and stays to register again when spawn comes back and to say in the pane
 * when the agent ended. It runs as tmux's user and ends when tmux closes the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "paths.h"
#include "proc.h"
#include "spawnmsg.h"

enum { RETRY_MS = 200 }; /* only while spawn is down */

/* Leaves the alternate screen, mouse, focus and paste modes; shows the cursor. */
static const char reset_modes[] =
    "\033[?1049l\033[?1000;1002;1003;1006;1004;2004l\033[?25h\033[0m\033>\r\n";

/* The terminal once more, for what we say there: somebody may have stopped it (Ctrl-S),
 * and a write that waits would keep us from all else. Another description, for the
 * agent's reads and writes do wait. Opened before it is the agent's. */
static int
open_for_words(void)
{
	char name[64];
	int fd = ttyname_r(0, name, sizeof(name)) == 0
		     ? open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
		     : -1;

	if (fd == -1)
		fatal(EXIT_SYSTEM, "its terminal can't be opened again");
	return fd;
}

static bool
terminal_gone(int timeout_ms)
{
	struct pollfd p = {.fd = 0};

	return poll(&p, 1, timeout_ms) == 1 &&
	       (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int
register_terminal(const char *agent)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = PANE_SOCK};
	struct spawn_msg m = {.magic = SPAWN_MAGIC, .op = SPAWN_REGISTER};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	snprintf(m.agent, sizeof(m.agent), "%s", agent);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    proc_send_fd(fd, &m, sizeof(m), 0) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
say_ended(int words, const struct termios *modes, int status)
{
	struct termios free_flow = *modes;
	char line[128];
	int n;

	/* One that Ctrl-S stopped goes on when nothing may stop it. */
	free_flow.c_iflag &= ~(tcflag_t)IXON;
	tcsetattr(0, TCSANOW, &free_flow);
	tcsetattr(0, TCSANOW, modes);
	if (WIFSIGNALED(status))
		n = snprintf(line, sizeof(line),
		    "[berth: the agent was killed, signal %d]\r\n", WTERMSIG(status));
	else
		n = snprintf(line, sizeof(line),
		    "[berth: the agent ended, status %d]\r\n", WEXITSTATUS(status));
	if (write(words, reset_modes, sizeof(reset_modes) - 1) == -1 ||
	    write(words, line, (size_t)n) == -1)
		log_debug("terminal gone, or full");
}

/* Until spawn goes away (true) or the terminal does (false). */
static bool
stay(int conn, int words, const struct termios *modes)
{
	struct pollfd p[2] = {{.fd = conn, .events = POLLIN}, {.fd = 0}};
	struct spawn_msg m;
	int fd;

	for (;;) {
		if (poll(p, 2, -1) == -1 && errno != EINTR)
			return false;
		if (p[1].revents & (POLLHUP | POLLERR | POLLNVAL))
			return false;
		if (p[0].revents == 0)
			continue;
		if (proc_recv_fd(conn, &m, sizeof(m), &fd) == -1)
			return true;
		if (m.op == SPAWN_EXITED)
			say_ended(words, modes, m.status);
	}
}

/* The session's first window: there is always one, so that the session outlives its
 * agents. */
static int
welcome(void)
{
	static const char text[] =
	    "\r\n  This is berth. Each agent has a window of its own:\r\n\r\n"
	    "    Ctrl-b n, Ctrl-b p   next, previous\r\n"
	    "    Ctrl-b w             choose from a list\r\n"
	    "    Ctrl-b [             scroll back (q ends it)\r\n"
	    "    Ctrl-b d             detach: everything goes on\r\n";

	if (write(1, text, sizeof(text) - 1) == -1)
		return 0;
	while (!terminal_gone(-1))
		;
	return 0;
}

int
main(int argc, char **argv)
{
	struct termios modes;
	int conn, words;

	log_init("pane");
	if (argc != 2 || strlen(argv[1]) > SPAWN_NAME_MAX)
		fatalx(EXIT_BAD_USAGE, "usage: pane AGENT | pane --idle");
	if (strcmp(argv[1], "--idle") == 0)
		return welcome();
	for (int signo = 1; signo < NSIG; signo++)
		if (signo != SIGTERM && signo != SIGCHLD)
			signal(signo,
			    SIG_IGN); /* keys typed before the agent has the terminal */
	if (tcgetattr(0, &modes) == -1)
		fatal(EXIT_BAD_USAGE, "standard input is no terminal");
	words = open_for_words();
	if (ioctl(0, TIOCNOTTY) == -1)
		log_debug("no controlling terminal to give up");
	for (;;) {
		conn = register_terminal(argv[1]);
		if (conn == -1) {
			if (terminal_gone(RETRY_MS))
				return 0;
			continue;
		}
		if (!stay(conn, words, &modes))
			return 0;
		close(conn);
		if (terminal_gone(RETRY_MS))
			return 0;
	}
}
