/* The container as it knows itself from inside: what started it, and how it is called
 * there. For hints, and for `berth host`. */
#ifndef CONTAINER_H
#define CONTAINER_H
#include <stdbool.h>

bool container_here(void);          /* is this one? */
const char *container_engine(void); /* "podman", "docker"; NULL: nothing tells */
const char *container_name(void);   /* NULL: nothing tells */
bool container_name_valid(const char *name);
/* A way to run berth here: `before`, "docker exec -it NAME berth", `words`. It stays. */
const char *container_hint(const char *before, const char *words);

/* What these conclude from: `container` in the environment, Podman's and Docker's marks;
 * BERTH_NAME in the environment (`up`, the compose file and what `berth host` prints set
 * it), and the container's hostname or NULL. */
const char *container_engine_by(const char *variable, bool podmans, bool dockers);
const char *container_name_by(const char *variable, const char *hostname);
#endif
