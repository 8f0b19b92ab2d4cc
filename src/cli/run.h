/* Other programs, run for what they print. */
#ifndef RUN_H
#define RUN_H

struct buf;

/* Runs argv (found by PATH, no shell) with an empty standard input, its standard output
 * and error appended to out, of which 64 KiB are kept. Its exit status; 127 if it cannot
 * be run, 128 + the signal. */
int run_capture(const char *const *argv, struct buf *out);
#endif
