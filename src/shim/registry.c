/*
 * One version is in flight at most; `version` counts contents, `acked` is the newest
 * acknowledged. Claude Code 2.1.197 at its start deletes the entries of all whom it can't
 * signal, and it can't signal another agent: such an entry is put back, for a CLI whose
 * entry is gone writes no other.
 */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "dirwatch.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "xmalloc.h"

/* After half a file: when to look again if no event comes. */
enum { HALF_MS = 50, HALF_TRIES = 20 };
/* After a failure to read it, which no event ends */
enum { AGAIN_MS = 500 };

struct registry {
	char *path;
	struct dirwatch *watch;
	struct timer *again;
	int tries;
	bool ended, put_back;
	char *text; /* as last read; NULL: no such file */
	uint64_t version, sent, acked;
	registry_send_cb *send;
	void *ctx;
};

static void
pump(struct registry *r)
{
	if (r->sent > r->acked || r->acked == r->version)
		return;
	if (r->send(r->text, r->version, r->ctx))
		r->sent = r->version;
}

static void
set_text(struct registry *r, char *text)
{
	bool same = text == NULL || r->text == NULL ? text == r->text
						    : strcmp(text, r->text) == 0;

	r->tries = 0;
	timer_cancel(r->again);
	if (same) {
		free(text);
		return;
	}
	free(r->text);
	r->text = text;
	r->version++;
	pump(r);
}

static bool
is_json(const struct buf *text)
{
	const char *why;
	yyjson_doc *doc = json_parse(buf_str(text), text->len, &why);

	yyjson_doc_free(doc);
	return doc != NULL;
}

static bool
write_text(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool whole;

	if (fd == -1)
		return false;
	whole = write(fd, text, len) == (ssize_t)len;
	close(fd);
	return whole;
}

/*
 * Once the agent has ended, the file stays away. It appears whole and never over one that
 * the agent makes anew in this moment, so it is written aside and linked.
 */
static bool
put_back(struct registry *r)
{
	char *aside;
	bool linked, there;

	if (r->ended || r->text == NULL)
		return false;
	aside = xasprintf("%s.back", r->path);
	linked = write_text(aside, r->text) && link(aside, r->path) == 0;
	there = linked || errno == EEXIST; /* then it is the agent's own */
	unlink(aside);
	free(aside);
	if (linked) {
		r->put_back = true;
		log_debug("put back %s", r->path);
	}
	return there;
}

static void
look(void *arg)
{
	struct registry *r = arg;
	struct buf text = BUF_INIT;
	int result = buf_read_file(&text, r->path, REGISTRY_MAX);

	if (result == -1 && errno == ENOENT) {
		if (!put_back(r))
			set_text(r, NULL);
	} else if (result == 0 && is_json(&text))
		set_text(r, buf_take(&text));
	else if (result == -1 && errno != EFBIG) {
		if (r->tries++ == 0)
			log_warn("%s can't be read", r->path);
		timer_in(r->again, AGAIN_MS);
	} else if (r->tries++ < HALF_TRIES)
		timer_in(r->again, HALF_MS);
	else if (r->tries == HALF_TRIES + 1)
		log_warnx("%s does not become JSON", r->path);
	buf_free(&text);
}

struct registry *
registry_new(
    struct loop *loop, const char *dir, pid_t pid, registry_send_cb *send, void *ctx)
{
	struct registry *r = xcalloc(1, sizeof(*r));
	char name[32];

	snprintf(name, sizeof(name), "%d.json", (int)pid);
	r->path = xasprintf("%s/%s", dir, name);
	r->send = send;
	r->ctx = ctx;
	r->again = timer_new(loop, look, r);
	r->watch = dirwatch_new(loop, dir, name, look, r);
	look(r);
	return r;
}

void
registry_free(struct registry *r)
{
	if (r == NULL)
		return;
	dirwatch_free(r->watch);
	timer_free(r->again);
	free(r->path);
	free(r->text);
	free(r);
}

void
registry_end(struct registry *r)
{
	if (r == NULL)
		return;
	r->ended = true;
	if (r->put_back)
		unlink(r->path);
	look(r);
}

void
registry_acked(struct registry *r, uint64_t version)
{
	if (r == NULL)
		return;
	if (version > r->acked)
		r->acked = version;
	pump(r);
}

void
registry_resend(struct registry *r)
{
	if (r == NULL)
		return;
	/* A launcher that came back knows nothing: also what the one before acknowledged.
	 */
	r->sent = r->acked = 0;
	pump(r);
}

bool
registry_idle(const struct registry *r)
{
	return r == NULL || r->acked == r->version;
}
