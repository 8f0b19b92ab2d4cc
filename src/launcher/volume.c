/* See volume.h. */
#include <sys/statvfs.h>

#include "paths.h"
#include "volume.h"

#define SHORT_BYTES ((int64_t)16 << 20)
#define LOW_BYTES   ((int64_t)256 << 20)

/* false: it can't be told. */
static bool
look(int64_t *left, int64_t *size)
{
	struct statvfs fs;

	if (statvfs(DATA_DIR, &fs) == -1 || fs.f_blocks == 0)
		return false;
	*left = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	*size = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
	return true;
}

static bool
less_than(int64_t bytes, int64_t part)
{
	int64_t left, size;

	if (!look(&left, &size))
		return false;
	return left < bytes && left < size / part;
}

int64_t
volume_free(void)
{
	int64_t left, size;

	return look(&left, &size) ? left : INT64_MAX;
}

bool
volume_short(void)
{
	return less_than(SHORT_BYTES, 16);
}

bool
volume_low(void)
{
	return less_than(LOW_BYTES, 8);
}
