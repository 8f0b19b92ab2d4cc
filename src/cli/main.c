/*
 * berth: the command line. It opens no database and has no privileges of its own; it asks
 * the launcher. This file finds the command and wires it up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "help.h"
#include "log.h"
#include "paths.h"

static const char *
environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value == NULL || *value == '\0' ? otherwise : value;
}

/* Before options are parsed, for errors of that too. */
static bool
wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

/* What was printed may not have got to where it should. */
static int
flush(const struct cli *cli, int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_fail(cli, CLI_SYSTEM, NULL, NULL, "standard output: %s",
	    strerror(errno == 0 ? EIO : errno));
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct args args;
	int status = CLI_USAGE;

	if (args_parse(&args, cli, argc, argv)) {
		if (args_has(&args, "help")) {
			help_command(&cli->out, cli->command);
			status = CLI_OK;
		} else {
			status = cli->command->exec(cli, &args);
		}
	}
	args_free(&args);
	return status;
}

int
main(int argc, char **argv)
{
	struct cli cli = {.run_dir = environment("BERTH_RUN_DIR", RUN_DIR),
	    .scan_dir = environment("BERTH_SCAN_DIR", SCAN_DIR),
	    .config_file = environment("BERTH_CONFIG_FILE", CONFIG_FILE)};
	const char *name = argc > 1 ? argv[1] : NULL;
	int status;

	log_init("berth");
	out_init(&cli.out, stdout);
	out_init(&cli.err, stderr);
	cli.json = wants_json(argc, argv);
	if (name != NULL && (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0))
		name = "help";
	if (name != NULL && (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0))
		name = "version";
	cli.command = name == NULL ? NULL : cli_command_find(name);
	if (cli.command != NULL) {
		status = run(&cli, argc - 2, argv + 2);
	} else if (name != NULL) {
		status = cli_unknown_command(&cli, name);
	} else {
		help_overview(&cli.out);
		status = CLI_USAGE;
	}
	return flush(&cli, status);
}
