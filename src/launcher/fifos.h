/*
 * /run/berth/in and in.<channel>: one message a line, plain text or
 * {"content":...,"agent":...,"meta":{...}}. One that names no agent is for the only one,
 * or for `main`; for nobody, it is refused and said so. A line leaves the pipe only when
 * its row is committed, so a launcher that dies loses nothing (the same line may then
 * come twice). Lines over 1 MiB are refused and said so.
 */
#ifndef FIFOS_H
#define FIFOS_H

struct launcher;

void fifos_watch(struct launcher *l);
#endif
