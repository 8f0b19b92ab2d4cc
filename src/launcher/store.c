/* See store.h. Parameters are numbered in the order that the callers bind them. */
#include <stddef.h>
#include <stdlib.h>
#include "clock.h"
#include "store.h"

/* Below, '~' stands behind every ULID. */
#define MESSAGE_COLUMNS                                                                  \
	"m.id, m.agent, m.channel, m.thread, m.sender, m.text, m.state, m.reason, "      \
	"m.proof, "                                                                      \
	"m.attempts, m.created_at, m.delivering_at, m.delivered_at, m.ended_at, "        \
	"m.not_before, "                                                                 \
	"m.expires_at, m.turn, m.parent, "                                               \
	"(SELECT o.text FROM outbox o WHERE o.message = m.id AND o.kind = 'answer' "     \
	"LIMIT 1), "                                                                     \
	"(SELECT r.id FROM messages r WHERE r.dedupe = '" RETRY_KEY "' || m.id), "       \
	"(SELECT max(c.id) FROM messages c WHERE c.parent = m.id), "                     \
	"(SELECT count(*) FROM messages t WHERE t.turn = m.turn AND t.id <> m.id)"

#define TURN_COLUMNS                                                                     \
	"id, agent, (SELECT driver_id FROM sessions s WHERE s.id = session), "           \
	"started_at, "                                                                   \
	"ended_at, ended_how, origin, prompt, answer, "                                  \
	"tokens_in, tokens_out, cache_read, cache_write, "                               \
	"(SELECT m.reason FROM messages m WHERE m.turn = turns.id AND m.reason IS NOT "  \
	"NULL LIMIT 1)"

static const char *const statements[ST_COUNT] = {
    [ST_SETTING] = "SELECT value FROM settings WHERE key = ?1",
    [ST_DESIRED] = "SELECT name, spec, hash FROM desired_agents ORDER BY name",
    [ST_REMOVED_AGENTS] =
	"SELECT name FROM agents WHERE name NOT IN (SELECT name FROM desired_agents)",
    [ST_AGENT_GET] =
	"SELECT want, state, reason, session, shim_pid, shim_start, boot_id, agent_pid, "
	"crashes, restarts, resume_at, hash, state_at, source FROM agents WHERE name = "
	"?1",
    /* an agent that was removed and comes back has its turns still */
    [ST_AGENT_ADD] =
	"INSERT INTO agents (name, host, want, state, source, state_at, hash, turns, "
	"tokens_in, tokens_out, cache_read, cache_write) SELECT ?1, ?2, ?3, 'stopped', "
	"'person', ?4, ?5, count(*), ifnull(sum(tokens_in), 0), "
	"ifnull(sum(tokens_out), 0), ifnull(sum(cache_read), 0), "
	"ifnull(sum(cache_write), 0) FROM turns WHERE agent = ?1",
    [ST_AGENT_STATE] =
	"UPDATE agents SET state = ?2, source = ?3, state_at = ?4, reason = ?5, "
	"resume_at = ?6 WHERE name = ?1",
    [ST_AGENT_WANT] = "UPDATE agents SET want = ?2 WHERE name = ?1 AND want <> ?2",
    [ST_AGENT_PROCESS] =
	"UPDATE agents SET shim_pid = ?2, shim_start = ?3, boot_id = ?4, "
	"agent_pid = ?5 WHERE name = ?1",
    [ST_AGENT_SESSION] = "UPDATE agents SET session = ?2 WHERE name = ?1",
    [ST_AGENT_CRASHES] =
	"UPDATE agents SET crashes = ?2, restarts = restarts + ?3 WHERE name = ?1",
    [ST_AGENT_HASH] = "UPDATE agents SET hash = ?2 WHERE name = ?1",
    [ST_AGENT_DELETE] = "DELETE FROM agents WHERE name = ?1",

    [ST_CURSOR_GET] = "SELECT seq FROM hook_cursors WHERE agent = ?1 AND instance = ?2",
    [ST_CURSOR_SET] =
	"INSERT INTO hook_cursors (agent, instance, seq) VALUES (?1, ?2, ?3) "
	"ON CONFLICT (agent, instance) DO UPDATE SET seq = excluded.seq",
    /* a ULID begins with its time: what is older than the newest 16 shims can't come back
     */
    [ST_CURSOR_TRIM] =
	"DELETE FROM hook_cursors WHERE agent = ?1 AND instance NOT IN (SELECT "
	"instance FROM hook_cursors WHERE agent = ?1 ORDER BY instance DESC LIMIT 16)",

    [ST_SESSION_ADD] =
	"INSERT INTO sessions (id, host, agent, driver_id, transcript, started_at) "
	"VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [ST_SESSION_BY_DRIVER_ID] =
	"SELECT id, transcript, applied FROM sessions WHERE agent = ?1 AND "
	"driver_id = ?2 ORDER BY id DESC LIMIT 1",
    [ST_SESSION_GET] =
	"SELECT driver_id, transcript, applied FROM sessions WHERE id = ?1",
    [ST_SESSION_TRANSCRIPT] = "UPDATE sessions SET transcript = ?2 WHERE id = ?1",
    [ST_SESSION_APPLIED] = "UPDATE sessions SET applied = ?2 WHERE id = ?1",
    [ST_SESSION_END] = "UPDATE sessions SET ended_at = ?2, ended_how = ?3 WHERE id = ?1 "
		       "AND ended_at IS NULL",

    [ST_TURN_ADD] =
	"INSERT INTO turns (id, host, agent, session, origin, prompt, started_at) "
	"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [ST_TURN_OPEN] = "SELECT id, session FROM turns WHERE agent = ?1 AND ended_at IS "
		     "NULL ORDER BY id DESC",
    [ST_TURN_END] =
	"UPDATE turns SET ended_at = ?2, ended_how = ?3, answer = ?4 WHERE id = ?1 AND "
	"ended_at IS NULL",
    [ST_TURN_TOKENS] =
	"UPDATE turns SET tokens_in = tokens_in + ?2, tokens_out = tokens_out + ?3, "
	"cache_read = cache_read + ?4, cache_write = cache_write + ?5 WHERE id = "
	"(SELECT max(id) FROM turns WHERE agent = ?1)",
    [ST_NEWEST_MESSAGE] = "SELECT max(id) FROM messages",
    [ST_NEWEST_TURN] = "SELECT max(id) FROM turns",
    [ST_TURN_LIST] =
	"SELECT " TURN_COLUMNS
	" FROM turns WHERE id < ifnull(?2, '~') AND ?1 IS NULL ORDER BY id DESC LIMIT ?3",
    [ST_TURN_LIST_OF] =
	"SELECT " TURN_COLUMNS
	" FROM turns WHERE agent = ?1 AND id < ifnull(?2, '~') ORDER BY id DESC LIMIT ?3",
    [ST_TURN_MESSAGES] = "SELECT id FROM messages WHERE turn = ?1 ORDER BY id",
    [ST_AGENT_TOTALS] = "SELECT turns, tokens_in, tokens_out, cache_read, cache_write "
			"FROM agents WHERE name = ?1",

    [ST_MESSAGE_ADD] =
	"INSERT INTO messages (id, host, agent, channel, thread, sender, text, dedupe, "
	"not_before, expires_at, parent, state, created_at) VALUES (?1, ?2, ?3, ?4, ?5, "
	"?6, ?7, ?8, ?9, ?10, ?11, 'queued', ?12)",
    [ST_MESSAGE_BY_DEDUPE] = "SELECT id, agent, state FROM messages WHERE dedupe = ?1",
    [ST_MESSAGE_GET] = "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.id = ?1",
    [ST_MESSAGE_STATE] = "SELECT state FROM messages WHERE id = ?1",
    [ST_MESSAGE_MOVE] =
	"UPDATE messages SET state = ?3, reason = ?4, proof = ifnull(?5, proof), turn = "
	"ifnull(?6, turn), "
	"delivery = CASE ?3 WHEN 'queued' THEN NULL ELSE ifnull(?7, delivery) END, "
	"attempts = attempts + (?3 = 'delivering'), "
	"delivering_at = CASE ?3 WHEN 'delivering' THEN ?8 ELSE delivering_at END, "
	"delivered_at = CASE ?3 WHEN 'delivered' THEN ?8 ELSE delivered_at END, "
	"ended_at = CASE WHEN ?3 IN ('queued', 'delivering', 'delivered', 'interrupted') "
	"THEN NULL ELSE ?8 END "
	"WHERE id = ?1 AND state = ?2",
    [ST_MESSAGE_JOIN] = "UPDATE messages SET turn = ?2 WHERE id = ?1 AND turn IS NULL",
    [ST_MESSAGE_NEXT] =
	"SELECT id, channel, thread, sender, text, created_at, attempts, parent FROM "
	"messages WHERE "
	"agent = ?1 AND state = 'queued' AND ifnull(not_before, 0) <= ?2 AND "
	"(expires_at IS NULL OR expires_at > ?2) ORDER BY ifnull(parent, id), id "
	"LIMIT ?3",
    [ST_MESSAGE_SPENT] = "SELECT id FROM messages WHERE agent = ?1 AND state = 'queued' "
			 "AND attempts >= ?2 LIMIT 1",
    [ST_MESSAGE_NEXT_DUE] =
	"SELECT min(ifnull(not_before, 0)) FROM messages WHERE agent = ?1 AND "
	"state = 'queued'",
    [ST_MESSAGE_IN_FLIGHT] =
	"SELECT id, delivery, text, channel, sender, thread, created_at FROM messages "
	"WHERE agent = ?1 AND state = 'delivering' ORDER BY id",
    [ST_MESSAGE_OF_TURN] =
	"SELECT id, channel, thread, parent FROM messages WHERE turn = ?1 AND "
	"state = 'delivered' ORDER BY id",
    [ST_MESSAGE_PENDING] =
	"SELECT id FROM messages WHERE agent = ?1 AND state = 'delivered' AND "
	"turn IS NULL ORDER BY id",
    [ST_MESSAGE_TYPED] =
	"SELECT state FROM messages WHERE id = ?1 AND agent = ?2 AND (attempts > 0 OR "
	"delivery IS NOT NULL)",
    [ST_MESSAGE_RECORDED] =
	"UPDATE messages SET recorded_in = ?3 WHERE id = ?1 AND agent = ?2 AND "
	"recorded_in IS NOT ?3",
    [ST_MESSAGE_FORGOTTEN] =
	"UPDATE messages SET recorded_in = NULL WHERE agent = ?1 AND state IN "
	"('delivering', 'delivered', 'interrupted') AND recorded_in = ?2",
    [ST_MESSAGE_UNRECORDED] =
	"SELECT text FROM messages WHERE id = ?1 AND recorded_in IS NOT ?2 AND NOT "
	"EXISTS (SELECT 1 FROM messages WHERE parent = ?1 AND recorded_in = ?2)",
    [ST_MESSAGE_LINKS] = "SELECT id FROM messages WHERE parent = ?1 AND state = "
			 "'interrupted'",
    [ST_MESSAGE_PARENT] = "SELECT parent FROM messages WHERE id = ?1",
    [ST_MESSAGE_CONTINUED] =
	"SELECT id, state FROM messages WHERE parent = ?1 AND state IN "
	"('queued', 'delivering', 'delivered') ORDER BY id DESC LIMIT 1",
    [ST_MESSAGE_OPEN] =
	"SELECT id FROM messages WHERE agent = ?1 AND state IN "
	"('queued', 'delivering', 'delivered', 'interrupted') ORDER BY id LIMIT 1",
    [ST_MESSAGE_EXPIRED] =
	"SELECT id FROM messages INDEXED BY messages_expiring WHERE state = 'queued' AND "
	"expires_at <= ?1 LIMIT 1",
    [ST_MESSAGE_LIST] =
	"SELECT " MESSAGE_COLUMNS " FROM messages m WHERE ?1 IS NULL AND ?3 IS NULL AND "
	"m.id < ifnull(?2, '~') ORDER BY m.id DESC LIMIT ?4",
    [ST_MESSAGE_LIST_OF] =
	"SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.agent = ?1 AND ?3 IS NULL "
	"AND m.id < ifnull(?2, '~') ORDER BY m.id DESC LIMIT ?4",
    [ST_MESSAGE_LIST_IN] =
	"SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.id IN (SELECT id FROM "
	"messages WHERE state IN (SELECT value FROM json_each(?3)) AND (?1 IS NULL OR "
	"agent = ?1) AND id < ifnull(?2, '~') AND (?5 = 0 OR NOT EXISTS (SELECT 1 FROM "
	"messages r WHERE r.dedupe = '" RETRY_KEY "' || messages.id)) ORDER BY id DESC "
	"LIMIT ?4) ORDER BY m.id "
	"DESC",
    [ST_MESSAGE_COUNTS] = "SELECT state, count(*) FROM messages GROUP BY state",
    [ST_MESSAGE_WAITING] =
	"SELECT count(*) FROM messages WHERE agent = ?1 AND state = 'queued'",
    [ST_MESSAGE_POSITION] =
	"SELECT count(*) FROM messages WHERE agent = ?1 AND state = "
	"'queued' AND ifnull(not_before, 0) <= ?3 AND ifnull(parent, id) < ?2",

    [ST_OUTBOX_ADD] =
	"INSERT INTO outbox (id, host, agent, channel, thread, message, kind, text, "
	"state, "
	"created_at, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ST_OUTBOX_ANSWER] = "SELECT text FROM outbox WHERE message = ?1 AND kind = 'answer' "
			 "ORDER BY id DESC LIMIT 1",

    [ST_APPROVAL_ADD] =
	"INSERT INTO approvals (id, host, agent, turn, instance, seq, tool, input, "
	"state, "
	"asked_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', ?9, ?10) "
	"ON CONFLICT (agent, instance, seq) DO NOTHING",
    [ST_APPROVAL_GET] =
	"SELECT agent, instance, seq, state, output FROM approvals WHERE id = ?1",
    [ST_APPROVAL_MOVE] = "UPDATE approvals SET state = ?2, output = ?3, answered_at = "
			 "?4, answered_by = ?5 "
			 "WHERE id = ?1 AND state = 'open'",
    [ST_APPROVAL_OPEN] =
	"SELECT id, agent, tool, input, asked_at, expires_at, state, instance, seq FROM "
	"approvals WHERE state = 'open' AND (?1 IS NULL OR agent = ?1) ORDER BY id",
    [ST_APPROVAL_SETTLED] =
	"SELECT output FROM approvals WHERE agent = ?1 AND instance = ?2 AND seq = ?3 "
	"AND state <> 'open'",
    [ST_APPROVAL_SHIFT] =
	"UPDATE approvals SET expires_at = expires_at + ?1 WHERE state = 'open'",

    [ST_EVENTS_AFTER] =
	"SELECT seq, at, host, entity, id, old, new, actor, cause, detail FROM events "
	"WHERE seq > ?1 ORDER BY seq LIMIT 500",
    [ST_EVENTS_LAST] = "SELECT ifnull(max(seq), 0) FROM events",
    [ST_EVENT_ADD] =
	"INSERT INTO events (at, host, entity, id, new, actor, cause, detail) VALUES "
	"(?1, ?2, ?3, ?4, ?5, 'launcher', ?6, ?7)",

    [ST_OUTBOX_UNSENT] =
	"SELECT id, channel FROM outbox WHERE id > ?1 AND id < ?2 AND created_at < ?3 "
	"AND state = 'queued' ORDER BY id LIMIT ?4",
    [ST_OUTBOX_FAIL] =
	"UPDATE outbox SET state = 'failed' WHERE id = ?1 AND state = 'queued'",
    [ST_TRIM_OUTBOX] =
	"DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id > ?1 AND "
	"id < ?2 AND created_at < ?3 AND state <> 'queued' ORDER BY id LIMIT ?4)",
    [ST_TRIM_MESSAGES] =
	"DELETE FROM messages WHERE id IN (SELECT id FROM messages m WHERE id > ?1 AND "
	"id < ?2 AND ended_at < ?3 AND NOT EXISTS (SELECT 1 FROM outbox WHERE message = "
	"m.id) ORDER BY id LIMIT ?4)",
    [ST_TRIM_TURNS] =
	"DELETE FROM turns WHERE id IN (SELECT id FROM turns t WHERE id > ?1 AND "
	"id < ?2 AND ended_at < ?3 AND NOT EXISTS (SELECT 1 FROM messages WHERE turn = "
	"t.id) ORDER BY id LIMIT ?4)",
    [ST_TRIM_SESSIONS] =
	"DELETE FROM sessions WHERE id IN (SELECT id FROM sessions s WHERE id > ?1 AND "
	"id < ?2 AND started_at < ?3 AND NOT EXISTS (SELECT 1 FROM turns WHERE session = "
	"s.id) AND EXISTS (SELECT 1 FROM sessions n WHERE n.agent = s.agent AND n.id > "
	"s.id) AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.name = s.agent AND "
	"a.session = s.id) ORDER BY id LIMIT ?4)",
    [ST_TRIM_APPROVALS] =
	"DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE id > ?1 AND "
	"id < ?2 AND asked_at < ?3 AND state <> 'open' ORDER BY id LIMIT ?4)",
    /* by number, not by time; those of a clock that was ahead wait until it is there */
    [ST_TRIM_EVENTS] =
	"DELETE FROM events WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM events "
	"WHERE at <= ?1 ORDER BY seq LIMIT ?3) WHERE at < ?2)",
};

static const char *const tables[] = {"agents", "hook_cursors", "sessions", "turns",
    "messages", "outbox", "approvals", "events" /* deletes old ones */, NULL};

static const struct db_spec spec = {
    .service = "launcher",
    .sql = statements,
    .sql_count = ST_COUNT,
    .write = tables,
    .busy_timeout_ms = 250,
};

struct db *
store_open(const char *path)
{
	return db_open(path, &spec);
}

const char *
store_sql(int statement)
{
	return statements[statement];
}

int64_t
store_setting_int(struct db *db, const char *key, int64_t otherwise)
{
	char *value = db_one_text(db, ST_SETTING, DB_ARGS(DB_T(key)));
	int64_t result = value != NULL ? strtoll(value, NULL, 10) : otherwise;

	free(value);
	return result;
}

void
store_event(struct db *db, const char *entity, const char *id, const char *what,
    const char *cause, const char *detail)
{
	db_must(db, ST_EVENT_ADD,
	    DB_ARGS(DB_I(wall_ms()), DB_T(db_host(db)), DB_T(entity), DB_T(id),
		DB_T(what), DB_T(cause), DB_T(detail)));
}
