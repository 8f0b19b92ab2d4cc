/*
 * Hooks as children. Each has a socket for its input, a pipe for its output and a pidfd
 * for its end. It is done when the process ended, not when its output closed, for a child
 * of it may keep that open. Invariant: at most one hook in `list` is running and not
 * `beside`, and it is the first of those that aren't.
 */
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "ids.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "proc.h"
#include "xmalloc.h"

enum { OUTPUT_MAX = 1 << 20 };

extern char **environ;

/* What the event's input has beside session, transcript and directory; and how long it
 * may take. */
static const struct {
	const char *name;
	bool prompt_id, mode, effort;
	int timeout_s;
} events[HOOK_EVENTS] = {
    [HOOK_SESSION_START] = {"SessionStart", false, false, false, 600},
    [HOOK_USER_PROMPT_SUBMIT] = {"UserPromptSubmit", true, true, false, 30},
    [HOOK_PERMISSION_REQUEST] = {"PermissionRequest", true, true, true, 86400},
    [HOOK_STOP] = {"Stop", true, true, true, 600},
    [HOOK_STOP_FAILURE] = {"StopFailure", true, false, true, 600},
    [HOOK_PRE_COMPACT] = {"PreCompact", true, false, false, 600},
    [HOOK_POST_COMPACT] = {"PostCompact", true, false, false, 600},
    [HOOK_SESSION_END] = {"SessionEnd", true, false, false, 5},
};

struct hook {
	struct hook *next;
	struct hooks *hooks;
	enum hook_event event;
	bool beside, running;
	hook_done *done; /* NULL: nobody wants to know */
	void *arg;
	char *input;
	size_t input_len, sent;
	struct buf output;
	pid_t pid;
	int in, out, pidfd;
	struct watch *in_watch, *out_watch, *pid_watch;
	struct timer *timeout;
	const char *why; /* why it could not run */
	int status;
};

struct hooks {
	struct loop *loop;
	char *program, *session, *transcript, *cwd;
	char prompt_id[UUID_LEN + 1];
	struct hook *list;
	struct timer
	    *turn; /* looks for what to start, and for what is done, from the loop */
};

static void hooks_turn(void *arg);

struct hooks *
hooks_new(struct loop *loop, const char *program, const char *session,
    const char *transcript_path, const char *cwd)
{
	struct hooks *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->program = xstrdup(program);
	h->session = xstrdup(session);
	h->transcript = xstrdup(transcript_path);
	h->cwd = xstrdup(cwd);
	h->turn = timer_new(loop, hooks_turn, h);
	return h;
}

static void
close_fd(int *fd, struct watch **watch)
{
	watch_free(*watch);
	*watch = NULL;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
hook_free(struct hook *k)
{
	close_fd(&k->in, &k->in_watch);
	close_fd(&k->out, &k->out_watch);
	close_fd(&k->pidfd, &k->pid_watch);
	timer_free(k->timeout);
	buf_free(&k->output);
	free(k->input);
	free(k);
}

void
hooks_free(struct hooks *h)
{
	if (h == NULL)
		return;
	while (h->list != NULL) {
		struct hook *next = h->list->next;
		hook_free(h->list);
		h->list = next;
	}
	timer_free(h->turn);
	free(h->program);
	free(h->session);
	free(h->transcript);
	free(h->cwd);
	free(h);
}

void
hooks_prompt(struct hooks *h, const char *prompt_id)
{
	memcpy(h->prompt_id, prompt_id, sizeof(h->prompt_id));
}

/* ---- what goes in and what comes out ---- */

yyjson_mut_doc *
hooks_input(struct hooks *h, enum hook_event event)
{
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "session_id", h->session);
	json_add_str(doc, "transcript_path", h->transcript);
	json_add_str(doc, "cwd", h->cwd);
	if (events[event].prompt_id && h->prompt_id[0] != '\0')
		json_add_str(doc, "prompt_id", h->prompt_id);
	if (events[event].mode)
		json_add_str(doc, "permission_mode", "default");
	if (events[event].effort)
		json_add_raw(doc, "effort", "{\"level\":\"medium\"}");
	json_add_str(doc, "hook_event_name", events[event].name);
	return doc;
}

static void
answer_status(struct hook_answer *a, int status)
{
	a->block = WIFEXITED(status) && WEXITSTATUS(status) == 2;
	a->failed = !a->block && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (a->block)
		a->reason = "the hook exited with 2";
	else if (a->failed)
		a->reason = "the hook failed";
}

struct hook_answer
hook_answer_parse(const char *text, size_t len, int status, yyjson_doc **doc)
{
	struct hook_answer a = {0};
	const char *why;

	*doc = NULL;
	answer_status(&a, status);
	if (a.failed || a.block || len == 0 ||
	    (*doc = json_parse(text, len, &why)) == NULL)
		return a;
	yyjson_val *root = yyjson_doc_get_root(*doc);
	yyjson_val *d = json_get(json_get(root, "hookSpecificOutput"), "decision");
	const char *behavior = json_str(d, "behavior", "");
	a.block = strcmp(json_str(root, "decision", ""), "block") == 0;
	a.reason = json_str(root, "reason", NULL);
	if (strcmp(behavior, "allow") == 0)
		a.decision = HOOK_ALLOW;
	else if (strcmp(behavior, "deny") == 0)
		a.decision = HOOK_DENY;
	a.message = json_str(d, "message", NULL);
	a.interrupt = json_bool(d, "interrupt", false);
	a.updated_input = json_get(d, "updatedInput");
	return a;
}

/* ---- one hook ---- */

static void
hook_send(int fd, int what, void *arg)
{
	struct hook *k = arg;

	(void)what;
	while (k->sent < k->input_len) {
		ssize_t n =
		    send(fd, k->input + k->sent, k->input_len - k->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* it doesn't want to read: its own affair */
		k->sent += (size_t)n;
	}
	close_fd(&k->in, &k->in_watch);
}

/* More than OUTPUT_MAX is read and thrown away, so that the hook does not block. */
static void
hook_read(int fd, int what, void *arg)
{
	struct hook *k = arg;
	char bytes[4096];
	ssize_t n;

	(void)what;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (k->output.len < OUTPUT_MAX)
			buf_add(&k->output, bytes, (size_t)n);
	if (n == 0)
		close_fd(&k->out, &k->out_watch);
}

static void
hook_finish(struct hook *k)
{
	struct hook **at = &k->hooks->list;
	struct hook_answer answer;
	yyjson_doc *doc;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	timer_in(k->hooks->turn, 0);
	answer = hook_answer_parse(buf_str(&k->output), k->output.len, k->status, &doc);
	if (k->why != NULL)
		answer = (struct hook_answer){.failed = true, .reason = k->why};
	if (k->done != NULL)
		k->done(&answer, k->arg);
	yyjson_doc_free(doc);
	hook_free(k);
}

static void
hook_ended(int fd, int what, void *arg)
{
	struct hook *k = arg;

	(void)fd;
	(void)what;
	if (waitpid(k->pid, &k->status, WNOHANG) != k->pid)
		return;
	if (k->out >= 0)
		hook_read(k->out, LOOP_READ, k);
	hook_finish(k);
}

static void
hook_late(void *arg)
{
	struct hook *k = arg;

	kill(k->pid, SIGKILL); /* hook_ended() follows */
}

/* The child starts with no signal blocked or ignored. */
static int
spawn_program(struct hook *k, int in, int out)
{
	char *argv[] = {k->hooks->program, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int failed = posix_spawn(&k->pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return failed;
}

/* Our ends in k->in and k->out, non-blocking; the child's in ends[]. */
static int
make_ends(struct hook *k, int ends[2])
{
	int sockets[2], pipes[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
		return errno;
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		int saved = errno;
		close(sockets[0]);
		close(sockets[1]);
		return saved;
	}
	k->in = sockets[0];
	k->out = pipes[0];
	ends[0] = sockets[1];
	ends[1] = pipes[1];
	fcntl(k->in, F_SETFL, O_NONBLOCK);
	fcntl(k->out, F_SETFL, O_NONBLOCK);
	return 0;
}

static int
hook_spawn(struct hook *k)
{
	int ends[2] = {-1, -1};
	int failed = make_ends(k, ends);

	if (failed != 0)
		return failed;
	failed = spawn_program(k, ends[0], ends[1]);
	close(ends[0]);
	close(ends[1]);
	if (failed == 0 && (k->pidfd = proc_pidfd(k->pid)) < 0)
		fatal(EXIT_SYSTEM, "pidfd of a hook");
	return failed;
}

static void
hook_watch(struct hook *k)
{
	struct loop *loop = k->hooks->loop;

	k->in_watch = watch_new(loop, k->in, LOOP_WRITE, hook_send, k);
	k->out_watch = watch_new(loop, k->out, LOOP_READ, hook_read, k);
	k->pid_watch = watch_new(loop, k->pidfd, LOOP_READ, hook_ended, k);
	k->timeout = timer_new(loop, hook_late, k);
	timer_in(k->timeout, events[k->event].timeout_s * 1000LL);
}

/* ---- their order ---- */

/* false if it is over already: there is no program, or it can't be run. */
static bool
hook_start(struct hook *k)
{
	k->running = true;
	if (k->hooks->program == NULL)
		return false;
	int failed = hook_spawn(k);
	if (failed != 0) {
		k->why = strerror(failed);
		return false;
	}
	hook_watch(k);
	return true;
}

/* One at a time: finishing a hook may change the list, and asks for another turn itself.
 */
static void
hooks_turn(void *arg)
{
	struct hooks *h = arg;
	bool first = true;

	for (struct hook *k = h->list; k != NULL; k = k->next) {
		bool start = !k->running && (k->beside || first);
		first = first && k->beside;
		if (start && !hook_start(k)) {
			hook_finish(k);
			return;
		}
	}
}

static void
hook_add(struct hooks *h, enum hook_event event, yyjson_mut_doc *doc, hook_done *done,
    void *arg, bool beside)
{
	struct hook *k = xcalloc(1, sizeof(*k));
	struct hook **at = &h->list;

	k->hooks = h;
	k->event = event;
	k->beside = beside;
	k->done = done;
	k->arg = arg;
	k->in = k->out = k->pidfd = -1;
	k->input = json_line(doc, &k->input_len);
	while (*at != NULL)
		at = &(*at)->next;
	*at = k;
	timer_in(h->turn, 0);
}

void
hooks_run(struct hooks *h, enum hook_event event, yyjson_mut_doc *doc, hook_done *done,
    void *arg)
{
	hook_add(h, event, doc, done, arg, false);
}

void
hooks_beside(struct hooks *h, enum hook_event event, yyjson_mut_doc *doc, hook_done *done,
    void *arg)
{
	hook_add(h, event, doc, done, arg, true);
}

/* What runs goes on beside the others. */
void
hooks_forget(struct hooks *h)
{
	struct hook **at = &h->list;

	while (*at != NULL) {
		struct hook *k = *at;
		if (k->beside || k->running) {
			k->done = k->beside ? k->done : NULL;
			k->beside = true;
			at = &k->next;
			continue;
		}
		*at = k->next;
		hook_free(k);
	}
}

void
hooks_forget_beside(struct hooks *h)
{
	for (struct hook *k = h->list; k != NULL; k = k->next)
		if (k->beside)
			k->done = NULL;
}
