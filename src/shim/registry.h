/*
 * The agent's entry in its CLI's registry of live sessions, <dir>/<pid>.json. The file is
 * rewritten in place, so a moment of half a file is normal: only what parses as JSON is
 * passed on. Only the newest content matters; what came between may be skipped. While the
 * agent lives, a file that somebody deletes is put back.
 */
#ifndef REGISTRY_H
#define REGISTRY_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { REGISTRY_MAX = 64 << 10 };

struct loop;
struct registry;
/* text NULL: the file is gone. false when there is no launcher. */
typedef bool registry_send_cb(const char *text, uint64_t version, void *ctx);

struct registry *registry_new(
    struct loop *loop, const char *dir, pid_t pid, registry_send_cb *send, void *ctx);
void registry_free(struct registry *r); /* NULL is fine, here and below */
void registry_end(struct registry *r);  /* the agent has ended: read it once more */
void registry_acked(struct registry *r, uint64_t version);
void registry_resend(struct registry *r);     /* there is a launcher (again) */
bool registry_idle(const struct registry *r); /* everything is acknowledged */
#endif
