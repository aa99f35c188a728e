/*
 * tls_parts - what the files of tls share; private to them
 *
 * Owns: see tls.h. Fails with: see tls.h. I/O: see tls.h.
 */
#ifndef NET_TLS_PARTS_H
#define NET_TLS_PARTS_H

#include <openssl/ssl.h>

#include "tls.h"

enum { SHA256_SIZE = 32 };

struct tls_pin {
    bool key; /* of the public key, else of the certificate */
    unsigned char sha256[SHA256_SIZE];
};

enum { TLS_KEPT = 16 };

/* A client's session that can be resumed. */
struct tls_kept {
    SSL_SESSION *session; /* NULL: the place is free */
    char host[TLS_NAME];
};

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *method; /* lives as long as any session's BIO */
    size_t uses;
    bool server, insecure, dane;
    size_t npins;
    struct tls_pin pins[TLS_PINS];
    size_t ntlsa;
    struct tls_tlsa tlsa[TLS_TLSA]; /* their data is the context's */
    char domain[TLS_NAME];          /* with dane: another name, or "" */
    struct tls_kept kept[TLS_KEPT];
    size_t oldest; /* of kept: the next to go */
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    int fd;
    int down;            /* the socket's failure, or 0 */
    bool ended;          /* the socket's end was seen */
    bool await, push;    /* the next read, the next write may block */
    bool up;             /* the handshake is done */
    bool proves;         /* a TLSA record can prove who the server is */
    bool broken;         /* after a fatal error nothing more may be said */
    bool saw;            /* seen is filled */
    bool spoke;          /* first is filled */
    unsigned char first; /* first byte of the peer */
    unsigned char seen[SHA256_SIZE]; /* of the peer's certificate */
    bool chosen;                     /* the choice of a certificate is made */
    char asked[TLS_NAME];            /* the client's SNI, or "" */
    char *text;                      /* for the socket, within a call */
    char host[];                     /* "" for a server */
};

/* Turns OpenSSL's queue into one line, and empties it. */
INTERNAL int tls_failure(char *text, const char *what);

/* The BIO that sends and receives for a session. */
INTERNAL BIO_METHOD *tls_method(void);

/* Servers known by TLSA records (tls_dane.c). */
INTERNAL int tls_dane_context(struct tls_context *c,
                              const struct tls_settings *s, char *text);
INTERNAL void tls_dane_drop(struct tls_context *c);
INTERNAL bool tls_dane_expect(struct tls *tls);

/* Verifies a chain, or matches a pin, and notes what was seen. */
INTERNAL int tls_verify(X509_STORE_CTX *store, void *unused);

/* Suspends a handshake until tls_choose. */
INTERNAL int tls_hello(SSL *ssl, int *alert, void *unused);

/* Keeps a session of a client for the next one to the same host. */
INTERNAL int tls_keep(SSL *ssl, SSL_SESSION *session);

/* Gives a session that was kept, to be freed, or NULL. One of TLS 1.3 is not
   given twice: that would link connections (RFC 8446 C.4). */
INTERNAL SSL_SESSION *tls_kept_take(struct tls_context *context,
                                    const char *host);

/* Puts a new self-signed certificate and its key into ctx. */
INTERNAL int tls_test_certificate(SSL_CTX *ctx, struct span hostname,
                                  char text[SOCK_TEXT]);

#endif
