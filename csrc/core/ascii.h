/*
 * ascii - classes of octets
 *
 * One table of bits an octet, so that each grammar's "which bytes" stands in
 * one place. Octets above 127 have no class but ASCII_8BIT; a grammar that
 * takes UTF-8 (RFC 6531, RFC 6532) adds that bit.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_ASCII_H
#define CORE_ASCII_H

#include <stdint.h>

#include "span.h"

enum ascii_class {
    ASCII_DIGIT = 1 << 0,
    ASCII_ALPHA = 1 << 1,
    ASCII_ATEXT = 1 << 2,   /* RFC 5322 3.2.3 */
    ASCII_TOKEN = 1 << 3,   /* RFC 2045 5.1: no space, control, tspecial */
    ASCII_BLANK = 1 << 4,   /* space, tab */
    ASCII_CONTROL = 1 << 5, /* 0..31 and 127 */
    ASCII_VISIBLE = 1 << 6, /* 33..126 */
    ASCII_FIELD = 1 << 7,   /* field name, RFC 5322 3.6.8: visible, no colon */
    ASCII_QTEXT = 1 << 8,   /* RFC 5322 3.2.4: visible but " and \ */
    ASCII_DTEXT = 1 << 9,   /* RFC 5322 3.4.1: visible but [ ] \ */
    ASCII_LETDIG = 1 << 10, /* letter, digit */
    ASCII_HEX = 1 << 11,
    ASCII_8BIT = 1 << 12,  /* 128..255 */
    ASCII_XCHAR = 1 << 13, /* RFC 3461 4: visible but + and = */
    ASCII_DOTTED = 1 << 14 /* atext and the dot: RFC 5322 3.2.3 dot-atom */
};

/* Does the first octet in memory come lowest in a word? */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ASCII_LITTLE 1
#else
#define ASCII_LITTLE 0
#endif

INTERNAL extern const uint16_t ascii_table[256];

static inline bool ascii_is(char c, unsigned classes)
{
    return (ascii_table[(unsigned char)c] & classes) != 0;
}

/* Length of the run of octets of these classes at the head of s. */
INTERNAL size_t ascii_run(struct span s, unsigned classes);

/* True when s is not empty and holds only octets of these classes. */
INTERNAL bool ascii_all(struct span s, unsigned classes);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

/* Value of a hex digit of either case, or -1. */
INTERNAL int ascii_hex(char c);

/* Reads a decimal number that fills s; false on anything else or when it is
   over max. */
INTERNAL bool ascii_number(struct span s, uint64_t max, uint64_t *value);

/* True when s holds CR, LF or NUL: what must never leave in a command or a
   header value (DESIGN rule 2). */
INTERNAL bool ascii_breaks(struct span s);

#endif
