/*
 * The agents' users: PUID and PGID of the container's environment (default 1000), and one
 * for each `uid` of an agent's own. A user of uid N is named `agent` if it is the
 * default, else `agentN`, and has the home /data/home/<name>.
 */
#ifndef USERS_H
#define USERS_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* May an agent have this uid or gid? Not root's, not one of berth's own users (900 to
 * 999), and not a terminal's (64000 to 64999), which opens that terminal. */
bool users_id_allowed(uint32_t id);
/* PUID and PGID; for what an agent may not have and what is no number 1000 is taken. */
uid_t users_default_uid(char *const *env);
gid_t users_default_gid(char *const *env);
/* Says so in the log, a line for each of the two; called once, for they are asked for
 * again and again. */
void users_check(char *const *env);
/* "agent" or "agentN"; caller frees. */
char *users_name(uid_t uid, uid_t default_uid);
/* The group that a user has if its agent is given no other. */
gid_t users_gid(uid_t uid, char *const *env);
/* /etc/passwd and /etc/group know the user and its group, and the agent's own if that is
 * another. A group is named as a user of its number would be. With a read-only root, what
 * the image has must do. */
void users_know(char *const *env, uid_t uid, gid_t gid);
/* The value of NAME in an environment, NULL if it isn't there. */
const char *env_get(char *const *env, const char *name);
#endif
