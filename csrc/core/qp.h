/*
 * qp - quoted-printable, RFC 2045 6.7
 *
 * Text mode keeps line ends (CRLF or LF in, CRLF out) as hard breaks; binary
 * mode encodes CR and LF. Soft breaks keep lines at 76 columns, and do not
 * split a UTF-8 sequence. A line is never ended by a bare blank, and a line
 * of one dot or that begins with "From " is disarmed.
 * Any split of the input gives the same bytes.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_QP_H
#define CORE_QP_H

#include "buf.h"

struct qp_encoder {
    bool binary;
    unsigned column;
    unsigned char held[8]; /* a blank, CR or sequence that waits for its end */
    unsigned held_n;
};

INTERNAL void qp_encoder_init(struct qp_encoder *e, bool binary);

/* Append to out; 0 or the failure of buf. */
INTERNAL int qp_encode(struct qp_encoder *e, struct span in, struct buf *out);
INTERNAL int qp_encode_finish(struct qp_encoder *e, struct buf *out);

struct qp_decoder {
    unsigned char held[2]; /* "=" and what followed it so far */
    unsigned held_n;
    size_t blanks;  /* run of blanks that may end the line (RFC 2045 (3)) */
    size_t invalid; /* "=" that begins nothing: kept as it is */
};

INTERNAL void qp_decoder_init(struct qp_decoder *d);
INTERNAL int qp_decode(struct qp_decoder *d, struct span in, struct buf *out);
INTERNAL int qp_decode_finish(struct qp_decoder *d, struct buf *out);

#endif
