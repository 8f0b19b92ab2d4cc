/*
 * Secrets: from /data/secrets/<file> or the container's environment to
 * /run/berth/secrets/<agent>/<NAME>, on tmpfs, readable by the launcher alone, one file
 * for each that an agent was granted.
 */
#ifndef SECRETS_H
#define SECRETS_H
#include <stdint.h>

struct config;

/* Copies this agent's secrets; a hash of their values. What can't be read is logged with
 * where the configuration names it, and left out. What it was granted before stays until
 * secrets_revoke(). */
uint64_t secrets_grant(const struct config *c, const char *agent, char *const *env);

/* Removes what agents are no longer granted, and all of whoever is no agent (any more).
 */
void secrets_revoke(const struct config *c);
#endif
