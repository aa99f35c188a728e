/*
 * qp_avx2 - quoted-printable by 64 octets at a time; see qp_kernels.h
 */
#include "qp_kernels.h"

#include "isa.h"

#if ISA_X86

#define ON AVX2 STEP

#include "octets_avx2.h"
#include "qp_step.h"

#include "qp_five.h"

AVX2 size_t qp_avx2_encode(struct kernel_lines *l, const unsigned char *in,
                           size_t n)
{
    return encode_lines(l, in, n);
}

AVX2 size_t qp_avx2_decode(const unsigned char *in, size_t n, char **to)
{
    return decode_lines(in, n, to);
}

#endif
