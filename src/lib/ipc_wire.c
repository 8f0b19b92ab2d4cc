/* Addresses of local sockets, and the envelope around what goes over them. */
#include "ipc_wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"
#include "log.h"

/* ---- addresses ---- */

static int
address(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len >= sizeof(addr->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr->sun_path, path, len + 1);
	return 0;
}

int
wire_connect(const char *path, int type)
{
	struct sockaddr_un addr;

	if (address(&addr, path) != 0)
		return -1;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Nobody answers a socket whose process is gone. EAGAIN: somebody is there, and very
 * busy. */
static void
remove_stale(const char *path, int type)
{
	struct stat st;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return;
		fatal(EXIT_SYSTEM, "%s", path);
	}
	if (!S_ISSOCK(st.st_mode))
		fatalx(EXIT_SYSTEM, "%s: in the way, and not a socket", path);
	int fd = wire_connect(path, type | SOCK_NONBLOCK);
	if (fd >= 0 || errno == EAGAIN)
		fatalx(EXIT_SYSTEM, "%s: another process is serving it", path);
	if (errno != ECONNREFUSED && errno != ENOENT)
		fatal(EXIT_SYSTEM, "%s: is another process serving it?", path);
	if (unlink(path) != 0 && errno != ENOENT)
		fatal(EXIT_SYSTEM, "%s: cannot remove the stale socket", path);
}

/* Nobody can connect before the caller listens, so the mode is in time; a datagram socket
 * is reachable at once, but for its umask. */
int
wire_bind(const char *path, int type, mode_t mode)
{
	struct sockaddr_un addr;

	if (address(&addr, path) != 0)
		fatal(EXIT_SYSTEM, "%s", path);
	remove_stale(path, type);
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fatal(EXIT_SYSTEM, "%s: socket", path);
	mode_t old = umask(0777);
	int result = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(old);
	if (result != 0)
		fatal(EXIT_SYSTEM, "%s: bind", path);
	if (chmod(path, mode) != 0)
		fatal(EXIT_SYSTEM, "%s: chmod", path);
	return fd;
}

/* ---- the envelope ---- */

static void
put(yyjson_mut_doc *doc, const char *key, yyjson_mut_val *value)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *name = yyjson_mut_strcpy(doc, key);

	if (!yyjson_mut_is_obj(root))
		fatalx(EXIT_BUG, "ipc: what is to be sent is no object");
	yyjson_mut_obj_remove_key(root, key);
	if (name == NULL || value == NULL || !yyjson_mut_obj_insert(root, name, value, 0))
		fatalx(EXIT_SYSTEM, "out of memory: JSON");
}

void
wire_put_int(yyjson_mut_doc *doc, const char *key, int64_t value)
{
	put(doc, key, yyjson_mut_sint(doc, value));
}

void
wire_put_bool(yyjson_mut_doc *doc, const char *key, bool value)
{
	put(doc, key, yyjson_mut_bool(doc, value));
}

void
wire_put_str(yyjson_mut_doc *doc, const char *key, const char *value)
{
	put(doc, key, yyjson_mut_strcpy(doc, value));
}

void
wire_wrap(yyjson_mut_doc *doc, const char *key)
{
	yyjson_mut_val *inner = yyjson_mut_doc_get_root(doc);
	yyjson_mut_val *outer = yyjson_mut_obj(doc);

	if (outer == NULL)
		fatalx(EXIT_SYSTEM, "out of memory: JSON");
	yyjson_mut_doc_set_root(doc, outer);
	put(doc, key, inner);
}

char *
wire_request(yyjson_mut_doc *doc, const char *op, int64_t number, size_t *len)
{
	if (doc == NULL)
		doc = json_object();
	wire_put_int(doc, "req", number);
	wire_put_str(doc, "op", op);
	return wire_line(doc, len);
}

char *
wire_line(yyjson_mut_doc *doc, size_t *len)
{
	char *line = json_line(doc, len);

	/* In the place of its NUL: one write for the whole line. */
	line[(*len)++] = '\n';
	return line;
}
