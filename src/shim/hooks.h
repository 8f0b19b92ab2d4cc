/*
 * hook.sock: takes what the CLI's hooks say from the agent's own processes, and gives
 * them their answers. A hook that asks (PermissionRequest) stays connected until it is
 * answered or leaves.
 */
#ifndef HOOKS_H
#define HOOKS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <yyjson.h>

enum { HOOKS_MAX = 64, HOOKS_LINE_MAX = (16 << 20) + 4096 };

struct hooks;
struct loop;

struct hooks_handlers {
	/* May this process speak for the agent? */
	bool (*trusted)(pid_t pid, void *ctx);
	/* Did the agent itself start it? What a CLI that the agent started has to say is
	 * about another conversation: it is answered, without a decision, and not kept.
	 */
	bool (*own)(pid_t pid, void *ctx);
	/* Keeps a line of the spool; -1 with errno. */
	int (*keep)(const char *line, size_t len, void *ctx);
	/* Who asked has left, or has been answered. */
	void (*ask_gone)(int64_t seq, bool answered, void *ctx);
	void (*idle)(void *ctx); /* no hook is speaking now */
};

/* NULL with errno if it can't listen. `instance` is borrowed. */
struct hooks *hooks_listen(struct loop *loop, const char *path, const char *instance,
    const struct hooks_handlers *h, void *ctx);
void hooks_free(struct hooks *s); /* closes all; unlinks the socket */
/* Answers the hook that asked; output may be NULL. false: it isn't there (any more). */
bool hooks_decide(struct hooks *s, int64_t seq, yyjson_val *output);
bool hooks_asking(const struct hooks *s, int64_t seq);
void hooks_list_asks(const struct hooks *s, yyjson_mut_doc *doc, yyjson_mut_val *array);
bool hooks_busy(
    const struct hooks *s); /* one is connected that does not wait for an answer */
#endif
