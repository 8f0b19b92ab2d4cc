/*
 * berth status: what is wrong first, then the parts. It is the container's health check,
 * so it ends soon whatever hangs, and says with its exit code alone whether all is well.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "clock.h"
#include "cmd.h"
#include "configfile.h"
#include "json.h"
#include "launcher.h"
#include "services.h"
#include "table.h"
#include "text.h"
#include "when.h"

enum { STATUS_MS = 3000 };

struct status {
	const struct cli *cli;
	bool parts; /* agents don't count, nor a configuration that isn't in use */
	int exit;   /* of the launcher's answer */
	yyjson_doc *answer;
	yyjson_doc *notes; /* a list of them: what may be meant so, nobody is alarmed */
	bool changed;      /* berth.toml, since it was read */
	struct service *services;
	size_t count;
};

static yyjson_val *
launcher_says(const struct status *s)
{
	return yyjson_doc_get_root(s->answer);
}

static size_t
service_problems(const struct status *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->services[i].problem;
	return n;
}

static bool
counts(const struct status *s, yyjson_val *problem)
{
	return !s->parts || (json_get(problem, "agent") == NULL &&
				!json_bool(problem, "config", false));
}

static size_t
problem_count(const struct status *s)
{
	size_t i, max, n = service_problems(s) + (s->exit != CLI_OK);
	yyjson_val *problem;

	yyjson_arr_foreach(json_get(launcher_says(s), "problems"), i, max, problem)
	{
		n += counts(s, problem);
	}
	return n;
}

/* ---- notes ---- */

/* The launcher can't read the file; who may enter the container as root can. */
static void
note_config(struct status *s, yyjson_mut_doc *doc)
{
	yyjson_val *config = json_get(launcher_says(s), "config");
	const char *hash = json_str(config, "hash", NULL);
	char what[128], stamp[WHEN_MAX];
	int64_t now = cli_now(), at;
	yyjson_mut_val *note;
	bool told;

	s->changed = !s->parts && hash != NULL &&
		     config_file_differs(s->cli->config_file, hash, &at);
	if (!s->changed)
		return;
	/* A copy may have kept the time of what it was copied from. */
	told = at > json_int(config, "applied_at", 0) && at <= now;
	snprintf(what, sizeof(what), "berth.toml was changed%s%s and isn't in use yet",
	    told ? " at " : "", told ? when_stamp(at, now, stamp) : "");
	note = yyjson_mut_arr_add_obj(doc, yyjson_mut_doc_get_root(doc));
	yyjson_mut_obj_add_strcpy(doc, note, "what", what);
	yyjson_mut_obj_add_str(doc, note, "why", "");
	yyjson_mut_obj_add_int(doc, note, "since", 0);
	yyjson_mut_obj_add_str(doc, note, "hint", "berth apply puts it to use");
	yyjson_mut_obj_add_bool(doc, note, "config", true);
}

/* The launcher's, and what it can't know. */
static yyjson_doc *
notes_collect(struct status *s)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	yyjson_val *note;
	yyjson_doc *notes;
	size_t i, max;

	yyjson_mut_doc_set_root(doc, list);
	yyjson_arr_foreach(json_get(launcher_says(s), "notes"), i, max, note)
	{
		if (counts(s, note))
			yyjson_mut_arr_append(list, yyjson_val_mut_copy(doc, note));
	}
	note_config(s, doc);
	notes = yyjson_mut_doc_imut_copy(doc, NULL);
	yyjson_mut_doc_free(doc);
	return notes;
}

static size_t
note_count(const struct status *s)
{
	return yyjson_arr_size(yyjson_doc_get_root(s->notes));
}

/* ---- problems ---- */

static void
print_problem(struct out *o, enum style style, yyjson_val *problem)
{
	char *what = text_cleaned(json_str(problem, "what", "?"), TEXT_LINE);
	int64_t since = json_int(problem, "since", 0);
	const char *why = json_str(problem, "why", ""),
		   *hint = json_str(problem, "hint", "");
	char ago[WHEN_MAX];

	out_styled(o, style, what);
	if (since > 0)
		out_printf(o, " (%s)", when_ago(since, cli_now(), ago));
	out_puts(o, "\n");
	if (*why != '\0')
		out_text(o, why, 4);
	if (*hint != '\0')
		out_text(o, hint, 4);
	free(what);
}

static void
print_service_problem(struct out *o, const struct service *s, const char *scan_dir)
{
	static const char *const sentences[] = {
	    [SERVICE_STARTING] = "has not been ready for",
	    [SERVICE_DOWN] = "has been down for",
	    [SERVICE_HELD] = "has been held down for",
	    [SERVICE_STOPPED] = "was stopped by hand; it has been down for",
	};
	char took[WHEN_MAX];

	out_style(o, STYLE_RED);
	out_printf(o, "service %s ", s->name);
	if (s->state == SERVICE_UNKNOWN)
		out_puts(o, "is not supervised");
	else
		out_printf(
		    o, "%s %s", sentences[s->state], when_took(s->for_s * 1000, took));
	out_style(o, STYLE_PLAIN);
	if ((s->state == SERVICE_DOWN || s->state == SERVICE_HELD) && s->status >= 0)
		out_printf(o, ", exit code %d", s->status);
	out_puts(o, "\n");
	if (s->state != SERVICE_STOPPED)
		out_printf(o, "    see /data/log/%s/current\n", s->name);
	if (s->state == SERVICE_HELD || s->state == SERVICE_STOPPED)
		out_printf(o, "    start it: s6-svc -u %s/%s\n", scan_dir, s->name);
}

static void
print_problems(struct out *o, const struct status *s)
{
	yyjson_val *problem;
	size_t i, max;

	for (i = 0; i < s->count; i++)
		if (s->services[i].problem)
			print_service_problem(o, &s->services[i], s->cli->scan_dir);
	yyjson_arr_foreach(json_get(launcher_says(s), "problems"), i, max, problem)
	{
		if (counts(s, problem))
			print_problem(o, STYLE_RED, problem);
	}
	if (problem_count(s) > (s->exit != CLI_OK))
		out_puts(o, "\n");
}

static void
print_notes(struct out *o, const struct status *s)
{
	yyjson_val *note;
	size_t i, max;

	yyjson_arr_foreach(yyjson_doc_get_root(s->notes), i, max, note)
	{
		print_problem(o, STYLE_YELLOW, note);
	}
	if (note_count(s) > 0)
		out_puts(o, "\n");
}

/* ---- parts ---- */

static enum style
service_style(const struct service *s)
{
	if (s->problem)
		return STYLE_RED;
	return s->state == SERVICE_UP    ? STYLE_GREEN
	       : s->state == SERVICE_OFF ? STYLE_DIM
					 : STYLE_YELLOW;
}

static void
add_service(struct table *t, const struct service *s)
{
	bool known = s->state != SERVICE_UNKNOWN;
	char age[WHEN_MAX];

	table_cell(t, s->name, STYLE_BOLD);
	table_cell(t, service_state_name(s->state), service_style(s));
	table_cell(t, known ? duration_human(s->for_s * 1000, age, sizeof(age)) : "",
	    STYLE_PLAIN);
	if (known && s->pid > 0)
		table_cellf(t, STYLE_DIM, "%d", s->pid);
	else
		table_cell(t, "", STYLE_PLAIN);
}

static void
print_services(struct out *o, const struct status *s)
{
	static const struct table_column columns[] = {{"SERVICE", 0, 0, false, false},
	    {"STATE", 0, 0, false, false}, {"FOR", 0, 0, true, false},
	    {"PID", 0, 0, true, false}};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	size_t told = 0;

	for (size_t i = 0; i < s->count; i++) {
		add_service(t, &s->services[i]);
		told += s->services[i].state != SERVICE_UNKNOWN || s->services[i].problem;
	}
	if (told > 0)
		table_print(t, o);
	else if (s->count > 0)
		out_puts(o, "services  only root sees their state\n");
	if (told > 0)
		out_puts(o, "\n");
	table_free(t);
}

static void
print_queue(struct out *o, yyjson_val *queue)
{
	yyjson_val *state, *count;
	const char *gap = "messages  ";
	size_t i, max;

	yyjson_obj_foreach(queue, i, max, state, count)
	{
		char *name = text_cleaned(yyjson_get_str(state), TEXT_LINE);
		out_printf(o, "%s%lld %s", gap, (long long)yyjson_get_sint(count), name);
		gap = ", ";
		free(name);
	}
	if (max > 0)
		out_puts(o, "\n");
}

static void
print_database(struct out *o, yyjson_val *database)
{
	char size[WHEN_MAX], wal[WHEN_MAX];

	if (database != NULL)
		out_printf(o, "database  %s, WAL %s\n",
		    when_bytes(json_int(database, "bytes", 0), size),
		    when_bytes(json_int(database, "wal_bytes", 0), wal));
}

static void
print_config(struct out *o, const struct status *s)
{
	yyjson_val *config = json_get(launcher_says(s), "config");
	int64_t applied = json_int(config, "applied_at", 0);
	char *file =
	    text_cleaned(json_str(config, "file", "/data/berth.toml"), TEXT_LINE);
	char ago[WHEN_MAX];

	if (config != NULL) {
		out_printf(o, "config    %s, ", file);
		out_puts(o, json_bool(config, "ok", true)
				? "in use"
				: "has errors; the last good one is in use");
		if (applied > 0)
			out_printf(o, ", applied %s", when_ago(applied, cli_now(), ago));
		if (s->changed)
			out_puts(o, ", changed since");
		out_puts(o, "\n");
	}
	free(file);
}

static void
print_head(struct out *o, const struct status *s)
{
	yyjson_val *says = launcher_says(s);
	char *host = text_cleaned(json_str(says, "host", ""), TEXT_LINE);
	char *version = text_cleaned(json_str(says, "version", BERTH_VERSION), TEXT_LINE);
	size_t problems = problem_count(s), notes = note_count(s);
	char took[WHEN_MAX];

	out_printf(o, "berth %s", version);
	if (*host != '\0')
		out_printf(o, " on %s", host);
	if (says != NULL)
		out_printf(o, ", up %s", when_took(json_int(says, "up_ms", 0), took));
	out_puts(o, ": ");
	if (problems == 0)
		out_styled(o, STYLE_GREEN, "all is well");
	else
		out_styled(o, STYLE_RED, problems == 1 ? "a problem" : "problems");
	if (notes > 0)
		out_puts(o, notes == 1 ? ", and a note" : ", and notes");
	out_puts(o, "\n\n");
	free(host);
	free(version);
}

static void
print_human(const struct status *s)
{
	struct out out = s->cli->out;

	print_head(&out, s);
	print_problems(&out, s);
	print_notes(&out, s);
	print_services(&out, s);
	print_queue(&out, json_get(launcher_says(s), "queue"));
	print_database(&out, json_get(launcher_says(s), "database"));
	print_config(&out, s);
}

/* ---- JSON ---- */

static void
print_json(const struct status *s)
{
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	struct out out = s->cli->out;

	json_add_bool(doc, "healthy", problem_count(s) == 0);
	json_add_val(doc, "notes", yyjson_doc_get_root(s->notes));
	yyjson_mut_val *services = yyjson_mut_obj_add_arr(doc, root, "services");
	for (size_t i = 0; i < s->count; i++) {
		const struct service *one = &s->services[i];
		yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, services);
		yyjson_mut_obj_add_strcpy(doc, row, "name", one->name);
		yyjson_mut_obj_add_str(doc, row, "state", service_state_name(one->state));
		yyjson_mut_obj_add_bool(doc, row, "problem", one->problem);
		yyjson_mut_obj_add_sint(doc, row, "pid", one->pid);
		yyjson_mut_obj_add_sint(doc, row, "for_ms", one->for_s * 1000);
	}
	yyjson_mut_val *says = yyjson_val_mut_copy(doc, launcher_says(s));
	yyjson_mut_obj_remove_key(says, "req");
	yyjson_mut_obj_remove_key(says, "ok");
	yyjson_mut_obj_remove_key(says, "notes");
	yyjson_mut_obj_add_val(
	    doc, root, "launcher", says == NULL ? yyjson_mut_null(doc) : says);
	out_json(&out, doc);
}

/* With --quiet the launcher's error has no place to go to. */
static void
silence(void)
{
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(CLI_SYSTEM);
}

static int
status_exec(struct cli *cli, const struct args *args)
{
	struct launcher *l = launcher_new(cli, 0);
	struct status s = {.cli = cli, .parts = args_has(args, "parts")};
	bool quiet = args_has(args, "quiet");
	int status;

	if (quiet)
		silence();
	launcher_timeout(l, STATUS_MS);
	s.exit = launcher_ask(l, "status", NULL, LAUNCHER_AGAIN, &s.answer);
	s.services = services_read(cli->scan_dir, &s.count);
	s.notes = notes_collect(&s);
	if (!quiet && cli->json)
		print_json(&s);
	else if (!quiet && (s.exit == CLI_OK || s.count > 0))
		print_human(&s);
	status = s.exit != CLI_OK ? s.exit : problem_count(&s) > 0 ? CLI_NO : CLI_OK;
	services_free(s.services, s.count);
	yyjson_doc_free(s.notes);
	yyjson_doc_free(s.answer);
	launcher_free(l);
	return status;
}

static const struct cli_option status_options[] = {
    {'q', "quiet", NULL, "print nothing; the exit code tells", WHAT_NONE},
    {0, "parts", NULL,
	"only berth's own parts, whatever agents do and berth.toml says: for health "
	"checks",
	WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

const struct command cmd_status = {
    .name = "status",
    .synopsis = "[-q] [--parts]",
    .brief = "what is wrong, and how the parts are",
    .help = "Problems first, each with why, since when, and what to do; then the "
	    "services as s6 sees them, the "
	    "messages by state, the database, the configuration. Exit code 0 if all is "
	    "well, 1 if something is "
	    "wrong, 4 if the launcher doesn't run.\n"
	    "\n"
	    "Notes follow the problems: what may be meant so, such as a project that is "
	    "mounted read-only, or a berth.toml that was changed and isn't applied (root "
	    "sees that). They don't count: with notes alone, all is well.\n"
	    "\n"
	    "The services' state is for root to see.",
    .options = status_options,
    .what = WHAT_NONE,
    .min_words = 0,
    .max_words = 0,
    .exec = status_exec,
};
