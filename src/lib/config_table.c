/*
 * Every key of berth.toml, once: what may stand there, what goes when nothing does, and
 * the sentence that explains it. Parsing, errors, `berth config show` and
 * docs/configuration.md all come from here. A section's row is followed by its keys; the
 * order is that of the documentation.
 */
#include "config_impl.h"
#include <stdio.h>
#include <string.h>

#define SECONDS(n) ((n) * INT64_C(1000))
#define MINUTES(n) SECONDS((n) * INT64_C(60))
#define HOURS(n)   MINUTES((n) * INT64_C(60))
#define DAYS(n)    HOURS((n) * INT64_C(24))

static const char *const drivers[] = {"claude", "demo", "command", NULL};
/* Who has a key that not every driver has. */
static const char *const claude[] = {"claude", NULL};
static const char *const command[] = {"command", NULL};
static const char *const with_hooks[] = {"claude", "demo", NULL};
static const char *const permission_modes[] = {"allowlist", "sandbox", "dangerous", NULL};
static const char *const batches[] = {"together", "single", NULL};
static const char *const starts[] = {"always", "manual", NULL};
static const char *const conversations[] = {"resume", "fresh", NULL};
static const char *const cuts[] = {"continue", "drop", NULL};

const struct config_row config_rows[] = {
    /* clang-format off */
{ .path = "host", .type = CONFIG_TABLE,
  .help = "This machine." },
{ .path = "host.name", .type = CONFIG_STRING, .when = CONFIG_BERTH_START,
  .unset = "the machine's host name", .check = config_check_host_name,
  .help = "What this host is called in records and answers: a-z, 0-9 and \"-\", a letter "
	  "first, 63 characters at most." },

{ .path = "data", .type = CONFIG_TABLE,
  .help = "The volume, /data." },
{ .path = "data.i_accept_a_network_file_system", .type = CONFIG_BOOLEAN,
  .when = CONFIG_BERTH_START, .initial = "false",
  .help = "Must be true for berth to start where /data is shared over a network or by a "
	  "virtual machine's host (nfs, cifs, 9p, virtiofs, fuse): what was promised to be "
	  "kept may be lost there." },

{ .path = "delivery", .type = CONFIG_TABLE,
  .help = "How messages get to agents." },
{ .path = "delivery.human_idle", .type = CONFIG_DURATION, .initial = "2s", .min = 0,
  .max = MINUTES(10),
  .help = "How long a person's keyboard in an agent's pane must be quiet before something "
	  "is pasted there." },
{ .path = "delivery.max_queue", .type = CONFIG_INTEGER, .initial = "1000", .min = 1,
  .max = 100000,
  .help = "How many messages may wait for one agent; further ones are refused (in a FIFO they wait)." },
{ .path = "delivery.expire", .type = CONFIG_DURATION, .flags = CONFIG_NEVER,
  .initial = "never", .min = SECONDS(1), .max = DAYS(365),
  .help = "How long a message may wait before it is given up as expired." },
{ .path = "delivery.confirm_timeout", .type = CONFIG_DURATION, .initial = "3s", .min = 500,
  .max = MINUTES(1),
  .help = "How long to wait for the agent's own word that it took a message, before "
	  "looking closer." },

{ .path = "restart", .type = CONFIG_TABLE,
  .help = "What happens when an agent ends by itself." },
{ .path = "restart.backoff_min", .type = CONFIG_DURATION, .initial = "1s", .min = 100,
  .max = HOURS(1),
  .help = "The wait before the first restart; it doubles with each crash in a row." },
{ .path = "restart.backoff_max", .type = CONFIG_DURATION, .initial = "60s", .min = 100,
  .max = HOURS(24),
  .help = "The longest wait before a restart." },
{ .path = "restart.stable_after", .type = CONFIG_DURATION, .initial = "60s", .min = SECONDS(1),
  .max = HOURS(24),
  .help = "How long an agent must have run for its earlier crashes to be forgotten." },
{ .path = "restart.max_crashes", .type = CONFIG_INTEGER, .initial = "5", .min = 1, .max = 1000,
  .help = "Crashes in a row before an agent is held until somebody starts it again." },

{ .path = "limits", .type = CONFIG_TABLE,
  .help = "Usage limits of an agent's account." },
{ .path = "limits.continue", .type = CONFIG_BOOLEAN, .initial = "true",
  .help = "Go on by itself when a usage limit resets. `false` waits for a person: the message "
	  "that met the limit ends unanswered, and the agent takes no other until `berth start`." },

{ .path = "retention", .type = CONFIG_TABLE,
  .help = "How long what is over stays in the database." },
{ .path = "retention.keep", .type = CONFIG_DURATION, .flags = CONFIG_NEVER,
  .initial = "90d", .min = DAYS(1), .max = DAYS(3650),
  .help = "Messages, answers, turns, conversations, approvals and events are deleted, bit by "
	  "bit, once they ended so long ago; what is open, waits or is referred to stays, but "
	  "for answers to a channel that nobody serves. `never` keeps everything." },

{ .path = "agents.*", .type = CONFIG_TABLE, .check_name = config_check_agent_name,
  .help = "One agent for each such table. `<name>` is a-z, 0-9 and \"-\", a letter first, "
	  "32 characters at most; not `all`, `berth` or `none`." },
{ .path = "agents.*.driver", .type = CONFIG_ENUM, .flags = CONFIG_REQUIRED,
  .when = CONFIG_AGENT_START, .words = drivers, .noun = "a driver",
  .help = "What kind of agent it is: `claude` (Claude Code), `demo` (built in, needs no "
	  "account or network), `command` (any program)." },
{ .path = "agents.*.command", .type = CONFIG_LIST, .when = CONFIG_AGENT_START,
  .flags = CONFIG_MASK,
  .check = config_check_filled, .drivers = command,
  .help = "The program and its first arguments, such as `[\"/bin/sh\", \"-i\"]`; required." },
{ .path = "agents.*.args", .type = CONFIG_LIST, .when = CONFIG_AGENT_START,
  .flags = CONFIG_MASK,
  .help = "Further arguments for the agent's program. They show in `ps`: for what is secret use "
	  "`secrets`." },
{ .path = "agents.*.cwd", .type = CONFIG_STRING, .when = CONFIG_AGENT_START,
  .initial = "/projects", .check = config_check_path,
  .help = "The directory it works in, an absolute path in the container." },
{ .path = "agents.*.env", .type = CONFIG_MAP, .when = CONFIG_AGENT_START, .flags = CONFIG_MASK,
  .check_name = config_check_env_name,
  .help = "Environment variables for the agent, such as `env.EDITOR = \"vi\"`. For what is "
	  "secret use `secrets`." },
{ .path = "agents.*.secrets", .type = CONFIG_MAP, .when = CONFIG_AGENT_START,
  .flags = CONFIG_SECRET, .check_name = config_check_env_name, .check = config_check_secret,
  .help = "Environment variables whose value is kept elsewhere: the name of a file in "
	  "/data/secrets, or `env:NAME` for a variable that the container was started "
	  "with, such as `secrets.ANTHROPIC_API_KEY = \"anthropic-api-key\"`." },
{ .path = "agents.*.proxy", .type = CONFIG_STRING, .when = CONFIG_AGENT_START,
  .flags = CONFIG_MASK | CONFIG_SECRET, .unset = "none", .check = config_check_url,
  .help = "The proxy it reaches the network through: `http://`, `https://` or `socks5://`, "
	  "host and port." },
{ .path = "agents.*.no_proxy", .type = CONFIG_STRING, .when = CONFIG_AGENT_START,
  .initial = "localhost,127.0.0.1,::1",
  .help = "Hosts it reaches without the proxy, with commas between them." },
{ .path = "agents.*.mcp", .type = CONFIG_LIST, .flags = CONFIG_ONE, .when = CONFIG_AGENT_START,
  .check = config_check_path,
  .drivers = claude,
  .help = "MCP configuration files to load, absolute paths." },
{ .path = "agents.*.permissions", .type = CONFIG_ENUM, .when = CONFIG_AGENT_START,
  .initial = "allowlist", .words = permission_modes, .noun = "a permission mode",
  .drivers = claude,
  .help = "`allowlist` asks a person for what `allow` doesn't cover; `sandbox` doesn't ask "
	  "for commands, which can then write in `cwd` only and reach the network by leave, nor "
	  "for edits there (where no sandbox can be made, the agent is held); `dangerous` never asks." },
{ .path = "agents.*.i_accept_the_danger", .type = CONFIG_BOOLEAN, .when = CONFIG_AGENT_START,
  .initial = "false",
  .drivers = claude,
  .help = "Must be true for `permissions = \"dangerous\"`." },
{ .path = "agents.*.allow", .type = CONFIG_LIST, .when = CONFIG_AGENT_START,
  .check = config_check_filled,
  .drivers = claude,
  .help = "Tool rules that need no approval, such as `\"Bash(git status:*)\"`." },
{ .path = "agents.*.deny", .type = CONFIG_LIST, .when = CONFIG_AGENT_START,
  .check = config_check_filled,
  .drivers = claude,
  .help = "Tool rules that are always refused; they win over `allow`." },
{ .path = "agents.*.uid", .type = CONFIG_INTEGER, .when = CONFIG_AGENT_START, .min = 1,
  .max = INT64_C(4294967294), .unset = "the appliance's agent user",
  .check_number = config_check_uid,
  .help = "A user id of its own keeps an agent apart from the others; agents with the same "
	  "one share a home." },
{ .path = "agents.*.gid", .type = CONFIG_INTEGER, .when = CONFIG_AGENT_START, .min = 1,
  .max = INT64_C(4294967294), .unset = "as `uid` if that is given, else the agent group",
  .check_number = config_check_gid,
  .help = "Its group id." },
{ .path = "agents.*.batch", .type = CONFIG_ENUM, .initial = "together", .words = batches,
  .noun = "a way to hand over messages",
  .help = "What came in while it was busy is handed over `together` or one by one "
	  "(`single`)." },
{ .path = "agents.*.start", .type = CONFIG_ENUM, .initial = "always", .words = starts,
  .noun = "a way to start",
  .help = "`always` keeps it running; `manual` waits for `berth start`." },
{ .path = "agents.*.conversation", .type = CONFIG_ENUM, .when = CONFIG_AGENT_START,
  .initial = "resume", .words = conversations, .noun = "a way to begin",
  .drivers = with_hooks,
  .help = "After a restart `resume` the conversation, or begin a `fresh` one." },
{ .path = "agents.*.on_cut", .type = CONFIG_ENUM, .initial = "continue", .words = cuts,
  .noun = "a way to go on",
  .drivers = with_hooks,
  .help = "When a restart cut a turn: `continue` it with one prompt that names the "
	  "message, or `drop` it." },
{ .path = "agents.*.permission_timeout", .type = CONFIG_DURATION, .when = CONFIG_AGENT_START,
  .initial = "10m", .min = SECONDS(10), .max = HOURS(24),
  .drivers = with_hooks,
  .help = "How long a permission request waits for a person; then it is denied." },
{ .path = "agents.*.silence", .type = CONFIG_DURATION, .initial = "3s", .min = 100,
  .max = HOURS(1), .drivers = command,
  .help = "How long its pane must be quiet to count as ready." },
{ .path = "agents.*.open_files", .type = CONFIG_INTEGER, .when = CONFIG_AGENT_START, .min = 64,
  .max = 1048576, .unset = "unchanged",
  .help = "Its limit of open files." },
{ .path = "agents.*.nice", .type = CONFIG_INTEGER, .when = CONFIG_AGENT_START, .initial = "0",
  .min = 0, .max = 19,
  .help = "How much it yields the processor to others; 19 the most." },
{ .path = NULL },
    /* clang-format on */
};

const struct config_row *
config_row_find(const char *pattern)
{
	for (const struct config_row *row = config_rows; row->path != NULL; row++)
		if (strcmp(row->path, pattern) == 0)
			return row;
	return NULL;
}

/* What of the row's path follows `pattern.`; NULL if it isn't below it. */
static const char *
below(const struct config_row *row, const char *pattern)
{
	size_t len = strlen(pattern);

	if (len == 0)
		return row->path;
	if (strncmp(row->path, pattern, len) != 0 || row->path[len] != '.')
		return NULL;
	return row->path + len + 1;
}

bool
config_row_within(const char *pattern)
{
	for (const struct config_row *row = config_rows; row->path != NULL; row++)
		if (below(row, pattern) != NULL)
			return true;
	return false;
}

size_t
config_row_keys(const struct config_row *section)
{
	size_t count = 0;

	while (section[count + 1].path != NULL && section[count + 1].type != CONFIG_TABLE)
		count++;
	return count;
}

const char *
config_row_key(const struct config_row *row)
{
	const char *dot = strrchr(row->path, '.');

	return dot == NULL ? row->path : dot + 1;
}

const char *
config_row_title(const struct config_row *section, char *out, size_t size)
{
	size_t len = strcspn(section->path, "*");

	snprintf(out, size, "%.*s%s", (int)len, section->path,
	    section->path[len] == '*' ? "<name>" : "");
	return out;
}

bool
config_row_child(const char *pattern, size_t *iter, char *out, size_t size)
{
	while (config_rows[*iter].path != NULL) {
		const char *rest = below(&config_rows[(*iter)++], pattern);
		size_t len = rest == NULL ? 0 : strcspn(rest, ".");

		if (len == 0 || rest[0] == '*' || len >= size)
			continue;
		if (strncmp(out, rest, len) == 0 && out[len] == '\0') /* agents, again */
			continue;
		snprintf(out, size, "%.*s", (int)len, rest);
		return true;
	}
	return false;
}
