/*
 * mime_steps - what mime_fields takes from mime, and nobody else
 *
 * Owns: nothing. Fails with: see mime.h. I/O: none.
 */
#ifndef CORE_MIME_STEPS_H
#define CORE_MIME_STEPS_H

#include "mime.h"

/* n bytes of the window are done with. */
INTERNAL void mime_consume(struct mime *m, size_t n);

/* Heeds what the field at m->at says, whose first byte is at p: more than 0
   when a defect was noted, or ERR_MEMORY. */
INTERNAL int mime_heed(struct mime *m, const struct header_field *f,
                       const char *p);

#endif
