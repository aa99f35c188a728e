/*
 * child - a program started without a shell, its input and output a socket
 *
 * One end of a pair of connected sockets becomes the program's standard
 * input and output; the other is a descriptor like that of any peer: it can
 * be waited for, and its sending side can be shut alone. No other descriptor
 * of this process is inherited but standard error, and no blocked or ignored
 * signal.
 *
 * Owns: the process until it is reaped. Fails with: ERR_CONNECT (it cannot
 * be started), ERR_SYSTEM, with words in `text`. I/O: socketpair,
 * posix_spawnp, waitpid, kill.
 */
#ifndef NET_CHILD_H
#define NET_CHILD_H

#include "sock.h"

struct child {
    long pid;   /* 0: none was started */
    bool ended; /* and reaped */
    int code;   /* then: its exit code, 128 and the signal's number where one
                   ended it, -1 where somebody else reaped it */
};

/* Starts argv[0], searched for in PATH; *fd is our end. With errors its
   standard error goes to the same socket. */
INTERNAL int child_start(struct child *c, char *const *argv, bool errors,
                         int *fd, char text[SOCK_TEXT]);

/* Whether it has ended; reaps it then. */
INTERNAL bool child_ended(struct child *c);

/* Sends SIGTERM, or SIGKILL by force, unless it was reaped. */
INTERNAL void child_signal(struct child *c, bool force);

/* Ends it by force and reaps it, which is a matter of moments; one that may
   not be signalled is left alone. May run twice. */
INTERNAL void child_drop(struct child *c);

#endif
