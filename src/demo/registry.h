/*
 * $HOME/.berth-demo/sessions/<pid>.json: what this agent is doing right now. Rewritten in
 * place (write, then ftruncate), as the CLI does it: a reader may see half of it and must
 * try again. Left behind by a SIGKILL; pid and procStart together say whether it is
 * alive.
 */
#ifndef DEMO_REGISTRY_H
#define DEMO_REGISTRY_H

struct registry;
/* Writes status idle. Failing to make the file is fatal. */
struct registry *registry_new(const char *home, const char *session, const char *cwd);
/* status: idle, busy or waiting; waiting_for is NULL but for waiting. Writes only if it
 * changed. */
void registry_set(struct registry *r, const char *status, const char *waiting_for);
void registry_free(struct registry *r); /* removes the file: a clean exit */
#endif
