/*
 * line - the next line of a dialogue
 *
 * Finds the end of a line in bytes that grow, and never scans a byte twice.
 * A line that passes its limit is discarded up to its end and reported
 * once. Only CRLF ends a line; a bare LF ends one too, since waiting for
 * more would only hang the peer, but it is reported as LINE_BARE so that the
 * caller can refuse it.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_LINE_H
#define CORE_LINE_H

#include "span.h"

struct line_reader {
    size_t scanned; /* octets at the head of the input known to hold no LF */
    bool discarding;
};

enum line_result {
    LINE_MORE,    /* no end yet; drop *used octets and bring more */
    LINE_WHOLE,   /* *line is without its CRLF */
    LINE_BARE,    /* the same, but the end was a bare LF */
    LINE_OVERLONG /* an end was found, but the line passed the limit */
};

/* limit counts the octets of a line with its CRLF. *used octets of the input
   are done with; the caller drops them before the next call. */
INTERNAL enum line_result line_next(struct line_reader *r, struct span in,
                                    size_t limit, struct span *line,
                                    size_t *used);

#endif
