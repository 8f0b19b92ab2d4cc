/*
 * A Landlock domain for the agent (landlock(7)): processes in it can neither signal nor
 * trace what is outside of it, and of /data and /run/berth they reach only what is
 * theirs. This keeps agents of one uid apart, as far as the kernel can; files' modes do
 * the rest. ABI >= 6  scoped+files   also signals and abstract sockets ABI >= 2  files
 * (ptrace and /proc/<pid>/environ are scoped by any domain) else      none           no
 * Landlock, or ABI 1, which forbids every rename between directories With file rules the
 * agent can't mount(2) either, not even in a user namespace of its own: a CLI that makes
 * its own sandbox needs DOMAIN_SCOPED.
 */
#ifndef DOMAIN_H
#define DOMAIN_H
#include <stddef.h>

enum domain_want { DOMAIN_NONE, DOMAIN_SCOPED, DOMAIN_FULL };

struct domain_spec {
	enum domain_want want;
	const char *const *closed; /* directories that are closed, each ends with NULL */
	/* directories beneath them that are open after all; not one that a link, ".." or
	 * "//" leads to */
	const char *const *open;
	const char *const *reach; /* sockets beneath them that may be connected to */
};

struct domain {
	int fd;           /* the rules; -1: none */
	const char *name; /* "scoped+files", "scoped", "files" or "none" */
};

void domain_prepare(struct domain *d, const struct domain_spec *spec);
int domain_enter(
    const struct domain *d); /* for good; -1 with errno. Needs no_new_privs */
void domain_close(struct domain *d);
#endif
