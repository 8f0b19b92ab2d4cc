#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "log.h"
#include "proc.h"

static char said[1024];

/* ---- who descends from whom ---- */

static void
start_times_name_a_process(void **state)
{
	(void)state;
	uint64_t own = proc_start_time(getpid());

	assert_true(own > 0);
	assert_true(proc_start_time(getpid()) == own);
	assert_true(proc_start_time(getppid()) <= own);
	assert_true(proc_start_time(0) == 0);
	assert_true(proc_start_time(-1) == 0);
}

static void
a_hostile_name_is_no_field(void **state)
{
	(void)state;
	uint64_t own = proc_start_time(getpid());
	pid_t parent = getppid();
	char old[16];

	assert_int_equal(prctl(PR_GET_NAME, old), 0);
	assert_int_equal(prctl(PR_SET_NAME, ") Z 1 1 1 1"), 0);
	assert_true(proc_start_time(getpid()) == own);
	assert_true(proc_descends(getpid(), parent));
	assert_int_equal(prctl(PR_SET_NAME, old), 0);
}

/* Waits for a child's word; the child waits for ours. */
struct child {
	pid_t pid;
	int to, from;
};

static struct child
child_new(void)
{
	int up[2], down[2];
	char c;

	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	fflush(NULL);
	struct child child = {.pid = fork(), .to = down[1], .from = up[0]};
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0) {
			close(down[1]);
			_exit(read(down[0], &c, 1) == 0 ? 0 : 1);
		}
		if (write(up[1], &grandchild, sizeof(grandchild)) < 0)
			_exit(1);
		close(down[1]);
		_exit(read(down[0], &c, 1) == 0 ? 0 : 1);
	}
	close(up[1]);
	close(down[0]);
	return child;
}

static void
descent_is_walked_up(void **state)
{
	(void)state;
	struct child child = child_new();
	pid_t grandchild;

	assert_int_equal(
	    read(child.from, &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_true(proc_descends(getpid(), getpid()));
	assert_true(proc_descends(child.pid, getpid()));
	assert_true(proc_descends(grandchild, getpid()));
	assert_true(proc_descends(grandchild, child.pid));
	assert_false(proc_descends(getpid(), child.pid));
	assert_false(proc_descends(child.pid, grandchild));
	assert_false(proc_descends(child.pid, 0));
	assert_false(proc_descends(0, child.pid));
	assert_false(proc_descends(-1, -1));
	close(child.to);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	assert_false(proc_descends(child.pid, child.pid));
	close(child.from);
}

static void
a_dead_ancestor_counts_as_gone(void **state)
{
	(void)state;
	siginfo_t info;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	/* Dead, and not yet waited for: a zombie. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(proc_start_time(pid) > 0);
	assert_false(proc_descends(pid, pid));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
a_pidfd_tells_life_and_signals(void **state)
{
	(void)state;
	siginfo_t info;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	int fd = proc_pidfd(pid);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(proc_pidfd_alive(fd));
	assert_int_equal(proc_pidfd_signal(fd, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(proc_pidfd_alive(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(proc_pidfd_signal(fd, 0), -1);
	assert_int_equal(errno, ESRCH);
	close(fd);
	assert_int_equal(proc_pidfd(-1), -1);
}

/* ---- becoming somebody else ---- */

static void
become_somebody(void *arg)
{
	static const gid_t groups[] = {907, 902};
	gid_t have[8];

	(void)arg;
	proc_become(901, 903, groups, 2);
	if (getuid() != 901 || geteuid() != 901 || getgid() != 903 || getegid() != 903)
		_exit(1);
	if (getgroups(8, have) != 2 || setuid(0) == 0 || setgid(0) == 0)
		_exit(2);
}

static void
become_without_groups(void *arg)
{
	(void)arg;
	proc_become(901, 903, NULL, 0);
	_exit(getgroups(0, NULL) == 0 ? 0 : 1);
}

static void
become_twice(void *arg)
{
	(void)arg;
	proc_become(901, 903, NULL, 0);
	proc_become(0, 0, NULL, 0);
}

static void
a_process_becomes_somebody_for_good(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(unit_in_child(become_somebody, NULL, said, sizeof(said)), 0);
	assert_int_equal(
	    unit_in_child(become_without_groups, NULL, said, sizeof(said)), 0);
	assert_int_equal(
	    unit_in_child(become_twice, NULL, said, sizeof(said)), EXIT_SYSTEM);
	assert_non_null(strstr(said, "cannot set the groups of uid 0"));
}

/* ---- descriptors ---- */

static void
close_but_some(void *arg)
{
	int first = open("/dev/null", O_RDONLY), keep[3];

	(void)arg;
	for (int i = 1; i < 8; i++)
		if (dup(first) != first + i)
			_exit(1);
	keep[0] = 2; /* below `from`: not our business */
	keep[1] = first + 2;
	keep[2] = first + 5;
	proc_close_from(first + 1, keep, 3);
	for (int i = 0; i < 8; i++) {
		bool open_now = fcntl(first + i, F_GETFD) >= 0;
		if (open_now != (i == 0 || i == 2 || i == 5))
			_exit(2);
	}
	proc_close_from(first, NULL, 0);
	if (fcntl(first, F_GETFD) >= 0 || fcntl(2, F_GETFD) < 0)
		_exit(3);
}

static void
all_but_the_kept_are_closed(void **state)
{
	(void)state;
	assert_int_equal(unit_in_child(close_but_some, NULL, said, sizeof(said)), 0);
}

static void
readiness_is_one_newline(void **state)
{
	(void)state;
	int ends[2];
	char text[8];

	assert_int_equal(pipe(ends), 0);
	proc_ready(ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 1);
	assert_int_equal(text[0], '\n');
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	close(ends[0]);
	proc_ready(-1);
}

/* ---- a descriptor in a message ---- */

struct message {
	int number;
	char text[12];
};

static int socks[2];

static int
setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks);
}

static int
teardown(void **state)
{
	(void)state;
	close(socks[0]);
	return close(socks[1]);
}

static int
next_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void
a_descriptor_travels_with_its_message(void **state)
{
	(void)state;
	struct message out = {7, "tty"}, in = {0};
	struct stat sent, got;
	int fd = -1, null = open("/dev/null", O_RDWR);

	assert_int_equal(proc_send_fd(socks[0], &out, sizeof(out), null), 0);
	assert_int_equal(proc_recv_fd(socks[1], &in, sizeof(in), &fd), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_true(fd >= 0 && fd != null);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(null, &sent), 0);
	assert_int_equal(fstat(fd, &got), 0);
	assert_true(sent.st_rdev == got.st_rdev);
	close(fd);
	assert_int_equal(proc_send_fd(socks[0], &out, sizeof(out), -1), 0);
	assert_int_equal(proc_recv_fd(socks[1], &in, sizeof(in), &fd), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(proc_send_fd(socks[0], &out, sizeof(out), 9999), -1);
	assert_int_equal(errno, EBADF);
	close(null);
}

static void
a_message_of_another_size_leaves_nothing_behind(void **state)
{
	(void)state;
	struct message out = {0}, in;
	int fd, before = next_free();

	assert_int_equal(proc_send_fd(socks[0], &out, sizeof(out) - 1, 0), 0);
	assert_int_equal(proc_recv_fd(socks[1], &in, sizeof(in), &fd), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(fd, -1);
	assert_int_equal(proc_send_fd(socks[0], &out, sizeof(out), 0), 0);
	assert_int_equal(proc_recv_fd(socks[1], &in, sizeof(in) - 1, &fd), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(fd, -1);
	assert_int_equal(next_free(), before);
}

static void
several_descriptors_leave_one(void **state)
{
	(void)state;
	struct message out = {0}, in;
	int fd, before = next_free(), three[3] = {0, 1, 2};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(three))];
	} control = {0};
	struct iovec iov = {&out, sizeof(out)};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};

	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(three));
	memcpy(CMSG_DATA(c), three, sizeof(three));
	assert_int_equal(sendmsg(socks[0], &header, 0), sizeof(out));
	assert_int_equal(proc_recv_fd(socks[1], &in, sizeof(in), &fd), 0);
	assert_int_equal(fd, before);
	close(fd);
	assert_int_equal(next_free(), before);
}

static void
the_other_end_is_gone(void **state)
{
	(void)state;
	struct message in = {0};
	int fd, pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[0]);
	assert_int_equal(proc_recv_fd(pair[1], &in, sizeof(in), &fd), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(proc_send_fd(pair[1], &in, 1, -1), -1);
	assert_int_equal(errno, EPIPE);
	close(pair[1]);
}

int
main(void)
{
#define FD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(start_times_name_a_process),
	    cmocka_unit_test(a_hostile_name_is_no_field),
	    cmocka_unit_test(descent_is_walked_up),
	    cmocka_unit_test(a_dead_ancestor_counts_as_gone),
	    cmocka_unit_test(a_pidfd_tells_life_and_signals),
	    cmocka_unit_test(a_process_becomes_somebody_for_good),
	    cmocka_unit_test(all_but_the_kept_are_closed),
	    cmocka_unit_test(readiness_is_one_newline),
	    FD_TEST(a_descriptor_travels_with_its_message),
	    FD_TEST(a_message_of_another_size_leaves_nothing_behind),
	    FD_TEST(several_descriptors_leave_one),
	    FD_TEST(the_other_end_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
