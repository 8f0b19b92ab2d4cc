/* What the CLI writes to its transcript: the second witness of a prompt, and what turns
 * cost. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

struct agent;

/* One line (JSON), or NULL. Runs inside the caller's transaction. */
void transcript_apply(struct agent *a, const char *line);
#endif
