/* berth doctor: the volume, its space, and where sockets are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config.h"
#include "configfile.h"
#include "container.h"
#include "doctor.h"
#include "fstype.h"
#include "paths.h"
#include "when.h"

enum { MIB = 1 << 20 };
static const long long warn_bytes = 2048LL * MIB, bad_bytes = 256LL * MIB;

static void
not_there(struct finding *f, const char *path)
{
	buf_addf(&f->text, "%s: %s", path, strerror(errno));
	doctor_say(f, DOCTOR_BAD, container_hint("is this the container? ", " doctor"));
}

/* Who may not read it isn't told: init, which may, has let it start. */
static bool
sharing_accepted(void)
{
	struct config *c;
	bool yes;

	if (config_file_load(CONFIG_FILE, &c) == -1)
		return errno == EACCES;
	yes = config_bool(c, "data.i_accept_a_network_file_system");
	config_free(c);
	return yes;
}

void
doctor_data(const struct cli *cli, struct finding *f)
{
	struct fstype fs;
	struct stat st;

	(void)cli;
	if (fstype_look(DATA_DIR, &fs) == -1) {
		not_there(f, DATA_DIR);
		return;
	}
	buf_addf(&f->text, "%s is on %s", DATA_DIR, fs.name);
	if (fs.kind == FSTYPE_SHARED && sharing_accepted())
		doctor_say(f, DOCTOR_WARN,
		    "the database could lose messages there; the configuration accepts "
		    "that (data.i_accept_a_network_file_system)");
	else if (fs.kind == FSTYPE_SHARED)
		doctor_say(f, DOCTOR_BAD,
		    "the database needs a local disk: give /data a volume of the "
		    "engine's own");
	else if (fs.kind == FSTYPE_PASSING)
		doctor_say(f, DOCTOR_WARN,
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
	if (statfs(DATA_DIR, &fs) == -1) {
		not_there(f, DATA_DIR);
		return;
	}
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
		    "only root may write there, and no agent is root: chown it to the "
		    "agents' user (PUID and PGID, or 1000)");
}

void
doctor_run(const struct cli *cli, struct finding *f)
{
	struct buf fifos = BUF_INIT;
	struct fstype fs;

	if (fstype_look(cli->run_dir, &fs) == -1) {
		not_there(f, cli->run_dir);
		return;
	}
	buf_addf(&f->text, "%s is on %s", cli->run_dir, fs.name);
	if (strcmp(fs.name, "tmpfs") != 0)
		doctor_say(f, DOCTOR_WARN,
		    "granted secrets should never touch a disk: --tmpfs "
		    "/run:exec,mode=755");
	/* In a sticky directory that others may write to, the kernel then refuses O_CREAT
	 * on a FIFO that is neither the directory's owner's nor one's own. */
	if (buf_read_file(&fifos, "/proc/sys/fs/protected_fifos", 16) == 0 &&
	    atoi(buf_str(&fifos)) >= 2) {
		buf_adds(&f->text, ", fs.protected_fifos is 2");
		doctor_say(f, DOCTOR_WARN,
		    "the kernel refuses a shell's `> /run/berth/in`, root's too: use "
		    "berth "
		    "send, or set fs.protected_fifos = 1 on the host");
	}
	buf_free(&fifos);
}
