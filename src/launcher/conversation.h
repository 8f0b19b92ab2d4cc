/* Which conversation an agent starts with: the one it had, by id, or a new one. */
#ifndef CONVERSATION_H
#define CONVERSATION_H
#include <stdbool.h>
#include <yyjson.h>

struct agent;

/* Completes "argv" with --session-id, adds "argv_resume" (a copy with --resume) and
 * "resume_if" where there is something to resume, and "registry" and "dirs" under
 * HOME/<driver's home>. The agent has a session after this. */
void conversation_add(struct agent *a, yyjson_mut_doc *doc);

/* Will the next start begin a new one? */
bool conversation_is_new(const struct agent *a);

/* A new one: turns belong to a conversation, also those of a program that can't resume
 * any. */
void conversation_begin(struct agent *a);

/* It was resumed by its id, but its transcript is gone: it begins anew, and that is said.
 */
void conversation_lost(struct agent *a);
/* A UUID, as both CLIs have it. An id is the agent's word, and becomes an argument of its
 * next start, where another form could be an option. */
bool conversation_id_ok(const char *id);
#endif
