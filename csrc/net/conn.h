/*
 * conn - one byte stream: a socket, then TLS under the same object
 *
 * All calls but conn_await and conn_push are non-blocking. "Not yet" is a
 * result: IO_WANT_READ or IO_WANT_WRITE says which readiness of conn_fd() to
 * wait for before the same call is made again. The first failure is sticky
 * and has its text.
 *
 * Owns: the descriptor, its TLS state. Fails with: ERR_CLOSED, ERR_CONNECT,
 * ERR_TLS, ERR_MEMORY, ERR_SYSTEM. I/O: send, recv, setsockopt; never SIGPIPE.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "sock.h"

struct tls;         /* tls.h: one TLS session */
struct tls_context; /* tls.h: shared settings of many sessions */

struct conn {
    int fd;          /* -1 when closed; a zeroed struct needs conn_init */
    struct tls *tls; /* NULL until conn_starttls */
    bool patient;    /* conn_await and conn_push block for a while */
    bool full;       /* the last read filled its room: more may be there */
    struct sock_from from; /* of one that was accepted: its peer */
    int err;               /* the first failure, or 0 */
    char text[SOCK_TEXT];  /* its words, for the user */
};

INTERNAL void conn_init(struct conn *c, int fd);

/* Closes at once, without a word to the peer; may run twice. */
INTERNAL void conn_drop(struct conn *c);

/* The same, and the peer sees a reset: nothing that is on its way arrives. */
INTERNAL void conn_reset(struct conn *c);

/* Reads up to room bytes, *n of them at IO_DONE (never 0). */
INTERNAL int conn_read(struct conn *c, char *p, size_t room, size_t *n);

/* Writes what the peer takes now: *n bytes at IO_DONE (never 0). */
INTERNAL int conn_write(struct conn *c, struct span bytes, size_t *n);

/* The same, but where no loop has anything else to do they block, CONN_PATIENCE
   milliseconds at most, which saves the wait before. */
enum { CONN_PATIENCE = 1000 };
INTERNAL int conn_await(struct conn *c, char *p, size_t room, size_t *n);
INTERNAL int conn_push(struct conn *c, struct span bytes, size_t *n);

/* True when a read may give bytes though the socket is not readable: TLS
   holds some decrypted, or the last read filled its room. Where TLS does
   (conn_holds), who waits for reading first may wait in vain. */
INTERNAL bool conn_pending(const struct conn *c);

/* True when that is so although the descriptor may not show it: in TLS. */
INTERNAL bool conn_holds(const struct conn *c);

/* Asks the kernel to acknowledge at once (Linux): at each read while a body
   is incomplete, for senders that keep Nagle's delay on. */
INTERNAL void conn_quickack(struct conn *c);

/* Puts TLS under the stream, as server or client (host: the name to verify
   and to send as SNI). Then conn_handshake until IO_DONE. */
INTERNAL int conn_starttls(struct conn *c, struct tls_context *context,
                           bool server, const char *host);
INTERNAL int conn_handshake(struct conn *c);

/* The handshake of a server whose context asks by name gives IO_WANT_CHOICE
   once: conn_asked is the name or "", conn_choose gives another context's
   certificate, or NULL for its own. */
INTERNAL const char *conn_asked(const struct conn *c);
INTERNAL int conn_choose(struct conn *c, const struct tls_context *context);

/* Says close-notify, if TLS is on, and shuts down the sending side. */
INTERNAL int conn_shutdown(struct conn *c);

#endif
