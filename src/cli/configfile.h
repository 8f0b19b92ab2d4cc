/* berth.toml as init and reconcile see it: the file, and the environment the container
 * was started with. */
#ifndef CONFIGFILE_H
#define CONFIGFILE_H

struct config;

/* 0, or -1 with errno if the file cannot be read. The caller frees *config, which may
 * have errors. */
int config_file_load(const char *path, struct config **config);
#endif
