/* See addressee.h. Who was removed and only waits for its end is nobody. */
#include <stdlib.h>
#include "addressee.h"
#include "agent.h"
#include "buf.h"
#include "xmalloc.h"

static struct agent *
only_agent(struct launcher *l)
{
	struct agent *a, *only = NULL;

	list_each (a, &l->agents, link) {
		if (a->removed)
			continue;
		if (only != NULL)
			return launcher_agent(l, "main");
		only = a;
	}
	return only;
}

struct agent *
addressee_find(struct launcher *l, const char *name)
{
	struct agent *a = name != NULL ? launcher_agent(l, name) : only_agent(l);

	return a != NULL && !a->removed ? a : NULL;
}

char *
addressee_unknown(struct launcher *l, const char *name)
{
	struct buf all = BUF_INIT;
	struct agent *a;
	int count = 0;
	char *why;

	list_each (a, &l->agents, link) {
		if (!a->removed)
			buf_addf(&all, "%s%s", count++ > 0 ? ", " : "", a->name);
	}
	if (count == 0)
		why = xstrdup("there are no agents yet");
	else if (name == NULL)
		why = xasprintf("say which agent: %s", buf_str(&all));
	else
		why = xasprintf("there is no such agent \"%.64s\" (there %s: %s)", name,
		    count > 1 ? "are" : "is", buf_str(&all));
	buf_free(&all);
	return why;
}
