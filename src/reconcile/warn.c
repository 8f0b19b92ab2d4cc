/* See warn.h. */
#include "warn.h"

#include <stdlib.h>

#include "log.h"
#include "xmalloc.h"

void
warn_agent(yyjson_mut_doc *doc, yyjson_mut_val *warnings, const char *agent,
    const char *what, const char *where, const char *why)
{
	yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, warnings);
	char *text = xasprintf("%s: %s", where, why);

	log_warnx("%s", text);
	yyjson_mut_obj_add_strcpy(doc, row, "agent", agent);
	if (what != NULL)
		yyjson_mut_obj_add_str(doc, row, "what", what);
	yyjson_mut_obj_add_strcpy(doc, row, "text", text);
	free(text);
}
