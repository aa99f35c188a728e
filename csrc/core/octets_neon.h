/*
 * octets_neon - which of 64 octets are what, by four quarters of 16
 *
 * A bit for each octet, the first one the lowest, and a copy of all. The
 * file that includes this defines ON, its attributes, before.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_OCTETS_NEON_H
#define CORE_OCTETS_NEON_H

#include <stdint.h>

ON uint8x16x4_t load(const char *p)
{
    return vld1q_u8_x4((const unsigned char *)p);
}

/* Each octet keeps a bit of its own in its eight, and neighbours are added
   three times. */
ON uint64_t bits(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    uint8x16_t own =
        vreinterpretq_u8_u64(vdupq_n_u64(UINT64_C(0x8040201008040201)));
    a = vpaddq_u8(vandq_u8(a, own), vandq_u8(b, own));
    c = vpaddq_u8(vandq_u8(c, own), vandq_u8(d, own));
    a = vpaddq_u8(a, c);
    a = vpaddq_u8(a, a);
    return vgetq_lane_u64(vreinterpretq_u64_u8(a), 0);
}

ON uint64_t equal(const char *p, char c)
{
    uint8x16x4_t v = load(p);
    uint8x16_t x = vdupq_n_u8((unsigned char)c);
    return bits(vceqq_u8(v.val[0], x), vceqq_u8(v.val[1], x),
                vceqq_u8(v.val[2], x), vceqq_u8(v.val[3], x));
}

ON uint64_t from(const char *p, unsigned char c)
{
    uint8x16x4_t v = load(p);
    uint8x16_t least = vdupq_n_u8(c);
    return bits(vcgeq_u8(v.val[0], least), vcgeq_u8(v.val[1], least),
                vcgeq_u8(v.val[2], least), vcgeq_u8(v.val[3], least));
}

ON uint64_t high(const char *p)
{
    return from(p, 0x80);
}

ON void copy(char *out, const char *p)
{
    vst1q_u8_x4((unsigned char *)out, load(p));
}

#endif
