/* What s6 says about the services in its scan directory. */
#ifndef SERVICES_H
#define SERVICES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum service_state {
	SERVICE_UP,
	SERVICE_STARTING, /* up, and hasn't said that it is ready */
	SERVICE_OFF,      /* down, as it shall be */
	SERVICE_DOWN,     /* down, and shall be up */
	SERVICE_HELD, /* down until somebody looks: its finish script said so, of 100 */
	SERVICE_STOPPED, /* down because somebody stopped it */
	SERVICE_UNKNOWN  /* s6 doesn't supervise it, or doesn't tell this user */
};

struct service {
	char *name;
	enum service_state state;
	int64_t for_s;   /* in this state */
	int pid, status; /* status: how it ended last; -1 if it was by a signal or is not
			    known */
	bool problem;
};

/* All of them, by name; *count 0 if there is no scan directory. services_free(). */
struct service *services_read(const char *scan_dir, size_t *count);
void services_free(struct service *services, size_t count);
const char *service_state_name(enum service_state state);
#endif
