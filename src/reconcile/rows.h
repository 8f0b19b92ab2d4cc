/* The rows that reconcile owns: settings and desired agents. */
#ifndef ROWS_H
#define ROWS_H
#include <yyjson.h>

struct agent_spec;
struct config;
struct db;

struct db *rows_open(void);
/* All of it in one transaction, for which everybody else waits; `changes` gets a sentence
 * for each agent that is new, changed or gone. */
void rows_begin(struct db *db, const struct config *c);
void rows_agent(struct db *db, const char *name, const struct agent_spec *s,
    yyjson_mut_doc *doc, yyjson_mut_val *changes);
void rows_remove_others(
    struct db *db, const struct config *c, yyjson_mut_doc *doc, yyjson_mut_val *changes);
void rows_settings(struct db *db, const struct config *c);
void rows_state(
    struct db *db, const char *json);       /* config.state: what `berth status` shows */
yyjson_doc *rows_last_state(struct db *db); /* of the run before; NULL: none */
void rows_commit(struct db *db);
#endif
