/*
 * berth backup, berth restore: what berth keeps, in one file and back. A program of
 * root's does it (src/backup); here is the file, whose name stays free until what is in
 * it has been read back.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "buf.h"
#include "cmd.h"
#include "json.h"
#include "paths.h"
#include "when.h"
#include "xmalloc.h"

#define PROGRAM LIBEXEC_DIR "/backup"

extern char **environ;

static int
root_only(const struct cli *cli)
{
	if (geteuid() == 0)
		return CLI_OK;
	return cli_fail(cli, CLI_FORBIDDEN, NULL,
	    "run it as root of the container, as `docker exec` does",
	    "only root may read all that a backup holds");
}

/* Runs the program with these as its standard input and output; its status, or that of
 * what went wrong, which is said. */
static int
run_program(const struct cli *cli, const char *mode, int in, int out)
{
	char *const argv[] = {(char[]){PROGRAM}, xstrdup(mode), NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status, error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	error = posix_spawn(&pid, PROGRAM, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(argv[1]);
	if (error != 0)
		return cli_fail(cli, CLI_SYSTEM, NULL,
		    "berth backup and restore run in the appliance: ./just backup, or "
		    "docker exec",
		    PROGRAM ": %s", strerror(error));
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return CLI_SYSTEM;
	/* It has said why. */
	return !WIFEXITED(status)           ? CLI_SYSTEM
	       : WEXITSTATUS(status) == 0   ? CLI_OK
	       : WEXITSTATUS(status) == 100 ? CLI_NO
					    : CLI_SYSTEM;
}

/* The same, and what it prints: one object, for the caller to free. */
static int
ask_program(const struct cli *cli, const char *mode, int in, yyjson_doc **told)
{
	struct buf text = BUF_INIT;
	char piece[4096];
	const char *why;
	int ends[2], status;
	ssize_t n;

	*told = NULL;
	if (pipe2(ends, O_CLOEXEC) == -1)
		return cli_fail(cli, CLI_SYSTEM, NULL, NULL, "pipe: %s", strerror(errno));
	status = run_program(cli, mode, in, ends[1]); /* less than a pipe holds */
	close(ends[1]);
	while ((n = read(ends[0], piece, sizeof(piece))) > 0)
		buf_add(&text, piece, (size_t)n);
	close(ends[0]);
	if (status == CLI_OK)
		*told = json_parse(buf_str(&text), text.len, &why);
	buf_free(&text);
	return status;
}

static int
fail_file(const struct cli *cli, const char *path)
{
	return cli_fail(cli, errno == EEXIST ? CLI_NO : CLI_SYSTEM, NULL,
	    errno == EEXIST ? "give another name, or remove it" : NULL, "%s: %s", path,
	    strerror(errno));
}

/* What a backup is, as its manifest says. */
static void
describe(const struct cli *cli, const char *what, const char *file, yyjson_doc *told)
{
	yyjson_val *m = yyjson_doc_get_root(told);
	struct out out = cli->out;
	char when[WHEN_MAX], size[WHEN_MAX];

	if (cli->json) {
		out_value(&out, m);
		return;
	}
	out_printf(&out, "%s: %s, of %s on %s, berth %s, database %s\n", file, what,
	    when_exact(json_int(m, "created_at", 0), when), json_str(m, "host", "?"),
	    json_str(m, "berth", "?"), when_bytes(json_int(m, "db_bytes", 0), size));
}

/* ---- backup ---- */

/* Into `part`, and read back. */
static int
write_part(const struct cli *cli, const char *part, yyjson_doc **told)
{
	int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), status;

	if (fd == -1)
		return fail_file(cli, part);
	status = run_program(cli, "create", STDIN_FILENO, fd);
	if (status == CLI_OK && (fsync(fd) == -1 || lseek(fd, 0, SEEK_SET) == -1))
		status = fail_file(cli, part);
	if (status == CLI_OK)
		status = ask_program(cli, "check", fd, told);
	close(fd);
	if (status != CLI_OK)
		unlink(part);
	return status;
}

static int
backup_exec(struct cli *cli, const struct args *args)
{
	const char *file = args->words[0];
	char *part = xasprintf("%s.part", file);
	yyjson_doc *told = NULL;
	int status = root_only(cli);

	if (status == CLI_OK && strcmp(file, "-") == 0)
		status = run_program(cli, "create", STDIN_FILENO, STDOUT_FILENO);
	else if (status == CLI_OK) {
		status = access(file, F_OK) == 0 ? (errno = EEXIST, fail_file(cli, file))
						 : write_part(cli, part, &told);
		if (status == CLI_OK && rename(part, file) == -1)
			status = fail_file(cli, file);
		if (status == CLI_OK)
			describe(cli, "checked", file, told);
	}
	yyjson_doc_free(told);
	free(part);
	return status;
}

/* ---- restore ---- */

static int
restore_exec(struct cli *cli, const struct args *args)
{
	const char *file = args->words[0];
	bool only = args_has(args, "check");
	yyjson_doc *told = NULL;
	int status = root_only(cli), fd = STDIN_FILENO;

	if (status == CLI_OK && strcmp(file, "-") != 0 &&
	    (fd = open(file, O_RDONLY | O_CLOEXEC)) == -1)
		status = fail_file(cli, file);
	if (status == CLI_OK)
		status = ask_program(cli, only ? "check" : "restore", fd, &told);
	if (status == CLI_OK)
		describe(cli, only ? "good" : "unpacked", file, told);
	if (status == CLI_OK && !only)
		cli_note(cli,
		    "restart the appliance to put it to use (what is there now is "
		    "kept in /data/before-restore-...)");
	yyjson_doc_free(told);
	if (fd > STDIN_FILENO)
		close(fd);
	return status;
}

static const struct cli_option restore_options[] = {
    {0, "check", NULL, "only whether it is whole and can be used here", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_backup = {
    .name = "backup",
    .synopsis = "FILE|-",
    .brief = "all that berth keeps, in one file",
    .help =
	"A tar file with the database as it is in one moment, berth.toml, secrets, "
	"and the agents' homes and spools; logs and /projects are not in it. The "
	"appliance goes on meanwhile. The file is read back and checked before it gets "
	"its name; with - it goes to standard output, and `berth restore --check -` "
	"checks it. It holds secrets: keep it as one.\n"
	"\n"
	"    docker exec berth berth backup - > berth.tar",
    .what = WHAT_FILE,
    .min_words = 1,
    .max_words = 1,
    .exec = backup_exec,
};

const struct command cmd_restore = {
    .name = "restore",
    .synopsis = "[--check] FILE|-",
    .brief = "put a backup in the place of what is there",
    .help =
	"Unpacks a backup beside what is there and checks it; the next start of the "
	"appliance puts it to use, and keeps what was there in "
	"/data/before-restore-TIME, which you may remove. A backup of a newer berth is "
	"refused. What was delivered after the backup was begun isn't delivered again: "
	"the conversations tell.\n"
	"\n"
	"    docker exec -i berth berth restore - < berth.tar && docker restart berth",
    .options = restore_options,
    .what = WHAT_FILE,
    .min_words = 1,
    .max_words = 1,
    .exec = restore_exec,
};
