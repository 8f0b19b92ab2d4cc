/* See rows.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "config.h"
#include "db.h"
#include "json.h"
#include "log.h"
#include "paths.h"
#include "rows.h"
#include "spec.h"
#include "xmalloc.h"

enum { BUSY_MS = 10000 };
enum {
	ST_AGENT_HASH,
	ST_AGENT_SET,
	ST_AGENT_NAMES,
	ST_AGENT_REMOVE,
	ST_SETTING_SET,
	ST_SETTING_GET,
	ST_COUNT
};

static const char *const statements[ST_COUNT] = {
    [ST_AGENT_HASH] = "SELECT hash || ' ' || spec FROM desired_agents WHERE name = ?1",
    [ST_AGENT_SET] = "INSERT INTO desired_agents (name, spec, hash) VALUES (?1, ?2, ?3) "
		     "ON CONFLICT (name) "
		     "DO UPDATE SET spec = excluded.spec, hash = excluded.hash",
    [ST_AGENT_NAMES] = "SELECT name FROM desired_agents",
    [ST_AGENT_REMOVE] = "DELETE FROM desired_agents WHERE name = ?1",
    [ST_SETTING_SET] = "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT "
		       "(key) DO UPDATE SET "
		       "value = excluded.value",
    [ST_SETTING_GET] = "SELECT value FROM settings WHERE key = ?1",
};
static const char *const tables[] = {"settings", "desired_agents", NULL};

struct db *
rows_open(void)
{
	static const struct db_spec spec = {.service = "reconcile",
	    .sql = statements,
	    .sql_count = ST_COUNT,
	    .write = tables,
	    .busy_timeout_ms = BUSY_MS};

	return db_open(DB_PATH, &spec);
}

void
rows_begin(struct db *db, const struct config *c)
{
	db_set_host(db, config_str(c, "host.name"));
	if (db_begin(db) != DB_OK)
		fatalx(
		    EXIT_SYSTEM, "the database is busy: nothing was changed, try again");
}

void
rows_commit(struct db *db)
{
	if (db_commit(db) != DB_OK)
		fatalx(
		    EXIT_SYSTEM, "the database is busy: nothing was changed, try again");
}

static void
change(yyjson_mut_doc *doc, yyjson_mut_val *changes, const char *sign, const char *name,
    const char *what)
{
	char *text = xasprintf("%s agent %s%s", sign, name, what);

	yyjson_mut_arr_add_strcpy(doc, changes, text);
	log_info("%s", text);
	free(text);
}

void
rows_agent(struct db *db, const char *name, const struct agent_spec *s,
    yyjson_mut_doc *doc, yyjson_mut_val *changes)
{
	char *old = db_one_text(db, ST_AGENT_HASH, DB_ARGS(DB_T(name)));
	char *now = xasprintf("%s %s", s->hash, s->json);
	struct db_event row = {
	    .entity = "config", .id = name, .new_state = s->hash, .cause = "berth.toml"};

	if (old == NULL)
		change(doc, changes, "+", name, "");
	else if (strcmp(old, now) != 0)
		change(doc, changes, "~", name,
		    strncmp(old, now, strlen(s->hash)) != 0 ? " (restarts)"
							    : " (takes effect at once)");
	if (old == NULL || strcmp(old, now) != 0)
		db_must_change(db, &row, ST_AGENT_SET,
		    DB_ARGS(DB_T(name), DB_T(s->json), DB_T(s->hash)));
	free(old);
	free(now);
}

void
rows_remove_others(
    struct db *db, const struct config *c, yyjson_mut_doc *doc, yyjson_mut_val *changes)
{
	struct db_rows *r = db_query(db, ST_AGENT_NAMES, DB_NOARGS);
	struct buf gone = BUF_INIT;

	while (db_next(r))
		if (!config_has(c, db_text(r, 0), "agents"))
			buf_add(&gone, db_text(r, 0), strlen(db_text(r, 0)) + 1);
	db_done(r);
	for (size_t at = 0; at < gone.len; at += strlen(gone.data + at) + 1) {
		const char *name = gone.data + at;
		struct db_event row = {.entity = "config",
		    .id = name,
		    .new_state = "removed",
		    .cause = "berth.toml"};

		change(doc, changes, "-", name, "");
		db_must_change(db, &row, ST_AGENT_REMOVE, DB_ARGS(DB_T(name)));
	}
	buf_free(&gone);
}

static void
set(struct db *db, const char *key, const char *value)
{
	db_must(db, ST_SETTING_SET, DB_ARGS(DB_T(key), DB_T(value)));
}

static void
set_number(struct db *db, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	set(db, key, text);
}

void
rows_settings(struct db *db, const struct config *c)
{
	static const char *const durations[] = {"delivery.human_idle",
	    "delivery.confirm_timeout", "delivery.expire", "restart.backoff_min",
	    "restart.backoff_max", "restart.stable_after", "retention.keep"};
	static const char *const numbers[] = {
	    "delivery.max_queue", "restart.max_crashes"};
	char *host = xasprintf("\"%s\"", config_str(c, "host.name"));

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		int64_t ms = config_ms(c, "%s", durations[i]);

		set_number(db, durations[i], ms < 0 ? 0 : ms);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		set_number(db, numbers[i], config_int(c, "%s", numbers[i]));
	set_number(db, "limits.continue", config_bool(c, "limits.continue"));
	set(db, "host.name", host);
	free(host);
}

void
rows_state(struct db *db, const char *json)
{
	set(db, "config.state", json);
}

yyjson_doc *
rows_last_state(struct db *db)
{
	char *text = db_one_text(db, ST_SETTING_GET, DB_ARGS(DB_T("config.state")));
	const char *why;
	yyjson_doc *doc = text != NULL ? json_parse(text, strlen(text), &why) : NULL;

	free(text);
	return doc;
}
