/* See fstype.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "buf.h"
#include "fstype.h"
#include "xmalloc.h"

enum { MOUNTINFO_MAX = 4 << 20 };
#define FUSE 0x65735546UL

/* statfs(2), include/uapi/linux/magic.h, and for what isn't there its own sources */
static const struct {
	unsigned long magic;
	const char *name;
	enum fstype_kind kind;
} types[] = {
    {0xEF53, "ext4", FSTYPE_LOCAL},
    {0x58465342, "xfs", FSTYPE_LOCAL},
    {0x9123683E, "btrfs", FSTYPE_LOCAL},
    {0x2FC12FC1, "zfs", FSTYPE_LOCAL},
    {0xF2F52010, "f2fs", FSTYPE_LOCAL},
    {0xCA451A4E, "bcachefs", FSTYPE_LOCAL},
    {0x794C7630, "overlay", FSTYPE_PASSING},
    {0x01021994, "tmpfs", FSTYPE_PASSING},
    {0x858458F6, "ramfs", FSTYPE_PASSING},
    {FUSE, "fuse or virtiofs", FSTYPE_SHARED},
    {0x01021997, "9p", FSTYPE_SHARED},
    {0x6969, "nfs", FSTYPE_SHARED},
    {0xFF534D42, "cifs", FSTYPE_SHARED},
    {0xFE534D42, "smb", FSTYPE_SHARED},
    {0x517B, "smb", FSTYPE_SHARED},
    {0x00C36400, "ceph", FSTYPE_SHARED},
    {0x786F4256, "vboxsf", FSTYPE_SHARED},
    {0xBACBACBC, "vmhgfs", FSTYPE_SHARED},
    {0x0BD00BD0, "lustre", FSTYPE_SHARED},
    {0x5346414F, "afs", FSTYPE_SHARED},
    {0x6B414653, "afs", FSTYPE_SHARED},
    {0x73757245, "coda", FSTYPE_SHARED},
};

static void
set(struct fstype *out, enum fstype_kind kind, const char *name)
{
	out->kind = kind;
	snprintf(out->name, sizeof(out->name), "%s", name);
}

void
fstype_of(unsigned long magic, const char *mounted_as, struct fstype *out)
{
	magic &= 0xFFFFFFFFUL; /* f_type is signed on some machines */
	set(out, FSTYPE_LOCAL, "a local file system");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].magic == magic)
			set(out, types[i].kind, types[i].name);
	if (magic != FUSE || mounted_as == NULL)
		return;
	/* A rootless engine's layers: /data without a volume. Its volumes are plain
	 * directories, of the file system they are on. */
	set(out,
	    strcmp(mounted_as, "fuse.fuse-overlayfs") == 0 ? FSTYPE_PASSING
							   : FSTYPE_SHARED,
	    mounted_as);
}

/* A line: "36 35 98:0 /root /where rw,noatime shared:1 - type source options" */
char *
fstype_mounted_as(const char *text, unsigned major, unsigned minor)
{
	const char *line, *end, *type;
	unsigned a, b;

	for (line = text; *line != '\0'; line = *end == '\n' ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		if (sscanf(line, "%*u %*u %u:%u ", &a, &b) != 2 || a != major ||
		    b != minor)
			continue;
		type = strstr(line, " - ");
		if (type != NULL && type < end)
			return xasprintf("%.*s", (int)strcspn(type + 3, " \n"), type + 3);
	}
	return NULL;
}

int
fstype_look(const char *path, struct fstype *out)
{
	struct buf mounts = BUF_INIT;
	char *as = NULL;
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) == -1 || stat(path, &st) == -1)
		return -1;
	if (((unsigned long)fs.f_type & 0xFFFFFFFFUL) == FUSE &&
	    buf_read_file(&mounts, "/proc/self/mountinfo", MOUNTINFO_MAX) == 0)
		as = fstype_mounted_as(
		    buf_str(&mounts), major(st.st_dev), minor(st.st_dev));
	fstype_of((unsigned long)fs.f_type, as, out);
	buf_free(&mounts);
	free(as);
	return 0;
}
