/*
 * Permissions that agents ask for: rows that wait for a person. The agent's own dialog
 * stays open beside them; the first answer wins, and an answer at the terminal withdraws
 * the row.
 */
#ifndef APPROVAL_H
#define APPROVAL_H
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

struct agent;
struct launcher;

void approval_ask(struct agent *a, yyjson_val *hook, const char *instance, int64_t seq);
/* allow or deny; false if it isn't open any more. by: who, for the record. message: for
 * the agent, with a denial. */
bool approval_answer(
    struct launcher *l, const char *id, bool allow, const char *message, const char *by);

/* This agent's open ones that were asked before a time (Unix ms; INT64_MAX: all). true:
 * others stay open. */
bool approval_withdraw(struct agent *a, int64_t asked_before, const char *why);

/* Its registry shows no dialog (there_was: as it did before): what was asked has been
 * answered at the terminal, but for what was asked so shortly before that its dialog may
 * only be about to show; that is looked at again. */
void approval_no_dialog(struct agent *a, bool there_was);
void approval_hook_gone(struct agent *a, const char *instance, int64_t seq);

/* The shim is here (again). asks: the seqs of its hooks that wait for an answer. It hears
 * again what was settled meanwhile; what nobody waits for any more is withdrawn. */
void approval_hello(struct agent *a, yyjson_val *asks);
/* Denies what is past its time; called every few seconds, for it also sees there whether
 * the wall clock was put forward or back. */
void approvals_expire(struct launcher *l);
#endif
