/*
 * An agent: what it should be (spec), what it is (state), its process, its terminal. Its
 * state changes only by agent_event(), through one table of state x event; everything
 * else in the launcher turns what it sees (hooks, registry, transcript, terminal,
 * process, people) into events.
 */
#ifndef AGENT_H
#define AGENT_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <yyjson.h>
#include "clock.h"
#include "launcher.h"

enum agent_state {
	AS_STOPPED,
	AS_STARTING,
	AS_READY,
	AS_BUSY,
	AS_AWAITING, /* a dialog is open: a permission, a question, a menu */
	AS_COMPACTING,
	AS_LIMITED,     /* usage limit; resume_at says until when */
	AS_AUTH_FAILED, /* not logged in; the process may still be there for a person to
			   log in */
	AS_CRASHED,     /* waits for its next start */
	AS_HELD,        /* won't be started until a person says so */
	AS_COUNT
};

enum agent_event {
	AE_WANTED, /* should run */
	AE_READY,  /* its prompt shows and nothing runs */
	AE_HEALED, /* logged in again: a turn ended well, or a person says so */
	AE_BUSY,
	AE_WAITING, /* a dialog */
	AE_COMPACT,
	AE_LIMIT,
	AE_AUTH,
	AE_DUE,     /* the backoff or the limit is over */
	AE_CRASH,   /* its process ended, start it again */
	AE_LOOP,    /* ... once too often */
	AE_STOPPED, /* ended, and should not run */
	AE_HOLD,
	AE_COUNT
};

/* From SIGTERM to SIGKILL; when the whole appliance stops; and what its shim may need
 * beyond that, before it is killed too. */
enum {
	AGENT_STOP_GRACE_MS = 4000,
	AGENT_CLOSE_GRACE_MS = 2000,
	AGENT_END_MARGIN_MS = 1000
};

enum want { WANT_RUN, WANT_STOP, WANT_HOLD };

enum registry { REG_NONE, REG_IDLE, REG_BUSY, REG_WAITING };

struct driver;
struct delivery;
struct ipc_req;
struct turnstate;

struct agent {
	struct list link;
	struct launcher *l;
	char *name, *hash;
	yyjson_doc *spec;      /* of desired_agents, as its process was started with */
	yyjson_doc *next_spec; /* ... and is to be started with; NULL: the same */
	char *next_hash;       /* its hash, not noted before the process has ended */
	bool removed;          /* no longer desired: it only waits for its end */
	const struct driver *driver;

	enum agent_state state;
	const char *source; /* static */
	char *reason;
	int64_t state_at, resume_at; /* Unix ms */
	enum want want;
	char *stop_reason; /* what the person said who asked for its end; may be NULL */
	bool restart_after_exit; /* `berth restart`, or a changed spec */

	/* process */
	pid_t shim_pid, agent_pid;
	uint64_t shim_start;
	int pidfd; /* -1: none */
	struct watch *pidfd_watch;
	int64_t started_at; /* monotonic, of the agent's process */
	bool was_ready;     /* in this life */
	bool drained;       /* the shim said `exited`: all that its agent did is known */
	bool unsettled; /* an earlier life may have left proof that we haven't read yet */
	bool tmux_died;
	int exit_status, exit_signal;
	char *exit_error;
	bool not_begun; /* its last start failed before there was anything to look at */
	int64_t crashes, restarts;
	int failed_resumes; /* in a row: ended before it was ready, asked to resume */
	char *folder_why, *folder_hint; /* it can't write where it works; NULL: it can */

	/* terminal and socket */
	char window[16], pane[16]; /* tmux ids, "" if unknown */
	bool listed;               /* in tmux's last listing */
	bool making_window, has_terminal, listening, spawning;
	bool deaf; /* its socket can't be made: asked for again */
	struct ipc_server *server;
	struct ipc_peer *shim;       /* after hello */
	struct ipc_req *wants_run;   /* it waits for what its old transcript proves */
	char instance[ULID_LEN + 1]; /* of the shim */

	/* what the CLI says */
	enum registry registry;
	int64_t registry_at;      /* monotonic: since when it says so */
	int64_t registry_written; /* Unix ms, by the CLI: its statusUpdatedAt */
	char waiting_for[64], version[32];
	char mode[24]; /* what it asks leave for, in its own words; "" if it said nothing
			*/
	bool compacting;
	char session[ULID_LEN + 1]; /* "" if none yet */
	char driver_id[64];
	char *transcript;
	int64_t applied;         /* bytes of the transcript */
	char turn[ULID_LEN + 1]; /* open turn, "" if none */
	bool worked;             /* on it, says the registry */
	bool stale;              /* what the registry says is of the turn before */
	bool resumed;
	char last_usage_id[64]; /* of the last counted message in the transcript */

	struct delivery *delivery; /* in flight; NULL if none */
	int64_t end_at; /* monotonic: when its process is killed, if end_timer is armed */
	bool kill_asked; /* spawn hasn't answered yet */
	struct timer *restart_timer, *ready_timer, *stable_timer, *kick_timer,
	    *quiet_timer, *dialog_timer, *end_timer;
	int64_t glyph_since;  /* monotonic: the prompt has shown, or the pane been quiet,
				 since; 0 if not */
	uint64_t screen_hash; /* of a pane that is watched for quiet */
	int64_t typed_at;     /* monotonic: its last prompt, if no hooks tell of that */
	bool person_typed;    /* ... and a person has typed there since */
	int64_t draft_since;  /* monotonic: a half-typed line keeps messages waiting; 0:
				 none */
};

const char *agent_state_name(enum agent_state state);
enum agent_state agent_next(enum agent_state state, enum agent_event event);

/* The one way a state changes. source: hook, registry, transcript, pane, process, person,
 * limit. */
void agent_event(struct agent *a, enum agent_event event, const char *source,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reads desired agents and what is left of earlier lives; called at start and after an
 * apply. */
void agents_load(struct launcher *l);
void agents_windows(
    void *l); /* asks tmux which agents have windows: at first, and when one closed */
void agents_tmux_down(struct launcher *l);
/* Agents whose removal nobody saw: their processes end, their rows go. */
void agents_remove_gone(struct launcher *l);

/* One more, stopped, with no row yet: agents.c gives it what it should be. */
struct agent *agent_new(struct launcher *l, const char *name);
/* Forgets an agent that has no process and is no longer desired, and closes its window.
 */
void agent_remove(struct agent *a);

/* Limited: until its time has come, as the wall clock says then. */
void agent_wait_limit(struct agent *a);
/* Limited, and [limits] continue says that only a person ends that. Its process ends:
 * held. */
bool agent_waits_for_person(const struct agent *a);
#define AGENT_LIMIT_HOLD "its usage limit was reached, and [limits] continue is false"

/* A person's (or the configuration's) will. */
void agent_start(struct agent *a, const char *cause);
void agent_stop(struct agent *a, enum want want, const char *cause, bool now);
/* Its process, whatever is wanted: certainly, also if its shim hangs or spawn is away.
 * grace_ms 0: at once. */
void agent_end(struct agent *a, int64_t grace_ms);
/* What it was told to be when its process has ended. */
void agent_take_next(struct agent *a);
/* Nothing of it is to run, or to be started. */
static inline bool
agent_unwanted(const struct agent *a)
{
	return a->want != WANT_RUN || a->state == AS_HELD || a->removed || a->l->closing;
}
void agent_restart(struct agent *a, const char *cause);
void agent_typed_exit(struct agent *a); /* a person ended it at its terminal */

/* process.c: from wish to process and back */
void agent_bring_up(struct agent *a);
void agent_terminal(struct agent *a); /* spawn has its terminal */
/* Another spawn, which knows nothing yet: what the one before was asked for is lost. */
void agent_spawn_is_new(struct agent *a);
void agent_runs(struct agent *a); /* it came as far as being ready */
struct spawn_msg;
void agent_listening(struct agent *a, const struct spawn_msg *m, int fd);
void agent_spawned(struct agent *a, const struct spawn_msg *m, int pidfd);
bool agent_adopt(struct agent *a); /* is the recorded shim still the same process? */
void agent_exited(struct agent *a);
bool agent_has_process(const struct agent *a);
void agent_store_process(struct agent *a);

/* observe.c: joins what the CLI's hooks, registry and screen say into one event */
void agent_observe(struct agent *a, const char *source);
/* What its entry in the CLI's registry says now, JSON; NULL: it has none. */
void agent_registry(struct agent *a, const char *text);
void agent_limit_over(struct agent *a); /* a dialog about it may still be open */
void agent_watch_ready(
    struct agent *a); /* until its prompt shows, or its pane is quiet */

/* spec */
const char *agent_spec_str(const struct agent *a, const char *key, const char *otherwise);
int64_t agent_spec_int(const struct agent *a, const char *key, int64_t otherwise);
#endif
