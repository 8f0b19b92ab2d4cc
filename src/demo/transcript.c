/*
 * The transcript. A file cut in the middle of a line (power loss, full disk) gets its
 * newline before the next line, so that one line is lost and never two.
 */
#include "transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "home.h"
#include "ids.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

#define INTERRUPTED "[Request interrupted by user]"

struct transcript {
	char *path, *cwd, *session;
	char prompt_id[UUID_LEN + 1];
	char last[UUID_LEN + 1]; /* uuid of the last line that has one; "" before */
	int fd;
	bool torn; /* the file doesn't end with a newline */
};

struct transcript *
transcript_new(const char *home, const char *cwd, const char *session)
{
	struct transcript *t = xcalloc(1, sizeof(*t));
	char *name = home_mangle(cwd);
	char *dir = home_dir(home, "projects", name);

	t->path = xasprintf("%s/%s.jsonl", dir, session);
	t->cwd = xstrdup(cwd);
	t->session = xstrdup(session);
	t->fd = -1;
	free(dir);
	free(name);
	return t;
}

void
transcript_free(struct transcript *t)
{
	if (t == NULL)
		return;
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	free(t->cwd);
	free(t->session);
	free(t);
}

bool
transcript_exists(const struct transcript *t)
{
	return access(t->path, F_OK) == 0;
}

const char *
transcript_path(const struct transcript *t)
{
	return t->path;
}

/* ---- appending ---- */

static bool
transcript_open(struct transcript *t)
{
	if (t->fd < 0)
		t->fd = open(t->path,
		    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return t->fd >= 0;
}

static void
append(struct transcript *t, yyjson_mut_doc *doc)
{
	size_t len;
	char *line = json_line(doc, &len);

	if (!transcript_open(t) || (t->torn && home_append(t->fd, "", 0) != 0)) {
		log_warn("cannot write %s", t->path);
	} else if (home_append(t->fd, line, len) != 0) {
		log_warn("cannot write %s", t->path);
		t->torn = true;
	} else {
		t->torn = false;
	}
	free(line);
}

static void
add_time_and_session(struct transcript *t, yyjson_mut_doc *doc)
{
	char now[32];

	json_add_str(doc, "timestamp", time_rfc3339(wall_ms(), now, sizeof(now)));
	json_add_str(doc, "sessionId", t->session);
}

/* What every line of the conversation has; links it to the one before. */
static yyjson_mut_doc *
entry_new(struct transcript *t, const char *type)
{
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "parentUuid", t->last[0] != '\0' ? t->last : NULL);
	json_add_bool(doc, "isSidechain", false);
	json_add_str(doc, "type", type);
	uuid_new(t->last);
	json_add_str(doc, "uuid", t->last);
	add_time_and_session(t, doc);
	json_add_str(doc, "userType", "external");
	json_add_str(doc, "entrypoint", "cli");
	json_add_str(doc, "cwd", t->cwd);
	json_add_str(doc, "version", BERTH_VERSION);
	return doc;
}

/* "message":{"role":..., "content":...}; the message is returned for more. */
static yyjson_mut_val *
add_message(yyjson_mut_doc *doc, const char *role)
{
	yyjson_mut_val *message =
	    yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "message");

	yyjson_mut_obj_add_str(doc, message, "role", role);
	return message;
}

static yyjson_mut_val *
add_block(yyjson_mut_doc *doc, yyjson_mut_val *message, const char *type)
{
	yyjson_mut_val *content = yyjson_mut_obj_add_arr(doc, message, "content");
	yyjson_mut_val *block = yyjson_mut_arr_add_obj(doc, content);

	yyjson_mut_obj_add_strcpy(doc, block, "type", type);
	return block;
}

void
transcript_prompt_id(struct transcript *t, const char *id)
{
	snprintf(t->prompt_id, sizeof(t->prompt_id), "%s", id);
}

void
transcript_prompt(struct transcript *t, const char *text)
{
	yyjson_mut_doc *doc = entry_new(t, "user");

	yyjson_mut_obj_add_strcpy(doc, add_message(doc, "user"), "content", text);
	json_add_str(doc, "promptId", t->prompt_id);
	json_add_str(doc, "permissionMode", "default");
	json_add_raw(doc, "origin", "{\"kind\":\"human\"}");
	json_add_str(doc, "promptSource", "typed");
	append(t, doc);
}

void
transcript_interrupted(struct transcript *t)
{
	yyjson_mut_doc *doc = entry_new(t, "user");
	yyjson_mut_val *block = add_block(doc, add_message(doc, "user"), "text");

	yyjson_mut_obj_add_str(doc, block, "text", INTERRUPTED);
	json_add_str(doc, "promptId", t->prompt_id);
	append(t, doc);
}

static yyjson_mut_val *
add_assistant(yyjson_mut_doc *doc, const char *model, const struct usage *usage)
{
	char id[ID_MAX];
	yyjson_mut_val *message = add_message(doc, "assistant");

	id_new(id, "msg_");
	yyjson_mut_obj_add_strcpy(doc, message, "id", id);
	yyjson_mut_obj_add_str(doc, message, "type", "message");
	yyjson_mut_obj_add_strcpy(doc, message, "model", model);
	yyjson_mut_val *u = yyjson_mut_obj_add_obj(doc, message, "usage");
	yyjson_mut_obj_add_int(doc, u, "input_tokens", usage->in);
	yyjson_mut_obj_add_int(doc, u, "cache_creation_input_tokens", usage->cache_write);
	yyjson_mut_obj_add_int(doc, u, "cache_read_input_tokens", usage->cache_read);
	yyjson_mut_obj_add_int(doc, u, "output_tokens", usage->out);
	id_new(id, "req_");
	json_add_str(doc, "requestId", id);
	return message;
}

static void
append_text(
    struct transcript *t, const char *model, const char *text, const struct usage *usage)
{
	yyjson_mut_doc *doc = entry_new(t, "assistant");
	yyjson_mut_val *message = add_assistant(doc, model, usage);

	yyjson_mut_obj_add_strcpy(doc, add_block(doc, message, "text"), "text", text);
	append(t, doc);
}

void
transcript_assistant(struct transcript *t, const char *text, const struct usage *usage)
{
	append_text(t, "berth-demo", text, usage);
}

void
transcript_close_turn(struct transcript *t)
{
	append_text(t, "<synthetic>", "No response requested.", &(struct usage){0});
}

void
transcript_tool_use(
    struct transcript *t, const char *id, const char *tool, const char *input)
{
	yyjson_mut_doc *doc = entry_new(t, "assistant");
	yyjson_mut_val *message = add_assistant(doc, "berth-demo", &(struct usage){0});
	yyjson_mut_val *block = add_block(doc, message, "tool_use");
	yyjson_doc *parsed = yyjson_read(input, strlen(input), 0);

	yyjson_mut_obj_add_strcpy(doc, block, "id", id);
	yyjson_mut_obj_add_strcpy(doc, block, "name", tool);
	if (parsed != NULL)
		yyjson_mut_obj_add_val(doc, block, "input",
		    yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed)));
	yyjson_doc_free(parsed);
	append(t, doc);
}

void
transcript_tool_result(struct transcript *t, const char *id, const char *text, bool error)
{
	yyjson_mut_doc *doc = entry_new(t, "user");
	yyjson_mut_val *block = add_block(doc, add_message(doc, "user"), "tool_result");

	yyjson_mut_obj_add_strcpy(doc, block, "tool_use_id", id);
	yyjson_mut_obj_add_strcpy(doc, block, "content", text);
	yyjson_mut_obj_add_bool(doc, block, "is_error", error);
	json_add_str(doc, "promptId", t->prompt_id);
	append(t, doc);
}

void
transcript_api_error(struct transcript *t, const char *error, int status,
    const char *text, int64_t resets_at)
{
	yyjson_mut_doc *doc = entry_new(t, "assistant");
	yyjson_mut_val *message = add_assistant(doc, "<synthetic>", &(struct usage){0});
	char limit[160];

	yyjson_mut_obj_add_strcpy(doc, add_block(doc, message, "text"), "text", text);
	json_add_bool(doc, "isApiErrorMessage", true);
	json_add_str(doc, "error", error);
	json_add_int(doc, "apiErrorStatus", status);
	if (resets_at != 0) {
		snprintf(limit, sizeof(limit),
		    "{\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":%lld,"
		    "\"rateLimitType\":\"five_hour\"}}",
		    (long long)resets_at);
		json_add_raw(doc, "apiErrorParams", limit);
	}
	append(t, doc);
}

void
transcript_queue(
    struct transcript *t, const char *operation, const char *content, const char *reason)
{
	yyjson_mut_doc *doc = json_object();

	json_add_str(doc, "type", "queue-operation");
	json_add_str(doc, "operation", operation);
	add_time_and_session(t, doc);
	json_add_str(doc, "content", content);
	if (reason != NULL)
		json_add_str(doc, "reason", reason);
	append(t, doc);
}

void
transcript_system(struct transcript *t, const char *subtype, int64_t duration_ms)
{
	yyjson_mut_doc *doc = entry_new(t, "system");

	json_add_str(doc, "subtype", subtype);
	json_add_int(doc, "durationMs", duration_ms);
	append(t, doc);
}

/* ---- resuming ---- */

/* The text of a line's message: the content itself, or its first text block. */
static const char *
message_text(yyjson_val *line)
{
	yyjson_val *message = json_get(line, "message");
	const char *text = json_str(message, "content", NULL);
	yyjson_val *block = yyjson_arr_get_first(json_get(message, "content"));

	return text != NULL ? text : json_str(block, "text", NULL);
}

struct replay {
	struct transcript *t;
	transcript_said *said;
	void *arg;
	bool open; /* the last prompt has no answer yet */
};

static void
replay_line(struct replay *r, yyjson_val *line)
{
	const char *type = json_str(line, "type", "");
	const char *text = message_text(line);
	bool user = strcmp(type, "user") == 0;

	snprintf(
	    r->t->last, sizeof(r->t->last), "%s", json_str(line, "uuid", r->t->last));
	if ((!user && strcmp(type, "assistant") != 0) || text == NULL)
		return;
	r->open = user && strcmp(text, INTERRUPTED) != 0;
	r->said(user, text, r->arg);
}

bool
transcript_replay(struct transcript *t, transcript_said *said, void *arg)
{
	struct replay replay = {.t = t, .said = said, .arg = arg};
	FILE *file = fopen(t->path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (file == NULL)
		return false;
	while ((len = getline(&line, &cap, file)) > 0) {
		t->torn = line[len - 1] != '\n';
		yyjson_doc *doc = yyjson_read(line, (size_t)len, 0);
		replay_line(&replay, yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
	}
	free(line);
	fclose(file);
	return replay.open;
}
