/*
 * Delivery: from the queue into the agent's prompt, once, with proof. The order is: look
 * (is the agent ready, its prompt empty, nobody typing?), put a draft aside, look again,
 * claim the rows, then one tmux command list that marks the pane, pastes, and submits a
 * moment later by itself, so that a launcher which dies in between leaves either nothing
 * or the whole; one that lives submits as soon as the editor shows the paste. Then wait
 * for proof.
 */
#ifndef DELIVER_H
#define DELIVER_H
#include <stdint.h>

struct agent;

void deliver_kick(struct agent
	*a); /* something changed: is there anything to hand over, and may it be? */
void deliver_proven(
    struct agent *a); /* its hook or transcript showed something of ours */
void deliver_recover(
    struct agent *a); /* its pane was found (again): what became of what was in flight? */
void deliver_terminal_lost(struct agent *a); /* tmux or our connection to it is gone */
void deliver_drop(
    struct agent *a); /* forget the one in flight; its rows are settled elsewhere */
/* How long ago, in ms, a person last typed with its pane before them, by the lines
 * "#{client_activity} #{client_control_mode} #{pane_id}" of list-clients, with others
 * between them; INT64_MAX: nobody has it before them. */
int64_t deliver_person_quiet(const struct agent *a, const char *lines);
void deliver_pending(
    struct agent *a, long bytes); /* what the agent hasn't read of its terminal yet */
#endif
