/* berth doctor: kernel, memory, limits, clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "proc.h"
#include "when.h"
#include "xmalloc.h"

/* From linux/landlock.h, which not every libc's headers have; the number is the same on
 * all machines. */
enum { LANDLOCK_CREATE_RULESET = 444, LANDLOCK_VERSION_FLAG = 1 };
enum { MIB = 1 << 20, MAX_LINE = 256 };
enum { WATCHES_MIN = 8192, INSTANCES_MIN = 128 };
enum { CHOWN = 0, DAC_OVERRIDE = 1, FOWNER = 3, KILL = 5, SETGID = 6, SETUID = 7 };

static const int64_t long_ago_ms = INT64_C(1735689600000); /* 2025-01-01 */

/* The first number in a file; -1 if there is none. */
static int64_t
read_number(const char *path)
{
	struct buf b = BUF_INIT;
	int64_t n = -1;

	if (buf_read_file(&b, path, MAX_LINE) == 0 && b.len > 0 && b.data[0] >= '0' &&
	    b.data[0] <= '9')
		n = strtoll(b.data, NULL, 10);
	buf_free(&b);
	return n;
}

/* The value behind "Name:" in a file of /proc; -1. */
static int64_t
read_field(const char *path, const char *name, int base)
{
	struct buf b = BUF_INIT;
	int64_t n = -1;

	if (buf_read_file(&b, path, 65536) == 0) {
		const char *at = strstr(buf_str(&b), name);
		n = at == NULL ? -1 : strtoll(at + strlen(name), NULL, base);
	}
	buf_free(&b);
	return n;
}

void
doctor_kernel(const struct cli *cli, struct finding *f)
{
	long landlock = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION_FLAG);
	int pidfd = proc_pidfd(getpid());
	struct utsname name;

	(void)cli;
	uname(&name);
	buf_addf(&f->text, "%s %s", name.sysname, name.release);
	if (landlock > 0)
		buf_addf(&f->text, ", Landlock %ld", landlock);
	else
		buf_adds(&f->text, ", no Landlock");
	if (landlock <= 0)
		doctor_say(f, DOCTOR_WARN,
		    "agents of one uid can reach each other's files: give each its own "
		    "uid, or add landlock "
		    "to the kernel's lsm= list");
	if (pidfd < 0) {
		buf_adds(&f->text, ", no pidfd");
		doctor_say(f, DOCTOR_BAD,
		    "berth needs Linux 5.3 or newer, and a runtime that allows "
		    "pidfd_open");
	} else {
		close(pidfd);
	}
}

void
doctor_memory(const struct cli *cli, struct finding *f)
{
	int64_t kib = read_field("/proc/meminfo", "MemAvailable:", 10);
	char size[WHEN_MAX];

	(void)cli;
	buf_addf(&f->text, "%s available", when_bytes(kib < 0 ? 0 : kib * 1024, size));
	if (kib * 1024 < 512LL * MIB)
		doctor_say(f, kib * 1024 < 128LL * MIB ? DOCTOR_BAD : DOCTOR_WARN,
		    "an agent's CLI takes some hundred MiB: give the container more, or "
		    "run fewer agents");
}

void
doctor_cgroup(const struct cli *cli, struct finding *f)
{
	bool v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	bool writable = access("/sys/fs/cgroup/cgroup.procs", W_OK) == 0;

	(void)cli;
	buf_addf(&f->text, "cgroup %s, %s", v2 ? "v2" : "v1",
	    writable ? "writable" : "read-only");
	buf_adds(&f->text,
	    "; only the container has a memory limit, if any: at its end the "
	    "kernel kills an agent before berth's own parts");
}

void
doctor_inotify(const struct cli *cli, struct finding *f)
{
	int64_t watches = read_number("/proc/sys/fs/inotify/max_user_watches");
	int64_t instances = read_number("/proc/sys/fs/inotify/max_user_instances");

	(void)cli;
	buf_addf(&f->text, "%lld watches, %lld instances for each user",
	    (long long)watches, (long long)instances);
	if (watches < WATCHES_MIN || instances < INSTANCES_MIN)
		doctor_say(f, DOCTOR_WARN,
		    "on the host: sysctl fs.inotify.max_user_watches=65536 "
		    "fs.inotify.max_user_instances=512");
}

void
doctor_capabilities(const struct cli *cli, struct finding *f)
{
	static const struct {
		int bit;
		const char *name;
	} needed[] = {{SETUID, "SETUID"}, {SETGID, "SETGID"}, {CHOWN, "CHOWN"},
	    {FOWNER, "FOWNER"}, {DAC_OVERRIDE, "DAC_OVERRIDE"}, {KILL, "KILL"}};
	int64_t bounding = read_field("/proc/self/status", "CapBnd:", 16);
	int missing = 0;

	(void)cli;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if ((bounding >> needed[i].bit & 1) == 0)
			buf_addf(&f->text, "%s%s", missing++ == 0 ? "missing: " : ", ",
			    needed[i].name);
	if (missing > 0)
		doctor_say(f, DOCTOR_BAD,
		    "start the container with them: --cap-add, or compose/hardened.yml");
	else
		buf_adds(&f->text, "all that berth needs");
}

static bool
zone_known(const char *zone)
{
	char *path = xasprintf("/usr/share/zoneinfo/%s", zone + (*zone == ':'));
	bool known = access(path, R_OK) == 0;

	free(path);
	return known;
}

/* TZ names a zone file, or spells the zone out: "CET-1CEST". */
void
doctor_time(const struct cli *cli, struct finding *f)
{
	const char *zone = getenv("TZ");
	int64_t now = cli_now();
	char when[WHEN_MAX];

	(void)cli;
	buf_addf(&f->text, "%s, %s", when_exact(now, when),
	    zone != NULL                          ? zone
	    : access("/etc/localtime", R_OK) == 0 ? "/etc/localtime"
						  : "UTC");
	if (now < long_ago_ms)
		doctor_say(f, DOCTOR_BAD, "the clock is wrong: set the host's");
	if (zone != NULL && strpbrk(zone, "0123456789") == NULL &&
	    strcmp(zone, "UTC") != 0 && !zone_known(zone))
		doctor_say(f, DOCTOR_WARN,
		    "this zone isn't known, so UTC is used: write it as in "
		    "Europe/Berlin");
}
