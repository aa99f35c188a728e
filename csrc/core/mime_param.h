/*
 * mime_param - one parameter of a field whose parameters are plain, RFC 2045
 *
 * Most are: a name, "=", a word or quoted text in ASCII. Nothing has to be
 * decoded, joined or repaired then, so that a value is a piece of the field.
 * What it is comes out of param.h's reader just so.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_MIME_PARAM_H
#define CORE_MIME_PARAM_H

#include "span.h"

/* Looks for a parameter (in lower case) in what follows the first words of a
   raw value, as media.h leaves it. False: they are not plain. *value has a
   null pointer where it is not among them. */
INTERNAL bool mime_param(struct span rest, struct span name,
                         struct span *value);

#endif
