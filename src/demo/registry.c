/* The live registry. Its file stays open, for it is written twice a turn and more. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "home.h"
#include "json.h"
#include "log.h"
#include "proc.h"
#include "xmalloc.h"

struct registry {
	char *path, *session, *cwd;
	char *status, *waiting_for;
	int64_t started_at;
	int fd;
};

static char *
registry_line(const struct registry *r, size_t *len)
{
	yyjson_mut_doc *doc = json_object();
	char *start = xasprintf("%llu", (unsigned long long)proc_start_time(getpid()));
	int64_t now = wall_ms();

	json_add_int(doc, "pid", getpid());
	json_add_str(doc, "sessionId", r->session);
	json_add_str(doc, "cwd", r->cwd);
	json_add_int(doc, "startedAt", r->started_at);
	json_add_str(doc, "procStart", start);
	json_add_str(doc, "version", BERTH_VERSION);
	json_add_str(doc, "kind", "interactive");
	json_add_str(doc, "entrypoint", "cli");
	json_add_str(doc, "status", r->status);
	json_add_int(doc, "updatedAt", now);
	json_add_int(doc, "statusUpdatedAt", now);
	if (r->waiting_for != NULL)
		json_add_str(doc, "waitingFor", r->waiting_for);
	free(start);
	return json_line(doc, len);
}

/* One pwrite over the old text, then the cut. */
static void
registry_write(struct registry *r)
{
	size_t len;
	char *line = registry_line(r, &len);

	if (pwrite(r->fd, line, len, 0) != (ssize_t)len ||
	    ftruncate(r->fd, (off_t)len) != 0)
		log_warn("cannot write %s", r->path);
	free(line);
}

struct registry *
registry_new(const char *home, const char *session, const char *cwd)
{
	struct registry *r = xcalloc(1, sizeof(*r));
	char *dir = home_dir(home, "sessions", NULL);

	r->path = xasprintf("%s/%d.json", dir, (int)getpid());
	r->session = xstrdup(session);
	r->cwd = xstrdup(cwd);
	r->started_at = wall_ms();
	r->fd = open(r->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->fd < 0)
		fatal(EXIT_SYSTEM, "%s", r->path);
	free(dir);
	registry_set(r, "idle", NULL);
	return r;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void
registry_set(struct registry *r, const char *status, const char *waiting_for)
{
	if (same(r->status, status) && same(r->waiting_for, waiting_for))
		return;
	free(r->status);
	free(r->waiting_for);
	r->status = xstrdup(status);
	r->waiting_for = xstrdup(waiting_for);
	registry_write(r);
}

void
registry_free(struct registry *r)
{
	if (r == NULL)
		return;
	unlink(r->path);
	close(r->fd);
	free(r->path);
	free(r->session);
	free(r->cwd);
	free(r->status);
	free(r->waiting_for);
	free(r);
}
