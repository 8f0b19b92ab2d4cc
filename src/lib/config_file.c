/* Reading berth.toml, and why it can't be read. */
#include <errno.h>
#include <string.h>
#include "buf.h"
#include "config.h"
#include "paths.h"

enum { FILE_MAX = 1 << 20 };

static const struct {
	int error;
	const char *what; /* NULL: strerror(3) says it well */
	const char *hint;
} reasons[] = {
    {ENOENT, NULL,
	"`berth config default` prints one to begin with; " LAST_GOOD
	" is the last that was in use"},
    {EACCES, NULL,
	"root of the container must be able to read it: look at what it is mounted from"},
    {EFBIG, "it is larger than 1 MiB", "is it the right file?"},
    {ELOOP, "it is a symbolic link, and links are not followed",
	"put or mount the file itself there"},
    {EISDIR, "it is a directory",
	"an engine makes one where the file to be mounted isn't there: put or mount a "
	"file there"},
    {EINVAL, "it is no regular file", "put or mount one there"},
};

int
config_read(struct buf *text, const char *path)
{
	return buf_read_file(text, path, FILE_MAX);
}

const char *
config_unreadable(int error, const char **hint)
{
	*hint = NULL;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].error == error) {
			*hint = reasons[i].hint;
			return reasons[i].what != NULL ? reasons[i].what
						       : strerror(error);
		}
	return strerror(error);
}
