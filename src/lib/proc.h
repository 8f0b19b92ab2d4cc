/* Processes, as the kernel tells them. */
#ifndef PROC_H
#define PROC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Start time in clock ticks since boot (field 22 of /proc/pid/stat); 0 if there is no
 * such process. (pid, start time) names a process for ever. */
uint64_t proc_start_time(pid_t pid);
/* Is `pid` the ancestor itself or one of its descendants, by walking up PPid? A zombie
 * ancestor counts as gone. */
bool proc_descends(pid_t pid, pid_t ancestor);
pid_t proc_parent(pid_t pid); /* 0: there is no such process */
int proc_pidfd(pid_t pid);    /* pidfd_open, close-on-exec; -1 with errno */
int proc_pidfd_signal(int pidfd, int signo);
bool proc_pidfd_alive(int pidfd);

/* Clears groups, sets gid and uid for good, and verifies it; on failure fatal. */
void proc_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);
/* Closes every descriptor from `from` up, but those in keep[] (ascending). */
void proc_close_from(int from, const int *keep, size_t keep_count);
/* Writes a newline to the s6 notification descriptor (argument `--ready-fd N`), closes
 * it; -1 is ignored. */
void proc_ready(int fd);
/* Sends/receives one descriptor with a fixed-size message over a SOCK_SEQPACKET socket;
 * -1 with errno. fd may be -1. recv: *fd is -1 if none came; a message of another size is
 * EMSGSIZE. 0 bytes read is ECONNRESET. */
int proc_send_fd(int sock, const void *msg, size_t len, int fd);
int proc_recv_fd(int sock, void *msg, size_t len, int *fd);
#endif
