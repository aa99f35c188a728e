/*
 * err - the negative results of every function that can fail
 *
 * A function that can fail returns an int: zero or more is success, less is
 * one of these. err_kind() gives the word that users see as err.kind
 * (API section 5), err_text() a sentence to fall back on.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "span.h"

enum err {
    ERR_MEMORY = -1,   /* the allocator said no */
    ERR_LIMIT = -2,    /* a buffer's ceiling or a count's limit is reached */
    ERR_SYNTAX = -3,   /* bytes that the grammar does not allow */
    ERR_PROTOCOL = -4, /* well-formed, but not now */
    ERR_CLOSED = -5,   /* the peer is gone */
    ERR_TIMEOUT = -6,  /* a deadline passed */
    ERR_CONNECT = -7,  /* no connection could be made */
    ERR_TLS = -8,      /* handshake, verification or record failed */
    ERR_DNS = -9,      /* a name could not be resolved */
    ERR_CHARSET = -10, /* a charset that the system does not know */
    ERR_SYSTEM = -11   /* the system refused for another reason */
};

/* Static strings; any int is allowed. */
INTERNAL const char *err_kind(int err);
INTERNAL const char *err_text(int err);

#endif
