/* Loading a configuration, and comparing. The environment may hold secrets: it is wiped.
 */
#include "configfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "config.h"
#include "hash.h"
#include "paths.h"
#include "xmalloc.h"

enum { ENV_MAX = 1 << 22 };

extern char **environ;

/* What the container was started with, NUL after each. Without that file (another user,
 * another place) our own, which an exec makes nearly the same. */
static char **
environment(struct buf *file)
{
	size_t count = 0, i = 0;

	if (buf_read_file(file, ENV_FILE, ENV_MAX) != 0)
		return environ;
	buf_addc(file, '\0'); /* whatever it ends with */
	for (const char *p = file->data; p < file->data + file->len; p += strlen(p) + 1)
		count++;
	char **list = xcalloc(count + 1, sizeof(*list));
	for (char *p = file->data; p < file->data + file->len; p += strlen(p) + 1)
		list[i++] = p;
	return list;
}

int
config_file_load(const char *path, struct config **config)
{
	struct buf text = BUF_INIT, env = BUF_INIT;
	const char *slash = strrchr(path, '/');

	*config = NULL;
	if (config_read(&text, path) != 0) {
		int error = errno;
		buf_free(&text);
		errno = error;
		return -1;
	}
	char **variables = environment(&env);
	struct config_source source = {.name = slash == NULL ? path : slash + 1,
	    .text = buf_str(&text),
	    .len = text.len,
	    .environ = variables};
	*config = config_load(&source);
	if (variables != environ)
		free(variables);
	if (env.data != NULL)
		explicit_bzero(env.data, env.cap);
	buf_free(&env);
	buf_free(&text);
	return 0;
}

bool
config_file_differs(const char *path, const char *hash, int64_t *since)
{
	struct buf text = BUF_INIT;
	struct stat st;
	char now[HASH_TEXT];
	bool differs = false;

	if (stat(path, &st) == 0 && config_read(&text, path) == 0) {
		hash_text(hash_bytes(HASH_BEGIN, buf_str(&text), text.len), now);
		differs = strcmp(now, hash) != 0;
		*since = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	}
	buf_free(&text);
	return differs;
}
