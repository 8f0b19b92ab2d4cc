/*
 * The event loop, over libevent: descriptors, timers with absolute monotonic deadlines,
 * signals. One thread. A callback may free any watch or timer, its own included.
 */
#ifndef LOOP_H
#define LOOP_H
#include <stdint.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop;
struct watch;
struct timer;

/* SIGPIPE is ignored from here on; a child must undo that before exec. */
struct loop *loop_new(void);
void loop_free(struct loop *loop); /* after its watches and timers */
int loop_run(struct loop *loop);   /* until loop_stop; returns its status */
void loop_stop(struct loop *loop, int status);

typedef void loop_fd_cb(int fd, int what, void *arg);
/* `what` is LOOP_READ | LOOP_WRITE, 0 to watch nothing yet. The fd stays the caller's,
 * who frees the watch before closing it. */
struct watch *watch_new(struct loop *loop, int fd, int what, loop_fd_cb *cb, void *arg);
void watch_set(struct watch *w, int what);
void watch_free(struct watch *w); /* NULL is fine */

typedef void loop_cb(void *arg);
/* Never early; after a suspend of the machine up to a minute late. */
struct timer *timer_new(struct loop *loop, loop_cb *cb, void *arg); /* not armed yet */
void timer_at(struct timer *t, int64_t mono_deadline_ms);           /* arms or moves */
void timer_in(struct timer *t, int64_t ms);
void timer_cancel(struct timer *t);
int timer_armed(const struct timer *t);
void timer_free(struct timer *t); /* NULL is fine */

typedef void loop_signal_cb(int signo, void *arg);
void loop_signal(struct loop *loop, int signo, loop_signal_cb *cb, void *arg);
#endif
