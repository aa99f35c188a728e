/*
 * boundary - lines that part the bodies of a multipart, RFC 2046 5.1.1
 *
 * Bodies are not read line by line. Only a line that begins with "--" can be
 * a boundary, so the scan goes from dash to dash, and from a dash that is
 * not at the start of its line to that line's end: base64 passes in one
 * memchr.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_BOUNDARY_H
#define CORE_BOUNDARY_H

#include <stdint.h>

#include "span.h"

enum {
    BOUNDARY_MOST = 996,      /* what fits a line of RFC 5322 */
    BOUNDARY_LINE_MOST = 1024 /* with dashes and blanks; longer is text */
};

enum boundary_found {
    BOUNDARY_NO,
    BOUNDARY_YES,
    BOUNDARY_WAIT /* more bytes will tell */
};

struct boundary_line {
    size_t n;    /* its length with the line end */
    bool closes; /* the last one of its multipart */
};

/* Offset of the next line of s, from `from` on, that begins with a dash; or
   s.n. start tells whether offset 0 begins a line. */
INTERNAL size_t boundary_candidate(struct span s, size_t from, bool start);

/* True when the line at the head of s begins with two dashes; else *found
   is NO or WAIT. last: nothing follows s. */
INTERNAL bool boundary_dashes(struct span s, bool last,
                              enum boundary_found *found);

/* Is the line that begins with two dashes this boundary? Blanks may follow
   it, but nothing else: it may be the beginning of another. */
INTERNAL enum boundary_found boundary_match(struct span s, struct span bound,
                                            bool last,
                                            struct boundary_line *line);

/* Of what a line that begins with two dashes may end with, all boundaries but
   a few can be told to be others: those that are looked for are marked in a
   set, and a line that none of them begins is met at once. */
enum { BOUNDARY_MARKS = 16 }; /* words of a set, zeroed at first */

INTERNAL void boundary_mark(uint64_t *marks, struct span bound);

/* False: the line is none that was marked. */
INTERNAL bool boundary_marked(const uint64_t *marks, struct span s);

/* Length of the line end that ends the first n bytes of s. */
INTERNAL size_t boundary_line_end(struct span s, size_t n);

/* How many bytes at the end of s may belong to a boundary that follows. */
INTERNAL size_t boundary_held(struct span s);

#endif
