/*
 * berth attach: a tmux client as the tmux server's user, in a session of its own that
 * shares the windows of `berth`: so each who looks chooses his window, and nothing is
 * left when he goes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agents.h"
#include "args.h"
#include "cmd.h"
#include "container.h"
#include "json.h"
#include "paths.h"
#include "proc.h"
#include "xmalloc.h"

extern char **environ;

static int
check_terminal(const struct cli *cli)
{
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return CLI_OK;
	return cli_fail(cli, CLI_USAGE, "no-terminal",
	    container_hint("run it with one: ", " attach, or ./just attach"),
	    "attach needs a terminal, and this isn't one");
}

static int
check_user(const struct cli *cli)
{
	uid_t uid = geteuid();

	if (uid == 0 || uid == UID_TMUX)
		return CLI_OK;
	return cli_fail(cli, CLI_FORBIDDEN, NULL,
	    container_hint("", " attach comes as root"),
	    "only root may attach: the terminals belong to another user");
}

/* A terminal that terminfo doesn't know is most likely like xterm. */
static bool
terminal_known(const char *term)
{
	static const char *const dirs[] = {
	    "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"};
	bool found = false;

	if (term == NULL || *term == '\0' || strchr(term, '/') != NULL ||
	    strcmp(term, "dumb") == 0)
		return false;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !found; i++) {
		char *path = xasprintf("%s/%c/%s", dirs[i], term[0], term);
		found = access(path, R_OK) == 0;
		free(path);
	}
	return found;
}

/* What a terminal program needs to know, and nothing else. */
static void
keep_environment(void)
{
	static const char *const kept[] = {
	    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "COLORTERM"};
	const char *term = getenv("TERM");
	char *values[sizeof(kept) / sizeof(kept[0])];

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		values[i] = xstrdup(getenv(kept[i]));
	term = xstrdup(terminal_known(term) ? term : "xterm-256color");
	clearenv();
	setenv("TERM", term, 1);
	setenv("HOME", "/", 1);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (values[i] != NULL)
			setenv(kept[i], values[i], 1);
}

/* Some engines set the terminal's size a moment after they started the program (and one
 * begins with rows and columns exchanged), so early that tmux hasn't asked yet to be
 * told: it is told again. */
static void
tell_size_again(void)
{
	static const int after_ms[] = {250, 750, 1500};
	pid_t viewer = getpid(), child = fork();

	if (child > 0) {
		waitpid(child, NULL, 0);
		return;
	}
	if (child == -1)
		return;
	if (fork() != 0)
		_exit(0); /* tmux reaps no child it doesn't know: so it has none */
	proc_close_from(0, NULL, 0);
	for (size_t i = 0; i < sizeof(after_ms) / sizeof(after_ms[0]); i++) {
		usleep((useconds_t)after_ms[i] * 1000);
		if (kill(viewer, SIGWINCH) == -1)
			break;
	}
	_exit(0);
}

static int
exec_tmux(const struct cli *cli, const char *window, bool read_only)
{
	char *sock = xasprintf("%s/tmux/tmux-%d/default", cli->run_dir, UID_TMUX);
	char *name = xasprintf("view-%d", (int)getpid());
	char *session = xasprintf("=%s:", name),
	     *target = xasprintf("=%s:%s", name, window);
	char flags[] = "read-only,ignore-size", none[] = "";
	char *argv[] = {"tmux", "-S", sock, "new-session", "-t", "=berth", "-s", name,
	    "-f", read_only ? flags : none, ";", "set-option", "-t", session,
	    "destroy-unattached", "on", ";", "select-window", "-t", target, ";",
	    "display-message", "-d", "5000",
	    read_only ? "read-only; #{prefix} d leaves"
		      : "#{prefix} d leaves; the agent goes on",
	    NULL};

	if (geteuid() == 0)
		proc_become(UID_TMUX, UID_TMUX, NULL, 0);
	keep_environment();
	tell_size_again();
	execvp(argv[0], argv);
	return cli_fail(
	    cli, CLI_SYSTEM, NULL, "is tmux installed?", "tmux: %s", strerror(errno));
}

/* Where the agent's pane is, asked at every attach: a window may have been made anew. */
static int
find_window(const struct cli *cli, const char *asked, char window[static 32])
{
	struct launcher *l = launcher_new(cli, PATIENCE_SHORT_MS);
	yyjson_mut_doc *args = json_object();
	yyjson_doc *answer = NULL;
	struct rows agents;
	const char *name;
	int status = agents_fetch(l, &agents);

	if (status == CLI_OK)
		status = agents_choose(cli, &agents, asked, &name);
	if (status == CLI_OK) {
		json_add_str(args, "agent", name);
		status = launcher_ask(l, "pane", args, LAUNCHER_AGAIN, &answer);
	} else {
		yyjson_mut_doc_free(args);
	}
	if (status == CLI_OK)
		snprintf(window, 32, "%s",
		    json_str(yyjson_doc_get_root(answer), "window", ""));
	yyjson_doc_free(answer);
	rows_free(&agents);
	launcher_free(l);
	return status;
}

static int
attach_exec(struct cli *cli, const struct args *args)
{
	char window[32] = "";
	int status = check_terminal(cli);

	if (status == CLI_OK)
		status = check_user(cli);
	if (status == CLI_OK)
		status =
		    find_window(cli, args->count > 0 ? args->words[0] : NULL, window);
	if (status == CLI_OK && window[0] == '\0')
		status = cli_fail(cli, CLI_NO, "no-pane",
		    "`berth ls` tells its state; `berth start` starts it",
		    "the agent has no terminal now");
	return status == CLI_OK ? exec_tmux(cli, window, args_has(args, "read-only"))
				: status;
}

static const struct cli_option attach_options[] = {
    {'r', "read-only", NULL, "look, and type nothing", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_attach = {
    .name = "attach",
    .synopsis = "[AGENT] [-r]",
    .brief = "look at an agent's terminal, and type to it",
    .help = "Opens the agent's terminal. Ctrl-b d leaves it; the agent goes on. Ctrl-b n "
	    "and p change to "
	    "the next and previous agent, Ctrl-b [ scrolls back (q ends that). Messages "
	    "are held back while "
	    "somebody types.\n"
	    "\n"
	    "Several people may look at once, each at the agent of his choice. It needs "
	    "a terminal: exec "
	    "-it. Ctrl-p is podman's and docker's own key: press it twice.",
    .options = attach_options,
    .what = WHAT_AGENT,
    .min_words = 0,
    .max_words = 1,
    .exec = attach_exec,
};
