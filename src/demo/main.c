/*
 * demo: a small agent that needs no account and no network, with the outward behaviour of
 * a real coding agent's CLI: same hooks, same live registry, same kind of transcript,
 * same keys and same dangers. It shows a newcomer the whole path, and lets tests run
 * thousands of turns. main reads the arguments and wires the parts.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ids.h"
#include "log.h"
#include "loop.h"
#include "paths.h"
#include "session.h"
#include "ui.h"

static const char usage[] =
    "usage: demo [--session-id UUID | --resume UUID] [--hook PROGRAM | --no-hooks]\n"
    "       demo --version\n"
    "A small agent for trying berth. Keeps what it needs in $HOME/.berth-demo.\n";

struct demo {
	struct loop *loop;
	struct ui *ui;
	struct session *session;
};

static void
on_signal(int signo, void *arg)
{
	struct demo *d = arg;

	if (signo == SIGWINCH)
		ui_resized(d->ui);
	else
		session_end(d->session, "other", 128 + signo);
}

static int
bad_usage(const char *what)
{
	fprintf(stderr, "demo: %s\n%s", what, usage);
	return EXIT_FAILURE;
}

/* -1: go on; else the status to exit with. */
static int
read_args(int argc, char **argv, struct session_options *o)
{
	static const struct option options[] = {
	    {"session-id", required_argument, NULL, 's'},
	    {"resume", required_argument, NULL, 'r'},
	    {"hook", required_argument, NULL, 'k'},
	    {"no-hooks", no_argument, NULL, 'n'},
	    {"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's' || c == 'r') {
			o->id = optarg;
			o->resume = c == 'r';
		} else if (c == 'k' || c == 'n') {
			o->hook = c == 'k' ? optarg : NULL;
		} else if (c == 'v') {
			printf("%s (berth demo)\n", BERTH_VERSION);
			return EXIT_SUCCESS;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
		}
	}
	if (optind < argc)
		return bad_usage("it takes no arguments but options");
	if (o->id != NULL && !uuid_ok(o->id))
		return bad_usage("a session's id is a UUID");
	return -1;
}

static int
run(struct demo *d, const struct session_options *o)
{
	static const int signals[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT};

	d->ui = ui_new(d->loop);
	if (d->ui == NULL) {
		fprintf(stderr, "demo: standard input is not a terminal: %s\n",
		    strerror(errno));
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		loop_signal(d->loop, signals[i], on_signal, d);
	session_start(d->session, d->ui);
	int status = loop_run(d->loop);
	ui_free(d->ui);
	printf("Resume this session with: demo --resume %s\n", o->id);
	return status;
}

int
main(int argc, char **argv)
{
	struct session_options o = {.home = getenv("HOME"), .hook = LIBEXEC_DIR "/hook"};
	struct demo d = {0};
	char id[UUID_LEN + 1];
	char *cwd;

	log_init("demo");
	int status = read_args(argc, argv, &o);
	if (status != -1)
		return status;
	if (o.home == NULL || *o.home != '/')
		return bad_usage("HOME must name a directory");
	if (o.id == NULL) {
		uuid_new(id);
		o.id = id;
	}
	o.cwd = cwd = getcwd(NULL, 0);
	if (cwd == NULL)
		fatal(EXIT_SYSTEM, "current directory");
	o.ledger = getenv("BERTH_DEMO_LEDGER") != NULL &&
		   strcmp(getenv("BERTH_DEMO_LEDGER"), "1") == 0;
	d.loop = loop_new();
	d.session = session_new(d.loop, &o);
	status = d.session == NULL ? EXIT_FAILURE : run(&d, &o);
	session_free(d.session);
	loop_free(d.loop);
	free(cwd);
	return status;
}
