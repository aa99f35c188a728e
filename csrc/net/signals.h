/*
 * signals - signals as bytes to read: SIGTERM, SIGINT, SIGHUP, SIGQUIT,
 * SIGCHLD, and two that say what the failed write says, too: SIGPIPE, SIGXFSZ
 *
 * While open, these signals interrupt nothing: they make a descriptor
 * readable. No handler is installed, so nothing runs at odd moments; the
 * signals are blocked, for children, too. Closing restores what was before,
 * and those that came meanwhile are dropped.
 *
 * Owns: the descriptor. Fails with: ERR_SYSTEM. I/O: signalfd or kqueue, the
 * thread's signal mask.
 */
#ifndef NET_SIGNALS_H
#define NET_SIGNALS_H

#include <signal.h>

#include "sock.h"

struct signals {
    int fd; /* -1 when closed; a zeroed struct needs signals_init */
    sigset_t before;
};

INTERNAL void signals_init(struct signals *s);
INTERNAL int signals_open(struct signals *s);

/* In a forked child: watches its own signals, which stayed blocked all the
   time. */
INTERNAL int signals_reopen(struct signals *s);

/* May run twice. */
INTERNAL void signals_close(struct signals *s);

/* "term", "int", "hup", "quit", "child" (one ended), "pipe", "size" (of a
   file: a limit); NULL: none now. */
INTERNAL const char *signals_next(struct signals *s);

#endif
