/*
 * See infifo.h. A shell's `> in` makes a plain file where no FIFO is: what is written
 * there reaches nobody. The FIFO is made ready beside it, so that whoever sees it can
 * open it, and no mode is set by a name under which another's link could lie by then.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "infifo.h"
#include "log.h"
#include "paths.h"

static int
make_beside(const char *beside, uid_t owner)
{
	mode_t old = umask(0);
	int rc = mkfifo(beside, 0620);

	umask(old);
	return rc == -1 ? -1 : lchown(beside, owner, GID_FIFO);
}

/* Whoever was quicker has made one too. */
static int
put_there(const char *beside)
{
	return link(beside, IN_FIFO) == 0 || errno == EEXIST ? 0 : -1;
}

static int
replace(const char *beside, const struct stat *st)
{
	if (rename(beside, IN_FIFO) == -1) {
		log_warnx(IN_FIFO " is no FIFO, and the %lld bytes in it reach nobody: "
				  "remove it as root (rm " IN_FIFO
				  ") or say `berth apply`",
		    (long long)st->st_size);
		return -1;
	}
	log_warnx(IN_FIFO " was no FIFO: it is replaced, and the %lld bytes in it have "
			  "reached nobody",
	    (long long)st->st_size);
	return 0;
}

int
infifo_make(uid_t owner)
{
	char beside[sizeof(RUN_DIR) + 32];
	struct stat st;
	int there = lstat(IN_FIFO, &st), rc;

	if (there == 0 && S_ISFIFO(st.st_mode))
		return 0;
	snprintf(beside, sizeof(beside), RUN_DIR "/.in.%d", (int)getpid());
	rc = make_beside(beside, owner);
	if (rc == -1 || (there == -1 && put_there(beside) == -1)) {
		log_warn("make " IN_FIFO);
		rc = -1;
	} else if (there == 0)
		rc = replace(beside, &st);
	unlink(beside);
	return rc;
}
