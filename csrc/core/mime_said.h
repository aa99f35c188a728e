/*
 * mime_said - what a part's header says of its body, RFC 2045 5 and 6
 *
 * The first Content-Type and the first Content-Transfer-Encoding count.
 *
 * Owns: its buffers. Fails with: ERR_MEMORY. I/O: none.
 */
#ifndef CORE_MIME_SAID_H
#define CORE_MIME_SAID_H

#include "defect.h"
#include "mime_known.h"
#include "param.h"

enum mime_kind {
    MIME_LEAF,
    MIME_MULTIPART,
    MIME_MESSAGE /* its body is one message, not encoded */
};

struct mime_said {
    enum mime_kind kind;     /* what the type makes of the body */
    enum mime_type type;     /* the default where none is told */
    enum mime_coding coding; /* of the body */
    struct span params;      /* behind the type; a loan, see below */
    bool typed, encoded;     /* there is such a field */
    bool text;               /* the type is a text's */
    bool digest;             /* parts are messages by default */
    struct buf bound;        /* of a multipart; empty: it has none */
    struct param_list list;
};

/* The struct is zeroed, or was used before. most: bytes of a field. */
INTERNAL void mime_said_renew(struct mime_said *s, size_t most);
INTERNAL void mime_said_free(struct mime_said *s);

/* Before the fields of a part, which is one of a digest or not. */
INTERNAL void mime_said_begin(struct mime_said *s, bool digest);

/* May a field of that name say something? */
static inline bool mime_said_may(struct span name)
{
    return name.n == sizeof "Content-Type" - 1 ||
           name.n == sizeof "Content-Transfer-Encoding" - 1;
}

/* A field, by its name: does it say something? s->params is a piece of the
   raw value then. The number of a defect, 0, or ERR_MEMORY. */
INTERNAL int mime_said_field(struct mime_said *s, struct span name,
                             struct span value);

#endif
