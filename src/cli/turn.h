/* Turns, as a person reads them. */
#ifndef TURN_H
#define TURN_H
#include <stdint.h>
#include <yyjson.h>

struct buf;
struct out;

enum turn_part { TURN_PROMPT = 1, TURN_ANSWER = 2 };

/* parts: TURN_PROMPT | TURN_ANSWER for a whole one; each alone while following. */
void turn_print(struct out *o, yyjson_val *turn, int parts, int64_t now);

/* A prompt as its senders wrote it: the headers that berth put before the messages go
 * (docs/protocols.md), the first one's "telegram from Anna, thread 42" is appended to
 * who, the others' stand before their text. */
void turn_prompt(const char *prompt, struct buf *text, struct buf *who);
#endif
