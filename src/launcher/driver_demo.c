/* The built-in demo agent (src/demo): same hooks, registry, transcript and keys as the
 * claude driver's. */
#include "agent.h"
#include "conversation.h"
#include "driver.h"
#include "paths.h"

static bool
runspec(struct agent *a, yyjson_mut_doc *doc, const char **why)
{
	yyjson_mut_val *argv = driver_common(a, doc);

	(void)why;
	driver_argv_add(doc, argv, LIBEXEC_DIR "/demo");
	driver_argv_extra(a, doc, argv);
	conversation_add(a, doc);
	return true;
}

const struct driver driver_demo = {
    .name = "demo",
    .hooks = true,
    .submit = "C-x C-y",
    .stash = "C-s",
    .glyph = "\xe2\x9d\xaf",
    .settle_ms = 0,
    .gap_ms = 20,
    .home = ".berth-demo",
    .runspec = runspec,
};
