/* launcher.sock: what people and programs may ask (docs/protocols.md). */
#ifndef OPS_H
#define OPS_H
#include <yyjson.h>

struct agent;
struct ipc_req;
struct launcher;

void ops_listen(struct launcher *l);

/* ops_read.c: answers made of rows */
void op_agents(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_messages(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_turns(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_approvals(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_status(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_pane(struct ipc_req *req, yyjson_val *args, void *ctx);
/* One message as a document, NULL if there is none. */
yyjson_mut_doc *message_doc(struct launcher *l, const char *id);
/* What the reconciler's last run left; NULL if there was none. */
yyjson_doc *config_state(struct launcher *l);

/* waiters.c: answers that come later */
void op_wait(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_subscribe(struct ipc_req *req, yyjson_val *args, void *ctx);
void op_apply(struct ipc_req *req, yyjson_val *args, void *ctx);
/* Answers req once the process that the agent has now has ended; or there is another, or
 * none will come. */
void waiters_until_stopped(struct ipc_req *req, const struct agent *a);
void waiters_until_restarted(struct ipc_req *req, const struct agent *a);
void waiters_drop(struct ipc_req *req, void *ctx);
void waiters_config(struct launcher *l); /* the reconciler has run */
void waiters_new(struct launcher *l);

/* Finds args' agent; answers with an error and returns NULL if there is none. */
struct agent *ops_agent(struct ipc_req *req, yyjson_val *args, struct launcher *l);
#endif
