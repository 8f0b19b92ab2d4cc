/*
 * Control sockets: SOCK_STREAM, one JSON object a line each way.
 *   request  {"op":"...","req":n, ...}
 *   answer   {"req":n,"ok":true, ...}
 *            {"req":n,"ok":false,"error":"code","message":"a sentence"}
 *   rows     {"req":n,"row":{...}} ... then the answer with "end":true
 *   stream   {"req":n,"event":{...}} ... until either side closes (the op stays open)
 *   push     {"push":{...}}, answers nothing
 *
 * Rows that come to too much end early: their answer has "more":true, and the caller asks
 * for the rest.
 *
 * The caller numbers its requests, or leaves "req" out where it has one at a time. (It
 * isn't called "id": that is what ops call the message or approval they are about.) Who
 * calls is told by the kernel (SO_PEERCRED), never by the message.
 *
 * An unknown op or a line that isn't a JSON object is answered with an error and the
 * connection closed; a line over 1 MiB + 64 KiB closes it at once. A service's lines may
 * have up to 16 MiB. Every callback may free or close what it was called for, the server
 * or client included.
 */
#ifndef IPC_H
#define IPC_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <yyjson.h>

struct loop;
struct ipc_server;
struct ipc_peer; /* one connection */
struct ipc_req;  /* one request that waits for its answer */

enum { IPC_MAX_LINE = (1 << 20) + (1 << 16) };

struct ipc_op {
	const char *name;
	/* Must end, now or later, in exactly one of ipc_ok, ipc_error or ipc_end for this
	 * req; may keep req until then. `args` is the request's object, borrowed until it
	 * returns. */
	void (*handle)(struct ipc_req *req, yyjson_val *args, void *ctx);
	/* Roles that may call it: bits as the server's role() returns them. */
	unsigned who;
};

struct ipc_handlers {
	const struct ipc_op *ops; /* ends with a NULL name */
	/* Roles of a peer, asked at each request; 0 refuses every op ("forbidden"). NULL:
	 * all bits set. */
	unsigned (*role)(struct ipc_peer *peer, void *ctx);
	/* A peer came or went; may be NULL. After `closed` (and `dropped` for each open
	 * request before it) the peer is gone. */
	void (*opened)(struct ipc_peer *peer, void *ctx);
	void (*closed)(struct ipc_peer *peer, void *ctx);
	/* The peer left while this request was unanswered: forget req (it is freed
	 * after). May be NULL. */
	void (*dropped)(struct ipc_req *req, void *ctx);
	unsigned max_peers; /* further connections are closed at once; 0 means 64 */
};

/* Binds path with mode. A live server there (it accepts a connection) is fatal; a stale
 * socket is replaced. Any failure is fatal: it is a startup fault. */
struct ipc_server *ipc_listen(struct loop *loop, const char *path, mode_t mode,
    const struct ipc_handlers *h, void *ctx);
/* The same on a listening descriptor made elsewhere; it becomes the server's. */
struct ipc_server *ipc_serve(
    struct loop *loop, int listen_fd, const struct ipc_handlers *h, void *ctx);
/* Closes every peer; unlinks the path it bound. */
void ipc_server_free(struct ipc_server *s);

uid_t ipc_peer_uid(const struct ipc_peer *p);
pid_t ipc_peer_pid(const struct ipc_peer *p);
/* Reads no more, and flushes for 2 s at most; closed() follows from the loop. */
void ipc_peer_close(struct ipc_peer *p);
/* A line to the peer that answers no request: {"push":doc}. Frees doc. */
void ipc_push(struct ipc_peer *p, yyjson_mut_doc *doc);

struct ipc_peer *ipc_req_peer(const struct ipc_req *r);
/* Each puts "req" and "ok" first in the root object (members of that name are replaced)
 * and frees doc. A peer has 256 open requests at most: the next is answered "too-many".
 */
void ipc_ok(struct ipc_req *r, yyjson_mut_doc *doc); /* NULL: no further members */
void ipc_row(struct ipc_req *r, yyjson_mut_doc *row);
void ipc_event(struct ipc_req *r, yyjson_mut_doc *event);
void ipc_end(struct ipc_req *r);
/* Ends the rows where there are more. A peer that reads slowly is cut off at 8 MiB, so
 * ops with large rows end at IPC_ROWS_FULL; ipc_req_sent() is what the rows and events of
 * this request came to, in bytes. */
enum { IPC_ROWS_FULL = 4 << 20 };
void ipc_end_more(struct ipc_req *r);
size_t ipc_req_sent(const struct ipc_req *r);
void ipc_error(struct ipc_req *r, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- client, in an event loop (shim): keeps itself connected ---- */
struct ipc_client;
struct ipc_client_handlers {
	/* Connected (again): say all you know. */
	void (*up)(struct ipc_client *c, void *ctx);
	/* Lost; every open call has been dropped. */
	void (*down)(struct ipc_client *c, void *ctx);
	/* A line that answers no call. */
	void (*push)(yyjson_val *line, void *ctx);
};
/* Connects from the loop; retries after 20 ms .. 1 s. */
struct ipc_client *ipc_client_new(
    struct loop *loop, const char *path, const struct ipc_client_handlers *h, void *ctx);
void ipc_client_free(struct ipc_client *c);
bool ipc_client_up(const struct ipc_client *c);
/* Called for each row and event, and at last with the answer (it has "ok") or with NULL:
 * connection lost, client freed. */
typedef void ipc_answer_cb(yyjson_val *answer, void *arg);
/* Puts op and req into doc's root (NULL: {}) and sends; false (doc freed, cb not called)
 * when not connected. */
bool ipc_call(struct ipc_client *c, const char *op, yyjson_mut_doc *doc,
    ipc_answer_cb *cb, void *arg);

/* ---- client, blocking (the command line) ---- */
int ipc_connect(const char *path); /* fd or -1 with errno */
/* Sends one line (doc freed) and reads one; NULL with errno on a lost connection or after
 * timeout_ms (-1: none; ETIMEDOUT). The caller frees the document. Leftover input is kept
 * for the next read. */
struct ipc_stream;
struct ipc_stream *ipc_stream_open(const char *path); /* NULL with errno */
void ipc_stream_close(struct ipc_stream *s);
int ipc_stream_send(struct ipc_stream *s, const char *op, yyjson_mut_doc *doc);
yyjson_doc *ipc_stream_read(struct ipc_stream *s, int timeout_ms);

/* ---- doorbells ---- */
struct bell;
typedef void bell_cb(const char *topic, void *ctx);
/* /run/berth/bell/<service>, SOCK_DGRAM, 0620; bursts of one topic may be folded into one
 * call. */
struct bell *bell_listen(
    struct loop *loop, const char *dir, const char *service, bell_cb *cb, void *ctx);
void bell_free(struct bell *b); /* may be called from its callback */
/* Never blocks, never fails loudly. A topic has up to 63 printable characters, no space.
 */
void bell_ring(const char *dir, const char *service, const char *topic);
#endif
