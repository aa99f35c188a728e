/*
 * dot - line ends and the transparency of a DATA body, RFC 5321 4.5.2
 *
 * Outgoing, one pass makes every line end CRLF (a bare CR or LF too) and
 * then doubles each dot that begins a line: in this order, so that no bare
 * line end can smuggle a dot past the peer. Incoming, one pass removes the
 * dots and finds the end in place. Only CRLF.CRLF ends a body (the first
 * CRLF may be that of the DATA command); LF.LF, LF.CRLF, CR.CR, CRLF.LF and
 * their like never do. Any split of the input gives the same bytes.
 *
 * Owns: nothing. Fails with: ERR_MEMORY, ERR_LIMIT of the buf written to.
 * I/O: none.
 */
#ifndef CORE_DOT_H
#define CORE_DOT_H

#include "buf.h"
#include "kernel.h"

struct dot_encoder {             /* ready when zeroed */
    const struct kernel *kernel; /* NULL: kernel_scalar */
    bool plain;    /* line ends only: no dots, no end mark (BDAT, files) */
    bool unmarked; /* dots, but no end mark: somebody else writes it */
    bool inside;   /* the present line has begun */
    bool cr;       /* a CR waits for what follows it */
    bool cr_out;   /* a CR has gone out without the encoder: LF follows it */
};

/* Append to out; 0 or the failure of buf. */
INTERNAL int dot_encode(struct dot_encoder *e, struct span in, struct buf *out);

/* Ends an unfinished line with CRLF, then appends ".CRLF". With plain or
   unmarked only a held CR comes out, as CRLF. The encoder is as new after
   it. */
INTERNAL int dot_encode_finish(struct dot_encoder *e, struct buf *out);

/* What to do with a body that has bare CR or LF. REJECT and KEEP decode with
   dot_decode (REJECT refuses once the end is reached and bare is set), FIX
   with dot_decode_fix. */
enum dot_policy { DOT_REJECT, DOT_FIX, DOT_KEEP };

enum dot_at { DOT_AT_START, DOT_AT_DOT, DOT_AT_INSIDE, DOT_AT_END };

struct dot_decoder {             /* ready when zeroed */
    const struct kernel *kernel; /* NULL: kernel_scalar */
    enum dot_at at;
    bool bare_cr, bare_lf; /* seen: the body is not what RFC 5321 allows */
    bool nul, eight_bit;   /* seen */
    size_t bare_at;        /* offset on the wire of the first bare one */
    size_t wire;           /* bytes taken from the wire, dots and end too */
    size_t size;           /* bytes of body given */
    size_t line;           /* bytes of the present line so far */
    size_t longest;        /* longest line, its CRLF counted, dots not */
};

/* Decodes in place: the body's bytes stand at p, *out_n of them. Of the n
   bytes given, *used were taken; when that is fewer, with 0 returned, the
   last byte is a CR, which has to be given again with what follows it.
   Returns 0: more is needed; 1: the end was found, and what stands behind
   p + *used is the next command's. */
INTERNAL int dot_decode(struct dot_decoder *d, char *p, size_t n, size_t *out_n,
                        size_t *used);

/* The same for DOT_FIX: each bare CR or LF becomes CRLF, hence into out
   instead of in place. */
INTERNAL int dot_decode_fix(struct dot_decoder *d, struct span in,
                            struct buf *out, size_t *used);

/* Longest line so far, the unfinished one included. */
static inline size_t dot_longest(const struct dot_decoder *d)
{
    return d->line > d->longest ? d->line : d->longest;
}

#endif
