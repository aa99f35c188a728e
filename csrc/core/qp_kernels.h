/*
 * qp_kernels - quoted-printable by vector instructions
 *
 * The quoted-printable functions of each struct kernel (kernel.h), whose
 * contract they keep; qp_<isa>.c has those of one instruction set.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_QP_KERNELS_H
#define CORE_QP_KERNELS_H

#include "kernel.h"

/* Values of hexadecimal digits, 16 for all else; in qp.c. */
INTERNAL extern const unsigned char qp_hex[256];

INTERNAL size_t qp_avx512_encode(struct kernel_lines *l,
                                 const unsigned char *in, size_t n);
INTERNAL size_t qp_avx512_decode(const unsigned char *in, size_t n, char **to);

INTERNAL size_t qp_avx2_encode(struct kernel_lines *l, const unsigned char *in,
                               size_t n);
INTERNAL size_t qp_avx2_decode(const unsigned char *in, size_t n, char **to);

INTERNAL size_t qp_ssse3_encode(struct kernel_lines *l, const unsigned char *in,
                                size_t n);
INTERNAL size_t qp_ssse3_decode(const unsigned char *in, size_t n, char **to);

INTERNAL size_t qp_neon_encode(struct kernel_lines *l, const unsigned char *in,
                               size_t n);
INTERNAL size_t qp_neon_decode(const unsigned char *in, size_t n, char **to);

#endif
