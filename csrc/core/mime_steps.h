/*
 * mime_steps - what the files of mime have in common, and nobody else
 *
 * Owns: nothing. Fails with: see mime.h. I/O: none.
 */
#ifndef CORE_MIME_STEPS_H
#define CORE_MIME_STEPS_H

#include "mime.h"

/* n bytes of the window are done with. */
INTERNAL void mime_consume(struct mime *m, size_t n);

/* Heeds what the field at an offset says, whose first byte is at p: more than
   0 when a defect was noted, or ERR_MEMORY. */
INTERNAL int mime_heed(struct mime *m, const struct header_field *f,
                       uint64_t at, const char *p);

/* Length of the empty line at the head of s. */
INTERNAL enum boundary_found mime_empty_line(struct span s, bool last,
                                             size_t *n);

/* Is the line at the head of s a boundary of an open part? */
INTERNAL enum boundary_found mime_delimited(const struct mime *m, struct span s,
                                            bool last);

enum mime_junk {
    MIME_JUNK_PASSED, /* the header goes on behind it */
    MIME_JUNK_BODY,   /* it is the body already */
    MIME_JUNK_MORE,   /* more bytes will tell */
    MIME_JUNK_GOES_ON /* so will the next line */
};

/* What the n bytes at the window's head are, which are no field: lines up to
   a field, the header's end, or its limit. Each line is looked at once. */
INTERNAL enum mime_junk mime_junk(struct mime *m, struct span w, size_t n,
                                  bool last);

#endif
