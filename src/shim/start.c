/*
 * The child does nothing between fork and exec that could fail silently: what fails is
 * told through a pipe that exec closes. Its environment is exactly what the launcher
 * sent.
 */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "domain.h"
#include "ensure.h"
#include "json.h"
#include "log.h"
#include "paths.h"
#include "proc.h"
#include "xmalloc.h"

enum { EXIT_NOT_STARTED = 127, TRY_S = 10 };

struct plan {
	char **argv, **env;
	const char *cwd;
	rlim_t open_files; /* 0: as it is */
	int nice;
	struct domain domain;
	const struct start_where *where;
};

enum step { STEP_CHDIR, STEP_DOMAIN, STEP_EXEC };

struct failure {
	enum step step;
	int error;
};

/* ---- from JSON ---- */

/* NULL unless it is an array of strings, not empty. The strings stay the document's. */
static char **
strings_of(yyjson_val *list)
{
	char **out = xcalloc(yyjson_arr_size(list) + 1, sizeof(*out));
	size_t i, max;
	yyjson_val *one;
	bool ok = yyjson_arr_size(list) > 0;

	yyjson_arr_foreach(list, i, max, one)
	{
		out[i] = (char *)(uintptr_t)yyjson_get_str(one);
		ok = ok && out[i] != NULL;
	}
	if (ok)
		return out;
	free(out);
	return NULL;
}

static void
wipe(yyjson_val *text)
{
	explicit_bzero((char *)(uintptr_t)yyjson_get_str(text), yyjson_get_len(text));
}

static char **
environment_of(yyjson_val *env)
{
	char **out = xcalloc(yyjson_obj_size(env) + 1, sizeof(*out)), **at = out;
	size_t i, max;
	yyjson_val *name, *value;

	yyjson_obj_foreach(env, i, max, name, value)
	{
		const char *left = yyjson_get_str(name), *right = yyjson_get_str(value);

		if (left == NULL || right == NULL)
			continue;
		*at++ = xasprintf("%s=%s", left, right);
		wipe(value);
	}
	return out;
}

static void
free_environment(char **env)
{
	for (char **e = env; *e != NULL; e++)
		xfree_wiped(*e, strlen(*e));
	free(env);
}

static const char *
env_get(char *const *env, const char *name, const char *otherwise)
{
	size_t len = strlen(name);

	for (; *env != NULL; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return otherwise;
}

static void
make_dirs(yyjson_val *dirs, struct buf *warning)
{
	size_t i, max;
	yyjson_val *dir;

	yyjson_arr_foreach(dirs, i, max,
	    dir) if (yyjson_is_str(dir) && ensure_dir(yyjson_get_str(dir)) == -1)
	    buf_addf(warning, "%s%s: %s", warning->len > 0 ? "; " : "",
		yyjson_get_str(dir), strerror(errno));
}

/* ---- the domain ---- */

/* What is the agent's beneath /data: its home. Where it works is beneath that, or not in
 * /data at all. That it leads nowhere else, domain.c sees. */
static bool
is_home(const char *path)
{
	return strncmp(path, HOME_DIR "/", sizeof(HOME_DIR)) == 0;
}

static enum domain_want
domain_wanted(yyjson_val *run)
{
	const char *want = json_str(run, "domain", "full");

	if (strcmp(want, "none") == 0)
		return DOMAIN_NONE;
	return strcmp(want, "scoped") == 0 ? DOMAIN_SCOPED : DOMAIN_FULL;
}

static void
prepare_domain(struct plan *p, yyjson_val *run)
{
	const char *const closed[] = {DATA_DIR, RUN_DIR, NULL};
	const char *home = env_get(p->env, "HOME", "");
	const char *const open[] = {is_home(home) ? home : NULL, NULL};
	char hook_sock[PATH_MAX], agent_sock[PATH_MAX];
	const char *const reach[] = {hook_sock, agent_sock, NULL};
	const struct domain_spec spec = {
	    .want = domain_wanted(run), .closed = closed, .open = open, .reach = reach};

	if (strncmp(p->cwd, DATA_DIR "/", sizeof(DATA_DIR)) == 0 &&
	    strncmp(p->cwd, home, strlen(home)) != 0)
		log_warnx("%s is closed to the agent: of " DATA_DIR
			  " only its home is its own",
		    p->cwd);
	snprintf(hook_sock, sizeof(hook_sock), "%s/hook.sock", p->where->shim_dir);
	snprintf(agent_sock, sizeof(agent_sock), "%s/sock", p->where->agent_dir);
	domain_prepare(&p->domain, &spec);
}

/* ---- the child ---- */

void
start_foreground(int tty_fd, pid_t group)
{
	sigset_t block, before;

	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &before);
	if (tcsetpgrp(tty_fd, group) == -1 && errno != ENOTTY)
		log_debug("tcsetpgrp: %s", strerror(errno));
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void
default_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
set_limits(const struct plan *p)
{
	struct rlimit limit;

	if (p->open_files > 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur =
		    p->open_files < limit.rlim_max ? p->open_files : limit.rlim_max;
		limit.rlim_max = limit.rlim_cur;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (p->nice != 0)
		setpriority(PRIO_PROCESS, 0, p->nice);
}

/* What goes on in there is nothing for the agent's terminal. */
static void
mute(int out)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
}

/* As execvp(3), but in the PATH of the agent's environment; returns on failure only.
 * EACCES is the answer if something was there that can't be run. */
static int
exec_in_path(const struct plan *p, char **argv)
{
	const char *path = env_get(p->env, "PATH", "/usr/local/bin:/usr/bin:/bin");
	int error = ENOENT;

	while (*path != '\0') {
		size_t len = strcspn(path, ":");
		char file[PATH_MAX];

		if (snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, argv[0]) <
		    PATH_MAX)
			execve(file, argv, p->env);
		if (errno != ENOENT && errno != ENOTDIR)
			error = errno;
		path += len + (path[len] == ':');
	}
	return error;
}

static void __attribute__((noreturn))
give_up(int report, enum step step, int error)
{
	struct failure f = {.step = step, .error = error};

	if (write(report, &f, sizeof(f)) != sizeof(f))
		log_debug("the shim is gone");
	_exit(EXIT_NOT_STARTED);
}

static void __attribute__((noreturn))
become_agent(const struct plan *p, int report, pid_t shim)
{
	int keep[2] = {p->where->lock_fd, report};

	setpgid(0, 0);
	start_foreground(p->where->tty_fd, getpid());
	dup2(p->where->tty_fd, 0);
	dup2(p->where->tty_fd, 1);
	dup2(p->where->tty_fd, 2);
	if (keep[0] > keep[1])
		keep[0] = report, keep[1] = p->where->lock_fd;
	fcntl(p->where->lock_fd, F_SETFD, 0);
	set_limits(p);
	if (chdir(p->cwd) == -1)
		give_up(report, STEP_CHDIR, errno);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (domain_enter(&p->domain) == -1)
		give_up(report, STEP_DOMAIN, errno);
	proc_close_from(3, keep, 2);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != shim)
		_exit(EXIT_NOT_STARTED);
	default_signals();
	if (strchr(p->argv[0], '/') == NULL)
		give_up(report, STEP_EXEC, exec_in_path(p, p->argv));
	execve(p->argv[0], p->argv, p->env);
	give_up(report, STEP_EXEC, errno);
}

/* ---- what must work ---- */

static void __attribute__((noreturn))
become_trial(const struct plan *p, char **argv, int out)
{
	setpgid(0, 0);
	mute(out);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (chdir(p->cwd) == 0 && domain_enter(&p->domain) == 0) {
		proc_close_from(3, NULL, 0);
		default_signals();
		alarm(TRY_S);
		errno = exec_in_path(p, argv);
	}
	dprintf(1, "%s: %s\n", argv[0], strerror(errno));
	_exit(EXIT_NOT_STARTED);
}

/* The first line of all that it prints. */
static void
read_line(int fd, char *line, size_t size)
{
	char part[256];
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, part, sizeof(part))) != 0) {
		if (got == -1 && errno != EINTR)
			break;
		for (ssize_t i = 0; i < got && len + 1 < size; i++)
			line[len++] = part[i];
	}
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

/* Runs `try` as the agent would run it, where it would. false: it is told why not. */
static bool
try_first(const struct plan *p, yyjson_val *run, struct started *out)
{
	yyjson_val *try = json_get(run, "try");
	char **argv = strings_of(json_get(try, "argv")), line[256];
	int ends[2], status = -1;
	sigset_t all, before;
	pid_t pid;

	if (argv == NULL)
		return true;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		fatal(EXIT_SYSTEM, "a trial run");
	if (pid == 0)
		become_trial(p, argv, ends[1]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	read_line(ends[0], line, sizeof(line));
	close(ends[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	free(argv);
	if (status != 0)
		out->error = xasprintf("%s (%s)", json_str(try, "why", "a trial failed"),
		    line[0] != '\0' ? line : "it says nothing");
	return status == 0;
}

/* ---- the parent ---- */

static char *
explain(const struct plan *p, const struct failure *f)
{
	const char *what = strerror(f->error);

	if (f->step == STEP_DOMAIN)
		return xasprintf("cannot enter its Landlock domain: %s", what);
	if (f->step == STEP_CHDIR)
		return xasprintf("%s: %s", p->cwd,
		    f->error == ENOENT    ? "no such directory"
		    : f->error == ENOTDIR ? "not a directory"
		    : f->error == EACCES  ? "the agent's user may not enter it"
					  : what);
	return xasprintf(
	    "%s: %s", p->argv[0], f->error == ENOENT ? "no such program" : what);
}

/* Waits for exec: EOF is success. */
static void
await_exec(const struct plan *p, int report, pid_t pid, struct started *out)
{
	struct failure f;
	ssize_t got;

	do
		got = read(report, &f, sizeof(f));
	while (got == -1 && errno == EINTR);
	if (got != sizeof(f)) {
		out->pid = pid;
		return;
	}
	out->error = explain(p, &f);
	waitpid(pid, NULL, 0);
}

static void
fork_agent(const struct plan *p, struct started *out)
{
	pid_t shim = getpid(), pid;
	sigset_t all, before;
	int report[2];

	if (pipe2(report, O_CLOEXEC) == -1) {
		out->error = xasprintf("pipe: %s", strerror(errno));
		return;
	}
	/* Our handlers must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_agent(p, report[1], shim);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(report[1]);
	if (pid == -1)
		out->error = xasprintf("fork: %s", strerror(errno));
	else
		await_exec(p, report[0], pid, out);
	close(report[0]);
}

static char **
choose_argv(yyjson_val *run, bool *resumed)
{
	const char *resume_if = json_str(run, "resume_if", NULL);
	yyjson_val *resume = json_get(run, "argv_resume");

	*resumed =
	    yyjson_is_arr(resume) && (resume_if == NULL || access(resume_if, F_OK) == 0);
	return strings_of(*resumed ? resume : json_get(run, "argv"));
}

/* What it would be stopped by: a dialog, a key that isn't bound. false: it is told. */
static bool
prepare_files(yyjson_val *run, struct started *out)
{
	struct buf undone = BUF_INIT;

	ensure_files(json_get(run, "ensure"), &undone);
	if (undone.len > 0)
		out->error = buf_take(&undone);
	buf_free(&undone);
	return out->error == NULL;
}

void
start_agent(yyjson_val *run, const struct start_where *where, struct started *out)
{
	struct buf warning = BUF_INIT;
	int64_t files = json_int(run, "open_files", 0);
	struct plan p = {.where = where,
	    .cwd = json_str(run, "cwd", "/"),
	    .open_files = files > 0 ? (rlim_t)files : 0,
	    .nice = (int)json_int(run, "nice", 0)};

	*out = (struct started){.domain = "none"};
	p.argv = choose_argv(run, &out->resumed);
	p.env = environment_of(json_get(run, "env"));
	make_dirs(json_get(run, "dirs"), &warning);
	if (p.argv == NULL) {
		out->error = xstrdup("the launcher named no program");
	} else if (prepare_files(run, out)) {
		prepare_domain(&p, run);
		out->domain = p.domain.name;
		if (try_first(&p, run, out))
			fork_agent(&p, out);
		domain_close(&p.domain);
	}
	out->warning = warning.len > 0 ? buf_take(&warning) : NULL;
	buf_free(&warning);
	free_environment(p.env);
	free(p.argv);
}
