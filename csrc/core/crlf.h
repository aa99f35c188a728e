/*
 * crlf - line ends of the wire as those of files
 *
 * Every CRLF becomes LF; a CR that no LF follows stays. The other way is
 * dot.h's. Any split of the input gives the same bytes.
 *
 * Owns: nothing. Fails with: ERR_MEMORY, ERR_LIMIT of the buf written to.
 * I/O: none.
 */
#ifndef CORE_CRLF_H
#define CORE_CRLF_H

#include "buf.h"

struct crlf_decoder { /* ready when zeroed */
    bool cr;          /* a CR waits for what follows it */
};

/* Append to out; 0 or the failure of buf. */
INTERNAL int crlf_decode(struct crlf_decoder *d, struct span in,
                         struct buf *out);
INTERNAL int crlf_decode_finish(struct crlf_decoder *d, struct buf *out);

#endif
