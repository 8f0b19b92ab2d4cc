/*
 * Calls that fail when a test says so: a library that is loaded before all others
 * (/etc/ld.so.preload), so that the product's own programs are tested as they are, with
 * what SQLite, libevent and libc ask of the kernel for them. The test and every process
 * share one page, FAULT_PAGE: what is to fail, and how far it has counted.
 *
 *   fault.so counts each call of one kind by one program. The n-th fails; so do all that
 *   follow, in that process, if `on` is set. n 0: it only counts.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FAULT_PAGE "/opt/fault/page"

enum kind { NONE, ALLOC, WRITE, FSYNC, RENAME, SOCKET, OPEN };

/* As tests/lib/berthtest/faults.py packs it. */
struct page {
	uint32_t kind; /* NONE: nothing fails, nothing counts */
	uint32_t nth;
	uint32_t on;
	uint32_t count;
	uint32_t pid; /* of who had the first; 0: nobody yet */
	uint32_t failed;
	char program[32];
	char call[32]; /* which call failed first */
};

static struct page *page;
static char program[32];

static void __attribute__((constructor))
begin(void)
{
	char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;
	void *at;
	int fd;

	if (n <= 0)
		return;
	path[n] = '\0';
	slash = strrchr(path, '/');
	snprintf(program, sizeof(program), "%.31s", slash != NULL ? slash + 1 : path);
	fd = (int)openat(AT_FDCWD, FAULT_PAGE, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	at = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		page = at;
	close(fd);
}

static bool
fails(enum kind kind, const char *call, int error)
{
	struct page *p = page;
	uint32_t n;

	if (p == NULL || __atomic_load_n(&p->kind, __ATOMIC_ACQUIRE) != kind ||
	    strcmp(program, p->program) != 0)
		return false;
	n = __atomic_add_fetch(&p->count, 1, __ATOMIC_ACQ_REL);
	if (p->nth == 0 || n < p->nth)
		return false;
	if (n == p->nth) {
		p->pid = (uint32_t)getpid();
		snprintf(p->call, sizeof(p->call), "%s", call);
	} else if (!p->on || p->pid != (uint32_t)getpid())
		return false;
	__atomic_add_fetch(&p->failed, 1, __ATOMIC_ACQ_REL);
	errno = error;
	return true;
}

/* The function of libc that ours stands before. */
#define REAL(name, ...)                                                                  \
	static __typeof__(name) *real;                                                   \
	if (real == NULL)                                                                \
		*(void **)&real = dlsym(RTLD_NEXT, #name);                               \
	return real(__VA_ARGS__)

#define CALL(kind, error, failed, type, name, params, ...)                               \
	type name params                                                                 \
	{                                                                                \
		if (fails(kind, #name, error))                                           \
			return failed;                                                   \
		REAL(name, __VA_ARGS__);                                                 \
	}

/* ---- memory: of the allocator that the program has, which needn't be libc's ---- */

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *ptr, size_t size);
void *reallocarray(void *ptr, size_t count, size_t size);

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *ptr, size_t size);
} allocator;

/* dlsym needs no memory when it finds what it is asked for. */
static void
find_allocator(void)
{
	*(void **)&allocator.realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&allocator.calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&allocator.malloc = dlsym(RTLD_NEXT, "malloc");
}

void *
malloc(size_t size)
{
	if (allocator.malloc == NULL)
		find_allocator();
	return fails(ALLOC, "malloc", ENOMEM) ? NULL : allocator.malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	if (allocator.malloc == NULL)
		find_allocator();
	return fails(ALLOC, "calloc", ENOMEM) ? NULL : allocator.calloc(count, size);
}

void *
realloc(void *ptr, size_t size)
{
	if (allocator.malloc == NULL)
		find_allocator();
	return fails(ALLOC, "realloc", ENOMEM) ? NULL : allocator.realloc(ptr, size);
}

void *
reallocarray(void *ptr, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(ptr, total);
}

/* ---- what goes out ---- */

CALL(WRITE, ENOSPC, -1, ssize_t, write, (int fd, const void *data, size_t len), fd, data,
    len)
CALL(WRITE, ENOSPC, -1, ssize_t, pwrite, (int fd, const void *data, size_t len, off_t at),
    fd, data, len, at)
CALL(WRITE, ENOSPC, -1, ssize_t, writev, (int fd, const struct iovec *v, int n), fd, v, n)
CALL(WRITE, ECONNRESET, -1, ssize_t, send,
    (int fd, const void *data, size_t len, int flags), fd, data, len, flags)
CALL(WRITE, ECONNRESET, -1, ssize_t, sendto,
    (int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
	socklen_t n),
    fd, data, len, flags, to, n)
CALL(WRITE, ECONNRESET, -1, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
    fd, m, flags)
CALL(WRITE, ENOSPC, -1, int, ftruncate, (int fd, off_t len), fd, len)

CALL(FSYNC, EIO, -1, int, fsync, (int fd), fd)
CALL(FSYNC, EIO, -1, int, fdatasync, (int fd), fd)

CALL(RENAME, EIO, -1, int, rename, (const char *from, const char *to), from, to)
CALL(RENAME, EIO, -1, int, renameat, (int a, const char *from, int b, const char *to), a,
    from, b, to)
CALL(RENAME, EIO, -1, int, link, (const char *from, const char *to), from, to)
CALL(RENAME, EIO, -1, int, linkat,
    (int a, const char *from, int b, const char *to, int flags), a, from, b, to, flags)

/* ---- descriptors ---- */

CALL(SOCKET, EMFILE, -1, int, socket, (int domain, int type, int protocol), domain, type,
    protocol)
CALL(SOCKET, EMFILE, -1, int, socketpair,
    (int domain, int type, int protocol, int fds[2]), domain, type, protocol, fds)
CALL(SOCKET, EMFILE, -1, int, accept4,
    (int fd, struct sockaddr *from, socklen_t *n, int flags), fd, from, n, flags)
CALL(SOCKET, EMFILE, -1, int, accept, (int fd, struct sockaddr *from, socklen_t *n), fd,
    from, n)
CALL(SOCKET, ENOBUFS, -1, int, connect, (int fd, const struct sockaddr *to, socklen_t n),
    fd, to, n)
CALL(SOCKET, ENOBUFS, -1, int, bind, (int fd, const struct sockaddr *to, socklen_t n), fd,
    to, n)
CALL(SOCKET, ENOBUFS, -1, int, listen, (int fd, int backlog), fd, backlog)
CALL(SOCKET, EMFILE, -1, int, pipe2, (int fds[2], int flags), fds, flags)

static mode_t
mode_of(int flags, va_list ap)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
		   ? va_arg(ap, mode_t)
		   : 0;
}

#define OPENS(name)                                                                      \
	int name(const char *path, int flags, ...)                                       \
	{                                                                                \
		va_list ap;                                                              \
		mode_t mode;                                                             \
		va_start(ap, flags);                                                     \
		mode = mode_of(flags, ap);                                               \
		va_end(ap);                                                              \
		if (fails(OPEN, #name, EMFILE))                                          \
			return -1;                                                       \
		REAL(name, path, flags, mode);                                           \
	}
OPENS(open)
CALL(OPEN, EMFILE, NULL, FILE *, fopen, (const char *path, const char *mode), path, mode)

#ifdef __GLIBC__ /* which has two of these */
OPENS(open64)
CALL(WRITE, ENOSPC, -1, ssize_t, pwrite64,
    (int fd, const void *data, size_t len, off64_t at), fd, data, len, at)
CALL(WRITE, ENOSPC, -1, int, ftruncate64, (int fd, off64_t len), fd, len)
CALL(
    OPEN, EMFILE, NULL, FILE *, fopen64, (const char *path, const char *mode), path, mode)
#endif
