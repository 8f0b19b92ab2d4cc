/* A backup that was unpacked (src/backup) takes the place of what is there. */
#ifndef RESTORE_H
#define RESTORE_H

/* If there is one: before anything else uses the volume. What was there goes to
 * /data/before-restore-<time>. It may be killed at any instruction and go on at the next
 * start. */
void restore_put_to_use(void);
#endif
