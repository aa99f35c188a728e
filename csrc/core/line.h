/*
 * line - the next line of a dialogue
 *
 * Finds the end of a line in bytes that grow, and never scans a byte twice.
 * A line that passes its limit is discarded up to its end and reported
 * once. Only CRLF ends a line. A bare LF is reported as LINE_BARE at once,
 * since waiting for more would only hang the peer; what follows it up to the
 * next CRLF is discarded, or, where the caller is lenient, is the next line.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_LINE_H
#define CORE_LINE_H

#include "span.h"

enum line_state {
    LINE_KEPT,     /* the line may yet be one */
    LINE_TOO_LONG, /* it is discarded, and reported at its end */
    LINE_MUTE      /* it was reported: the rest is discarded */
};

struct line_reader { /* ready when zeroed */
    size_t scanned;  /* octets at the head of the input known to hold no LF */
    enum line_state state;
    bool cr; /* the last octet that was discarded is CR */
};

enum line_result {
    LINE_MORE,    /* no end yet; drop *used octets and bring more */
    LINE_WHOLE,   /* *line is without its CRLF */
    LINE_BARE,    /* the same, but a bare LF came first */
    LINE_OVERLONG /* an end was found, but the line passed the limit */
};

/* limit counts the octets of a line with its CRLF; strict: only CRLF ends
   one. *used octets of the input are done with; the caller drops them before
   the next call. */
INTERNAL enum line_result line_next(struct line_reader *r, struct span in,
                                    size_t limit, bool strict,
                                    struct span *line, size_t *used);

#endif
