/*
 * path - reverse-path and forward-path of the envelope, RFC 5321 4.1.2
 *
 * The strict grammar of the wire, not that of header fields (addr.h): a
 * dot-string or quoted string, "@", a domain or an address literal, in angle
 * brackets. A source route is read and dropped (RFC 5321 appendix C). UTF-8
 * is allowed where the caller says so (RFC 6531). Lengths are held to
 * RFC 5321 4.5.3.1: local part 64, label 63, address 254 octets.
 *
 * Owns: nothing; spans borrow the caller's line. Fails with: ERR_SYNTAX.
 * I/O: none.
 */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include "err.h"
#include "span.h"

struct path {
    struct span address; /* local part, "@", domain; empty for <> */
    struct span local;   /* as written, quotes included */
    struct span domain;  /* as written, brackets included */
    bool utf8;           /* octets above 127 are in it */
};

enum path_kind {
    PATH_REVERSE, /* <> is allowed */
    PATH_FORWARD, /* <postmaster> is allowed (RFC 5321 4.5.1) */
};

/* Reads "<...>" at the head of s, blanks before it skipped, and leaves in
   *rest what follows the ">". */
INTERNAL int path_parse(struct path *path, enum path_kind kind, struct span s,
                        struct span *rest);

/* A domain or an address literal that fills s: the argument of HELO. */
INTERNAL bool path_is_domain(struct span s);
INTERNAL bool path_is_literal(struct span s);

/* Copies a local part without its quotes and backslashes to out, which has
   local.n bytes; returns how many were written. */
INTERNAL size_t path_unquote(struct span local, char *out);

#endif
