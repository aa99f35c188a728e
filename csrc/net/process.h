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

/* A child that has ended, and its exit code (128 and the signal's number
   where a signal ended it); 0 when none has. */
INTERNAL long process_reap(int *code);

/* Sends SIGTERM, or SIGKILL by force. */
INTERNAL int process_end(long pid, bool force, char text[SOCK_TEXT]);

#endif
