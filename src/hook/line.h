/* The line a hook sends to its shim: {"hook":{...},"deadline":<Unix ms or 0>}
 * (docs/protocols.md). */
#ifndef LINE_H
#define LINE_H
#include <stdbool.h>
#include <stdint.h>
#include "buf.h"

struct hook_line {
	struct buf line; /* with its newline; to be freed */
	bool ask;        /* a PermissionRequest: it waits for an answer */
	int64_t wait_ms; /* how long, if it does */
};

enum { HOOK_WAIT_DEFAULT_S = 600, HOOK_WAIT_MAX_S = 7 * 24 * 3600 };

/* input: what the CLI gave the hook. deadline_s: seconds as text, or NULL. -1 with a
 * sentence in *why (static) if the input is no JSON object. */
int hook_line_build(struct hook_line *h, const struct buf *input, const char *deadline_s,
    const char **why);
/* What a permission hook prints when nobody answered. */
extern const char hook_denial[];
#endif
