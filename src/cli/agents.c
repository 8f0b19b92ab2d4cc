/* Agents by name. */
#include "agents.h"

#include <string.h>

#include "buf.h"
#include "cli.h"
#include "json.h"
#include "nearest.h"

int
agents_fetch(struct launcher *l, struct rows *agents)
{
	return launcher_rows(l, "agents", NULL, agents);
}

yyjson_val *
agents_find(const struct rows *agents, const char *name)
{
	for (size_t i = 0; i < agents->count; i++)
		if (strcmp(json_str(agents->row[i], "name", ""), name) == 0)
			return agents->row[i];
	return NULL;
}

/* "a, b and c" */
static void
list_names(struct buf *out, const struct rows *agents)
{
	for (size_t i = 0; i < agents->count; i++)
		buf_addf(out, "%s%s",
		    i == 0                  ? ""
		    : i + 1 < agents->count ? ", "
					    : " and ",
		    json_str(agents->row[i], "name", "?"));
}

static int
fail_none(const struct cli *cli)
{
	return cli_fail(cli, CLI_NOT_FOUND, "no-agent",
	    "name one in /data/berth.toml ([agents.NAME]), then `berth apply`; `berth "
	    "config default` shows how",
	    "there are no agents");
}

int
agents_unknown(const struct cli *cli, const struct rows *agents, const char *name)
{
	struct nearest near = {.typed = name};
	struct buf hint = BUF_INIT;

	if (agents->count == 0)
		return fail_none(cli);
	for (size_t i = 0; i < agents->count; i++)
		nearest_try(&near, json_str(agents->row[i], "name", ""));
	if (near.best != NULL)
		buf_addf(&hint, "did you mean %s? ", near.best);
	buf_adds(&hint, "there ");
	buf_adds(&hint, agents->count == 1 ? "is " : "are ");
	list_names(&hint, agents);
	cli_fail(cli, CLI_NOT_FOUND, "no-agent", buf_str(&hint),
	    "there is no agent \"%s\"", name);
	buf_free(&hint);
	return CLI_NOT_FOUND;
}

int
agents_choose(const struct cli *cli, const struct rows *agents, const char *asked,
    const char **name)
{
	struct buf hint = BUF_INIT;

	*name = asked;
	if (asked != NULL)
		return agents_find(agents, asked) != NULL
			   ? CLI_OK
			   : agents_unknown(cli, agents, asked);
	if (agents->count == 0)
		return fail_none(cli);
	*name = agents->count == 1 ? json_str(agents->row[0], "name", "?") : "main";
	if (agents_find(agents, *name) != NULL)
		return CLI_OK;
	buf_adds(&hint, "there are ");
	list_names(&hint, agents);
	cli_fail(cli, CLI_USAGE, NULL, buf_str(&hint), "which agent?");
	buf_free(&hint);
	return CLI_USAGE;
}

static const struct {
	const char *state;
	enum style style;
} styles[] = {
    {"ready", STYLE_GREEN},
    {"busy", STYLE_CYAN},
    {"compacting", STYLE_CYAN},
    {"starting", STYLE_YELLOW},
    {"awaiting-approval", STYLE_YELLOW},
    {"limited", STYLE_YELLOW},
    {"held", STYLE_RED},
    {"crashed", STYLE_RED},
    {"auth-failed", STYLE_RED},
    {"stopped", STYLE_DIM},
};

enum style
agents_style(const char *state)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return STYLE_PLAIN;
}

static const struct {
	const char *state, *until;
} waiting_states[] = {
    {"stopped", "it is started (berth start)"},
    {"held", "somebody looks at it and starts it (berth status, berth start)"},
    {"auth-failed", "somebody logs it in (berth attach)"},
    {"crashed", "it is up again"},
    {"limited", "its usage limit resets, or it is started (berth start)"},
    {"awaiting-approval", "somebody answers what it asks (berth approvals)"},
};

const char *
agents_until(const char *state)
{
	for (size_t i = 0; i < sizeof(waiting_states) / sizeof(waiting_states[0]); i++)
		if (strcmp(waiting_states[i].state, state) == 0)
			return waiting_states[i].until;
	return NULL;
}
