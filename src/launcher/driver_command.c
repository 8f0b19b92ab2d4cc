/*
 * Any program. It speaks no hooks: its state is whether its pane is quiet, a message is
 * typed and entered, that its terminal took it is all the proof there is, and its answer
 * is what it printed until it was quiet again.
 */
#include "agent.h"
#include "conversation.h"
#include "driver.h"
#include "json.h"

static bool
runspec(struct agent *a, yyjson_mut_doc *doc, const char **why)
{
	yyjson_mut_val *argv = driver_common(a, doc);
	yyjson_val *command = json_get(yyjson_doc_get_root(a->spec), "command"), *word;
	size_t i, n;

	if (yyjson_arr_size(command) == 0) {
		*why = "an agent with driver \"command\" needs `command`";
		return false;
	}
	yyjson_arr_foreach(command, i, n, word)
	    driver_argv_add(doc, argv, yyjson_get_str(word));
	driver_argv_extra(a, doc, argv);
	conversation_begin(a);
	return true;
}

const struct driver driver_command = {
    .name = "command",
    .submit = "Enter",
    .gap_ms =
	150, /* some editors take an Enter within 120 ms of a paste for part of it */
    .runspec = runspec,
};
