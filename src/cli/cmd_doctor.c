/* berth doctor: is everything here that berth stands on? */
#include <stdlib.h>

#include "args.h"
#include "cmd.h"
#include "doctor.h"
#include "json.h"
#include "text.h"

static const struct {
	const char *name;
	doctor_look *look;
} checks[] = {
    {"kernel", doctor_kernel},
    {"memory", doctor_memory},
    {"cgroup", doctor_cgroup},
    {"inotify", doctor_inotify},
    {"capabilities", doctor_capabilities},
    {"clock", doctor_time},
    {"volume", doctor_data},
    {"space", doctor_space},
    {"projects", doctor_projects},
    {"run", doctor_run},
    {"users", doctor_users},
    {"sockets", doctor_sockets},
    {"sqlite", doctor_sqlite},
    {"tmux", doctor_tmux},
    {"s6", doctor_s6},
    {"agents", doctor_agents},
    {"config", doctor_config},
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]), NAME_WIDTH = 12 };

static const char *const levels[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_BAD] = "bad"};
static const enum style styles[] = {
    [DOCTOR_OK] = STYLE_GREEN, [DOCTOR_WARN] = STYLE_YELLOW, [DOCTOR_BAD] = STYLE_RED};

void
doctor_say(struct finding *f, enum doctor_level level, const char *todo)
{
	if (level > f->level || f->todo == NULL)
		f->todo = todo;
	f->level = level > f->level ? level : f->level;
}

static void
print_finding(struct out *o, const char *name, const struct finding *f)
{
	out_styled(o, styles[f->level], levels[f->level]);
	out_printf(
	    o, "%*s%-*s  ", 6 - (int)text_width(levels[f->level]), "", NAME_WIDTH, name);
	out_line(o, buf_str(&f->text));
	if (f->todo != NULL)
		out_text(o, f->todo, 6 + NAME_WIDTH + 2);
}

static void
add_finding(yyjson_mut_doc *doc, const char *name, const struct finding *f)
{
	yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, yyjson_mut_doc_get_root(doc));

	yyjson_mut_obj_add_str(doc, row, "check", name);
	yyjson_mut_obj_add_str(doc, row, "level", levels[f->level]);
	char *text = text_cleaned(buf_str(&f->text), TEXT_LINE);
	yyjson_mut_obj_add_strcpy(doc, row, "found", text);
	free(text);
	if (f->todo != NULL)
		yyjson_mut_obj_add_str(doc, row, "todo", f->todo);
}

static int
doctor_exec(struct cli *cli, const struct args *args)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	struct out out = cli->out;
	int status = CLI_OK;

	(void)args;
	yyjson_mut_doc_set_root(doc, yyjson_mut_arr(doc));
	for (int i = 0; i < CHECKS; i++) {
		struct finding f = {.level = DOCTOR_OK};
		checks[i].look(cli, &f);
		if (cli->json)
			add_finding(doc, checks[i].name, &f);
		else
			print_finding(&out, checks[i].name, &f);
		fflush(out.file);
		status = f.level == DOCTOR_BAD ? CLI_NO : status;
		buf_free(&f.text);
	}
	if (cli->json)
		out_json(&out, doc);
	else
		yyjson_mut_doc_free(doc);
	return status;
}

const struct command cmd_doctor = {
    .name = "doctor",
    .synopsis = "",
    .brief = "check what berth stands on",
    .help = "Kernel, memory, limits, capabilities, clock; the volume, its file system "
	    "and space; users, sockets and "
	    "their modes; SQLite, tmux, s6 and the agents' CLIs; the configuration. Each "
	    "line is ok, warn or bad, "
	    "with what to do. Exit code 1 if one is bad. `berth status` is about what "
	    "runs; this is about what it "
	    "runs on.",
    .what = WHAT_NONE,
    .min_words = 0,
    .max_words = 0,
    .exec = doctor_exec,
};
