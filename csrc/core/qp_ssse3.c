/*
 * qp_ssse3 - quoted-printable by 64 octets at a time; see qp_kernels.h
 */
#include "qp_kernels.h"

#include "isa.h"

#if ISA_X86

#define ON SSSE3 STEP

#include "octets_ssse3.h"
#include "qp_step.h"

#include "qp_five.h"

SSSE3 size_t qp_ssse3_encode(struct kernel_lines *l, const unsigned char *in,
                             size_t n)
{
    return encode_lines(l, in, n);
}

SSSE3 size_t qp_ssse3_decode(const unsigned char *in, size_t n, char **to)
{
    return decode_lines(in, n, to);
}

#endif
