/*
 * sock - non-blocking stream sockets: TCP over IPv4 and IPv6, and Unix
 *
 * Every descriptor made here is non-blocking and close-on-exec, and every TCP
 * one has Nagle's delay off. Addresses are text: "192.0.2.1", "2001:db8::1",
 * "fe80::1%eth0", or a path. An IPv4 peer of an IPv6 listener is shown as
 * IPv4.
 *
 * Owns: nothing; who gets a descriptor closes it. Fails with: ERR_CONNECT,
 * ERR_CLOSED, ERR_SYNTAX (no address), ERR_LIMIT, ERR_SYSTEM, each with
 * words in `text`. I/O: the socket calls, and unlink of a dead Unix socket.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include "../core/err.h"
#include "../core/span.h"

enum io {
    IO_DONE = 0,       /* the call did what it is for */
    IO_EOF = 1,        /* the peer sent its last byte, in order */
    IO_WANT_READ = 2,  /* again when readable */
    IO_WANT_WRITE = 3, /* again when writable */
    IO_WANT_CHOICE = 4 /* TLS handshake: again after conn_choose */
};

enum { SOCK_TEXT = 256, SOCK_HOST = 112 };

struct sock_name {
    char host[SOCK_HOST]; /* an address or a path ("" when it has none) */
    unsigned port;        /* 0 for a Unix socket */
    bool local;           /* a Unix socket */
};

/* Where to: a path when port is SOCK_PATH, else an address. "*" listens on
   every address of both families; "::" on those of IPv6 alone. */
#define SOCK_PATH (-1)

/* A listening descriptor in *fd. A Unix path that nobody answers at is taken
   over; it has the permissions, 0 for those that the umask leaves, before
   anybody can connect. */
INTERNAL int sock_listen(int *fd, const char *host, int port, int backlog,
                         unsigned permissions, char text[SOCK_TEXT]);

/* Where a connection comes from, as the kernel has it; n is 0 where that has
   to be asked for (sock_peer). */
struct sock_from {
    unsigned char bytes[28]; /* an address of IPv4 or IPv6 */
    unsigned char n;
};

/* IO_DONE with the next connection in *fd, or IO_WANT_READ. ERR_LIMIT: no
   descriptor or memory is left; the connection stays queued, and the caller
   must pause, since the listener stays readable. */
INTERNAL int sock_accept(int listener, int *fd, struct sock_from *from,
                         char text[SOCK_TEXT]);

/* For a listener that somebody else made: what is accepted there has what each
   stream needs. */
INTERNAL void sock_took_over(int listener);

/* IO_DONE, or IO_WANT_WRITE and then sock_connected. ERR_LIMIT: the queue of
   a Unix listener is full; try again later. */
INTERNAL int sock_connect(int *fd, const char *host, int port,
                          char text[SOCK_TEXT]);
INTERNAL int sock_connected(int fd, char text[SOCK_TEXT]);

/* A descriptor of its own in *fd for a stream socket that somebody else made
   and closes; from now on neither blocks. */
INTERNAL int sock_adopt(int *fd, int from, char text[SOCK_TEXT]);

/* As conn_read and conn_write; never a SIGPIPE, and never blocking, whatever
   the descriptor's mode. */
INTERNAL int sock_read(int fd, char *p, size_t room, size_t *n,
                       char text[SOCK_TEXT]);
INTERNAL int sock_write(int fd, struct span bytes, size_t *n,
                        char text[SOCK_TEXT]);

/* Gives a descriptor so much patience: sock_await and sock_push then block as
   long at most, and answer "not yet" where that was not enough or a signal
   came. */
INTERNAL int sock_patient(int fd, unsigned milliseconds);
INTERNAL int sock_await(int fd, char *p, size_t room, size_t *n,
                        char text[SOCK_TEXT]);
INTERNAL int sock_push(int fd, struct span bytes, size_t *n,
                       char text[SOCK_TEXT]);

INTERNAL int sock_peer(int fd, struct sock_name *name);
INTERNAL int sock_local(int fd, struct sock_name *name);

INTERNAL int sock_origin(const struct sock_from *from, struct sock_name *name);

struct sockaddr;
INTERNAL int sock_name_of(struct sock_name *name, const struct sockaddr *a,
                          size_t size);

/* True for a literal address, which needs no lookup. */
INTERNAL bool sock_numeric(const char *host);

INTERNAL void sock_quickack(int fd);
INTERNAL void sock_shutdown(int fd);

/* The close that follows is a reset. */
INTERNAL void sock_abandon(int fd);
INTERNAL void sock_close(int fd);

#endif
