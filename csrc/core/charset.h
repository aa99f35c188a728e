/*
 * charset - conversion between charsets by the system's iconv
 *
 * Names are matched without regard to case; the usual aliases and mislabels
 * are mapped first (us-ascii and iso-8859-1 that hold windows-1252, gb2312
 * that is gb18030, ks_c_5601-1987, unknown-8bit ...). UTF-8 to UTF-8 is
 * validation: each byte that is not well-formed becomes U+FFFD.
 *
 * Owns: nothing between calls. Fails with: ERR_CHARSET, ERR_MEMORY,
 * ERR_LIMIT. I/O: none (iconv may load tables).
 */
#ifndef CORE_CHARSET_H
#define CORE_CHARSET_H

#include "buf.h"

/* Appends the UTF-8 of bytes in a charset to out. Returns how many faults
   were replaced by U+FFFD. */
INTERNAL int charset_decode(struct buf *out, struct span charset,
                            struct span bytes);

/* Appends the UTF-8 text in a charset to out. ERR_SYNTAX when the text is
   not UTF-8 or has a character that the charset lacks. */
INTERNAL int charset_encode(struct buf *out, struct span charset,
                            struct span text);

INTERNAL bool charset_known(struct span charset);

/* Length of the well-formed UTF-8 sequence at the head of s, or 0. */
INTERNAL size_t charset_utf8(struct span s);

/* True when all of s is well-formed UTF-8. */
INTERNAL bool charset_is_utf8(struct span s);

#endif
