/* What kind of file system something lies on: a database must not be on every one. */
#ifndef FSTYPE_H
#define FSTYPE_H

enum fstype_kind {
	FSTYPE_LOCAL,   /* and what isn't known: new ones are local as a rule */
	FSTYPE_PASSING, /* local, but gone with the container or the machine's power */
	FSTYPE_SHARED   /* over a network, or by a host with its virtual machine: locks or
			   fsync(2) may be empty words there */
};

struct fstype {
	enum fstype_kind kind;
	char name[48]; /* "ext4", "fuse.sshfs"; "a local file system" if it isn't known */
};

/* By statfs(2)'s f_type and, where many share that (FUSE), by the type that it is mounted
 * as, which may be NULL. */
void fstype_of(unsigned long magic, const char *mounted_as, struct fstype *out);
/* 0, or -1 with errno. */
int fstype_look(const char *path, struct fstype *out);
/* Finds in text, as /proc/self/mountinfo has it, the type that the device is mounted as;
 * NULL if it isn't there. The caller frees. */
char *fstype_mounted_as(const char *text, unsigned major, unsigned minor);
#endif
