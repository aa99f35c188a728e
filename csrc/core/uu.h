/*
 * uu - uuencode, POSIX 1003.1 uuencode(1), historical algorithm
 *
 * Encoding writes "begin MODE NAME", lines of 45 bytes, and "end", with LF.
 * Decoding skips what stands before "begin", takes grave or space for zero,
 * puts back the blanks that mail took from line ends, and passes over lines
 * that are none of uuencode. Any split of the input gives the same bytes.
 *
 * Owns: nothing. Fails with: ERR_SYNTAX (a name or mode that cannot be
 * written), ERR_MEMORY, ERR_LIMIT of the buf written to. I/O: none.
 */
#ifndef CORE_UU_H
#define CORE_UU_H

#include "buf.h"

enum { UU_LINE = 45, UU_NAME = 255, UU_TEXT = 300 };

struct uu_encoder {
    unsigned char held[UU_LINE]; /* a line that is not full */
    unsigned held_n;
};

/* Writes the first line. mode: at most 0777, of files 0644. */
INTERNAL int uu_encode_start(struct uu_encoder *e, struct span name,
                             unsigned mode, struct buf *out);
INTERNAL int uu_encode(struct uu_encoder *e, struct span in, struct buf *out);
INTERNAL int uu_encode_finish(struct uu_encoder *e, struct buf *out);

enum uu_at { UU_BEFORE, UU_INSIDE, UU_BEHIND };

struct uu_decoder { /* ready when zeroed */
    enum uu_at at;
    unsigned mode;
    char name[UU_NAME + 1];
    char held[UU_TEXT]; /* a line that is not whole; a longer one is cut */
    unsigned held_n;
    size_t junk; /* lines inside that are none */
};

/* Append to out. finish: ERR_SYNTAX when there was no "begin"; at tells
   whether there was an "end". */
INTERNAL int uu_decode(struct uu_decoder *d, struct span in, struct buf *out);
INTERNAL int uu_decode_finish(struct uu_decoder *d, struct buf *out);

#endif
