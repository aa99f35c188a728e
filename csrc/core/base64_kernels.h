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
