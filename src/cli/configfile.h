/* berth.toml as init and reconcile see it: the file, and the environment the container
 * was started with. */
#ifndef CONFIGFILE_H
#define CONFIGFILE_H
#include <stdbool.h>
#include <stdint.h>

struct config;

/* 0, or -1 with errno if the file cannot be read. The caller frees *config, which may
 * have errors. */
int config_file_load(const char *path, struct config **config);

/* Has the file another content than the one with this hash (hash.h), and since when (Unix
 * ms)? Of a file that can't be read, false. */
bool config_file_differs(const char *path, const char *hash, int64_t *since);
#endif
