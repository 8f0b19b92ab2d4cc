/*
 * The launcher's end of spawn.sock: asks the root program for agents' sockets and
 * processes, and hears of terminals and ends. Keeps itself connected; what was asked
 * while spawn is away is refused: the asking function returns false.
 */
#ifndef SPAWNER_H
#define SPAWNER_H
#include <stdbool.h>
#include <sys/types.h>
#include "spawnmsg.h"

struct loop;
struct spawner;

struct spawner_handlers {
	void (*up)(void *ctx);
	/* A terminal is registered for this agent. */
	void (*pane)(const char *agent, void *ctx);
	/* fd: the listening socket, or -1 with m->error. The callee owns it. */
	void (*listening)(const struct spawn_msg *m, int fd, void *ctx);
	/* pidfd of the shim, or -1 with m->error. The callee owns it. */
	void (*started)(const struct spawn_msg *m, int pidfd, void *ctx);
	void (*exited)(const struct spawn_msg *m, void *ctx);
	void (*killed)(const struct spawn_msg *m, void *ctx);
};

struct spawner *spawner_new(
    struct loop *loop, const struct spawner_handlers *h, void *ctx);
void spawner_free(struct spawner *s);
bool spawner_up(const struct spawner *s);
bool spawner_listen(struct spawner *s, const char *agent, uid_t uid, gid_t gid);
bool spawner_start(struct spawner *s, const char *agent, uid_t uid, gid_t gid);
bool spawner_kill(struct spawner *s, const char *agent, pid_t session);
/* Hands over the started processes that spawn has already told of, now, so that a shim
 * which connects at once is known; all else it said comes from the loop. */
void spawner_take_started(struct spawner *s);
#endif
