/*
 * base64_avx2 - base64 by 32 characters at a time (x86-64 with AVX2)
 *
 * The functions of struct kernel (kernel.h), whose contract they keep. Call
 * them only where the processor has AVX2.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_BASE64_AVX2_H
#define CORE_BASE64_AVX2_H

#include "span.h"

#if defined(__x86_64__)

INTERNAL size_t base64_avx2_encode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_avx2_encode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url);
INTERNAL size_t base64_avx2_decode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_avx2_decode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url);

#endif

#endif
