/*
 * berth host: files for the machine that the container runs on. Inside the container it
 * can only print them, and says where they belong; on the machine itself it writes them,
 * and never over a file that differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "buf.h"
#include "cmd.h"
#include "container.h"
#include "host.h"
#include "json.h"

enum { MAX_FILE = 1 << 16 };

struct choice {
	const char *value, *from; /* the option or variable that says so */
};

struct host {
	const struct cli *cli;
	const struct host_kind *kind;
	struct choice name, image, projects;
	const char *home;
	unsigned uid, gid;
	bool inside, root; /* root: the container is root's, not a user's */
	bool guessed;      /* nothing tells its name */
	struct buf file, text, own_projects;
};

/* ---- filling in ---- */

/* Rootless Podman: the caller is the agents' user inside, so that files of either are
 * both's. */
static void
add_userns(struct buf *out, const struct host *h)
{
	if (!h->root)
		buf_addf(out, "UserNS=keep-id:uid=%u,gid=%u\nUser=0:0\n", h->uid, h->gid);
}

static void
add_volume(struct buf *out, const struct host *h)
{
	const char *projects = h->projects.value;

	if (projects[0] != '/')
		buf_addf(out, "  %s:\n    name: %s\n", projects, projects);
}

static void
fill_one(struct buf *out, const struct host *h, const char *word, size_t len)
{
	const struct {
		const char *word, *value;
	} values[] = {{"NAME", h->name.value}, {"IMAGE", h->image.value},
	    {"PROJECTS", h->projects.value}, {"HOME", h->home}};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strlen(values[i].word) == len &&
		    strncmp(values[i].word, word, len) == 0)
			buf_adds(out, values[i].value);
	if (strncmp(word, "UID@", 4) == 0)
		buf_addf(out, "%u", h->uid);
	else if (strncmp(word, "GID@", 4) == 0)
		buf_addf(out, "%u", h->gid);
	else if (strncmp(word, "USERNS@", 7) == 0)
		add_userns(out, h);
	else if (strncmp(word, "VOLUME@", 7) == 0)
		add_volume(out, h);
}

static void
fill(struct buf *out, const struct host *h, const char *text)
{
	while (*text != '\0') {
		size_t plain = strcspn(text, "@");
		buf_add(out, text, plain);
		text += plain;
		if (*text == '@') {
			size_t len = strcspn(text + 1, "@");
			fill_one(out, h, text + 1, len);
			text += len + 2;
		}
	}
}

/* ---- what is asked ---- */

static bool
safe(const char *text, const char *more)
{
	for (; *text != '\0'; text++)
		if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			(*text >= '0' && *text <= '9') || strchr(more, *text) != NULL))
			return false;
	return true;
}

/* A whole path, or a volume's name; without what systemd, YAML or a shell would read. */
static bool
projects_valid(const char *projects)
{
	return projects[0] == '/' ? safe(projects, "_.-/+")
				  : container_name_valid(projects);
}

static int
check(const struct host *h)
{
	if (!container_name_valid(h->name.value))
		return cli_fail(h->cli, CLI_USAGE, NULL,
		    "letters, digits, _ . and -, the first a letter or digit; --name "
		    "gives another",
		    "%s: \"%s\" is not a container's name", h->name.from, h->name.value);
	if (!safe(h->image.value, "_.-/:@") || h->image.value[0] == '\0')
		return cli_fail(h->cli, CLI_USAGE, NULL, "--image gives another",
		    "%s: \"%s\" is not an image's name", h->image.from, h->image.value);
	if (!projects_valid(h->projects.value))
		return cli_fail(h->cli, CLI_USAGE, NULL,
		    "a whole path without blanks and special characters, or the name of "
		    "a volume; --projects gives another",
		    "%s: \"%s\" can't be written into these files", h->projects.from,
		    h->projects.value);
	return CLI_OK;
}

/* What started this container; on the machine, what is there. */
static bool
podman_in_use(void)
{
	const char *engine = container_engine();

	return engine == NULL ? access("/usr/bin/podman", X_OK) == 0
			      : strcmp(engine, "podman") == 0;
}

/* The one asked for; else what this machine has, or what runs this container. */
static int
choose(struct host *h, const struct args *args)
{
	const char *wanted = podman_in_use() ? "podman" : "compose";
	int given = 0;

	for (const struct host_kind *kind = host_kinds; kind->name != NULL; kind++) {
		if (!args_has(args, kind->name))
			continue;
		wanted = kind->name;
		given++;
	}
	for (h->kind = host_kinds; strcmp(h->kind->name, wanted) != 0;)
		h->kind++;
	if (given > 1)
		return cli_fail(h->cli, CLI_USAGE, NULL, NULL,
		    "choose one of --podman, --docker, --compose, "
		    "--systemd and --launchd");
	return CLI_OK;
}

static const char *
or_else(const char *value, const char *otherwise)
{
	return value == NULL || *value == '\0' ? otherwise : value;
}

static unsigned
number(const char *variable, unsigned otherwise)
{
	const char *value = getenv(variable);
	unsigned n = value == NULL ? 0 : (unsigned)strtoul(value, NULL, 10);

	return n == 0 ? otherwise : n;
}

/* A container of root's has the machine's own ids; that of a user, some of them. */
static bool
whole_map(void)
{
	const char *path = or_else(getenv("BERTH_UID_MAP"), "/proc/self/uid_map");
	FILE *file = fopen(path, "re");
	unsigned inner = 1, outer = 1, count = 0;
	bool read = file != NULL && fscanf(file, "%u %u %u", &inner, &outer, &count) == 3;

	if (file != NULL)
		fclose(file);
	return read && inner == 0 && outer == 0 && count == UINT_MAX;
}

/* The option `--name` before the variable BERTH_NAME, which this container's start has
 * set, before what is usual. */
static struct choice
choice(const struct args *args, const char *option, const char *variable,
    const char *otherwise)
{
	const char *value = args_get(args, option + strlen("--"));

	if (value != NULL)
		return (struct choice){value, option};
	return (struct choice){or_else(getenv(variable), otherwise), variable};
}

static void
look_around(struct host *h, const struct args *args)
{
	h->inside = container_here();
	h->root = h->inside ? whole_map() : geteuid() == 0;
	h->uid = number("PUID", h->inside || h->root ? 1000 : (unsigned)getuid());
	h->gid = number("PGID", h->inside || h->root ? 1000 : (unsigned)getgid());
	h->home = h->inside ? "~" : or_else(getenv("HOME"), "/root");
	h->guessed = args_get(args, "name") == NULL && container_name() == NULL;
	h->name =
	    choice(args, "--name", "BERTH_NAME", or_else(container_name(), "berth"));
	buf_addf(&h->own_projects, "%s-projects", h->name.value);
	h->image = choice(args, "--image", "BERTH_IMAGE", "localhost/berth:latest");
	h->projects =
	    choice(args, "--projects", "BERTH_PROJECTS", buf_str(&h->own_projects));
}

/* ---- saving ---- */

static int
make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int result = mkdir(path, 0755);
		*slash = '/';
		if (result != 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

static int
write_new(struct host *h)
{
	int fd = make_folders(h->file.data) == 0
		     ? open(h->file.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)
		     : -1;
	ssize_t n = fd < 0 ? -1 : write(fd, h->text.data, h->text.len);

	if (fd < 0 || close(fd) != 0 || n != (ssize_t)h->text.len)
		return cli_fail(h->cli, CLI_SYSTEM, NULL, "`--print` prints it instead",
		    "%s: %s", buf_str(&h->file), strerror(errno));
	return CLI_OK;
}

static int
save(struct host *h)
{
	struct buf old = BUF_INIT;
	struct out out = h->cli->out;
	bool there = buf_read_file(&old, buf_str(&h->file), MAX_FILE) == 0;
	bool same = there && strcmp(buf_str(&old), buf_str(&h->text)) == 0;
	int status = CLI_OK;

	if (there && !same)
		status = cli_fail(h->cli, CLI_NO, "exists",
		    "compare it with `--print`, and move it away if it may go",
		    "%s is there already, and differs", buf_str(&h->file));
	else if (!there)
		status = write_new(h);
	if (status == CLI_OK && !h->cli->json)
		out_printf(
		    &out, "%s %s\n", same ? "unchanged:" : "written:", buf_str(&h->file));
	buf_free(&old);
	return status;
}

/* ---- printing ---- */

static const char *const *
then_run(const struct host *h)
{
	return h->root ? h->kind->root_then : h->kind->user_then;
}

static void
print_then(const struct host *h, struct out *o, const char *lead)
{
	struct buf line = BUF_INIT;

	for (const char *const *then = then_run(h); *then != NULL; then++) {
		buf_clear(&line);
		fill(&line, h, *then);
		out_printf(o, "%s%s\n", lead, buf_str(&line));
	}
	buf_free(&line);
}

/* The text alone on stdout, so that it can be redirected; what to do with it on stderr.
 */
static void
print_text(const struct host *h)
{
	struct out out = h->cli->out, err = h->cli->err;

	if (h->guessed)
		out_printf(&err,
		    "# Nothing tells how the container is called: %s, or say --name\n",
		    h->name.value);
	if (h->kind->user_file == NULL)
		out_puts(&err, "# Run on the host:\n");
	else
		out_printf(&err, "# Save on the host as %s\n", buf_str(&h->file));
	fflush(err.file);
	out_puts(&out, buf_str(&h->text));
	fflush(out.file);
	out_puts(&err, "# then:\n");
	print_then(h, &err, "#   ");
}

static void
print_json(const struct host *h, bool saved)
{
	yyjson_mut_doc *doc = json_object();
	struct out out = h->cli->out;
	struct buf line = BUF_INIT;

	json_add_str(doc, "kind", h->kind->name);
	json_add_str(doc, "file", h->kind->user_file == NULL ? NULL : buf_str(&h->file));
	json_add_bool(doc, "saved", saved);
	json_add_str(doc, "text", buf_str(&h->text));
	yyjson_mut_val *list =
	    yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "then");
	for (const char *const *then = then_run(h); *then != NULL; then++) {
		buf_clear(&line);
		fill(&line, h, *then);
		yyjson_mut_arr_add_strcpy(doc, list, buf_str(&line));
	}
	buf_free(&line);
	out_json(&out, doc);
}

static int
install(struct host *h, bool print)
{
	struct out out = h->cli->out;
	int status = CLI_OK;

	if (h->kind->user_file != NULL)
		fill(&h->file, h, h->root ? h->kind->root_file : h->kind->user_file);
	fill(&h->text, h, h->kind->text);
	print = print || h->inside || h->kind->user_file == NULL;
	if (!print)
		status = save(h);
	if (status == CLI_OK && h->cli->json)
		print_json(h, !print);
	else if (status == CLI_OK && print)
		print_text(h);
	else if (status == CLI_OK) {
		out_puts(&out, "now run:\n");
		print_then(h, &out, "  ");
	}
	return status;
}

static int
host_exec(struct cli *cli, const struct args *args)
{
	struct host h = {.cli = cli};
	int status = choose(&h, args);

	look_around(&h, args);
	if (status == CLI_OK)
		status = check(&h);
	if (status == CLI_OK)
		status = install(&h, args_has(args, "print"));
	buf_free(&h.file);
	buf_free(&h.text);
	buf_free(&h.own_projects);
	return status;
}

static const struct cli_option host_options[] = {
    {0, "podman", NULL, "a Quadlet: systemd starts it, rootless too", WHAT_NONE},
    {0, "docker", NULL, "a docker run command with a restart policy", WHAT_NONE},
    {0, "compose", NULL, "a compose.yaml with a restart policy", WHAT_NONE},
    {0, "systemd", NULL, "a systemd unit around docker run", WHAT_NONE},
    {0, "launchd", NULL, "a launchd agent for macOS, an example", WHAT_NONE},
    {0, "print", NULL, "print it, write nothing", WHAT_NONE},
    {0, "name", "NAME", "the container; NAME-data is its volume", WHAT_NONE},
    {0, "image", "IMAGE", "its image", WHAT_NONE},
    {0, "projects", "FOLDER", "what the agents work on", WHAT_FILE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};
static const char *const host_words[] = {"install", NULL};

const struct command cmd_host = {
    .name = "host",
    .synopsis = "install [options]",
    .brief = "start the appliance with the machine",
    .help = "Writes, or prints, what makes the machine start the container when it "
	    "boots. Inside the container it can "
	    "only print: the text on standard output, where to save it and what to run "
	    "on standard error. On the "
	    "machine itself it writes the file, unless another one is there. Without a "
	    "kind it takes Podman where "
	    "that is in use, else Compose.\n"
	    "\n"
	    "Name, image and projects are this container's own, as `./just up` and the "
	    "compose file told it "
	    "(BERTH_NAME, BERTH_IMAGE, BERTH_PROJECTS), else as its hostname says; else "
	    "berth, localhost/berth:latest and the volume NAME-projects.\n"
	    "\n"
	    "    podman exec berth berth host install --podman > "
	    "~/.config/containers/systemd/berth.container",
    .options = host_options,
    .words = host_words,
    .what = WHAT_WORDS,
    .min_words = 1,
    .max_words = 1,
    .exec = host_exec,
};
