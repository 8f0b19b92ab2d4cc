/* /run/berth/in, the FIFO that everybody's lines come through. */
#ifndef INFIFO_H
#define INFIFO_H
#include <sys/types.h>

/* Makes it if it isn't there, owner (-1: the caller), group berth-in, 0620. What is no
 * FIFO and can be removed is replaced, and it is said how much was written there for
 * nobody. 0, or -1: said in the log too. */
int infifo_make(uid_t owner);
#endif
