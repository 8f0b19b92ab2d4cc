/* Whom a message, or a person's request, is for: one rule for launcher.sock and FIFOs. */
#ifndef ADDRESSEE_H
#define ADDRESSEE_H

struct agent;
struct launcher;

/* By name; without one (NULL) the only agent, or the one called `main`. NULL: nobody. */
struct agent *addressee_find(struct launcher *l, const char *name);
/* Why it found nobody, and whom it could be for; malloc'd. */
char *addressee_unknown(struct launcher *l, const char *name);
#endif
