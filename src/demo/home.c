/* Directories, and the two ways in which files under them are written. */
#include "home.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "utf8.h"
#include "xmalloc.h"

enum { MANGLE_MAX = 200 };

static char *
dir_in(char *parent, const char *name)
{
	char *path = xasprintf("%s/%s", parent, name);

	free(parent);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		fatal(EXIT_SYSTEM, "%s", path);
	return path;
}

char *
home_dir(const char *home, const char *a, const char *b)
{
	char *path = dir_in(xstrdup(home), ".berth-demo");

	if (a != NULL)
		path = dir_in(path, a);
	if (b != NULL)
		path = dir_in(path, b);
	return path;
}

static unsigned
hash(const char *text)
{
	unsigned h = 5381;

	while (*text != '\0')
		h = h * 33 + (unsigned char)*text++;
	return h;
}

char *
home_mangle(const char *cwd)
{
	struct buf out = BUF_INIT;
	size_t len = strlen(cwd);

	for (size_t i = 0; i < len;) {
		uint32_t scalar = 0;
		int step = utf8_next(cwd + i, len - i, &scalar);
		if (scalar < 0x80 && isalnum((int)scalar))
			buf_addc(&out, cwd[i]);
		else
			buf_adds(&out, scalar > 0xffff ? "--" : "-");
		i += step < 0 ? 1 : (size_t)step;
	}
	if (out.len > MANGLE_MAX) {
		out.len = MANGLE_MAX;
		buf_addf(&out, "-%08x", hash(cwd));
	}
	return buf_take(&out);
}

int
home_append(int fd, const char *line, size_t len)
{
	struct iovec parts[2] = {{(void *)(uintptr_t)line, len}, {(char[]){'\n'}, 1}};
	ssize_t wrote = writev(fd, parts, 2);

	if (wrote == (ssize_t)len + 1)
		return 0;
	if (wrote >= 0)
		errno = ENOSPC;
	return -1;
}

void
ledger_append(const char *home, const char *session, const char *prompt)
{
	char *dir = home_dir(home, NULL, NULL);
	char *path = xasprintf("%s/ledger.jsonl", dir);
	yyjson_mut_doc *doc = json_object();
	size_t len;

	json_add_int(doc, "at", wall_ms());
	json_add_str(doc, "session", session);
	json_add_str(doc, "prompt", prompt);
	char *line = json_line(doc, &len);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || home_append(fd, line, len) != 0)
		fatal(EXIT_SYSTEM, "%s", path);
	close(fd);
	free(line);
	free(path);
	free(dir);
}
