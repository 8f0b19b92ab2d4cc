/* The drivers there are, and what every agent gets: environment, directory, limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent.h"
#include "buf.h"
#include "driver.h"
#include "json.h"
#include "log.h"
#include "paths.h"
#include "xmalloc.h"

enum { SECRET_MAX = 64 << 10 };

static const struct driver *const drivers[] = {
    &driver_claude, &driver_demo, &driver_command};

const struct driver *
driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

void
driver_argv_add(yyjson_mut_doc *doc, yyjson_mut_val *argv, const char *word)
{
	yyjson_mut_arr_add_strcpy(doc, argv, word);
}

void
driver_argv_extra(struct agent *a, yyjson_mut_doc *doc, yyjson_mut_val *argv)
{
	yyjson_val *args = json_get(yyjson_doc_get_root(a->spec), "args"), *word;
	size_t i, n;

	yyjson_arr_foreach(args, i, n, word)
	    driver_argv_add(doc, argv, yyjson_get_str(word));
}

void
driver_env(yyjson_mut_doc *doc, const char *name, const char *value)
{
	yyjson_mut_val *env = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "env");

	yyjson_mut_obj_remove_key(env, name);
	yyjson_mut_obj_add(
	    env, yyjson_mut_strcpy(doc, name), yyjson_mut_strcpy(doc, value));
}

static void
add_proxy(struct agent *a, yyjson_mut_doc *doc)
{
	static const char *const names[] = {
	    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"};
	const char *proxy = agent_spec_str(a, "proxy", ""),
		   *none = agent_spec_str(a, "no_proxy", "");

	if (*proxy == '\0')
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		driver_env(doc, names[i], proxy);
	driver_env(doc, "NO_PROXY", none);
	driver_env(doc, "no_proxy", none);
}

/* Secrets lie where reconcile put them for us: one file for each name that this agent was
 * granted. */
static void
add_secrets(struct agent *a, yyjson_mut_doc *doc)
{
	yyjson_val *secrets = json_get(yyjson_doc_get_root(a->spec), "secrets"), *name,
		   *ref;
	size_t i, n;

	yyjson_obj_foreach(secrets, i, n, name, ref)
	{
		struct buf value = BUF_INIT;
		char *path =
		    xasprintf(GRANTED_DIR "/%s/%s", a->name, yyjson_get_str(name));

		if (buf_read_file(&value, path, SECRET_MAX) == 0) {
			while (value.len > 0 && (value.data[value.len - 1] == '\n' ||
						    value.data[value.len - 1] == '\r'))
				value.data[--value.len] = '\0';
			driver_env(doc, yyjson_get_str(name), buf_str(&value));
			explicit_bzero(value.data, value.len);
		} else if (strncmp(yyjson_get_str(ref), "env:", 4) != 0)
			log_warnx("agent=%s secret=%s isn't there (%s)", a->name,
			    yyjson_get_str(name), yyjson_get_str(ref));
		buf_free(&value);
		free(path);
	}
}

static void
add_own(struct agent *a, yyjson_mut_doc *doc)
{
	yyjson_val *env = json_get(yyjson_doc_get_root(a->spec), "env"), *name, *value;
	size_t i, n;

	yyjson_obj_foreach(env, i, n, name, value)
	    driver_env(doc, yyjson_get_str(name), yyjson_get_str(value));
}

yyjson_mut_val *
driver_common(struct agent *a, yyjson_mut_doc *doc)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	char *sock = xasprintf(SHIM_DIR "/%s/hook.sock", a->name);
	char *wait = xasprintf("%lld",
	    (long long)agent_spec_int(a, "permission_timeout_ms", 600000) / 1000 + 5);
	const char *home = agent_spec_str(a, "home", HOME_DIR "/agent"),
		   *user = agent_spec_str(a, "user", "agent");

	yyjson_mut_obj_add_obj(doc, root, "env");
	driver_env(doc, "HOME", home);
	driver_env(doc, "USER", user);
	driver_env(doc, "LOGNAME", user);
	driver_env(doc, "SHELL", "/bin/bash");
	driver_env(
	    doc, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	driver_env(doc, "TERM", "tmux-256color");
	driver_env(doc, "COLORTERM", "truecolor");
	driver_env(doc, "LANG", "C.UTF-8");
	if (getenv("TZ") != NULL)
		driver_env(doc, "TZ", getenv("TZ"));
	driver_env(doc, "BERTH_AGENT", a->name);
	driver_env(doc, "BERTH_HOOK_SOCK", sock);
	driver_env(doc, "BERTH_HOOK_DEADLINE_S", wait);
	add_proxy(a, doc);
	add_own(a, doc);
	add_secrets(a, doc);
	json_add_str(doc, "cwd", agent_spec_str(a, "cwd", "/projects"));
	json_add_int(doc, "open_files", agent_spec_int(a, "open_files", 0));
	json_add_int(doc, "nice", agent_spec_int(a, "nice", 0));
	free(sock);
	free(wait);
	return yyjson_mut_obj_add_arr(doc, root, "argv");
}
