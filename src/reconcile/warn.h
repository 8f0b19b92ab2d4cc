/* What is amiss with an agent although its configuration is good. */
#ifndef WARN_H
#define WARN_H
#include <yyjson.h>

/* Logs, and adds {"agent":...,"what":...,"text":"where: why"}. what: how the agent is
 * for it, for `berth status`; NULL: it shows elsewhere when it matters. */
void warn_agent(yyjson_mut_doc *doc, yyjson_mut_val *warnings, const char *agent,
    const char *what, const char *where, const char *why);
#endif
