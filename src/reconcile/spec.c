/* See spec.h. One const table says which keys go over, under which name, and how. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "json.h"
#include "paths.h"
#include "spec.h"
#include "users.h"
#include "xmalloc.h"

enum kind { TEXT, NUMBER, MS, LIST, MAP };

static const struct {
	const char *key, *as;
	enum kind kind;
} keys[] = {
    {"driver", "driver", TEXT},
    {"command", "command", LIST},
    {"cwd", "cwd", TEXT},
    {"args", "args", LIST},
    {"env", "env", MAP},
    {"secrets", "secrets", MAP}, /* names and references, never values */
    {"proxy", "proxy", TEXT},
    {"no_proxy", "no_proxy", TEXT},
    {"mcp", "mcp", LIST},
    {"permissions", "permissions", TEXT},
    {"allow", "allow", LIST},
    {"deny", "deny", LIST},
    {"batch", "batch", TEXT},
    {"start", "start", TEXT},
    {"conversation", "conversation", TEXT},
    {"on_cut", "on_cut", TEXT},
    {"permission_timeout", "permission_timeout_ms", MS},
    {"silence", "silence_ms", MS},
    {"open_files", "open_files", NUMBER},
    {"nice", "nice", NUMBER},
};

static void
add_list(const struct config *c, const char *path, yyjson_mut_doc *doc, const char *as)
{
	yyjson_mut_val *list =
	    yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), as);

	for (size_t i = 0; i < config_count(c, "%s", path); i++)
		yyjson_mut_arr_add_strcpy(doc, list, config_at(c, i, "%s", path));
}

static void
add_map(const struct config *c, const char *path, yyjson_mut_doc *doc, const char *as)
{
	yyjson_mut_val *map =
	    yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), as);

	for (size_t i = 0; i < config_count(c, "%s", path); i++)
		yyjson_mut_obj_add(map,
		    yyjson_mut_strcpy(doc, config_name_at(c, i, "%s", path)),
		    yyjson_mut_strcpy(doc, config_at(c, i, "%s", path)));
}

static void
add_key(const struct config *c, const char *path, size_t i, yyjson_mut_doc *doc)
{
	switch (keys[i].kind) {
	case TEXT:
		if (config_str(c, "%s", path) != NULL)
			json_add_str(doc, keys[i].as, config_str(c, "%s", path));
		break;
	case NUMBER:
		json_add_int(doc, keys[i].as, config_int(c, "%s", path));
		break;
	case MS:
		json_add_int(doc, keys[i].as, config_ms(c, "%s", path));
		break;
	case LIST:
		add_list(c, path, doc, keys[i].as);
		break;
	default:
		add_map(c, path, doc, keys[i].as);
	}
}

/* What is decided at the agent's start decides whether it must start again. */
static yyjson_mut_doc *
collect(const struct config *c, const char *name, bool all)
{
	yyjson_mut_doc *doc = json_object();
	char path[128];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "agents.%s.%s", name, keys[i].key);
		if (all || config_when(c, "%s", path) != CONFIG_AT_ONCE)
			add_key(c, path, i, doc);
	}
	return doc;
}

static void
add_user(yyjson_mut_doc *doc, const struct agent_spec *s)
{
	json_add_int(doc, "uid", s->uid);
	json_add_int(doc, "gid", s->gid);
	json_add_str(doc, "user", s->user);
	json_add_str(doc, "home", s->home);
}

void
spec_make(const struct config *c, const char *name, char *const *env, uint64_t secrets,
    struct agent_spec *out)
{
	yyjson_mut_doc *whole = collect(c, name, true),
		       *decisive = collect(c, name, false);
	uint64_t h = hash_bytes(HASH_BEGIN, &secrets, sizeof(secrets));
	size_t len;
	char *text;

	out->uid = (uid_t)config_int(c, "agents.%s.uid", name);
	out->gid = (gid_t)config_int(c, "agents.%s.gid", name);
	if (out->uid == 0)
		out->uid = users_default_uid(env);
	if (out->gid == 0)
		out->gid = users_gid(out->uid, env);
	out->user = users_name(out->uid, users_default_uid(env));
	out->home = xasprintf(HOME_DIR "/%s", out->user);
	add_user(whole, out);
	add_user(decisive, out);
	text = json_line(decisive, &len);
	hash_text(hash_bytes(h, text, len), out->hash);
	free(text);
	out->json = json_line(whole, &len);
}

void
spec_free(struct agent_spec *s)
{
	free(s->json);
	free(s->user);
	free(s->home);
}
