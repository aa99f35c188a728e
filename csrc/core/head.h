/*
 * head - how long the header of a message is that comes in pieces
 *
 * It ends with the first line that is no field: that has no octets, or no
 * colon and no blank before it. At its end, CRLF or LF, counting stops. A
 * zeroed struct is a message of which nothing came yet.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_HEAD_H
#define CORE_HEAD_H

#include <stdint.h>

#include "span.h"

struct head {
    uint64_t size; /* octets so far, line ends counted */
    size_t line;   /* octets of the line that is not whole yet */
    bool field;    /* it may be of a field: a colon, or a blank at first */
    bool over;
};

/* Takes the next octets of the message. */
INTERNAL void head_note(struct head *h, struct span octets);

#endif
