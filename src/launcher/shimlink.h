/*
 * The launcher's side of an agent's socket. Whoever calls is the agent's shim or nobody:
 * the pid that the kernel tells must be the one that spawn started. What it says is
 * applied in order, each hook once by (instance, seq), and acknowledged only when it is
 * committed.
 */
#ifndef SHIMLINK_H
#define SHIMLINK_H
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

struct agent;

void shimlink_serve(struct agent *a, int listen_fd);
void shimlink_closed(struct agent *a); /* the shim's process ended */
void shimlink_free(struct agent *a);
/* Asks the shim to end its agent; false if it isn't connected. */
bool shimlink_stop(struct agent *a, int64_t grace_ms);
/* How much typed input has the agent not read? The answer comes to deliver_pending(). */
void shimlink_ask_pending(struct agent *a);
/* Follow the agent's transcript from where we are. */
void shimlink_tail(struct agent *a);
/* The end of what an earlier life wrote has been read. */
void shimlink_caught_up(struct agent *a);
/* What a permission hook prints; output becomes the link's. */
void shimlink_decide(
    struct agent *a, const char *instance, int64_t seq, const char *output_json);
#endif
