/* A growing byte buffer. Invariant once anything was appended: cap > len and data[len] ==
 * 0. */
#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "xmalloc.h"

enum { BUF_FIRST = 64, READ_CHUNK = 65536 };

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap = b->cap == 0 ? BUF_FIRST : b->cap;

	if (__builtin_add_overflow(b->len, more, &need) || need >= SIZE_MAX / 2)
		fatalx(EXIT_SYSTEM, "out of memory: %zu more bytes", more);
	if (b->data != NULL && need < b->cap)
		return;
	while (cap <= need)
		cap *= 2;
	b->data = xreallocarray(b->data, cap, 1);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void
buf_add(struct buf *b, const void *bytes, size_t len)
{
	buf_reserve(b, len);
	if (len > 0)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void
buf_addf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0)
		fatalx(EXIT_BUG, "buf_addf: cannot format \"%s\"", format);
	buf_reserve(b, (size_t)len);
	va_start(ap, format);
	vsnprintf(b->data + b->len, (size_t)len + 1, format, ap);
	va_end(ap);
	b->len += (size_t)len;
}

void
buf_cut_front(struct buf *b, size_t count)
{
	if (count > b->len)
		fatalx(EXIT_BUG, "buf_cut_front: %zu of %zu bytes", count, b->len);
	if (count == 0)
		return;
	b->len -= count;
	memmove(b->data, b->data + count, b->len + 1);
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

char *
buf_take(struct buf *b)
{
	buf_reserve(b, 0);
	char *data = b->data;
	*b = (struct buf)BUF_INIT;
	return data;
}

/* O_NONBLOCK, so that a FIFO in the file's place cannot hold us up until fstat says what
 * it is. */
static int
open_regular(const char *path, off_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -1;
	int failed = fstat(fd, &st);
	if (failed == 0 && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		failed = -1;
	}
	if (failed != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	*size = st.st_size;
	return fd;
}

/* Up to `limit` bytes are appended; the buffer is only as large as what came. */
static int
read_all(struct buf *b, int fd, size_t limit)
{
	size_t start = b->len;

	for (;;) {
		size_t room = b->cap > b->len + 1 ? b->cap - b->len - 1 : 0;
		if (room == 0) {
			buf_reserve(b, READ_CHUNK);
			continue;
		}
		ssize_t got = read(fd, b->data + b->len, room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		b->len += (size_t)got;
		b->data[b->len] = '\0';
		if (b->len - start > limit) {
			errno = EFBIG;
			return -1;
		}
	}
}

int
buf_read_file(struct buf *b, const char *path, size_t max)
{
	off_t size;
	size_t before = b->len;
	int fd = open_regular(path, &size);

	if (fd < 0)
		return -1;
	/* The size is only a hint (0 in /proc), and gives a secret one place in memory.
	 */
	buf_reserve(b, (size_t)size < max ? (size_t)size + 1 : 1);
	int result = read_all(b, fd, max);
	int saved = errno;
	close(fd);
	if (result < 0) {
		b->len = before;
		b->data[before] = '\0';
	}
	errno = saved;
	return result;
}
