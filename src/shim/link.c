/*
 * Nothing is kept here: each part of the shim holds what is unacknowledged, and says it
 * again when it is told to. A refusal is final (logged, taken as acknowledged, or the
 * same line would come for ever), but `busy`: then everything is said again a second
 * later.
 */
#include "link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "folder.h"
#include "hooks.h"
#include "ipc.h"
#include "json.h"
#include "life.h"
#include "log.h"
#include "loop.h"
#include "notes.h"
#include "registry.h"
#include "shim.h"
#include "shrink.h"
#include "spool.h"
#include "tail.h"
#include "xmalloc.h"

enum {
	AGAIN_MS = 1000,
	HOOK_MAX = 1 << 20, /* written, so that it and the rest fit into IPC_MAX_LINE */
	LINE_TEXT_MAX = 1 << 20,     /* as a JSON string */
	LINE_SHRUNK_MAX = 512 << 10, /* whose quoting may double it */
	EXIT_NOT_STARTED = 127
};

struct link {
	struct shim *shim;
	struct ipc_client *client;
	struct timer *again;
	bool greeted;
	bool may_run; /* the agent may be started, once all of its earlier life is told */
	bool started_told, exited_sent, notes_refused;
};

/* ---- calls ---- */

typedef void answered_cb(struct link *l, yyjson_val *answer, uint64_t id);

struct call {
	struct link *link;
	answered_cb *cb;
	uint64_t id;
};

static bool
is_error(yyjson_val *answer, const char *code)
{
	return !json_bool(answer, "ok", false) &&
	       strcmp(json_str(answer, "error", ""), code) == 0;
}

static void
answered(yyjson_val *answer, void *arg)
{
	struct call *call = arg;
	struct link *l = call->link;

	if (answer != NULL && is_error(answer, "busy"))
		timer_in(l->again, AGAIN_MS);
	else if (answer != NULL && call->cb != NULL)
		call->cb(l, answer, call->id);
	free(call);
}

/* Frees doc. */
static bool
call(struct link *l, const char *op, yyjson_mut_doc *doc, answered_cb *cb, uint64_t id)
{
	struct call *c = xcalloc(1, sizeof(*c));

	*c = (struct call){.link = l, .cb = cb, .id = id};
	if (ipc_call(l->client, op, doc, answered, c))
		return true;
	free(c);
	return false;
}

static void
complain(yyjson_val *answer, const char *op)
{
	if (!json_bool(answer, "ok", false))
		log_warnx("the launcher refused op=%s error=%s message=%s", op,
		    json_str(answer, "error", "?"), json_str(answer, "message", ""));
}

/* ---- hooks ---- */

static void
run_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	(void)id;
	if (json_bool(answer, "ok", false))
		life_run(l->shim->life, answer);
	else if (strcmp(json_str(answer, "error", ""), "again") == 0)
		return; /* of two requests the other one counts */
	else if (life_wants_run(l->shim->life))
		life_fail(l->shim->life, EXIT_NOT_STARTED,
		    json_str(answer, "message", "the launcher refused"));
}

/* Not before all hooks of an earlier life are told: what is still open then was cut. */
static void
ask_what_to_run(struct link *l)
{
	if (!l->may_run || !life_wants_run(l->shim->life) || !spool_empty(l->shim->spool))
		return;
	l->may_run = false;
	call(l, "run", NULL, run_answered, 0);
}

static void
hook_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	complain(answer, "hook");
	spool_acked(l->shim->spool, id);
	ask_what_to_run(l);
	life_check(l->shim->life);
}

/* A question is one only as long as its hook is there to hear the answer. */
static bool
still_asks(const struct link *l, yyjson_val *line)
{
	return json_bool(line, "ask", false) &&
	       strcmp(json_str(line, "instance", ""), l->shim->instance) == 0 &&
	       hooks_asking(l->shim->hooks, json_int(line, "seq", 0));
}

static yyjson_mut_doc *
hook_message(const struct link *l, yyjson_val *line)
{
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *hook;
	int64_t deadline = json_int(line, "deadline", 0);
	bool cut;

	json_add_str(doc, "instance", json_str(line, "instance", ""));
	json_add_int(doc, "seq", json_int(line, "seq", 0));
	json_add_int(doc, "at", json_int(line, "at", 0));
	json_add_bool(doc, "ask", still_asks(l, line));
	if (deadline > 0)
		json_add_int(doc, "deadline", deadline);
	hook = shrink_copy(doc, json_get(line, "hook"), HOOK_MAX, &cut);
	if (cut)
		json_add_bool(doc, "cut", true);
	yyjson_mut_obj_add_val(
	    doc, root, "hook", hook != NULL ? hook : yyjson_mut_obj(doc));
	return doc;
}

bool
link_hook(const char *line, size_t len, uint64_t id, void *ctx)
{
	struct link *l = ctx;
	const char *why;
	yyjson_doc *doc;
	bool sent;

	if (!l->greeted)
		return false;
	doc = json_parse(line, len, &why); /* it was written by us, or checked */
	sent =
	    call(l, "hook", hook_message(l, yyjson_doc_get_root(doc)), hook_answered, id);
	yyjson_doc_free(doc);
	return sent;
}

void
link_ask_gone(struct link *l, int64_t seq)
{
	yyjson_mut_doc *doc;

	if (!ipc_client_up(l->client))
		return; /* the next hello says which questions are open */
	doc = json_object();
	json_add_str(doc, "instance", l->shim->instance);
	json_add_int(doc, "seq", seq);
	call(l, "ask_gone", doc, NULL, 0);
}

/* ---- registry and transcript ---- */

static void
registry_answered(struct link *l, yyjson_val *answer, uint64_t version)
{
	complain(answer, "registry");
	registry_acked(l->shim->registry, version);
	life_check(l->shim->life);
}

bool
link_registry(const char *text, uint64_t version, void *ctx)
{
	struct link *l = ctx;
	yyjson_mut_doc *doc;

	if (!l->greeted)
		return false;
	doc = json_object();
	json_add_str(doc, "text", text);
	return call(l, "registry", doc, registry_answered, version);
}

static void
line_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	complain(answer, "line");
	tail_acked(l->shim->tail, id);
	life_check(l->shim->life);
}

/* A line that is too long for the socket, with its strings cut; nothing if it is no JSON.
 */
static void
add_shrunk(yyjson_mut_doc *doc, const struct tail_line *line)
{
	const char *why;
	yyjson_doc *parsed = json_parse(line->text, line->len, &why);
	yyjson_mut_doc *shorter = json_object();
	bool cut;
	yyjson_mut_val *value = parsed == NULL
				    ? NULL
				    : shrink_copy(shorter, yyjson_doc_get_root(parsed),
					  LINE_SHRUNK_MAX, &cut);
	char *text = value == NULL ? NULL : yyjson_mut_val_write(value, 0, NULL);

	if (text == NULL)
		log_warnx("%s: a line of %zu bytes is skipped at=%lld: %s", line->path,
		    line->len, (long long)line->from,
		    parsed == NULL ? why : "it can't be cut");
	json_add_str(doc, "text", text);
	json_add_bool(doc, "cut", true);
	free(text);
	yyjson_mut_doc_free(shorter);
	yyjson_doc_free(parsed);
}

bool
link_line(const struct tail_line *line, uint64_t id, void *ctx)
{
	struct link *l = ctx;
	yyjson_mut_doc *doc;

	if (!l->greeted)
		return false;
	doc = json_object();
	json_add_str(doc, "path", line->path);
	json_add_int(doc, "from", line->from);
	json_add_int(doc, "next", line->next);
	if (line->text == NULL)
		json_add_str(doc, "text", NULL);
	else if (shrink_string_len(line->text, line->len) <= LINE_TEXT_MAX)
		json_add_strn(doc, "text", line->text, line->len);
	else
		add_shrunk(doc, line);
	if (line->eof)
		json_add_bool(doc, "eof", true);
	if (line->reset)
		json_add_bool(doc, "reset", true);
	return call(l, "line", doc, line_answered, id);
}

/* ---- the folder ---- */

static void
folder_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	(void)l;
	(void)id;
	complain(answer, "folder");
}

bool
link_folder(const struct folder_report *r, void *ctx)
{
	struct link *l = ctx;
	yyjson_mut_doc *doc;

	if (!l->greeted)
		return false;
	doc = json_object();
	json_add_str(doc, "why", r->why);
	json_add_bool(doc, "read_only", r->read_only);
	json_add_int(doc, "uid", r->uid);
	json_add_int(doc, "gid", r->gid);
	return call(l, "folder", doc, folder_answered, 0);
}

/* ---- notes ---- */

static void
note_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	(void)id;
	if (is_error(answer, "unknown-op")) /* and the connection is closed for it */
		l->notes_refused = true;
}

bool
link_note(const char *line, void *ctx)
{
	struct link *l = ctx;
	yyjson_mut_doc *doc;

	if (l->notes_refused)
		return true;
	if (!l->greeted)
		return false;
	doc = json_object();
	json_add_str(doc, "text", line);
	return call(l, "log", doc, note_answered, 0);
}

/* ---- start and end ---- */

static void
started_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	(void)id;
	complain(answer, "started");
	l->started_told = true;
}

void
link_started(struct link *l)
{
	const struct life_report *r = life_report(l->shim->life);
	yyjson_mut_doc *doc;

	if (!l->greeted || r->pid == 0 || l->started_told)
		return;
	doc = json_object();
	json_add_int(doc, "pid", r->pid);
	json_add_bool(doc, "resumed", r->resumed);
	json_add_str(doc, "domain", r->domain);
	json_add_str(doc, "warning", r->warning);
	call(l, "started", doc, started_answered, 0);
}

static void
exited_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	(void)id;
	complain(answer, "exited");
	if (json_bool(answer, "ok", false)) {
		life_told(l->shim->life);
		return;
	}
	l->exited_sent = false; /* it may not know us yet */
	timer_in(l->again, AGAIN_MS);
}

void
link_exited(struct link *l)
{
	const struct life_report *r = life_report(l->shim->life);
	yyjson_mut_doc *doc;

	if (!l->greeted || l->exited_sent)
		return;
	doc = json_object();
	json_add_int(doc, "status", r->status);
	json_add_int(doc, "signal", r->signal);
	json_add_str(doc, "error", r->error);
	l->exited_sent = call(l, "exited", doc, exited_answered, 0);
}

/* ---- hello ---- */

/* Of the transcript nothing: the launcher says where it wants it from, it knows best. */
static void
say_everything(struct link *l)
{
	struct shim *s = l->shim;

	notes_flush(s->notes);
	link_started(l);
	folder_resend(s->folder);
	if (s->spool != NULL)
		spool_rewind(s->spool);
	registry_resend(s->registry);
	life_check(s->life);
}

static void
hello_answered(struct link *l, yyjson_val *answer, uint64_t id)
{
	(void)id;
	if (!json_bool(answer, "ok", false)) {
		complain(answer, "hello");
		timer_in(l->again, AGAIN_MS); /* it may not know us yet */
		return;
	}
	timer_cancel(l->again);
	l->greeted = true;
	l->may_run = json_bool(answer, "run", false);
	say_everything(l);
	ask_what_to_run(l);
}

static void
say_hello(struct link *l)
{
	struct shim *s = l->shim;
	const struct life_report *r = life_report(s->life);
	yyjson_mut_doc *doc = json_object();
	yyjson_mut_val *asks = yyjson_mut_arr(doc);

	json_add_int(doc, "shim_pid", getpid());
	json_add_str(doc, "instance", s->instance);
	json_add_int(doc, "agent_pid", r->pid);
	json_add_bool(doc, "resumed", r->resumed);
	hooks_list_asks(s->hooks, doc, asks);
	yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), "asks", asks);
	call(l, "hello", doc, hello_answered, 0);
}

/* After `busy`, or a refused hello. */
static void
again(void *arg)
{
	struct link *l = arg;

	if (!l->greeted) {
		if (ipc_client_up(l->client))
			say_hello(l);
		return;
	}
	if (life_wants_run(l->shim->life))
		say_hello(l);
	say_everything(l);
	if (l->shim->tail != NULL)
		tail_rewind(l->shim->tail);
}

static void
up(struct ipc_client *c, void *ctx)
{
	struct link *l = ctx;

	(void)c;
	if (!l->shim->unable) {
		say_hello(l);
		return;
	}
	l->greeted =
	    true; /* another shim speaks for this agent: we only say why we end */
	life_check(l->shim->life);
}

static void
down(struct ipc_client *c, void *ctx)
{
	struct link *l = ctx;

	(void)c;
	l->greeted = l->exited_sent = l->may_run = false;
	if (l->shim->tail != NULL)
		tail_stop(l->shim->tail);
}

/* ---- what the launcher pushes ---- */

static void
push_tail(struct shim *s, yyjson_val *args)
{
	yyjson_val *list = json_get(args, "match"), *one;
	const char **match = xcalloc(yyjson_arr_size(list) + 1, sizeof(*match));
	size_t count = 0, i, max;

	yyjson_arr_foreach(list, i, max, one) if (yyjson_is_str(one)) match[count++] =
	    yyjson_get_str(one);
	tail_follow(s->tail, json_str(args, "path", ""), json_int(args, "from", 0),
	    list == NULL ? NULL : match, count);
	free(match);
}

static void
push_decide(struct shim *s, yyjson_val *args)
{
	yyjson_val *output = json_get(args, "output");

	if (strcmp(json_str(args, "instance", ""), s->instance) == 0)
		hooks_decide(s->hooks, json_int(args, "seq", 0),
		    yyjson_is_null(output) ? NULL : output);
}

static void
push_stop(struct shim *s, yyjson_val *args)
{
	life_stop(s->life, json_int(args, "grace_ms", 0));
}

static void
push_pending(struct shim *s, yyjson_val *args)
{
	yyjson_mut_doc *doc = json_object();
	int bytes;

	(void)args;
	if (ioctl(notes_terminal(s->notes), FIONREAD, &bytes) == -1)
		bytes = -1;
	json_add_int(doc, "bytes", bytes);
	call(s->link, "pending", doc, NULL, 0);
}

static void
push(yyjson_val *line, void *ctx)
{
	static const struct {
		const char *name;
		void (*handle)(struct shim *s, yyjson_val *args);
	} pushes[] = {
	    {"tail", push_tail},
	    {"decide", push_decide},
	    {"stop", push_stop},
	    {"pending", push_pending},
	};
	struct link *l = ctx;
	yyjson_val *what = json_get(line, "push");

	for (size_t i = 0; i < sizeof(pushes) / sizeof(pushes[0]) && !l->shim->unable;
	    i++)
		if (json_get(what, pushes[i].name) != NULL)
			pushes[i].handle(l->shim, json_get(what, pushes[i].name));
}

bool
link_greeted(const struct link *l)
{
	return l->greeted;
}

struct link *
link_new(struct shim *s, const char *path)
{
	static const struct ipc_client_handlers handlers = {
	    .up = up, .down = down, .push = push};
	struct link *l = xcalloc(1, sizeof(*l));

	l->shim = s;
	l->again = timer_new(s->loop, again, l);
	l->client = ipc_client_new(s->loop, path, &handlers, l);
	return l;
}
