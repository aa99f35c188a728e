/*
 * text_neon - lines by four quarters of 16 octets; see text_kernels.h
 *
 * A bit for each octet is made by giving each a bit of its own in its eight,
 * and adding neighbours three times.
 */
#include "isa.h"

#if ISA_NEON

#define ON NEON STEP

#include <stdint.h>

ON uint8x16x4_t load(const char *p)
{
    return vld1q_u8_x4((const unsigned char *)p);
}

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

#include "text_step.h"

NEON size_t text_neon_encode(struct kernel_wire *l, struct span in, char *out)
{
    return encode_by_copies(l, in, out);
}

NEON size_t text_neon_look(struct kernel_body *b, struct span in)
{
    return look(b, in);
}

NEON size_t text_neon_scan(struct scan *s, struct span in)
{
    return scan(s, in);
}

NEON size_t text_neon_count(struct kernel_count *c, struct span in)
{
    return count_ends(c, in);
}

NEON size_t text_neon_utf8(struct span in)
{
    return utf8(in);
}

#endif
