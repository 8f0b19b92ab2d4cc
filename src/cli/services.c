/* Reading the scan directory by s6-svstat, one run a service. */
#include "services.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "run.h"
#include "xmalloc.h"

enum { MAX_SERVICES = 128, STARTING_TOO_LONG_S = 60 };

const char *
service_state_name(enum service_state state)
{
	static const char *const names[] = {
	    [SERVICE_UP] = "up",
	    [SERVICE_STARTING] = "starting",
	    [SERVICE_OFF] = "off",
	    [SERVICE_DOWN] = "down",
	    [SERVICE_HELD] = "held",
	    [SERVICE_STOPPED] = "stopped",
	    [SERVICE_UNKNOWN] = "unknown",
	};

	return names[state];
}

static bool
has(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/* s6 wants up neither what is down for good nor what a finish script held (status 125) or
 * a person stopped; only the first has a file that says so. */
static enum service_state
why_down(const struct service *s, const char *dir, bool wanted)
{
	if (wanted)
		return SERVICE_DOWN;
	if (has(dir, "down"))
		return SERVICE_OFF;
	return s->status == EXIT_BAD_USAGE ? SERVICE_HELD : SERVICE_STOPPED;
}

/* A service that can say so, and hasn't, is not ready; one that can't is ready when it is
 * up. */
static void
judge(struct service *s, const char *dir, bool up, bool wanted, bool ready)
{
	if (!up)
		s->state = why_down(s, dir, wanted);
	else
		s->state =
		    ready || !has(dir, "notification-fd") ? SERVICE_UP : SERVICE_STARTING;
	s->problem = s->state == SERVICE_STARTING
			 ? s->for_s > STARTING_TOO_LONG_S
			 : s->state != SERVICE_UP && s->state != SERVICE_OFF;
}

static void
ask(struct service *s, const char *dir)
{
	const char *const argv[] = {
	    "s6-svstat", "-o", "up,wantedup,ready,pid,updownfor,exitcode", dir, NULL};
	struct buf out = BUF_INIT;
	char up[8], wanted[8], ready[8];
	long long seconds;
	int status = run_capture(argv, &out);

	s->state = SERVICE_UNKNOWN;
	s->status = -1;
	if (status == 0 && sscanf(buf_str(&out), "%7s %7s %7s %d %lld %d", up, wanted,
			       ready, &s->pid, &seconds, &s->status) >= 5) {
		s->for_s = seconds;
		judge(s, dir, strcmp(up, "true") == 0, strcmp(wanted, "true") == 0,
		    strcmp(ready, "true") == 0);
	}
	/* 1: not supervised. 111: the caller may not know. */
	s->problem = s->problem || status == 1;
	buf_free(&out);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct service *)a)->name, ((const struct service *)b)->name);
}

struct service *
services_read(const char *scan_dir, size_t *count)
{
	struct service *list = NULL;
	struct dirent *entry;
	DIR *dir = opendir(scan_dir);

	*count = 0;
	while (dir != NULL && *count < MAX_SERVICES && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		char *path = xasprintf("%s/%s", scan_dir, entry->d_name);
		list = xreallocarray(list, *count + 1, sizeof(*list));
		list[*count] = (struct service){.name = xstrdup(entry->d_name)};
		ask(&list[(*count)++], path);
		free(path);
	}
	if (dir != NULL)
		closedir(dir);
	if (*count > 0)
		qsort(list, *count, sizeof(*list), by_name);
	return list;
}

void
services_free(struct service *services, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(services[i].name);
	free(services);
}
