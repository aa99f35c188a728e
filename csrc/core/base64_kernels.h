/*
 * base64_kernels - base64 by vector instructions
 *
 * The base64 functions of each struct kernel (kernel.h), whose contract they
 * keep; base64_<isa>.c has those of one instruction set.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_BASE64_KERNELS_H
#define CORE_BASE64_KERNELS_H

#include "span.h"

/* The characters of six bits; [1] is the one of RFC 4648 5. */
INTERNAL extern const char base64_alphabets[2][65];

/* The six bits of an octet; with the highest bit set: no data. */
INTERNAL extern const unsigned char base64_values[2][256];

/* An alphabet as tables of 16 that one shuffle looks up (x86-64). */
struct base64_ranges {
    /* What to add to six bits to get their character: first for A..Z, then
     for a..z, each of 0..9, and the last two characters. */
    signed char shift[16];

    /* A character is one of the alphabet when low[its low four bits] and
     high[its row * 2], a row being 16 of the ASCII table, have a bit in
     common. Octets from 128 on have none: a shuffle gives 0 for them. */
    signed char low[16], high[16];

    /* What to add to a character to get its six bits: by its row * 2, and
     for the odd one, which shares a row with others, by one less. */
    signed char unshift[16];
    char odd;
};

INTERNAL extern const struct base64_ranges base64_ranges[2];

INTERNAL size_t base64_avx512_encode(const unsigned char *in, size_t groups,
                                     char *out, bool url);
INTERNAL size_t base64_avx512_encode_lines(const unsigned char *in,
                                           size_t lines, char *out, bool url,
                                           bool lf);
INTERNAL size_t base64_avx512_decode(const unsigned char *in, size_t groups,
                                     char *out, bool url);
INTERNAL size_t base64_avx512_decode_lines(const unsigned char *in,
                                           size_t lines, char *out, bool url,
                                           bool lf);

INTERNAL size_t base64_avx2_encode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_avx2_encode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url, bool lf);
INTERNAL size_t base64_avx2_decode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_avx2_decode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url, bool lf);

INTERNAL size_t base64_ssse3_encode(const unsigned char *in, size_t groups,
                                    char *out, bool url);
INTERNAL size_t base64_ssse3_encode_lines(const unsigned char *in, size_t lines,
                                          char *out, bool url, bool lf);
INTERNAL size_t base64_ssse3_decode(const unsigned char *in, size_t groups,
                                    char *out, bool url);
INTERNAL size_t base64_ssse3_decode_lines(const unsigned char *in, size_t lines,
                                          char *out, bool url, bool lf);

INTERNAL size_t base64_neon_encode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_neon_encode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url, bool lf);
INTERNAL size_t base64_neon_decode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_neon_decode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url, bool lf);

#endif
