/*
 * What the shim has to say. Its standard error is the agent's terminal, where a line
 * would disturb the agent's screen; so from notes_begin() on, descriptor 2 is a pipe, and
 * whole lines go to the launcher, and to the terminal only while no agent has it.
 */
#ifndef NOTES_H
#define NOTES_H
#include <stdbool.h>

struct loop;
struct notes;
/* Passes one line on; false when there is no launcher: notes_flush() goes on then. */
typedef bool notes_send_cb(const char *line, void *ctx);

struct notes *notes_begin(struct loop *loop, notes_send_cb *send, void *ctx);
void notes_quiet(struct notes *n, bool quiet); /* quiet: an agent has the terminal */
void notes_flush(struct notes *n);
void notes_end(struct notes *n); /* what is left goes to the terminal */
int notes_terminal(const struct notes *n);
#endif
