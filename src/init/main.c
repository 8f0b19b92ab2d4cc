/*
 * /init: what must be there before anything runs. It prepares the volume and /run,
 * migrates the database, applies the configuration, and becomes s6-svscan. It works as
 * pid 1 and under an init, with a read-only root, and follows no link below /data.
 * Running it again changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "buf.h"
#include "config.h"
#include "db.h"
#include "dirs.h"
#include "fstype.h"
#include "infifo.h"
#include "log.h"
#include "paths.h"
#include "restore.h"
#include "xmalloc.h"

extern char **environ;

enum { CONFIG_MAX = 1 << 20 };

static const struct {
	const char *path;
	mode_t mode;
	uid_t uid;
	gid_t gid;
} dirs[] = {
    {DATA_DIR, 0751, 0, 0},
    {HOME_DIR, 0711, 0, 0},
    {SPOOL_DIR, 0711, 0, 0},
    {SECRETS_DIR, 0700, 0, 0},
    {LOG_DIR, 0750, 0, UID_BERTH}, /* root makes folders in it and gives them away */
    {RUN_DIR, 01771, 0, UID_BERTH},
    {AGENT_DIR, 0711, 0, 0},
    {SHIM_DIR, 0711, 0, 0},
    {GRANTED_DIR, 0710, 0, UID_BERTH},
    {BELL_DIR, 01770, 0, UID_BERTH},
    {TMUX_DIR, 0750, UID_TMUX, UID_BERTH},
    {TMUX_DIR "/tmux-901", 0750, UID_TMUX, UID_TMUX},
    {SCAN_DIR, 0755, 0, 0},
};

static void
make_dirs(void)
{
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (dir_ensure(dirs[i].path, dirs[i].mode, dirs[i].uid, dirs[i].gid) ==
		    -1)
			fatal(EXIT_SYSTEM,
			    "%s can't be made ready (is the volume writable and its "
			    "owner root?)",
			    dirs[i].path);
}

static bool
accepted(void)
{
	struct buf text = BUF_INIT;
	struct config_source source = {.name = CONFIG_FILE, .environ = environ};
	struct config *c;
	bool yes;

	if (buf_read_file(&text, CONFIG_FILE, CONFIG_MAX) == -1)
		buf_clear(&text);
	source.text = buf_str(&text);
	source.len = text.len;
	c = config_load(&source); /* other errors are reconcile's to tell */
	yes = config_bool(c, "data.i_accept_a_network_file_system");
	config_free(c);
	buf_free(&text);
	return yes;
}

/* Before anything is written there. SQLite's locks and fsync(2) can be empty words on
 * such a file system: it works, until something is lost. */
static void
check_volume(void)
{
	struct fstype fs;

	if (fstype_look(DATA_DIR, &fs) == -1 || fs.kind != FSTYPE_SHARED)
		return; /* make_dirs says what is missing */
	if (!accepted())
		fatalx(EXIT_BAD_USAGE,
		    DATA_DIR
		    " is on %s, where the database could lose messages: give it a "
		    "volume of the engine's own (-v berth-data:/data); or, if you accept "
		    "that, set BERTH__DATA__I_ACCEPT_A_NETWORK_FILE_SYSTEM=true in the "
		    "environment, or i_accept_a_network_file_system = true under [data] "
		    "in berth.toml",
		    fs.name);
	log_warnx(DATA_DIR " is on %s, where the database could lose messages; the "
			   "configuration accepts that",
	    fs.name);
}

/* The environment the container was started with: for the reconciler, and for nobody
 * else. */
static void
keep_environment(void)
{
	struct buf b = BUF_INIT;

	for (char **e = environ; *e != NULL; e++)
		buf_add(&b, *e, strlen(*e) + 1);
	if (file_replace(ENV_FILE, buf_str(&b), b.len, 0600, 0, 0) == -1)
		fatal(EXIT_SYSTEM, ENV_FILE);
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_free(&b);
}

/* The file as we wrote it for an image without Claude, and nobody has touched it since?
 */
static bool
untouched(void)
{
	struct buf now = BUF_INIT;
	char *ours = config_default_file(false);
	bool same = buf_read_file(&now, CONFIG_FILE, CONFIG_MAX) == 0 &&
		    strcmp(buf_str(&now), ours) == 0;

	buf_free(&now);
	free(ours);
	return same;
}

/* A configuration that was lost is no wish to be without it: the last good one comes
 * back.
 */
static bool
bring_back(void)
{
	struct buf text = BUF_INIT;
	bool back = buf_read_file(&text, LAST_GOOD, CONFIG_MAX) == 0 && text.len > 0 &&
		    file_replace(CONFIG_FILE, buf_str(&text), text.len, 0640, 0, 0) == 0;

	if (back)
		log_warnx("%s was gone, and is made anew from %s (to begin with the "
			  "default, remove both)",
		    CONFIG_FILE, LAST_GOOD);
	buf_free(&text);
	return back;
}

/* An image that has Claude adds it to our own file. One without takes nothing out: an
 * agent that is no longer desired is deleted, and its conversation with it. */
static void
first_configuration(void)
{
	bool claude = access(CLAUDE_PROGRAM, X_OK) == 0,
	     there = access(CONFIG_FILE, F_OK) == 0;
	char *text;

	if (there ? !(claude && untouched()) : bring_back())
		return;
	text = config_default_file(claude);
	if (file_replace(CONFIG_FILE, text, strlen(text), 0640, 0, 0) == -1)
		log_warn(
		    "%s can't be written, the built-in default is used", CONFIG_FILE);
	else
		log_info("%s written: a first configuration with the demo agent%s",
		    CONFIG_FILE, claude ? " and claude" : "");
	free(text);
}

/* It is root's, in a sticky directory: nobody can put something else in its place, which
 * root's side would open then. */
static void
make_apply(void)
{
	if (unlink(APPLY_FIFO) == -1 && errno != ENOENT)
		fatal(EXIT_SYSTEM, APPLY_FIFO);
	if (mkfifo(APPLY_FIFO, 0600) == -1 || lchown(APPLY_FIFO, 0, UID_BERTH) == -1 ||
	    chmod(APPLY_FIFO, 0620) == -1)
		fatal(EXIT_SYSTEM, APPLY_FIFO);
}

/* Before anybody can write there, and before anything takes its time: a shell's `> in`
 * would make a file. One of an earlier life goes: nobody holds it, so it is empty. */
static void
make_in(void)
{
	struct stat st;

	if (lstat(IN_FIFO, &st) == 0 && S_ISFIFO(st.st_mode) && unlink(IN_FIFO) == -1)
		fatal(EXIT_SYSTEM, IN_FIFO);
	infifo_make(UID_BERTH); /* what is wrong is said, here and by fifo */
}

/* The file comes first, empty and berth's: what SQLite makes beside it takes its owner
 * and mode, and services couldn't make it in a directory of root's. */
static void
prepare_database(void)
{
	static const char *const files[] = {
	    DB_PATH, DB_PATH "-wal", DB_PATH "-shm", DB_PATH ".ckpt"};
	const char *why;
	int fd = open(DB_PATH, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);

	if (fd == -1)
		fatal(EXIT_SYSTEM, DB_PATH);
	close(fd);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i], F_OK) == 0 &&
		    (lchown(files[i], UID_BERTH, UID_BERTH) == -1 ||
			chmod(files[i], 0660) == -1))
			fatal(EXIT_SYSTEM, "%s", files[i]);
	if (db_migrate(DB_PATH, &why) == -1)
		fatalx(EXIT_BAD_USAGE, "%s", why);
}

/* Service directories lie on tmpfs, for s6 writes into them; what they hold are links to
 * the image, so that a /run without exec does as well. */
static void
link_tree(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *entry;

	if (dir == NULL)
		fatal(EXIT_SYSTEM, "%s", from);
	if (dir_ensure(to, 0755, 0, 0) == -1)
		fatal(EXIT_SYSTEM, "%s", to);
	while ((entry = readdir(dir)) != NULL) {
		char *source = xasprintf("%s/%s", from, entry->d_name),
		     *target = xasprintf("%s/%s", to, entry->d_name);
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			;
		else if (stat(source, &st) == 0 && S_ISDIR(st.st_mode))
			link_tree(source, target);
		else if ((unlink(target), symlink(source, target)) == -1)
			fatal(EXIT_SYSTEM, "%s", target);
		free(source);
		free(target);
	}
	closedir(dir);
}

/* As process 1 we would never see a signal that has no handler: a stop that comes while
 * we prepare waits, for the check at our end or for s6-svscan, which unblocks it. */
static void
keep_stops(int how)
{
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(how, &stops, NULL);
}

static void
reconcile(void)
{
	char *const argv[] = {LIBEXEC_DIR "/reconcile", "--boot", NULL};
	int status;
	pid_t pid = fork();

	if (pid == -1)
		fatal(EXIT_SYSTEM, "fork");
	if (pid == 0) {
		keep_stops(SIG_UNBLOCK);
		execv(argv[0], argv);
		fatal(EXIT_SYSTEM, "exec %s", argv[0]);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fatal(EXIT_SYSTEM, "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	log_warnx(
	    "reconcile ended with status %d: the agents are as they were, until its "
	    "service has done it",
	    status);
	if (file_replace(UNRECONCILED, "", 0, 0600, 0, 0) == -1)
		log_warn(UNRECONCILED);
}

static void __attribute__((noreturn))
become_supervisor(void)
{
	char *tz = getenv("TZ") != NULL ? xasprintf("TZ=%s", getenv("TZ")) : NULL;
	char *debug = getenv("BERTH_DEBUG") != NULL
			  ? xasprintf("BERTH_DEBUG=%s", getenv("BERTH_DEBUG"))
			  : NULL;
	char *env[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	    "LANG=C.UTF-8", tz != NULL ? tz : debug, tz != NULL ? debug : NULL, NULL};
	char *const argv[] = {"s6-svscan", SCAN_DIR, NULL};

	if (chdir("/") == -1)
		fatal(EXIT_SYSTEM, "chdir /");
	execvpe(argv[0], argv, env);
	fatal(EXIT_SYSTEM, "exec s6-svscan");
}

static void
stop_if_asked(void)
{
	sigset_t pending;

	if (sigpending(&pending) == -1 ||
	    (!sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT)))
		return;
	log_info("stopped before anything was started");
	exit(0);
}

int
main(int argc, char **argv)
{
	(void)argv;
	keep_stops(SIG_BLOCK);
	log_init("init");
	if (argc != 1)
		fatalx(EXIT_BAD_USAGE, "usage: init (the container's entry point; "
				       "commands go by exec: berth help)");
	if (getuid() != 0)
		fatalx(EXIT_BAD_USAGE, "must run as root of the container (agents "
				       "don't): don't set --user, set PUID");
	umask(022);
	check_volume();
	restore_put_to_use();
	make_dirs();
	make_in();
	keep_environment();
	first_configuration();
	prepare_database();
	make_apply();
	link_tree("/etc/s6", SCAN_DIR);
	reconcile();
	stop_if_asked();
	become_supervisor();
}
