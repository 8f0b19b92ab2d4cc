/*
 * Tells when one name in one directory may have changed: made, written, renamed, removed.
 * Bursts are folded into one call; a call may come though nothing changed. The directory
 * may go away and come back. Without inotify (too many instances for this user) it calls
 * once a second.
 */
#ifndef DIRWATCH_H
#define DIRWATCH_H

struct dirwatch;
struct loop;

typedef void dirwatch_cb(void *arg); /* must not free the watch */
struct dirwatch *dirwatch_new(
    struct loop *loop, const char *dir, const char *name, dirwatch_cb *cb, void *arg);
void dirwatch_free(struct dirwatch *d); /* NULL is fine */
#endif
