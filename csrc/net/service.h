/*
 * service - what a service manager hands to a server, and is told by it
 *
 * systemd and its like pass listening sockets as descriptors from 3 on
 * (LISTEN_FDS, for the process LISTEN_PID, named in LISTEN_FDNAMES), and hear
 * of the server's state in datagrams to the socket NOTIFY_SOCKET. See
 * sd_listen_fds(3) and sd_notify(3).
 *
 * Owns: nothing. Fails with: ERR_SYSTEM, ERR_SYNTAX (a path too long), with
 * words in `text`. I/O: the environment, datagrams.
 */
#ifndef NET_SERVICE_H
#define NET_SERVICE_H

#include "sock.h"

enum { SERVICE_FIRST = 3 };

/* How many sockets were passed to this very process; 0: none. */
INTERNAL int service_sockets(void);

/* A passed socket that listens, as ours: non-blocking, closed on exec.
   ERR_SYSTEM: it is no listening stream socket. */
INTERNAL int service_take(int fd, char text[SOCK_TEXT]);

/* Sends words like "READY=1" to a socket's path ("@name": an abstract one). */
INTERNAL int service_tell(const char *path, struct span words,
                          char text[SOCK_TEXT]);

#endif
