/*
 * header - blocks of header fields, RFC 5322 2.2, RFC 6532
 *
 * Reading is tolerant: lines end with CRLF or LF, blanks may stand before
 * the colon, and a line that is no field (an mbox "From " line, prose) comes
 * out with an empty name instead of stopping the reader. Nothing is copied
 * or decoded. For writing see compose.h.
 *
 * Owns: nothing. Fails with: ERR_MEMORY, ERR_LIMIT. I/O: none.
 */
#ifndef CORE_HEADER_H
#define CORE_HEADER_H

#include "buf.h"

struct header_field {
    size_t at;         /* offset of its first byte in the block */
    size_t n;          /* its length with continuations and the last line end */
    struct span name;  /* empty for a line that is no field */
    struct span value; /* raw: behind the colon, without the last line end */
};

/* Length of the first line of s with its line end; 0 when no LF is there. */
INTERNAL size_t header_line(struct span s);

/* Length of the field name at the head of a line, or 0. *value is the offset
   behind the colon. */
INTERNAL size_t header_name(struct span line, size_t *value);

/* What stands behind a field's colon, without the last line end. */
static inline struct span header_value(struct span s)
{
    if (s.n && s.p[s.n - 1] == '\n') {
        s.n--;
        if (s.n && s.p[s.n - 1] == '\r')
            s.n--;
    }
    return s;
}

/* Cuts one whole field (continuations and line end included) into name and
   value; false when it is no field. f->at is left alone. */
INTERNAL bool header_split(struct span field, struct header_field *f);

/* Pulls the next field of a block from offset *at on, and moves *at behind
   it; false at an empty line or at the end. The spans borrow the block. */
INTERNAL bool header_next(struct span block, size_t *at,
                          struct header_field *f);

/* Finds the nth field (0: the first) of a name, in any case. */
INTERNAL bool header_find(struct span block, struct span name, size_t nth,
                          struct header_field *f);

/* Appends a raw value without its folds (RFC 5322 2.2.3) and without blanks
   at both ends. No CR, LF or NUL is appended. */
INTERNAL int header_unfold(struct buf *out, struct span raw);

#endif
