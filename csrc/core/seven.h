/*
 * seven - charsets that shift between tables in seven bits
 *
 * ISO-2022-JP (RFC 1468, with the half-width katakana, NEC and IBM signs
 * and JIS X 0212 that mail programs write under that name) and HZ (RFC
 * 1843), made into their eight-bit twins, which iconv reads: EUC-JP as
 * Microsoft has it, and GB 2312. Any split of the input gives the same
 * bytes; what is malformed becomes the byte 0xFF, which neither twin has.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_SEVEN_H
#define CORE_SEVEN_H

#include "span.h"

enum seven_table {
    SEVEN_ASCII,
    SEVEN_PAIRS,    /* two bytes a character */
    SEVEN_KATAKANA, /* one byte, JIS X 0201 */
    SEVEN_PAIRS_0212
};

struct seven { /* zeroed: ISO-2022-JP, at its beginning */
    bool hz;
    enum seven_table table;
    unsigned char lead;    /* the first byte of a pair, or 0 */
    unsigned char held[4]; /* a shift sequence that waits for its end */
    unsigned held_n;
};

/* Bytes that n of input give at most. */
enum { SEVEN_GROWTH = 3, SEVEN_HELD = 6 };

/* Writes to out, which has n * SEVEN_GROWTH + SEVEN_HELD bytes; returns how
   many were written. */
INTERNAL size_t seven_step(struct seven *s, struct span in, char *out);
INTERNAL size_t seven_finish(struct seven *s, char *out);

#endif
