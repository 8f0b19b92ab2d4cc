/*
 * /proc tells who holds the lock's file; of processes that may not be looked into (a
 * shim, for one) it tells nothing, so they are left alone. Whose ancestor is a shim is
 * that shim's to end.
 */
#include "orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

enum { MAX_GENERATIONS = 64 };

/* A process's parent, and whether it is called as a shim is. 0: there is no such. */
static pid_t
parent_of(pid_t pid, bool *is_shim)
{
	char path[32], text[512];
	const char *after;
	int parent = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	*is_shim = strstr(text, " (agent) ") != NULL;
	after = strrchr(text, ')'); /* pid (comm) state ppid: comm may hold anything */
	if (after == NULL || sscanf(after + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static bool
has_shim(pid_t pid)
{
	bool is_shim = false;

	for (int i = 0; i < MAX_GENERATIONS && pid > 1 && !is_shim; i++)
		pid = parent_of(pid, &is_shim);
	return is_shim;
}

static bool
holds(const char *pid_text, const struct stat *lock)
{
	char path[64];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid_text);
	fds = opendir(path);
	while (fds != NULL && !found && (entry = readdir(fds)) != NULL)
		found = fstatat(dirfd(fds), entry->d_name, &st, 0) == 0 &&
			st.st_ino == lock->st_ino && st.st_dev == lock->st_dev;
	if (fds != NULL)
		closedir(fds);
	return found;
}

bool
orphans_kill(int lock_fd)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat lock;
	bool killed = false;

	if (proc == NULL || fstat(lock_fd, &lock) == -1)
		return false;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid <= 1 || pid == getpid() || !holds(entry->d_name, &lock) ||
		    has_shim(pid))
			continue;
		log_warnx("killed what an earlier life left pid=%d", (int)pid);
		killed |= kill(pid, SIGKILL) == 0;
	}
	closedir(proc);
	return killed;
}
