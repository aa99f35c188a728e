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

INTERNAL size_t base64_avx2_encode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_avx2_encode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url);
INTERNAL size_t base64_avx2_decode(const unsigned char *in, size_t groups,
                                   char *out, bool url);
INTERNAL size_t base64_avx2_decode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url);

#endif
