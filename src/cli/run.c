/* Running a program and keeping what it prints. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"

enum { KEEP = 65536 };

extern char **environ;

static void
read_all(int fd, struct buf *out)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && out->len < KEEP)
			buf_add(out, piece, (size_t)n);
}

static int
spawn_into(const char *const *argv, int fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(
	    &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
	/* posix_spawn takes char *const[] for historical reasons; it changes nothing. */
	int error = posix_spawnp(
	    pid, argv[0], &actions, NULL, (char *const *)(void *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

int
run_capture(const char *const *argv, struct buf *out)
{
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return 127;
	int error = spawn_into(argv, ends[1], &pid);
	close(ends[1]);
	if (error == 0)
		read_all(ends[0], out);
	close(ends[0]);
	if (error != 0)
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
