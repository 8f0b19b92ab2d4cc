/* The berth.toml that a first start writes. It must load without errors, and with no
 * secret there. */
#include "buf.h"
#include "config.h"

/* clang-format off */
static const char head[] =
    "# berth.toml: what runs here and how. docs/configuration.md has every key, its default\n"
    "# and its range. After a change: berth config check, then berth apply.\n"
    "# A variable of the container overrides a key: BERTH__DELIVERY__HUMAN_IDLE=5s\n"
    "\n"
    "# An agent that needs no account and no network. Try it:\n"
    "#   berth send demo \"hello\"\n"
    "#   berth attach demo\n"
    "[agents.demo]\n"
    "driver = \"demo\"\n"
    "\n";

/* What says how Claude Code runs; commented out where it isn't installed. */
static const char *const claude[] = {
    "[agents.claude]",
    "driver = \"claude\"",
    "cwd = \"/projects\"",
    "secrets.ANTHROPIC_API_KEY = \"env:ANTHROPIC_API_KEY\"",
    "secrets.CLAUDE_CODE_OAUTH_TOKEN = \"env:CLAUDE_CODE_OAUTH_TOKEN\"",
    "secrets.ANTHROPIC_AUTH_TOKEN = \"env:ANTHROPIC_AUTH_TOKEN\"    # of a gateway, and its",
    "secrets.ANTHROPIC_BASE_URL = \"env:ANTHROPIC_BASE_URL\"        # address",
    "permissions = \"allowlist\"        # what isn't in allow asks a person",
    "allow = [\"Read\", \"Grep\", \"Glob\", \"Bash(git status:*)\"]",
    "##secrets.ANTHROPIC_API_KEY = \"anthropic-api-key\"",
    "##uid = 2001                      # a user of its own, apart from the other agents",
    "##proxy = \"http://proxy.example:3128\"",
    NULL,
};

static const char about_claude[] =
    "# Claude Code%s.\n"
    "#\n"
    "# Secrets never stand in this file. Each line of `secrets` is an environment variable of\n"
    "# the agent and says where its value is: env:NAME for a variable that the container was\n"
    "# started with (nothing is granted where that isn't set), or a file in /data/secrets:\n"
    "#   cat > /data/secrets/anthropic-api-key      (paste it, Enter, Ctrl-D)\n"
    "# The token of a subscription is what `claude setup-token` prints on a machine with a\n"
    "# browser. With neither, attach to the agent and type /login.\n"
    "#\n";

static const char tail[] =
    "# Any other program; it is ready when its pane has been quiet for `silence`.\n"
    "#[agents.shell]\n"
    "#driver = \"command\"\n"
    "#command = [\"/bin/sh\", \"-i\"]\n"
    "#silence = \"3s\"\n"
    "\n"
    "[delivery]\n"
    "#human_idle = \"2s\"      # nothing is pasted while somebody typed so recently\n"
    "#max_queue = 1000       # messages that may wait for one agent\n"
    "#expire = \"never\"       # or how long a message may wait, such as \"12h\"\n"
    "\n"
    "[restart]\n"
    "#backoff_min = \"1s\"\n"
    "#backoff_max = \"60s\"\n"
    "#max_crashes = 5        # in a row; then the agent is held until somebody starts it\n"
    "\n"
    "[limits]\n"
    "#continue = true        # go on by itself when a usage limit resets\n";
/* clang-format on */

char *
config_default_file(bool with_claude)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, head);
	buf_addf(&b, about_claude,
	    with_claude ? "" : ". Take away the # of the lines that have only one");
	for (size_t i = 0; claude[i] != NULL; i++)
		buf_addf(&b, "%s%s\n", claude[i][0] == '#' || with_claude ? "" : "#",
		    claude[i][0] == '#' && with_claude ? claude[i] + 1 : claude[i]);
	buf_addc(&b, '\n');
	buf_adds(&b, tail);
	return buf_take(&b);
}
