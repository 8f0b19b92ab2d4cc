/* Room on the volume. */
#ifndef VOLUME_H
#define VOLUME_H
#include <stdbool.h>
#include <stdint.h>

/* Bytes that may still be written below /data; INT64_MAX if that can't be told. */
int64_t volume_free(void);
/* So little (16 MiB, of a small volume a sixteenth) that what is there is needed to end
 * what has begun: nothing new is accepted. */
bool volume_short(void);
/* Little enough for a person to know (256 MiB, of a small volume an eighth). */
bool volume_low(void);
#endif
