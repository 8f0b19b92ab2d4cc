/*
 * Asking the launcher. What must stay true: a request that may be repeated is repeated,
 * with the same arguments, across a restart of the launcher; one that may not be is sent
 * once, and if its answer is lost that is said, not guessed.
 */
#include "launcher.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "clock.h"
#include "container.h"
#include "ipc.h"
#include "json.h"
#include "xmalloc.h"

enum {
	RETRY_MIN_MS = 20,
	RETRY_MAX_MS = 500,
	BUSY_MS = 100,
	THERE_MS =
	    1000, /* a connection that lasts so long is one, though nothing was said */
};

struct launcher {
	const struct cli *cli;
	char *path;
	struct ipc_stream *stream; /* NULL: not connected */
	int64_t number; /* of the last request on this stream: ipc_stream counts so */
	int patience_ms, answer_ms;
	int error; /* that lost the last connection; 0: it has answered since */
	int64_t connected_at;
	int64_t since;   /* nobody has answered since then; 0: somebody does */
	bool said, sent; /* sent: a request went out whose answer was lost */
	bool asking;     /* it is one request with one answer, not a stream */
	const char *unsure, *late;
	int64_t deadline; /* -1: none */
};

struct launcher *
launcher_new(const struct cli *cli, int patience_ms)
{
	struct launcher *l = xcalloc(1, sizeof(*l));

	l->cli = cli;
	l->path = xasprintf("%s/launcher.sock", cli->run_dir);
	l->patience_ms = patience_ms;
	l->answer_ms = ANSWER_MS;
	l->deadline = -1;
	return l;
}

void
launcher_free(struct launcher *l)
{
	if (l == NULL)
		return;
	ipc_stream_close(l->stream);
	free(l->path);
	free(l);
}

void
launcher_timeout(struct launcher *l, int ms)
{
	l->answer_ms = ms;
}

void
launcher_deadline(struct launcher *l, int64_t deadline, const char *hint)
{
	l->deadline = deadline;
	l->late = hint;
}

void
launcher_unsure(struct launcher *l, const char *hint)
{
	l->unsure = hint;
}

/* ---- connecting ---- */

static void
lose(struct launcher *l)
{
	l->error = errno;
	ipc_stream_close(l->stream);
	l->stream = NULL;
	l->number = 0;
	if (l->since == 0 || mono_ms() - l->connected_at >= THERE_MS)
		l->since = mono_ms();
}

static int
fail_forbidden(const struct launcher *l)
{
	return cli_fail(l->cli, CLI_FORBIDDEN, NULL,
	    container_hint("root may, and members of group berth: `",
		" ...` comes as root. An agent talks to berth through its own tools "
		"instead"),
	    "this user may not connect to %s", l->path);
}

static int
fail_down(const struct launcher *l, int error)
{
	if (error == EACCES || error == EPERM)
		return fail_forbidden(l);
	if (error == EPROTO)
		return cli_fail(l->cli, CLI_SYSTEM, NULL,
		    "is it the same version of berth?",
		    "what answers on %s is not the launcher", l->path);
	if (l->sent && l->unsure != NULL)
		return cli_fail(l->cli, CLI_UNCERTAIN, NULL, l->unsure,
		    "the launcher went away before it confirmed, and has not come back "
		    "for %d s",
		    l->patience_ms / 1000);
	return cli_fail(l->cli, CLI_DOWN, NULL,
	    error == ENOENT
		? container_hint("is this the container, and is it up? `./just up` "
				 "starts it; on the host: ",
		      " ...")
		: "`berth status` shows the services; `./just logs` what they said",
	    "the launcher isn't running: %s: %s", l->path, strerror(error));
}

static void
say_so(struct launcher *l)
{
	int64_t waited = mono_ms() - l->since;

	if (l->said || waited < SAY_SO_MS)
		return;
	l->said = true;
	if (l->patience_ms > PATIENCE_SHORT_MS)
		cli_note(l->cli, "the launcher isn't there; trying for up to %d s",
		    l->patience_ms / 1000);
}

static void
nap(int ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

static bool
too_late(const struct launcher *l)
{
	return l->deadline >= 0 && mono_ms() >= l->deadline;
}

int
launcher_fail_deadline(const struct launcher *l)
{
	if (l->asking && l->sent && l->unsure != NULL)
		return cli_fail(l->cli, CLI_UNCERTAIN, NULL, l->unsure,
		    "the time given is over, and the launcher hasn't confirmed");
	return cli_fail(l->cli, CLI_TIMEOUT, NULL, l->late, "the time given is over");
}

/* Not restarting, or not for us: there is nothing to wait for. */
static bool
hopeless(int error)
{
	return error != ENOENT && error != ECONNREFUSED && error != EAGAIN &&
	       error != ECONNRESET;
}

/* A launcher that takes connections and drops them is no better than none. */
static int
after_a_loss(struct launcher *l)
{
	if (l->error == EPROTO || mono_ms() - l->since >= l->patience_ms)
		return fail_down(l, l->error);
	if (too_late(l))
		return launcher_fail_deadline(l);
	nap(RETRY_MIN_MS);
	return CLI_OK;
}

int
launcher_connect(struct launcher *l)
{
	int pause_ms = RETRY_MIN_MS, status;

	if (l->stream != NULL)
		return CLI_OK;
	if (l->error != 0 && (status = after_a_loss(l)) != CLI_OK)
		return status;
	if (l->since == 0)
		l->since = mono_ms();
	while ((l->stream = ipc_stream_open(l->path)) == NULL) {
		int error = errno;
		if (too_late(l))
			return launcher_fail_deadline(l);
		if (hopeless(error) || mono_ms() - l->since >= l->patience_ms)
			return fail_down(l, error);
		say_so(l);
		nap(pause_ms);
		pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
	}
	l->connected_at = mono_ms();
	return CLI_OK;
}

bool
launcher_connected(const struct launcher *l)
{
	return l->stream != NULL;
}

/* ---- lines ---- */

int64_t
launcher_send(struct launcher *l, const char *op, yyjson_mut_doc *args)
{
	if (l->stream == NULL) {
		yyjson_mut_doc_free(args);
		return 0;
	}
	l->sent = true;
	l->number++;
	if (ipc_stream_send(l->stream, op, args) == 0)
		return l->number;
	lose(l);
	return 0;
}

yyjson_doc *
launcher_read(struct launcher *l, int timeout_ms, int64_t *number)
{
	yyjson_doc *doc =
	    l->stream == NULL ? NULL : ipc_stream_read(l->stream, timeout_ms);

	*number = 0;
	if (doc != NULL) {
		*number = json_int(yyjson_doc_get_root(doc), "req", 0);
		l->since = 0;
		l->error = 0;
		l->said = false;
	} else if (l->stream != NULL && errno != ETIMEDOUT) {
		lose(l);
	}
	return doc;
}

/* ---- what is wrong ---- */

static const struct error_row {
	const char *code;
	int status;
	const char *hint;
} error_rows[] = {
    {"usage", CLI_USAGE, NULL},
    {"not-text", CLI_USAGE, "a message is UTF-8 text without NUL bytes"},
    {"too-long", CLI_USAGE,
	"put it into a file under /projects, and tell the agent to read that"},
    {"forbidden", CLI_FORBIDDEN, "root may, and members of group berth"},
    {"no-agent", CLI_NOT_FOUND, "`berth ls` lists the agents"},
    {"no-message", CLI_NOT_FOUND,
	"`berth inbox` lists the messages, `berth approvals` what waits for leave"},
    {"gone", CLI_NO, "`berth ls` tells its state"},
    {"too-late", CLI_NO, "`berth show ID` tells what became of it"},
    {"queue-full", CLI_UNDELIVERED,
	"`berth inbox` shows what waits; `berth cancel ID` takes one out"},
    {"volume-full", CLI_UNDELIVERED, "`berth doctor` shows how full it is"},
    {"busy", CLI_TIMEOUT, "try again"},
    {"config", CLI_NO, NULL},
};

static const struct error_row *
error_find(const char *code)
{
	static const struct error_row other = {NULL, CLI_SYSTEM, NULL};

	for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++)
		if (strcmp(error_rows[i].code, code) == 0)
			return &error_rows[i];
	return &other;
}

int
launcher_error(const struct launcher *l, yyjson_val *answer)
{
	const char *code = json_str(answer, "error", "error");
	const struct error_row *row = error_find(code);

	if (json_bool(answer, "ok", false))
		return CLI_OK;
	return cli_fail(l->cli, row->status, code, row->hint, "%s",
	    json_str(answer, "message", "the launcher refused, and didn't say why"));
}

/* ---- requests ---- */

static int
fail_lost(const struct launcher *l, const char *op)
{
	return cli_fail(l->cli, CLI_UNCERTAIN, NULL,
	    "look at `berth ls` and `berth inbox` before you ask for it again",
	    "the launcher went away before it answered `%s`", op);
}

static int
fail_late(const struct launcher *l, const char *op)
{
	if (too_late(l))
		return launcher_fail_deadline(l);
	return cli_fail(l->cli, l->unsure != NULL ? CLI_UNCERTAIN : CLI_TIMEOUT, NULL,
	    l->unsure != NULL ? l->unsure : "`berth status` shows what is wrong",
	    "the launcher hasn't answered `%s` for %d s", op, l->answer_ms / 1000);
}

/* Takes one line of the answer; false: that was the last. */
typedef bool line_cb(yyjson_doc *line, void *arg);

/* How long the next line may take: no longer than all of it may. */
static int
line_ms(const struct launcher *l)
{
	int64_t left = l->deadline < 0 ? INT_MAX : l->deadline - mono_ms();

	if (l->deadline < 0 || (l->answer_ms >= 0 && left > l->answer_ms))
		return l->answer_ms;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Reads until the answer's last line; *lost if the connection went before it. */
static int
read_answer(struct launcher *l, const char *op, int64_t wanted, line_cb *cb, void *arg,
    bool *lost)
{
	int64_t number;
	bool more = true;

	*lost = false;
	while (more) {
		yyjson_doc *line = launcher_read(l, line_ms(l), &number);
		if (line == NULL) {
			*lost = !launcher_connected(l);
			return *lost ? CLI_OK : fail_late(l, op);
		}
		if (number == wanted)
			more = cb(line, arg);
		else
			yyjson_doc_free(line);
	}
	return CLI_OK;
}

/* Sends and reads; over again while that is allowed and the connection gets lost. */
static int
exchange(struct launcher *l, const char *op, yyjson_mut_doc *args, enum launcher_how how,
    line_cb *cb, void *arg, void (*restart)(void *arg))
{
	bool lost = true;
	int status = CLI_OK;

	l->sent = false;
	l->asking = true;
	while (lost && status == CLI_OK) {
		int64_t number = 0;
		status = launcher_connect(l);
		if (status == CLI_OK)
			number =
			    launcher_send(l, op, yyjson_mut_doc_mut_copy(args, NULL));
		if (number != 0) {
			restart(arg);
			status = read_answer(l, op, number, cb, arg, &lost);
		}
		if (status == CLI_OK && lost && how == LAUNCHER_ONCE)
			status = fail_lost(l, op);
	}
	l->asking = false;
	return status;
}

static yyjson_mut_doc *
or_empty(yyjson_mut_doc *args)
{
	return args == NULL ? json_object() : args;
}

static bool
keep_answer(yyjson_doc *line, void *arg)
{
	yyjson_doc **answer = arg;

	*answer = line;
	return false;
}

static void
forget_answer(void *arg)
{
	yyjson_doc **answer = arg;

	yyjson_doc_free(*answer);
	*answer = NULL;
}

static bool
is_busy(yyjson_doc *answer)
{
	return strcmp(json_str(yyjson_doc_get_root(answer), "error", ""), "busy") == 0;
}

int
launcher_ask(struct launcher *l, const char *op, yyjson_mut_doc *args,
    enum launcher_how how, yyjson_doc **answer)
{
	int64_t until = mono_ms() + (how == LAUNCHER_AGAIN ? l->patience_ms : 0);
	int status;

	*answer = NULL;
	args = or_empty(args);
	for (;;) {
		status = exchange(l, op, args, how, keep_answer, answer, forget_answer);
		if (status != CLI_OK || !is_busy(*answer) || mono_ms() >= until ||
		    too_late(l))
			break;
		nap(BUSY_MS);
	}
	yyjson_mut_doc_free(args);
	if (status == CLI_OK)
		status = launcher_error(l, yyjson_doc_get_root(*answer));
	if (status != CLI_OK)
		forget_answer(answer);
	return status;
}

/* ---- rows ---- */

static void
rows_cut(struct rows *rows, size_t count)
{
	while (rows->count > count)
		yyjson_doc_free(rows->docs[--rows->count]);
}

static void
rows_add(struct rows *rows, yyjson_doc *doc, yyjson_val *row)
{
	if ((rows->count & (rows->count - 1)) == 0) { /* at 0, 1, 2, 4, 8 ... */
		size_t room = rows->count == 0 ? 1 : rows->count * 2;
		rows->docs = xreallocarray(rows->docs, room, sizeof(*rows->docs));
		rows->row = xreallocarray(rows->row, room, sizeof(*rows->row));
	}
	rows->docs[rows->count] = doc;
	rows->row[rows->count++] = row;
}

void
rows_free(struct rows *rows)
{
	rows_cut(rows, 0);
	free(rows->docs);
	free(rows->row);
	*rows = (struct rows){0};
}

struct collect {
	struct rows *rows;
	size_t from; /* those before it are of earlier answers */
	yyjson_doc *last;
};

/* A row, or an event of the past. */
static bool
collect_line(yyjson_doc *line, void *arg)
{
	struct collect *c = arg;
	yyjson_val *root = yyjson_doc_get_root(line), *row = json_get(root, "row");

	row = row == NULL ? json_get(root, "event") : row;
	if (row == NULL) {
		c->last = line;
		return false;
	}
	rows_add(c->rows, line, row);
	return true;
}

static void
collect_restart(void *arg)
{
	struct collect *c = arg;

	rows_cut(c->rows, c->from);
	forget_answer(&c->last);
}

/* Asks for what is older than all rows that have come. */
static bool
ask_for_more(struct collect *c, yyjson_mut_doc *args)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(args);
	int64_t limit = yyjson_mut_get_sint(yyjson_mut_obj_get(root, "limit"));
	size_t count = c->rows->count;

	if (!json_bool(yyjson_doc_get_root(c->last), "more", false) || count == c->from ||
	    limit <= (int64_t)(count - c->from))
		return false;
	yyjson_mut_obj_remove_key(root, "limit");
	yyjson_mut_obj_remove_key(root, "before");
	json_add_int(args, "limit", limit - (int64_t)(count - c->from));
	json_add_str(args, "before", json_str(c->rows->row[count - 1], "id", ""));
	c->from = count;
	return true;
}

int
launcher_rows(struct launcher *l, const char *op, yyjson_mut_doc *args, struct rows *rows)
{
	struct collect c = {.rows = rows};
	int status;

	*rows = (struct rows){0};
	args = or_empty(args);
	do {
		status = exchange(
		    l, op, args, LAUNCHER_AGAIN, collect_line, &c, collect_restart);
		if (status == CLI_OK)
			status = launcher_error(l, yyjson_doc_get_root(c.last));
	} while (status == CLI_OK && ask_for_more(&c, args));
	yyjson_mut_doc_free(args);
	forget_answer(&c.last);
	return status;
}

yyjson_mut_doc *
rows_json(const struct rows *rows)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *array = yyjson_mut_arr(doc);

	yyjson_mut_doc_set_root(doc, array);
	for (size_t i = 0; i < rows->count; i++)
		yyjson_mut_arr_append(array, yyjson_val_mut_copy(doc, rows->row[i]));
	return doc;
}
