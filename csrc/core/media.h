/*
 * media - the words that begin Content-* values, RFC 2045 5.1 and 6.1,
 * RFC 2183 2
 *
 * Comments and folds are allowed anywhere between the words. Values may be
 * raw. What the words are is left to the caller; parameters are param.h's.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_MEDIA_H
#define CORE_MEDIA_H

#include "span.h"

struct media {
    struct span type;    /* "text"; empty when the value is unusable */
    struct span subtype; /* "plain" */
    struct span rest;    /* behind the words, from the ";" on */
};

/* Splits "type/subtype; ...". False, with rest set, when it has not both. */
INTERNAL bool media_split(struct span value, struct media *m);

/* The first word of a value: an encoding or a disposition; *rest is what is
   behind it. */
INTERNAL struct span media_word(struct span value, struct span *rest);

#endif
