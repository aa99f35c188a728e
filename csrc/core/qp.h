/*
 * qp - quoted-printable, RFC 2045 6.7
 *
 * Text mode keeps line ends (CRLF or LF in, CRLF out) as hard breaks; binary
 * mode encodes CR and LF. Soft breaks keep lines at 76 columns, and do not
 * split a UTF-8 sequence. A line is never ended by a bare blank, and a dot
 * or a "From " that begins one is disarmed.
 * Decoding drops blanks at the end of a line, keeps the line ends that it
 * finds, and keeps what is not quoted-printable as it is.
 * Any split of the input gives the same bytes.
 *
 * Owns: nothing. Fails with: ERR_MEMORY, ERR_LIMIT of the buf written to
 * (which needs room for a good deal more than comes out). I/O: none.
 */
#ifndef CORE_QP_H
#define CORE_QP_H

#include "buf.h"
#include "kernel.h"

enum { QP_BLANKS = 76 }; /* most blanks that may end a line and be dropped */

struct qp_encoder {
    const struct kernel *kernel; /* after init the portable one */
    bool binary;
    bool keep; /* hard breaks stay LF or CRLF, soft ones are LF (files) */
    unsigned column;
    unsigned char held[8]; /* a blank, CR or sequence that waits for its end */
    unsigned held_n;
};

INTERNAL void qp_encoder_init(struct qp_encoder *e, bool binary);

/* Append to out; 0 or the failure of buf. */
INTERNAL int qp_encode(struct qp_encoder *e, struct span in, struct buf *out);
INTERNAL int qp_encode_finish(struct qp_encoder *e, struct buf *out);

struct qp_decoder {
    const struct kernel *kernel;       /* after init the portable one */
    unsigned char held[QP_BLANKS + 2]; /* "=", blanks, CR: what they are
                                          depends on what follows */
    unsigned held_n;
    size_t invalid;    /* "=" that begins nothing: kept as it is */
    size_t invalid_at; /* offset of the first of them */
    size_t offset;     /* input consumed */
};

INTERNAL void qp_decoder_init(struct qp_decoder *d);
INTERNAL int qp_decode(struct qp_decoder *d, struct span in, struct buf *out);
INTERNAL int qp_decode_finish(struct qp_decoder *d, struct buf *out);

#endif
