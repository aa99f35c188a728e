/*
 * utf7 - the charset UTF-7 (RFC 2152), made into UTF-8
 *
 * Done here since glibc's reader depends on where its input is cut, once it
 * has met something ill-formed. Any split of the input gives the same bytes.
 *
 * '+' begins base64 of UTF-16, which ends before the first octet that is not
 * base64; a '-' there belongs to it, and "+-" is a plus sign. All of ASCII
 * is taken as it is, '~' and '\' too. U+FFFD stands for what is ill-formed:
 * an octet of eight bits, a lone surrogate, bits that make no character, a
 * plus sign that begins nothing.
 *
 * Owns: nothing. Fails with: nothing; a failed out tells later. I/O: none.
 */
#ifndef CORE_UTF7_H
#define CORE_UTF7_H

#include <stdint.h>

#include "buf.h"

struct utf7 {      /* zeroed: at the beginning of a text */
    bool shifted;  /* behind a '+' */
    bool empty;    /* right behind it */
    uint32_t bits; /* of base64; the lowest bits_n make no unit yet */
    unsigned bits_n;
    uint16_t high; /* a surrogate that waits for its other half, or 0 */
};

/* Appends the UTF-8 of in to out; returns how many faults were replaced. */
INTERNAL size_t utf7_step(struct utf7 *u, struct span in, struct buf *out);
INTERNAL size_t utf7_finish(struct utf7 *u, struct buf *out);

#endif
