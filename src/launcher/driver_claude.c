/*
 * Claude Code. Its hooks come from the root-owned managed settings of the image; what
 * else it needs goes by --settings and environment; in its home only a key binding and
 * the answers to first-start dialogs are merged in, nothing of the user's is overwritten.
 * Facts measured with 2.1.197 and 2.1.329.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "conversation.h"
#include "driver.h"
#include "json.h"
#include "paths.h"
#include "xmalloc.h"

enum { KEY_TAIL = 20 };

/* Permission modes as berth names them; an explicit one always, for the default differs
 * by version. */
static const struct {
	const char *ours, *theirs;
} modes[] = {
    {"allowlist", "default"},
    {"sandbox", "acceptEdits"},
    {"dangerous", "bypassPermissions"},
};

static const char *
permission_mode(const struct agent *a)
{
	const char *ours = agent_spec_str(a, "permissions", "allowlist");

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].ours, ours) == 0)
			return modes[i].theirs;
	return modes[0].theirs;
}

static bool
is_sandboxed(const struct agent *a)
{
	return strcmp(agent_spec_str(a, "permissions", ""), "sandbox") == 0;
}

static void
copy_list(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *to, const char *key)
{
	yyjson_val *list = json_get(yyjson_doc_get_root(a->spec), key);

	if (yyjson_arr_size(list) > 0)
		yyjson_mut_obj_add_val(doc, to, key, yyjson_val_mut_copy(doc, list));
}

/* Its Bash tool's sandbox. What berth keeps for agents of this user is closed to commands
 * there as it is by Landlock's file rules, which can't go together with mounting. An
 * unprivileged container can't have a fresh /proc, so that stays the container's
 * ("weaker"). No way around: neither a sandbox that can't be made, nor the model's own
 * wish, lets a command run without. */
static void
add_sandbox(yyjson_mut_doc *doc, yyjson_mut_val *root)
{
	yyjson_mut_val *sandbox = yyjson_mut_obj_add_obj(doc, root, "sandbox"), *files,
		       *list;

	yyjson_mut_obj_add_bool(doc, sandbox, "enabled", true);
	yyjson_mut_obj_add_bool(doc, sandbox, "failIfUnavailable", true);
	yyjson_mut_obj_add_bool(doc, sandbox, "autoAllowBashIfSandboxed", true);
	yyjson_mut_obj_add_bool(doc, sandbox, "allowUnsandboxedCommands", false);
	yyjson_mut_obj_add_bool(doc, sandbox, "enableWeakerNestedSandbox", true);
	files = yyjson_mut_obj_add_obj(doc, sandbox, "filesystem");
	list = yyjson_mut_obj_add_arr(doc, files, "denyRead");
	yyjson_mut_arr_add_str(doc, list, SPOOL_DIR);
	yyjson_mut_arr_add_str(doc, list, SHIM_DIR);
	yyjson_mut_arr_add_str(doc, list, AGENT_DIR);
}

/* Can a sandbox like that be made here? The agent isn't started where it can't. */
static void
try_sandbox(yyjson_mut_doc *doc)
{
	static const char *const words[] = {"bwrap", "--new-session", "--die-with-parent",
	    "--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "--dev", "/dev",
	    "--", "socat", "-V"};
	yyjson_mut_val *try =
	    yyjson_mut_obj_add_obj(doc, yyjson_mut_doc_get_root(doc), "try");
	yyjson_mut_val *argv = yyjson_mut_obj_add_arr(doc, try, "argv");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		yyjson_mut_arr_add_str(doc, argv, words[i]);
	yyjson_mut_obj_add_str(doc, try, "why",
	    "permissions = \"sandbox\": no sandbox can be made here: let the container "
	    "make user namespaces (docker: --security-opt seccomp=unconfined), or take "
	    "another mode");
}

static void
add_settings(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *argv)
{
	yyjson_mut_doc *settings = json_object();
	yyjson_mut_val *root = yyjson_mut_doc_get_root(settings), *permissions;
	size_t len;
	char *text;

	permissions = yyjson_mut_obj_add_obj(settings, root, "permissions");
	copy_list(a, settings, permissions, "allow");
	copy_list(a, settings, permissions, "deny");
	if (!a->l->settings.limits_continue) /* 2.1.329 would by itself, with a login */
		json_add_bool(settings, "autoContinueAtUsageLimit", false);
	if (is_sandboxed(a))
		add_sandbox(settings, root);
	json_add_bool(settings, "skipDangerousModePermissionPrompt", true);
	/* 2.1.197 asks about a project's servers though --strict-mcp-config starts none
	 */
	json_add_bool(settings, "enableAllProjectMcpServers", true);
	text = json_line(settings, &len);
	driver_argv_add(doc, argv, "--settings");
	driver_argv_add(doc, argv, text);
	free(text);
}

static void
add_mcp(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *argv)
{
	yyjson_val *files = json_get(yyjson_doc_get_root(a->spec), "mcp"), *file;
	size_t i, n;

	driver_argv_add(doc, argv, "--strict-mcp-config");
	yyjson_arr_foreach(files, i, n, file)
	{
		driver_argv_add(doc, argv, "--mcp-config");
		driver_argv_add(doc, argv, yyjson_get_str(file));
	}
}

/* One change of a JSON file: path elements end with NULL. */
static void
ensure(yyjson_mut_doc *doc, yyjson_mut_val *set, yyjson_mut_val *value, const char *how,
    const char *const *path)
{
	yyjson_mut_val *change = yyjson_mut_arr_add_obj(doc, set), *list;

	list = yyjson_mut_obj_add_arr(doc, change, "path");
	for (; *path != NULL; path++)
		yyjson_mut_arr_add_strcpy(doc, list, *path);
	yyjson_mut_obj_add_val(doc, change, "value", value);
	yyjson_mut_obj_add_str(doc, change, "how", how);
}

static yyjson_mut_val *
ensure_file(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *list, const char *file,
    const char *lock)
{
	yyjson_mut_val *entry = yyjson_mut_arr_add_obj(doc, list);
	const char *home = agent_spec_str(a, "home", HOME_DIR "/agent");
	char *path = xasprintf("%s/%s", home, file);

	yyjson_mut_obj_add_strcpy(doc, entry, "file", path);
	free(path);
	if (lock != NULL) {
		path = xasprintf("%s/%s", home, lock);
		yyjson_mut_obj_add_strcpy(doc, entry, "lock", path);
		free(path);
	}
	return yyjson_mut_obj_add_arr(doc, entry, "set");
}

/* Dialogs that would block an unattended start, answered beforehand. */
static void
answer_dialogs(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *list)
{
	yyjson_mut_val *set =
	    ensure_file(a, doc, list, ".claude.json", ".claude.json.lock");
	yyjson_mut_val *env = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "env");
	const char *cwd = agent_spec_str(a, "cwd", "/projects");
	const char *key =
	    yyjson_mut_get_str(yyjson_mut_obj_get(env, "ANTHROPIC_API_KEY"));

	ensure(doc, set, yyjson_mut_bool(doc, true), "set",
	    (const char *const[]){"hasCompletedOnboarding", NULL});
	ensure(doc, set, yyjson_mut_bool(doc, true), "set",
	    (const char *const[]){"projects", cwd, "hasTrustDialogAccepted", NULL});
	if (key != NULL) {
		size_t len = strlen(key);

		ensure(doc, set,
		    yyjson_mut_strcpy(doc, len > KEY_TAIL ? key + len - KEY_TAIL : key),
		    "append",
		    (const char *const[]){"customApiKeyResponses", "approved", NULL});
	}
}

/* The private chord that submits a prompt and does nothing in a dialog, where Enter would
 * approve. */
static void
bind_chord(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *list)
{
	yyjson_mut_val *set = ensure_file(a, doc, list, ".claude/keybindings.json", NULL);
	yyjson_mut_val *change = yyjson_mut_arr_add_obj(doc, set), *path, *where;

	path = yyjson_mut_obj_add_arr(doc, change, "path");
	yyjson_mut_arr_add_str(doc, path, "bindings");
	where = yyjson_mut_arr_add_obj(doc, path);
	where = yyjson_mut_obj_add_obj(doc, where, "where");
	yyjson_mut_obj_add_str(doc, where, "context", "Chat");
	yyjson_mut_arr_add_str(doc, path, "bindings");
	yyjson_mut_arr_add_str(doc, path, "ctrl+x ctrl+y");
	yyjson_mut_obj_add_str(doc, change, "value", "chat:submit");
	yyjson_mut_obj_add_str(doc, change, "how", "set");
}

static const struct {
	const char *name, *value;
} environment[] = {
    {"DISABLE_AUTOUPDATER", "1"},
    {"DISABLE_INSTALLATION_CHECKS", "1"},
    {"CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL", "1"},
    {"CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN", "1"}, /* tmux keeps the scrollback */
    {"CLAUDE_CODE_DISABLE_TERMINAL_TITLE", "1"},
};

static bool
runspec(struct agent *a, yyjson_mut_doc *doc, const char **why)
{
	yyjson_mut_val *argv = driver_common(a, doc), *list;

	(void)why;
	for (size_t i = 0; i < sizeof(environment) / sizeof(environment[0]); i++)
		driver_env(doc, environment[i].name, environment[i].value);
	driver_argv_add(doc, argv, "claude");
	driver_argv_add(doc, argv, "--permission-mode");
	driver_argv_add(doc, argv, permission_mode(a));
	add_settings(a, doc, argv);
	add_mcp(a, doc, argv);
	driver_argv_extra(a, doc, argv);
	if (is_sandboxed(a)) {
		/* its own sandbox must be able to mount */
		json_add_str(doc, "domain", "scoped");
		try_sandbox(doc);
	}
	list = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "ensure");
	answer_dialogs(a, doc, list);
	bind_chord(a, doc, list);
	conversation_add(a, doc);
	return true;
}

const struct driver driver_claude = {
    .name = "claude",
    .hooks = true,
    .submit = "C-x C-y",
    .stash = "C-s",
    .glyph = "\xe2\x9d\xaf",
    .pasted = "[Pasted text #",
    .limit_dialog = "Stop and wait for limit to reset", /* 2.1.197 */
    .settle_ms = 400,
    .gap_ms = 2000,
    .shown_ms = 20, /* a submit that 2.1.197 reads with the paste costs the paste */
    .home = ".claude",
    .mode = permission_mode,
    .runspec = runspec,
};
