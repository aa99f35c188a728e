/*
 * mime_word - text with encoded words as most are, RFC 2047
 *
 * Well-formed words in UTF-8 between plain ASCII. What they are comes out of
 * word.h's reader just so, which takes every charset and mends what is broken.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_MIME_WORD_H
#define CORE_MIME_WORD_H

#include "buf.h"

enum mime_text {
    MIME_TEXT_PLAIN, /* printable ASCII without a "=?": it is what it says */
    MIME_TEXT_WORDS, /* there may be encoded words among it */
    MIME_TEXT_OTHER  /* folds, controls, 8-bit */
};

/* What a raw value holds. */
INTERNAL enum mime_text mime_text_kind(struct span value);

/* Appends a value of MIME_TEXT_WORDS, decoded. False, with out as it was: it
   is another one, or no memory is left. */
INTERNAL bool mime_words(struct buf *out, struct span value);

#endif
