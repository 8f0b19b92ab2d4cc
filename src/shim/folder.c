/*
 * A chown is told only to who may read the folder, and a mount to nobody; so what is
 * wrong is looked at again from time to time. Nothing is said of a folder that was never
 * wrong.
 */
#include "folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "loop.h"
#include "xmalloc.h"

struct folder {
	char *path, *why;
	struct folder_report report;
	bool was_wrong;
	struct timer *again;
	folder_send_cb *send;
	void *ctx;
};

static bool
is_read_only(const char *path, int error)
{
	struct statvfs fs;

	return error == EROFS ||
	       (statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0);
}

/* NULL: the agent can make files in it. */
static char *
examine(const char *path, struct folder_report *r)
{
	struct stat st;
	int error;

	*r = (struct folder_report){0};
	if (access(path, W_OK | X_OK) == 0) /* real and effective ids are the same */
		return NULL;
	error = errno;
	if (stat(path, &st) == -1)
		return xasprintf("%s: %s", path, strerror(errno));
	r->uid = st.st_uid;
	r->gid = st.st_gid;
	r->read_only = is_read_only(path, error);
	if (r->read_only)
		return xasprintf("%s is on a read-only mount", path);
	if (error != EACCES)
		return xasprintf("%s: %s", path, strerror(error));
	return xasprintf("%s belongs to %u:%u, mode %04o, and the agent is %u:%u", path,
	    st.st_uid, st.st_gid, st.st_mode & 07777, geteuid(), getegid());
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
look(void *arg)
{
	struct folder *f = arg;
	char *why = examine(f->path, &f->report);
	bool news = !same(why, f->why);

	free(f->why);
	f->report.why = f->why = why;
	if (why != NULL) {
		f->was_wrong = true;
		timer_in(f->again, FOLDER_LOOK_MS);
	}
	if (news)
		folder_resend(f);
}

struct folder *
folder_new(struct loop *loop, const char *path, folder_send_cb *send, void *ctx)
{
	struct folder *f = xcalloc(1, sizeof(*f));

	f->path = xstrdup(path);
	f->send = send;
	f->ctx = ctx;
	f->again = timer_new(loop, look, f);
	look(f);
	return f;
}

void
folder_free(struct folder *f)
{
	if (f == NULL)
		return;
	timer_free(f->again);
	free(f->path);
	free(f->why);
	free(f);
}

void
folder_resend(struct folder *f)
{
	if (f != NULL && f->was_wrong)
		f->send(&f->report, f->ctx);
}
