/*
 * listener - a listening socket, and the path of a Unix one
 *
 * Owns: the descriptor; the path, which the process that made it removes
 * (a forked child leaves it alone); that of a socket that was passed to this
 * process stays. Fails with: see sock.h, service.h. I/O: see sock.h, unlink.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "sock.h"

struct listener {
    int fd;               /* -1 when closed; a zeroed struct needs init */
    long process;         /* who made it */
    char path[SOCK_HOST]; /* "" unless it is a Unix socket */
};

INTERNAL void listener_init(struct listener *l);

/* host, port and permissions as in sock_listen. */
INTERNAL int listener_open(struct listener *l, const char *host, int port,
                           int backlog, unsigned permissions,
                           char text[SOCK_TEXT]);

/* A socket that was passed to this process; see service.h. */
INTERNAL int listener_take(struct listener *l, int fd, char text[SOCK_TEXT]);

/* Leaves the path of a Unix socket to somebody else. */
INTERNAL void listener_disown(struct listener *l);

/* May run twice. */
INTERNAL void listener_drop(struct listener *l);

#endif
