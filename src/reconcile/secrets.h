/*
 * Secrets: from /data/secrets/<file> or the container's environment to
 * /run/berth/secrets/<agent>/<NAME>, on tmpfs, readable by the launcher alone, one file
 * for each that an agent was granted.
 */
#ifndef SECRETS_H
#define SECRETS_H
#include <stdint.h>
#include <yyjson.h>

struct config;

/* Copies this agent's secrets; a hash of their values. A file that can't be read is left
 * out, and told (warn_agent). A variable that isn't set is only logged: it may be meant
 * so. What the agent was granted before stays until secrets_revoke(). */
uint64_t secrets_grant(const struct config *c, const char *agent, char *const *env,
    yyjson_mut_doc *doc, yyjson_mut_val *warnings);

/* Removes what agents are no longer granted, and all of whoever is no agent (any more).
 */
void secrets_revoke(const struct config *c);
#endif
