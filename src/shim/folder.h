/*
 * Can the agent write where it works? It is looked at as the agent's user, when the agent
 * has been started; while it can't, again and again, until it can.
 */
#ifndef FOLDER_H
#define FOLDER_H
#include <stdbool.h>
#include <sys/types.h>

enum { FOLDER_LOOK_MS = 10000 };

struct loop;
struct folder;

struct folder_report {
	const char *why; /* a sentence; NULL: it can write there, and all else is 0 */
	bool read_only;  /* its mount is */
	uid_t uid;       /* whose it is */
	gid_t gid;
};
/* false: no launcher, folder_resend() says it again. */
typedef bool folder_send_cb(const struct folder_report *r, void *ctx);

struct folder *folder_new(
    struct loop *loop, const char *path, folder_send_cb *send, void *ctx);
void folder_free(struct folder *f); /* NULL is fine, here and below */
void folder_resend(struct folder *f);
#endif
