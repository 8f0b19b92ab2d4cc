/* What can be done depends on whose the folder is: not everybody can be an agent's user.
 */
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "folder.h"
#include "json.h"
#include "log.h"
#include "paths.h"
#include "users.h"
#include "xmalloc.h"

enum { WHY_MAX = 500 };

static char *
hint_for(const struct agent *a, yyjson_val *args)
{
	int64_t uid = json_int(args, "uid", 0), gid = json_int(args, "gid", 0);
	char *give = xasprintf("chown it to %lld:%lld",
	    (long long)agent_spec_int(a, "uid", UID_AGENT),
	    (long long)agent_spec_int(a, "gid", UID_AGENT));
	char *hint;

	if (json_bool(args, "read_only", false))
		hint = xstrdup("if it is to change something there: mount it without ro");
	else if (uid < 0 || uid > UINT32_MAX || !users_id_allowed((uint32_t)uid))
		hint = xasprintf("if it is to change something there: %s (uid %lld can't "
				 "be an agent's)",
		    give, (long long)uid);
	else
		hint = xasprintf("if it is to change something there: %s, or let its "
				 "owner be the agent's user (PUID=%lld PGID=%lld, or uid "
				 "and gid in berth.toml)",
		    give, (long long)uid, (long long)gid);
	free(give);
	return hint;
}

void
folder_forget(struct agent *a)
{
	free(a->folder_why);
	free(a->folder_hint);
	a->folder_why = a->folder_hint = NULL;
}

/* Said again after every hello, so only what is new is logged. */
void
folder_told(struct agent *a, yyjson_val *args)
{
	const char *why = json_str(args, "why", NULL);
	bool known = why != NULL && a->folder_why != NULL &&
		     strncmp(why, a->folder_why, WHY_MAX) == 0;

	if (why == NULL && a->folder_why != NULL)
		log_info("agent=%s can write to its folder now", a->name);
	if (why != NULL && !known)
		log_warnx("agent=%s can't write to its folder: %.500s", a->name, why);
	if (known)
		return;
	folder_forget(a);
	if (why != NULL) {
		a->folder_why = xstrndup(why, WHY_MAX);
		a->folder_hint = hint_for(a, args);
	}
}
