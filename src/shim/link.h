/*
 * The conversation with the launcher (docs/protocols.md, agent/<name>/sock). After each
 * connect `hello`; once that is answered, everything is said again that the launcher may
 * not know.
 */
#ifndef LINK_H
#define LINK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shim;
struct link;
struct tail_line;
struct folder_report;

struct link *link_new(struct shim *s, const char *path); /* connects from the loop */
bool link_greeted(const struct link *l); /* connected, and hello is answered */

/* The send callbacks of the shim's parts; ctx is the link. false: no launcher. */
bool link_hook(const char *line, size_t len, uint64_t id, void *ctx);
bool link_registry(const char *text, uint64_t version, void *ctx);
bool link_line(const struct tail_line *line, uint64_t id, void *ctx);
bool link_folder(const struct folder_report *r, void *ctx);
bool link_note(const char *line, void *ctx);

void link_started(struct link *l);
void link_exited(struct link *l);
void link_ask_gone(struct link *l, int64_t seq);
#endif
