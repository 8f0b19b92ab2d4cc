-- berth.db. One owner per table: only its owner updates or deletes; who else may insert is said here.
-- Times are Unix ms. Ids are ULIDs. Every change of a state and its row in `events` are one transaction.
-- Tables with long texts have a rowid, for without one the texts would lie in the inner pages of the key's tree;
-- and the texts come last, for what stands behind a long one is only found by reading through it.
-- No statement may read a whole table of those that grow: tests/unit/launcher_store_test.c asks SQLite.

-- What happened, in order: live events, audit and replication stand on it. Everybody appends, nobody changes; the
-- launcher deletes old ones, here as elsewhere (setting retention.keep).
CREATE TABLE events (
	seq	INTEGER PRIMARY KEY AUTOINCREMENT,	-- never used again, also when the newest is deleted
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

-- Owner: reconcile. Values of berth.toml that services need while running (delivery.human_idle ...).
CREATE TABLE settings (
	key	TEXT PRIMARY KEY,
	value	TEXT NOT NULL	-- as JSON
) STRICT, WITHOUT ROWID;

-- Owner: reconcile. The agents that berth.toml asks for.
CREATE TABLE desired_agents (
	name	TEXT PRIMARY KEY,
	spec	TEXT NOT NULL,	-- JSON: docs/architecture.md, "What an agent is started with"
	hash	TEXT NOT NULL	-- of what a start decides and of the secrets granted: a change means restart
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
	resume_at	INTEGER,	-- limited until
	-- of all its turns, also of those that are no longer kept; the triggers of `turns` count
	turns		INTEGER NOT NULL DEFAULT 0,
	tokens_in	INTEGER NOT NULL DEFAULT 0,
	tokens_out	INTEGER NOT NULL DEFAULT 0,
	cache_read	INTEGER NOT NULL DEFAULT 0,
	cache_write	INTEGER NOT NULL DEFAULT 0
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
CREATE INDEX sessions_by_agent ON sessions (agent, id);
CREATE INDEX sessions_by_driver_id ON sessions (agent, driver_id, id);

-- Owner: launcher. From a prompt's acceptance to the end of its answer.
CREATE TABLE turns (
	id		TEXT PRIMARY KEY,
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	session		TEXT NOT NULL REFERENCES sessions (id),
	origin		TEXT NOT NULL CHECK (origin IN ('message', 'terminal', 'agent')),
	started_at	INTEGER NOT NULL,
	ended_at	INTEGER,
	ended_how	TEXT,		-- answered, refused, limit, auth, error, interrupted, cut
	tokens_in	INTEGER NOT NULL DEFAULT 0,
	tokens_out	INTEGER NOT NULL DEFAULT 0,
	cache_read	INTEGER NOT NULL DEFAULT 0,
	cache_write	INTEGER NOT NULL DEFAULT 0,
	prompt		TEXT,		-- as the agent got it
	answer		TEXT		-- the turn's last text
) STRICT;
CREATE INDEX turns_by_agent ON turns (agent, id);
CREATE INDEX turns_by_session ON turns (session);
CREATE INDEX turns_open ON turns (agent, id) WHERE ended_at IS NULL;
CREATE TRIGGER turns_counted AFTER INSERT ON turns BEGIN
	UPDATE agents SET turns = turns + 1, tokens_in = tokens_in + new.tokens_in, tokens_out = tokens_out + new.tokens_out,
	    cache_read = cache_read + new.cache_read, cache_write = cache_write + new.cache_write WHERE name = new.agent;
END;
CREATE TRIGGER turns_tokens AFTER UPDATE OF tokens_in, tokens_out, cache_read, cache_write ON turns BEGIN
	UPDATE agents SET tokens_in = tokens_in + new.tokens_in - old.tokens_in,
	    tokens_out = tokens_out + new.tokens_out - old.tokens_out,
	    cache_read = cache_read + new.cache_read - old.cache_read,
	    cache_write = cache_write + new.cache_write - old.cache_write WHERE name = new.agent;
END;

-- Owner: launcher; every service may append with state 'queued'. What agents are told.
CREATE TABLE messages (
	id		TEXT PRIMARY KEY,	-- ULID: its order is the order of delivery
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	state		TEXT NOT NULL CHECK (state IN ('queued', 'delivering', 'delivered', 'answered',
			    'unanswered', 'interrupted', 'indeterminate', 'expired', 'failed', 'cancelled')),
	attempts	INTEGER NOT NULL DEFAULT 0,
	not_before	INTEGER,
	expires_at	INTEGER,
	parent		TEXT,		-- the message that this one continues after its turn was cut
	delivery	TEXT,		-- id of the paste that carries it (first message of the batch); queued: `restored`, if
					-- it may have been delivered after the backup
	turn		TEXT REFERENCES turns (id),
	proof		TEXT,		-- what showed the text: hook, transcript, pane
	created_at	INTEGER NOT NULL,
	delivering_at	INTEGER,
	delivered_at	INTEGER,
	ended_at	INTEGER,	-- NULL: it may still change (queued, delivering, delivered, interrupted)
	channel		TEXT NOT NULL,
	thread		TEXT,
	sender		TEXT,
	dedupe		TEXT UNIQUE,	-- the sender's key: a repeat is refused by the database
	reason		TEXT,
	text		TEXT NOT NULL,
	attachments	TEXT		-- JSON
) STRICT;
CREATE INDEX messages_by_agent ON messages (agent, id);
CREATE INDEX messages_by_state ON messages (state, agent, id);
CREATE INDEX messages_by_turn ON messages (turn, id) WHERE turn IS NOT NULL;
CREATE INDEX messages_by_parent ON messages (parent) WHERE parent IS NOT NULL;
-- in the order of delivery: what continues a message comes in its place
CREATE INDEX messages_waiting ON messages (agent, ifnull(parent, id), id, not_before, expires_at, attempts)
    WHERE state = 'queued';
CREATE INDEX messages_expiring ON messages (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;

-- Owner: notifier (until it exists the launcher closes the rows of channel `cli`); launcher appends. What goes back to people.
CREATE TABLE outbox (
	id		TEXT PRIMARY KEY,
	host		TEXT NOT NULL,
	agent		TEXT NOT NULL,
	channel		TEXT NOT NULL,
	thread		TEXT,
	message		TEXT REFERENCES messages (id),	-- what it answers
	kind		TEXT NOT NULL CHECK (kind IN ('answer', 'notice', 'approval')),
	state		TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
	created_at	INTEGER NOT NULL,
	sent_at		INTEGER,
	text		TEXT NOT NULL
) STRICT;
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
	state		TEXT NOT NULL CHECK (state IN ('open', 'allowed', 'denied', 'expired', 'withdrawn')),
	asked_at	INTEGER NOT NULL,
	expires_at	INTEGER NOT NULL,
	answered_at	INTEGER,
	answered_by	TEXT,
	output		TEXT,		-- JSON that the hook prints
	input		TEXT NOT NULL,	-- JSON
	UNIQUE (agent, instance, seq)
) STRICT;
CREATE INDEX approvals_open ON approvals (state, id) WHERE state = 'open';
