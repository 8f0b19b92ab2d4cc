/*
 * See container.h. A tmpfs on /run hides Podman's mark, but Podman also sets `container`
 * in the environment. Agents have neither that nor BERTH_NAME.
 */
#include "container.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "paths.h"

#define PODMANS_MARK "/run/.containerenv"
#define DOCKERS_MARK "/.dockerenv"
#define HEX          "0123456789abcdef"
#define FIRST        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { ID_LEN = 12 }; /* the hostname, where nobody chose one, is so much of the id */

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool
container_here(void)
{
	return exists(RUN_DIR) || exists(PODMANS_MARK) || exists(DOCKERS_MARK);
}

const char *
container_engine_by(const char *variable, bool podmans, bool dockers)
{
	if (variable != NULL && strcmp(variable, "podman") == 0)
		return "podman";
	if (variable != NULL && strcmp(variable, "docker") == 0)
		return "docker";
	return podmans ? "podman" : dockers ? "docker" : NULL;
}

const char *
container_engine(void)
{
	return container_engine_by(
	    getenv("container"), exists(PODMANS_MARK), exists(DOCKERS_MARK));
}

bool
container_name_valid(const char *name)
{
	return strspn(name, FIRST) > 0 && strspn(name, FIRST "_.-") == strlen(name);
}

const char *
container_name_by(const char *variable, const char *hostname)
{
	if (variable != NULL && variable[0] != '\0')
		return variable;
	if (hostname == NULL || !container_name_valid(hostname) ||
	    (strlen(hostname) == ID_LEN && strspn(hostname, HEX) == ID_LEN))
		return NULL;
	return hostname;
}

const char *
container_name(void)
{
	static char hostname[HOST_NAME_MAX + 1];

	if (container_here() && gethostname(hostname, sizeof(hostname) - 1) == 0)
		return container_name_by(getenv("BERTH_NAME"), hostname);
	return container_name_by(getenv("BERTH_NAME"), NULL);
}

const char *
container_hint(const char *before, const char *words)
{
	static struct arena *texts;
	const char *engine = container_engine(), *name = container_name();

	if (texts == NULL)
		texts = arena_new();
	return arena_printf(texts, "%s%s exec -it %s berth%s", before,
	    engine == NULL ? "podman or docker" : engine, name == NULL ? "NAME" : name,
	    words);
}
