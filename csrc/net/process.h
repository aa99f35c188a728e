/*
 * process - children of this process that share its listeners
 *
 * Owns: nothing; a child is reaped by process_reap. Fails with: ERR_SYSTEM,
 * with words in `text`. I/O: fork, waitpid, kill.
 */
#ifndef NET_PROCESS_H
#define NET_PROCESS_H

#include "sock.h"

/* The child's number, 0 in the child itself, or ERR_SYSTEM. */
INTERNAL long process_fork(char text[SOCK_TEXT]);

/* Who started this process; init, or its like, once that one is gone. */
INTERNAL long process_parent(void);

/* A child that has ended (this one; any, where it is 0), and its exit code
   (128 and the signal's number where a signal ended it); 0 when none has. */
INTERNAL long process_reap(long child, int *code);

enum process_word { PROCESS_END, PROCESS_HURRY, PROCESS_RELOAD, PROCESS_KILL };

/* Sends SIGTERM, SIGQUIT, SIGHUP or SIGKILL; to nobody is no failure. */
INTERNAL int process_tell(long pid, enum process_word word,
                          char text[SOCK_TEXT]);

#endif
