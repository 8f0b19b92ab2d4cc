/* An agent as the launcher is told: the JSON of desired_agents.spec
 * (docs/architecture.md). */
#ifndef SPEC_H
#define SPEC_H
#include <stdint.h>
#include <sys/types.h>
#include "hash.h"

struct config;

struct agent_spec {
	char *json;           /* all of it */
	char hash[HASH_TEXT]; /* of what needs a restart, and of the secrets' values */
	uid_t uid;
	gid_t gid;
	char *user, *home;
};

/* env: the container's. secrets: a hash of the granted values (secrets.h). */
void spec_make(const struct config *c, const char *name, char *const *env,
    uint64_t secrets, struct agent_spec *out);
void spec_free(struct agent_spec *s);
#endif
