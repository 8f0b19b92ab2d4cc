/* What `berth doctor` looks at. Each check fills in one finding; the files are by what
 * they look at. */
#ifndef DOCTOR_H
#define DOCTOR_H
#include "buf.h"
#include "cli.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD };

struct finding {
	enum doctor_level level;
	struct buf text;  /* what was found */
	const char *todo; /* what to do; static, NULL if nothing */
};

typedef void doctor_look(const struct cli *cli, struct finding *f);

/* The finding gets this level if it isn't worse already; the first todo of the worst
 * level stays. */
void doctor_say(struct finding *f, enum doctor_level level, const char *todo);

/* doctor_kernel.c: what the machine offers */
doctor_look doctor_kernel, doctor_memory, doctor_cgroup, doctor_inotify,
    doctor_capabilities, doctor_time;
/* doctor_volume.c: where things are kept */
doctor_look doctor_data, doctor_space, doctor_projects, doctor_run;
/* doctor_parts.c: what berth is made of */
doctor_look doctor_users, doctor_sockets, doctor_sqlite, doctor_tmux, doctor_s6,
    doctor_agents, doctor_config;
#endif
