/*
 * survey - a body before it is sent: its size, and what is in it
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_SURVEY_H
#define CORE_SURVEY_H

#include "kernel.h"

/* The size of a body on the wire, dots not counted: CRLF for CR or LF, and at
   its end; too small where bare ones of both kinds are mixed (RFC 1870 5
   wants an estimate). plain: so many octets at its head go out as they are. */
struct survey {
    size_t size, plain;
    bool eight_bit;
};
INTERNAL struct survey survey_of(const struct kernel *kernel, struct span body);

/* Whether a message says of itself that it is binary, which calls for BDAT. */
INTERNAL bool survey_binary(struct span message);

#endif
