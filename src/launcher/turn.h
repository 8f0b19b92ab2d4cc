/*
 * Turns: from a prompt's acceptance to its end, and what that means for the messages in
 * it. All of a turn's changes (turn, messages, answers to people) are one transaction.
 */
#ifndef TURN_H
#define TURN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct launcher;

enum turn_end {
	TURN_ANSWERED,
	TURN_FAILED,      /* reason says: refused, limit, auth, error */
	TURN_INTERRUPTED, /* a person pressed Esc */
	TURN_CUT,         /* the agent died or was stopped */
};

void turn_load(struct agent *a); /* the open turn of an earlier life */
/* The agent took this prompt (proof: hook or transcript): its messages are delivered, and
 * a turn begins unless one is open, in which case they wait for its end or for
 * turn_absorbed(). */
void turn_prompt(struct agent *a, const char *prompt, const char *proof);
/* The terminal of a program without hooks took these messages: delivered as far as can be
 * told. */
void turn_typed(struct agent *a, char ids[][27], size_t count, const char *prompt);
/* The transcript shows this prompt: it proves what its hook didn't (the hook's program
 * was killed), but begins no turn where one ran already. */
void turn_seen(struct agent *a, const char *prompt);
/* The transcript has this prompt: what of it is cut later, the resumed conversation
 * knows. */
void turn_recorded(struct agent *a, const char *prompt);
/* The text of a cut message that the conversation of now doesn't have, neither itself nor
 * as a later prompt told it; NULL: it has it. The caller frees it. */
char *turn_unknown(struct agent *a, const char *id);
/* The transcript was cut or replaced, and is read from its beginning. */
void turn_forgotten(struct agent *a);
/* A queued prompt was taken into the running turn. */
void turn_absorbed(struct agent *a, const char *prompt);
/* answer: the last text, may be NULL. until: Unix ms when a limit ends, 0 otherwise. */
void turn_finish(struct agent *a, enum turn_end end, const char *answer,
    const char *reason, int64_t until);
/* Nothing more can come from the agent's last life: open turns were cut, unproven pastes
 * never arrived. */
void turn_settle(struct agent *a, const char *cause);
/* An agent is no more, by name: its open turn and all that waits for it end. */
void turn_abandon(struct launcher *l, const char *agent);
/* For the newest turn, also when it has ended: the transcript may come after the hook. */
void turn_tokens(
    struct agent *a, int64_t in, int64_t out, int64_t cache_read, int64_t cache_write);
#endif
