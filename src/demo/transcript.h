/*
 * $HOME/.berth-demo/projects/<mangled cwd>/<session>.jsonl: everything the session saw,
 * one JSON object a line, only ever appended, a line in one write. The file appears with
 * the first prompt, not before. Types: user, assistant, queue-operation, system; members
 * as in the CLI's transcript.
 */
#ifndef DEMO_TRANSCRIPT_H
#define DEMO_TRANSCRIPT_H
#include <stdbool.h>
#include <stdint.h>

struct transcript;
struct usage {
	int64_t in, out, cache_read, cache_write;
};

struct transcript *transcript_new(const char *home, const char *cwd, const char *session);
void transcript_free(struct transcript *t);
bool transcript_exists(const struct transcript *t);
const char *transcript_path(const struct transcript *t);

void transcript_prompt_id(
    struct transcript *t, const char *id); /* for the lines that follow */
void transcript_prompt(struct transcript *t, const char *text);
void transcript_interrupted(struct transcript *t);
void transcript_assistant(
    struct transcript *t, const char *text, const struct usage *usage);
/* input is JSON text. */
void transcript_tool_use(
    struct transcript *t, const char *id, const char *tool, const char *input);
void transcript_tool_result(
    struct transcript *t, const char *id, const char *text, bool error);
/* resets_at: Unix seconds, 0 if it is no limit. */
void transcript_api_error(struct transcript *t, const char *error, int status,
    const char *text, int64_t resets_at);
/* operation: enqueue, dequeue or remove; reason may be NULL. */
void transcript_queue(
    struct transcript *t, const char *operation, const char *content, const char *reason);
/* The turn that a dead process left open gets the CLI's own "No response requested.". */
void transcript_close_turn(struct transcript *t);
void transcript_system(struct transcript *t, const char *subtype, int64_t duration_ms);

/* Reads what is there: calls said() for each prompt and answer, oldest first, and lets
 * what is appended from now on follow the last line. true if the last prompt was never
 * answered. */
typedef void transcript_said(bool user, const char *text, void *arg);
bool transcript_replay(struct transcript *t, transcript_said *said, void *arg);
#endif
