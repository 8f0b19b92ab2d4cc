/* A configuration put to use: directories, users, secrets and rows. */
#ifndef APPLY_H
#define APPLY_H
#include <yyjson.h>

struct config;
struct db;

/* `changes` gets a sentence for each agent that is new, changed or gone; "warnings" in
 * doc's root what is amiss with one (warn.h). env: the
 * container's. Killed at any instruction, it can be run again. */
void apply_config(struct db *db, const struct config *c, char *const *env,
    yyjson_mut_doc *doc, yyjson_mut_val *changes);
#endif
