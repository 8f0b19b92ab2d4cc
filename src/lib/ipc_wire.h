/* What the ends of a control socket and doorbells share. Private to ipc_*.c and bell.c.
 */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <yyjson.h>

struct conn;

/* What a service sends may be longer than what it takes: a text of 1 MB grows when it is
 * quoted. */
enum { WIRE_MAX_ANSWER = 16 << 20 };

/* A socket of `type` (flags as socket() takes them) connected to path; -1 with errno. */
int wire_connect(const char *path, int type);
/* One bound to path, with mode. A live one there is fatal, a stale one is replaced; so is
 * any failure. */
int wire_bind(const char *path, int type, mode_t mode);

/* The member becomes the root object's first; one of that name is replaced. */
void wire_put_int(yyjson_mut_doc *doc, const char *key, int64_t value);
void wire_put_bool(yyjson_mut_doc *doc, const char *key, bool value);
void wire_put_str(yyjson_mut_doc *doc, const char *key, const char *value);
/* {...} becomes {"key":{...}} */
void wire_wrap(yyjson_mut_doc *doc, const char *key);
/* doc (NULL: {}) as a request, with its newline, malloc'd; frees doc. */
char *wire_request(yyjson_mut_doc *doc, const char *op, int64_t number, size_t *len);
/* The document as a line, with its newline, malloc'd; frees doc. */
char *wire_line(yyjson_mut_doc *doc, size_t *len);
#endif
