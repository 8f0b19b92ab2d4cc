/* libFuzzer: what anybody sends to a control socket. Each line that comes back is a JSON
 * object, each request is answered or dropped once, and the peer is gone at the end. */
#include "ipc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "buf.h"
#include "json.h"
#include "loop.h"
#include "xmalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct sockaddr_un address;
static socklen_t address_len;
static struct buf came;
static int open_requests, peers;

static void
echo(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	yyjson_mut_doc *doc = json_object();

	(void)ctx;
	json_add_val(doc, "args", args);
	json_add_str(doc, "text", json_str(args, "text", NULL));
	ipc_ok(req, doc);
}

static void
rows(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	int64_t n = json_int(args, "n", 1);

	(void)ctx;
	for (int i = 0; i < n && i < 4; i++)
		ipc_row(req, json_object());
	ipc_end(req);
}

static void
hold(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)req;
	(void)args;
	(void)ctx;
	open_requests++;
}

static void
refuse(struct ipc_req *req, yyjson_val *args, void *ctx)
{
	(void)ctx;
	ipc_error(req, "refused", "%s", json_str(args, "text", ""));
}

static void
dropped(struct ipc_req *req, void *ctx)
{
	(void)req;
	(void)ctx;
	open_requests--;
}

static void
opened(struct ipc_peer *peer, void *ctx)
{
	(void)peer;
	(void)ctx;
	peers++;
}

static void
closed(struct ipc_peer *peer, void *ctx)
{
	(void)peer;
	(void)ctx;
	peers--;
	loop_stop(loop, 0);
}

static void
serve(void)
{
	static const struct ipc_op ops[] = {{"echo", echo, 1}, {"rows", rows, 1},
	    {"hold", hold, 1}, {"refuse", refuse, 1}, {"none", refuse, 0}, {0}};
	static const struct ipc_handlers h = {
	    .ops = ops, .opened = opened, .closed = closed, .dropped = dropped};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address.sun_family = AF_UNIX; /* without a name: the kernel finds one */
	if (fd == -1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == -1 ||
	    listen(fd, 8) == -1)
		abort();
	address_len = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &address_len) == -1)
		abort();
	loop = loop_new();
	ipc_serve(loop, fd, &h, NULL);
}

static void
check(char *text)
{
	const char *why;

	for (char *line = text, *end; *line != '\0'; line = end + 1) {
		yyjson_doc *doc;

		end = strchr(line, '\n');
		if (end == NULL)
			abort();
		doc = json_parse(line, (size_t)(end - line), &why);
		if (doc == NULL ? strstr(why, "nested") == NULL
				: !yyjson_is_obj(yyjson_doc_get_root(doc)))
			abort();
		yyjson_doc_free(doc);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char part[4096];
	ssize_t n;
	int fd;

	if (loop == NULL)
		serve();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, address_len) == -1)
		abort();
	if (size > 16384)
		size = 16384;
	if (size > 0 && send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		abort();
	shutdown(fd, SHUT_WR);
	loop_run(loop); /* until closed() */
	buf_clear(&came);
	while ((n = read(fd, part, sizeof(part))) > 0)
		buf_add(&came, part, (size_t)n);
	close(fd);
	if (peers != 0 || open_requests != 0)
		abort();
	if (came.len > 0)
		check(came.data);
	return 0;
}
