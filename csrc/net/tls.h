/*
 * tls - TLS contexts and sessions over a socket, by OpenSSL
 *
 * A context holds the settings of many sessions and is counted: whoever gives
 * up last frees it, so that a session outlives the handle of its context. A
 * session reads and writes its descriptor itself (never SIGPIPE) and answers
 * as conn does. OpenSSL calls back into this file only, never further up.
 *
 * A client verifies chain and name unless told otherwise. A pin replaces
 * both: the certificate, or its key, is then known in person.
 *
 * Owns: OpenSSL's objects. Fails with: ERR_TLS, ERR_CLOSED, ERR_SYNTAX (a
 * setting), ERR_MEMORY, each with words in `text`. I/O: send, recv, files of
 * certificates.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "sock.h"

struct tls;
struct tls_context;

enum { TLS_PINS = 8, TLS_TLSA = 16, TLS_NAME = 256, TLS_PRINT = 96 };

/* A record of RFC 6698 2.1. */
struct tls_tlsa {
    unsigned char usage, selector, matching;
    struct span data;
};

/* Borrowed for the call. Files are named by path; PEM text is recognised. */
struct tls_settings {
    bool server;
    bool choose;                /* server: IO_WANT_CHOICE asks by SNI */
    bool test;                  /* server: a throw-away certificate */
    bool insecure;              /* client: verify nothing */
    struct span hostname;       /* test: one more name in the certificate */
    struct span certificate;    /* PEM: leaf first, then its chain */
    struct span key;            /* PEM; empty: beside the certificate */
    struct span ca;             /* file, folder or PEM; empty: the system's */
    struct span minimum;        /* "1.0" "1.1" "1.2" "1.3"; empty: 1.2 */
    struct span maximum;        /* empty: the newest */
    struct span pins[TLS_PINS]; /* "sha256/BASE64" of the key, or hex of the
                                   certificate */
    size_t npins;
    bool dane; /* client: these records decide alone (RFC 7672); where none
                  can be used, nothing is verified */
    struct tls_tlsa tlsa[TLS_TLSA];
    size_t ntlsa;
    struct span domain; /* with dane: another name that a certificate below a
                           trust anchor may have; empty: none */
};

/* What is known after the handshake. */
struct tls_info {
    const char *version;
    const char *cipher;
    bool resumed;     /* an earlier session: nothing was verified again */
    bool certificate; /* the peer showed one: the rest is filled */
    bool verified;
    char subject[TLS_NAME];
    char issuer[TLS_NAME];
    char fingerprint[TLS_PRINT]; /* sha256 of the certificate, AA:BB:... */
    char pin[TLS_PRINT];         /* "sha256/..." of its key */
};

INTERNAL int tls_context_new(struct tls_context **context,
                             const struct tls_settings *settings,
                             char text[SOCK_TEXT]);
INTERNAL void tls_context_keep(struct tls_context *context);
INTERNAL void tls_context_drop(struct tls_context *context);
INTERNAL bool tls_context_server(const struct tls_context *context);

/* The throw-away certificate as PEM in out, for who shall trust it; its
   length, or 0 where there is none or room is too small. */
INTERNAL size_t tls_context_pem(const struct tls_context *context, char *out,
                                size_t room);

/* host: a DNS name or an address to verify, NULL for a server. The
   descriptor stays the caller's and must outlive the session. */
INTERNAL int tls_new(struct tls **tls, struct tls_context *context, int fd,
                     const char *host, char text[SOCK_TEXT]);
INTERNAL void tls_free(struct tls *tls);

/* enum io, or ERR_*. After IO_WANT_WRITE from tls_write call again with the
   same bytes (they may have moved, more may follow). */
INTERNAL int tls_handshake(struct tls *tls, char text[SOCK_TEXT]);

/* At IO_WANT_CHOICE: the name the client asks for, or "". */
INTERNAL const char *tls_asked(const struct tls *tls);

/* Answers IO_WANT_CHOICE: another context's certificate, or NULL to keep the
   session's own. */
INTERNAL int tls_choose(struct tls *tls, const struct tls_context *context);

/* await, push: the first read, the first write of the descriptor in this call
   may block (sock_await, sock_push). */
INTERNAL int tls_read(struct tls *tls, char *p, size_t room, size_t *n,
                      bool await, char text[SOCK_TEXT]);
INTERNAL int tls_write(struct tls *tls, struct span bytes, size_t *n, bool push,
                       char text[SOCK_TEXT]);
INTERNAL int tls_shutdown(struct tls *tls, char text[SOCK_TEXT]);

/* True when bytes were taken from the socket and not yet handed out. */
INTERNAL bool tls_pending(const struct tls *tls);

/* The sha256 of the certificate that the peer showed, AA:BB:..., refused or
   not; false where it showed none. */
INTERNAL bool tls_seen(const struct tls *tls, char out[TLS_PRINT]);

INTERNAL void tls_inform(const struct tls *tls, struct tls_info *info);

/* Channel bindings: "tls-exporter" (RFC 9266), "tls-unique" (RFC 5929; not
   with TLS 1.3). Their length, or ERR_PROTOCOL where there is none. */
INTERNAL int tls_binding(const struct tls *tls, const char *type,
                         unsigned char out[64]);

#endif
