/*
 * What spawn's two sockets carry: fixed-size messages over SOCK_SEQPACKET, so that the
 * root program parses no text. Descriptors travel beside them (SCM_RIGHTS).
 * spawn.sock (0660 root:berth): the launcher asks LISTEN, START and KILL.
 * pane.sock (0660 root:berth-tmux): a pane says REGISTER, with its terminal's descriptor.
 * Every request but REGISTER is answered by one message of the same op; EXITED and PANE
 * come unasked.
 */
#ifndef SPAWNMSG_H
#define SPAWNMSG_H
#include <stdint.h>

enum { SPAWN_MAGIC = 0x62737031, SPAWN_NAME_MAX = 32 };

enum spawn_op {
	SPAWN_LISTEN = 1, /* launcher: agent, uid, gid. Answer: the listening descriptor
			     of agent/<name>/sock */
	SPAWN_START, /* launcher: agent, uid, gid. Answer: pid, start_time and a pidfd of
			the shim */
	SPAWN_KILL,  /* launcher: agent, pid = session of its shim, dead or alive: SIGKILL
			to all that is left of it, also in sessions of their own */
	SPAWN_REGISTER, /* pane: agent, and the terminal's descriptor */
	SPAWN_PANE, /* to the launcher: agent has a terminal now (also sent for each known
		       one on connect) */
	SPAWN_EXITED,  /* to launcher and pane: agent, pid, status as wait(2) gives it */
	SPAWN_STARTED, /* to the pane: its terminal is in use */
};

enum spawn_error {
	SPAWN_FINE,
	SPAWN_NO_PANE, /* START: no terminal registered for this agent */
	SPAWN_BUSY, /* START: this agent's shim still runs; pid, start_time and pidfd are
		       its */
	SPAWN_REFUSED, /* a uid or gid that is no agent's (users.h), or a bad name */
	SPAWN_FAILED,  /* a system call failed: `sys_errno` */
};

struct spawn_msg {
	uint32_t magic;
	uint32_t op;
	uint32_t error;
	int32_t sys_errno;
	uint32_t uid;
	uint32_t gid;
	int32_t pid;
	int32_t status;
	uint64_t start_time;            /* of pid, ticks since boot */
	char agent[SPAWN_NAME_MAX + 8]; /* NUL-terminated, [a-z][a-z0-9-]* */
};
_Static_assert(sizeof(struct spawn_msg) == 80, "no padding: it is the wire");
#endif
