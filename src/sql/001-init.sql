-- berth.db. One owner per table: only its owner updates or deletes; who else may insert is said here.
-- Times are Unix ms. Ids are ULIDs. Every change of a state and its row in `events` are one transaction.

-- What happened, in order: live events, audit and replication stand on it. Everybody appends, nobody changes.
CREATE TABLE events (
	seq	INTEGER PRIMARY KEY AUTOINCREMENT,
	at	INTEGER NOT NULL,
	host	TEXT NOT NULL,
	entity	TEXT NOT NULL,	-- agent, message, turn, session, approval, config ...
	id	TEXT NOT NULL,
	old	TEXT,
	new	TEXT,
	actor	TEXT NOT NULL,	-- the service that did it
	cause	TEXT,		-- in words
	detail	TEXT		-- JSON
) STRICT;
CREATE INDEX events_by_entity ON events (entity, id, seq);

-- Owner: reconcile. Values of berth.toml that services need while running (delivery.human_idle ...).
CREATE TABLE settings (
	key	TEXT PRIMARY KEY,
	value	TEXT NOT NULL	-- as JSON
) STRICT, WITHOUT ROWID;

-- Owner: reconcile. The agents that berth.toml asks for.
CREATE TABLE desired_agents (
	name	TEXT PRIMARY KEY,
	spec	TEXT NOT NULL,	-- JSON: src/launcher/spec.h
	hash	TEXT NOT NULL	-- of spec and of the secrets granted: a change means restart
) STRICT, WITHOUT ROWID;

-- Owner: launcher. What the agents are and do.
CREATE TABLE agents (
	name		TEXT PRIMARY KEY,
	host		TEXT NOT NULL,
	want		TEXT NOT NULL CHECK (want IN ('run', 'stop', 'hold')),
	state		TEXT NOT NULL,
	source		TEXT NOT NULL,	-- who told us: hook, registry, transcript, pane, process, person
	state_at	INTEGER NOT NULL,
	reason		TEXT,		-- why it is held, crashed, limited ...
	hash		TEXT,		-- of the spec it runs with
	session		TEXT,		-- sessions.id that the next start resumes
	shim_pid	INTEGER NOT NULL DEFAULT 0,
	shim_start	INTEGER NOT NULL DEFAULT 0,	-- ticks since boot: with the pid, a name for ever
	boot_id		TEXT,		-- of the kernel (and container) the pid belongs to
	agent_pid	INTEGER NOT NULL DEFAULT 0,
	crashes		INTEGER NOT NULL DEFAULT 0,	-- in a row
	restarts	INTEGER NOT NULL DEFAULT 0,	-- ever
	resume_at	INTEGER		-- limited until
) STRICT, WITHOUT ROWID;

-- Owner: launcher. How far an agent's hooks have been applied, by shim instance.
CREATE TABLE hook_cursors (
	agent		TEXT NOT NULL,
	instance	TEXT NOT NULL,	-- ULID of the shim
	seq		INTEGER NOT NULL,
	PRIMARY KEY (agent, instance)
) STRICT, WITHOUT ROWID;

-- Owner: launcher. Conversations.
CREATE TABLE sessions (
	id		TEXT PRIMARY KEY,	-- ULID
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	driver_id	TEXT NOT NULL,	-- the CLI's own id (a UUID)
	transcript	TEXT,		-- path in the agent's home; known after its first hook
	applied		INTEGER NOT NULL DEFAULT 0,	-- bytes of it that have been applied
	started_at	INTEGER NOT NULL,
	ended_at	INTEGER,
	ended_how	TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_agent ON sessions (agent, started_at);

-- Owner: launcher. From a prompt's acceptance to the end of its answer.
CREATE TABLE turns (
	id		TEXT PRIMARY KEY,
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	session		TEXT NOT NULL REFERENCES sessions (id),
	origin		TEXT NOT NULL CHECK (origin IN ('message', 'terminal', 'agent')),
	prompt		TEXT,		-- as the agent got it
	answer		TEXT,		-- the turn's last text
	started_at	INTEGER NOT NULL,
	ended_at	INTEGER,
	ended_how	TEXT,		-- answered, refused, limit, auth, error, interrupted, cut
	tokens_in	INTEGER NOT NULL DEFAULT 0,
	tokens_out	INTEGER NOT NULL DEFAULT 0,
	cache_read	INTEGER NOT NULL DEFAULT 0,
	cache_write	INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_by_agent ON turns (agent, started_at);
CREATE INDEX turns_open ON turns (agent) WHERE ended_at IS NULL;

-- Owner: launcher; every service may append with state 'queued'. What agents are told.
CREATE TABLE messages (
	id		TEXT PRIMARY KEY,	-- ULID: its order is the order of delivery
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	channel		TEXT NOT NULL,
	thread		TEXT,
	sender		TEXT,
	text		TEXT NOT NULL,
	attachments	TEXT,		-- JSON
	dedupe		TEXT UNIQUE,	-- the sender's key: a repeat is refused by the database
	not_before	INTEGER,
	expires_at	INTEGER,
	parent		TEXT,		-- the message that this one continues after its turn was cut
	state		TEXT NOT NULL CHECK (state IN ('queued', 'delivering', 'delivered', 'answered',
			    'unanswered', 'interrupted', 'indeterminate', 'expired', 'failed', 'cancelled')),
	reason		TEXT,
	proof		TEXT,		-- what showed the text: hook, transcript, pane
	attempts	INTEGER NOT NULL DEFAULT 0,
	delivery	TEXT,		-- id of the paste that carries it (first message of the batch)
	turn		TEXT REFERENCES turns (id),
	created_at	INTEGER NOT NULL,
	delivering_at	INTEGER,
	delivered_at	INTEGER,
	ended_at	INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_waiting ON messages (agent, id) WHERE state = 'queued';
CREATE INDEX messages_open ON messages (agent, id) WHERE state IN ('delivering', 'delivered', 'interrupted');
CREATE INDEX messages_by_turn ON messages (turn) WHERE turn IS NOT NULL;

-- Owner: notifier (until it exists the launcher closes the rows of channel `cli`); launcher appends. What goes back to people.
CREATE TABLE outbox (
	id		TEXT PRIMARY KEY,
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	channel		TEXT NOT NULL,
	thread		TEXT,
	message		TEXT REFERENCES messages (id),	-- what it answers
	kind		TEXT NOT NULL CHECK (kind IN ('answer', 'notice', 'approval')),
	text		TEXT NOT NULL,
	state		TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
	created_at	INTEGER NOT NULL,
	sent_at		INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_waiting ON outbox (channel, id) WHERE state = 'queued';
CREATE INDEX outbox_by_message ON outbox (message) WHERE message IS NOT NULL;

-- Owner: launcher. What agents asked leave for.
CREATE TABLE approvals (
	id		TEXT PRIMARY KEY,
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	turn		TEXT,
	instance	TEXT NOT NULL,	-- shim and hook that wait for the answer
	seq		INTEGER NOT NULL,
	tool		TEXT NOT NULL,
	input		TEXT NOT NULL,	-- JSON
	state		TEXT NOT NULL CHECK (state IN ('open', 'allowed', 'denied', 'expired', 'withdrawn')),
	output		TEXT,		-- JSON that the hook prints
	asked_at	INTEGER NOT NULL,
	expires_at	INTEGER NOT NULL,
	answered_at	INTEGER,
	answered_by	TEXT,
	UNIQUE (agent, instance, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_open ON approvals (agent) WHERE state = 'open';
