/* What every unit test needs: cmocka with what it wants included first, and a few
 * helpers. Headers with more: tmpdir.h, testloop.h, await.h, fake_tmux.h, world.h. */
#ifndef UNIT_H
#define UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNUSED       __attribute__((unused)) /* by some of those who include it */

/* A new directory of the test's own; `rm -rf` it with unit_rmdir. */
static inline char *
unit_tmpdir(char out[static 64])
{
	snprintf(out, 64, "/tmp/berth-unit.XXXXXX");
	assert_non_null(mkdtemp(out));
	return out;
}

static inline void
unit_rmdir(const char *dir)
{
	char command[128];

	assert_true(strncmp(dir, "/tmp/berth-unit.", 16) == 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

/* A file with this text, instead of what is there. */
static inline void
unit_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Runs call(arg) in a child; its exit status, or 1000 + the signal. What it wrote to
 * stderr, in out. */
static inline int
unit_in_child(void (*call)(void *), void *arg, char *out, size_t size)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t got;

	fflush(NULL);
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		call(arg);
		_exit(0);
	}
	close(ends[1]);
	while (len < size - 1 && (got = read(ends[0], out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
#endif
