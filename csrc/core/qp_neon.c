/*
 * qp_neon - quoted-printable by 64 octets at a time; see qp_kernels.h
 */
#include "qp_kernels.h"

#include "isa.h"

#if ISA_NEON

#define ON NEON STEP

#include "octets_neon.h"
#include "qp_step.h"

#include "qp_five.h"

NEON size_t qp_neon_encode(struct kernel_lines *l, const unsigned char *in,
                           size_t n)
{
    return encode_lines(l, in, n);
}

NEON size_t qp_neon_decode(const unsigned char *in, size_t n, char **to)
{
    return decode_lines(in, n, to);
}

#endif
