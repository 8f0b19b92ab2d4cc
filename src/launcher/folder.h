/*
 * The folder that an agent works in, and that it can't write to: a note in `berth
 * status`, for it may be meant so. Its shim looks, and says what it saw.
 */
#ifndef FOLDER_H
#define FOLDER_H
#include <yyjson.h>

struct agent;

/* What the shim says (docs/protocols.md, `folder`): sets folder_why and folder_hint. */
void folder_told(struct agent *a, yyjson_val *args);
void folder_forget(struct agent *a); /* its process ended */
#endif
