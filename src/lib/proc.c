/*
 * Processes, as /proc and pidfds tell them. A pid alone names nobody for long: whatever
 * walks through several of them checks start times, for a parent is never younger than
 * its child.
 */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

enum { MAX_GENERATIONS = 256, MAX_GROUPS = 64 };

/* ---- /proc ---- */

struct stat_line {
	char state;
	pid_t parent;
	uint64_t start;
};

/* proc_pid_stat(5): the name may hold anything, so fields are counted from its last ')'.
 */
static bool
read_stat(pid_t pid, struct stat_line *st)
{
	char path[64], text[1024];
	int parent;
	unsigned long long start;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return false;
	text[len] = '\0';
	const char *fields = strrchr(text, ')');
	if (fields == NULL || sscanf(fields,
				  ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
				  "%*d %*d %*d %*d %*d %*d %llu",
				  &st->state, &parent, &start) != 3)
		return false;
	st->parent = parent;
	st->start = start;
	return true;
}

uint64_t
proc_start_time(pid_t pid)
{
	struct stat_line st;

	return read_stat(pid, &st) ? st.start : 0;
}

bool
proc_descends(pid_t pid, pid_t ancestor)
{
	struct stat_line st;
	uint64_t youngest = UINT64_MAX;

	if (pid <= 0 || ancestor <= 0)
		return false;
	for (int i = 0; i < MAX_GENERATIONS && pid > 0; i++) {
		if (!read_stat(pid, &st) || st.start > youngest)
			return false;
		if (pid == ancestor)
			return st.state != 'Z' && st.state != 'X';
		youngest = st.start;
		pid = st.parent;
	}
	return false;
}

pid_t
proc_parent(pid_t pid)
{
	struct stat_line st;

	return pid > 0 && read_stat(pid, &st) ? st.parent : 0;
}

int
proc_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int
proc_pidfd_signal(int pidfd, int signo)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

bool
proc_pidfd_alive(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 0;
}

/* ---- becoming somebody else ---- */

static int
by_number(const void *a, const void *b)
{
	gid_t left = *(const gid_t *)a, right = *(const gid_t *)b;

	return left < right ? -1 : left > right;
}

/* The kernel sorts them, and may have them in any order. */
static bool
has_groups(const gid_t *groups, size_t count)
{
	gid_t want[MAX_GROUPS], have[MAX_GROUPS];
	int got = getgroups(MAX_GROUPS, have);

	if (got < 0 || (size_t)got != count || count > MAX_GROUPS)
		return false;
	if (count == 0)
		return true;
	memcpy(want, groups, count * sizeof(*groups));
	qsort(want, count, sizeof(*want), by_number);
	qsort(have, count, sizeof(*have), by_number);
	return memcmp(want, have, count * sizeof(*want)) == 0;
}

static bool
is_for_good(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) != 0 || getresgid(&rgid, &egid, &sgid) != 0)
		return false;
	if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid ||
	    sgid != gid)
		return false;
	return uid == 0 || setuid(0) != 0;
}

void
proc_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
	if (setgroups(group_count, groups) != 0)
		fatal(EXIT_SYSTEM, "cannot set the groups of uid %u", (unsigned)uid);
	if (setresgid(gid, gid, gid) != 0)
		fatal(EXIT_SYSTEM, "cannot become gid %u", (unsigned)gid);
	if (setresuid(uid, uid, uid) != 0)
		fatal(EXIT_SYSTEM, "cannot become uid %u", (unsigned)uid);
	if (!is_for_good(uid, gid) || !has_groups(groups, group_count))
		fatalx(EXIT_BUG, "did not become uid %u, gid %u", (unsigned)uid,
		    (unsigned)gid);
}

/* ---- descriptors ---- */

static void
close_range_or_each(unsigned first, unsigned last)
{
	struct rlimit limit;

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	/* An old kernel or a strict seccomp filter. */
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		fatal(EXIT_SYSTEM, "getrlimit");
	for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++)
		close((int)fd);
}

void
proc_close_from(int from, const int *keep, size_t keep_count)
{
	unsigned next = (unsigned)from;

	for (size_t i = 0; i < keep_count; i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > 0)
			close_range_or_each(next, (unsigned)keep[i] - 1);
		next = (unsigned)keep[i] + 1;
	}
	close_range_or_each(next, ~0u);
}

void
proc_ready(int fd)
{
	if (fd < 0)
		return;
	while (write(fd, "\n", 1) < 0 && errno == EINTR)
		continue;
	close(fd);
}

/* ---- a descriptor in a message ---- */

union control {
	struct cmsghdr header; /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int))];
};

int
proc_send_fd(int sock, const void *msg, size_t len, int fd)
{
	union control control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = len};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(sock, &header, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

/* Alignment leaves room for a second descriptor: of several, the first is taken, the rest
 * closed. */
static int
take_fd(struct msghdr *header)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(header); /* there is room for one only */
	int taken = -1, fd;

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (taken < 0)
			taken = fd;
		else
			close(fd);
	}
	return taken;
}

int
proc_recv_fd(int sock, void *msg, size_t len, int *fd)
{
	union control control = {0};
	struct iovec iov = {.iov_base = msg, .iov_len = len};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	ssize_t got;

	*fd = -1;
	do
		got = recvmsg(sock, &header, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	*fd = take_fd(&header);
	if ((size_t)got == len && (header.msg_flags & MSG_TRUNC) == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = got == 0 ? ECONNRESET : EMSGSIZE;
	return -1;
}
