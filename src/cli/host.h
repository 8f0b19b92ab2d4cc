/* What starts the appliance with the machine, as texts (host_texts.c). */
#ifndef HOST_H
#define HOST_H

struct host_kind {
	const char *name;                  /* the option's too */
	const char *user_file, *root_file; /* where it belongs; NULL: it is not a file,
					      but a command to run */
	const char *text;
	/* what to run after it was saved, as that user or as root; end with NULL */
	const char *const *user_then, *const *root_then;
};
extern const struct host_kind host_kinds[]; /* ends with a NULL name */
#endif
