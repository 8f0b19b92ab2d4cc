/* libFuzzer: what an earlier shim left in its spool, and before it what happens then, a
 * byte each, after how many those are. Only sound lines are sent, in order and not too
 * many at once, and once all are acknowledged the file is empty. */
#include <stdio.h>
#include "log.h"
#define log_warnx(...) ((void)snprintf(NULL, 0, __VA_ARGS__))
#define log_info(...)  ((void)snprintf(NULL, 0, __VA_ARGS__))
#include "shim/spool.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	bool launcher;
	uint64_t last; /* sent since the last rewind */
	uint64_t acked;
	size_t flying;
} now;

static bool
take(const char *line, size_t len, uint64_t id, void *ctx)
{
	(void)ctx;
	if (!now.launcher)
		return false;
	if (id <= now.last || !line_ok(line, len) || memchr(line, '\n', len) != NULL ||
	    ++now.flying > SPOOL_WINDOW)
		abort();
	now.last = id;
	return true;
}

static void
rewound(struct spool *s)
{
	now.last = 0;
	now.flying = 0;
	spool_rewind(s);
}

static void
acknowledge(struct spool *s)
{
	if (now.acked == now.last)
		return;
	if (now.flying > 0)
		now.flying--;
	spool_acked(s, now.acked < now.last ? ++now.acked : now.last);
}

static void
happens(struct spool *s, uint8_t what)
{
	static const char line[] = "{\"instance\":\"i\",\"seq\":1,\"hook\":{}}";

	switch (what % 5) {
	case 0:
		now.launcher = !now.launcher;
		break;
	case 1:
		rewound(s);
		break;
	case 2:
		acknowledge(s);
		break;
	case 3:
		spool_acked(s, what); /* late, again, or of another life */
		break;
	default:
		if (spool_add(s, line, sizeof(line) - 1, false) == -1)
			abort();
	}
}

static void
write_file(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t events = size > 0 ? data[0] % 32 : 0;
	struct stat st;
	struct spool *s;
	char path[64];

	if (size < 1 + events)
		return 0;
	snprintf(path, sizeof(path), "/dev/shm/spool_fuzz.%d", (int)getpid());
	write_file(path, data + 1 + events, size - 1 - events);
	memset(&now, 0, sizeof(now));
	s = spool_open(path, take, NULL);
	if (s == NULL)
		abort();
	for (size_t i = 0; i < events; i++) {
		now.flying = s->in_flight;
		happens(s, data[1 + i]);
	}
	now.launcher = true;
	rewound(s);
	for (size_t i = 0; i <= size + events && !spool_empty(s); i++) {
		now.flying = s->in_flight - 1;
		spool_acked(s, s->first->id);
	}
	if (!spool_empty(s) || stat(path, &st) == -1 || st.st_size != 0)
		abort();
	spool_free(s);
	unlink(path);
	return 0;
}
