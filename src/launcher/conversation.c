/*
 * See conversation.h. The id is ours, a UUID, so it is known before the CLI says a word.
 * A transcript that is there is resumed; one that is gone leaves its id free, so the same
 * id begins afresh.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "agent.h"
#include "conversation.h"
#include "db.h"
#include "driver.h"
#include "hooks.h"
#include "json.h"
#include "log.h"
#include "paths.h"
#include "shimlink.h"
#include "store.h"
#include "turn.h"
#include "xmalloc.h"

/* RFC 9562, version 4 */
static void
uuid_new(char out[static 37])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		fatal(EXIT_SYSTEM, "getrandom");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
	    b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
	    b[13], b[14], b[15]);
}

bool
conversation_id_ok(const char *id)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == '-' ? id[i] != '-' : !isxdigit((unsigned char)id[i]))
			return false;
	return id[sizeof(form) - 1] == '\0';
}

static bool
wants_fresh(const struct agent *a)
{
	return strcmp(agent_spec_str(a, "conversation", "resume"), "fresh") == 0;
}

static void
add_path(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *dirs, const char *below)
{
	char *path = xasprintf("%s/%s%s", agent_spec_str(a, "home", HOME_DIR "/agent"),
	    a->driver->home, below);

	yyjson_mut_arr_add_strcpy(doc, dirs, path);
	if (strcmp(below, "/sessions") == 0)
		json_add_str(doc, "registry", path);
	free(path);
}

void
conversation_begin(struct agent *a)
{
	char uuid[37];

	uuid_new(uuid);
	free(a->transcript);
	a->transcript = NULL;
	a->applied = 0;
	session_new(a, uuid);
}

void
conversation_lost(struct agent *a)
{
	static const char what[] = "its transcript is gone: the conversation begins anew";

	log_warnx("agent=%s session=%s %s", a->name, a->driver_id, what);
	store_event(a->l->db, "session", a->session, "lost", what, NULL);
	turn_forgotten(a);
	a->applied = 0;
	db_must(a->l->db, ST_SESSION_APPLIED, DB_ARGS(DB_T(a->session), DB_I(0)));
	shimlink_tail(a);
}

/* With another user the agent has another home, and what it said lies in the old one. */
static bool
lies_elsewhere(const struct agent *a)
{
	const char *home = agent_spec_str(a, "home", HOME_DIR "/agent");
	size_t n = strlen(home);

	/* A person may have put it outside all homes (CLAUDE_CONFIG_DIR): there it stays.
	 */
	return a->transcript != NULL &&
	       strncmp(a->transcript, HOME_DIR "/", sizeof(HOME_DIR)) == 0 &&
	       (strncmp(a->transcript, home, n) != 0 || a->transcript[n] != '/');
}

bool
conversation_is_new(const struct agent *a)
{
	return a->session[0] == '\0' || wants_fresh(a) || lies_elsewhere(a);
}

void
conversation_add(struct agent *a, yyjson_mut_doc *doc)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc),
		       *argv = yyjson_mut_obj_get(root, "argv"), *again, *dirs;
	bool fresh = conversation_is_new(a), resume = !fresh && a->transcript != NULL;

	if (fresh)
		conversation_begin(a);
	if (resume) {
		again = yyjson_mut_val_mut_copy(doc, argv);
		driver_argv_add(doc, again, "--resume");
		driver_argv_add(doc, again, a->driver_id);
		yyjson_mut_obj_add_val(doc, root, "argv_resume", again);
		json_add_str(doc, "resume_if", a->transcript);
	}
	driver_argv_add(doc, argv, "--session-id");
	driver_argv_add(doc, argv, a->driver_id);
	dirs = yyjson_mut_obj_add_arr(doc, root, "dirs");
	add_path(a, doc, dirs, "/sessions");
	add_path(a, doc, dirs, "/projects");
}
