/* berth doctor: the volume, its space, and where sockets are. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor.h"
#include "paths.h"
#include "when.h"

enum { MIB = 1 << 20 };
static const long long warn_bytes = 2048LL * MIB, bad_bytes = 256LL * MIB;

/* Magic numbers of statfs(2). Network file systems and those that a virtual machine
 * shares lose locks or fsync; SQLite must not live there. */
static const struct {
	unsigned long type;
	const char *name;
	enum doctor_level level;
} types[] = {
    {0xEF53, "ext4", DOCTOR_OK},
    {0x58465342, "xfs", DOCTOR_OK},
    {0x9123683E, "btrfs", DOCTOR_OK},
    {0x2FC12FC1, "zfs", DOCTOR_OK},
    {0xF2F52010, "f2fs", DOCTOR_OK},
    {0xCA451A4E, "bcachefs", DOCTOR_OK},
    {0x794C7630, "overlay", DOCTOR_WARN},
    {0x01021994, "tmpfs", DOCTOR_WARN},
    {0x01021997, "9p", DOCTOR_BAD},
    {0x65735546, "fuse or virtiofs", DOCTOR_BAD},
    {0x6969, "nfs", DOCTOR_BAD},
    {0xFF534D42, "cifs", DOCTOR_BAD},
    {0xFE534D42, "smb", DOCTOR_BAD},
    {0x517B, "smb", DOCTOR_BAD},
    {0x00C36400, "ceph", DOCTOR_BAD},
};

enum doctor_level
doctor_fs(unsigned long type, const char **name)
{
	*name = "a local file system";
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].type == (type & 0xFFFFFFFFUL)) {
			*name = types[i].name;
			return types[i].level;
		}
	}
	return DOCTOR_OK;
}

static bool
look_at(struct finding *f, const char *path, struct statfs *fs)
{
	if (statfs(path, fs) == 0)
		return true;
	buf_addf(&f->text, "%s: %s", path, strerror(errno));
	doctor_say(
	    f, DOCTOR_BAD, "is this the container? podman exec -it berth berth doctor");
	return false;
}

void
doctor_data(const struct cli *cli, struct finding *f)
{
	struct statfs fs;
	struct stat st;
	const char *name;

	(void)cli;
	if (!look_at(f, DATA_DIR, &fs))
		return;
	enum doctor_level level = doctor_fs((unsigned long)fs.f_type, &name);
	buf_addf(&f->text, "%s is on %s", DATA_DIR, name);
	if (level == DOCTOR_BAD)
		doctor_say(f, level,
		    "the database needs a local disk: give /data a volume of the "
		    "engine's own");
	else if (level == DOCTOR_WARN)
		doctor_say(f, level,
		    "it goes away with the container: start it with -v berth-data:/data");
	if (stat(DATA_DIR, &st) == 0 && (st.st_uid != 0 || (st.st_mode & 0777) != 0751)) {
		buf_addf(&f->text, ", owner %d, mode %04o", (int)st.st_uid,
		    st.st_mode & 07777);
		doctor_say(
		    f, DOCTOR_WARN, "it should be root's, 0751; the next start mends it");
	}
}

void
doctor_space(const struct cli *cli, struct finding *f)
{
	struct statfs fs;
	char size[WHEN_MAX];

	(void)cli;
	if (!look_at(f, DATA_DIR, &fs))
		return;
	long long left = (long long)fs.f_bavail * fs.f_bsize;
	buf_addf(&f->text, "%s free on %s", when_bytes(left, size), DATA_DIR);
	if (fs.f_files > 0 && fs.f_ffree < fs.f_files / 100) {
		buf_adds(&f->text, ", nearly no inodes left");
		doctor_say(f, DOCTOR_WARN, "delete files");
	}
	if (left < warn_bytes)
		doctor_say(f, left < bad_bytes ? DOCTOR_BAD : DOCTOR_WARN,
		    "make room: without it no message can be accepted");
}

void
doctor_projects(const struct cli *cli, struct finding *f)
{
	struct stat st;

	(void)cli;
	if (stat("/projects", &st) != 0) {
		buf_addf(&f->text, "/projects: %s", strerror(errno));
		doctor_say(f, DOCTOR_WARN,
		    "mount what the agents work on: -v /a/folder:/projects");
		return;
	}
	buf_addf(&f->text, "/projects belongs to %d:%d, mode %04o", (int)st.st_uid,
	    (int)st.st_gid, st.st_mode & 07777);
	if (st.st_uid == 0 && (st.st_mode & 2) == 0)
		doctor_say(f, DOCTOR_WARN,
		    "only root may write there: PUID and PGID should be its owner's");
}

void
doctor_run(const struct cli *cli, struct finding *f)
{
	struct statfs fs;
	const char *name;

	if (!look_at(f, cli->run_dir, &fs))
		return;
	doctor_fs((unsigned long)fs.f_type, &name);
	buf_addf(&f->text, "%s is on %s", cli->run_dir, name);
	if (strcmp(name, "tmpfs") != 0)
		doctor_say(f, DOCTOR_WARN,
		    "granted secrets should never touch a disk: --tmpfs "
		    "/run:exec,mode=755");
}
