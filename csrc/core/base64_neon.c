/*
 * base64_neon - base64 by 64 characters at a time; see base64_kernels.h
 *
 * One step turns 48 bytes into 64 characters, or back. Loads of three and
 * stores of four that deal out their bytes make vectors of the first bytes
 * of 16 groups, of the second ones and so on; a whole alphabet is one table
 * lookup, or two for decoding. A line of 76 is two steps that overlap.
 */
#include "base64_kernels.h"

#include "isa.h"

#if ISA_NEON

#include "kernel.h"

#define ON NEON STEP

enum { BYTES = 48, CHARS = 64, GROUPS = 16, TWICE = KERNEL_LINE - CHARS };

ON uint8x16x4_t table_of(const unsigned char *p)
{
    uint8x16x4_t t = {
        {vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
    return t;
}

ON uint8x16x4_t alphabet_of(bool url)
{
    return table_of((const unsigned char *)base64_alphabets[url]);
}

/* 48 bytes at in to 64 characters at out. */
ON void encode_step(uint8x16x4_t alphabet, const unsigned char *in, char *out)
{
    const uint8x16_t six = vdupq_n_u8(63);
    uint8x16x3_t v = vld3q_u8(in);
    uint8x16x4_t c;
    c.val[0] = vshrq_n_u8(v.val[0], 2);
    c.val[1] = vandq_u8(vsliq_n_u8(vshrq_n_u8(v.val[1], 4), v.val[0], 4), six);
    c.val[2] = vandq_u8(vsliq_n_u8(vshrq_n_u8(v.val[2], 6), v.val[1], 2), six);
    c.val[3] = vandq_u8(v.val[2], six);
    c.val[0] = vqtbl4q_u8(alphabet, c.val[0]);
    c.val[1] = vqtbl4q_u8(alphabet, c.val[1]);
    c.val[2] = vqtbl4q_u8(alphabet, c.val[2]);
    c.val[3] = vqtbl4q_u8(alphabet, c.val[3]);
    vst4q_u8((unsigned char *)out, c);
}

NEON size_t base64_neon_encode(const unsigned char *in, size_t groups,
                               char *out, bool url)
{
    uint8x16x4_t alphabet = alphabet_of(url);
    size_t i = 0;
    if (groups < GROUPS)
        return 0;
    for (; i + GROUPS <= groups; i += GROUPS)
        encode_step(alphabet, in + 3 * i, out + 4 * i);
    if (i < groups) {
        i = groups - GROUPS;
        encode_step(alphabet, in + 3 * i, out + 4 * i);
    }
    return groups;
}

NEON size_t base64_neon_encode_lines(const unsigned char *in, size_t lines,
                                     char *out, bool url, bool lf)
{
    uint8x16x4_t alphabet = alphabet_of(url);
    for (size_t i = 0; i < lines; i++, in += KERNEL_LINE_BYTES) {
        encode_step(alphabet, in, out);
        encode_step(alphabet, in + KERNEL_LINE_BYTES - BYTES, out + TWICE);
        out += KERNEL_LINE;
        if (!lf)
            *out++ = '\r';
        *out++ = '\n';
    }
    return lines;
}

struct decoder {
    uint8x16x4_t low, high;
};

ON struct decoder decoder_of(bool url)
{
    const unsigned char *values = base64_values[url];
    struct decoder d = {table_of(values), table_of(values + 64)};
    return d;
}

/* Six bits to a byte; what is no data has its highest bit set. */
ON uint8x16_t look_up(const struct decoder *d, uint8x16_t c)
{
    uint8x16_t low = vqtbl4q_u8(d->low, c);
    uint8x16_t eighth = vandq_u8(c, vdupq_n_u8(0x80));
    c = veorq_u8(c, vdupq_n_u8(64));
    return vorrq_u8(vqtbx4q_u8(low, d->high, c), eighth);
}

ON uint8x16x4_t look_up_four(const struct decoder *d, const unsigned char *in)
{
    uint8x16x4_t v = vld4q_u8(in);
    v.val[0] = look_up(d, v.val[0]);
    v.val[1] = look_up(d, v.val[1]);
    v.val[2] = look_up(d, v.val[2]);
    v.val[3] = look_up(d, v.val[3]);
    return v;
}

ON uint8x16_t all_of(uint8x16x4_t v)
{
    return vorrq_u8(vorrq_u8(v.val[0], v.val[1]), vorrq_u8(v.val[2], v.val[3]));
}

ON bool foreign(uint8x16_t v)
{
    return vmaxvq_u8(v) > 63;
}

ON void store_joined(char *out, uint8x16x4_t v)
{
    uint8x16x3_t b;
    b.val[0] = vsliq_n_u8(vshrq_n_u8(v.val[1], 4), v.val[0], 2);
    b.val[1] = vsliq_n_u8(vshrq_n_u8(v.val[2], 2), v.val[1], 4);
    b.val[2] = vsliq_n_u8(v.val[3], v.val[2], 6);
    vst3q_u8((unsigned char *)out, b);
}

NEON size_t base64_neon_decode(const unsigned char *in, size_t groups,
                               char *out, bool url)
{
    struct decoder d = decoder_of(url);
    size_t i = 0;
    for (; i + GROUPS <= groups; i += GROUPS) {
        uint8x16x4_t v = look_up_four(&d, in + 4 * i);
        if (foreign(all_of(v)))
            break;
        store_joined(out + 3 * i, v);
    }
    return i;
}

NEON size_t base64_neon_decode_lines(const unsigned char *in, size_t lines,
                                     char *out, bool url, bool lf)
{
    struct decoder d = decoder_of(url);
    size_t i = 0, end = lf ? 1 : 2;
    for (; i < lines; i++, in += KERNEL_LINE + end, out += KERNEL_LINE_BYTES) {
        if (memcmp(in + KERNEL_LINE, lf ? "\n" : "\r\n", end) != 0)
            break;
        uint8x16x4_t v0 = look_up_four(&d, in);
        uint8x16x4_t v1 = look_up_four(&d, in + TWICE);
        if (foreign(vorrq_u8(all_of(v0), all_of(v1))))
            break;
        store_joined(out, v0);
        store_joined(out + KERNEL_LINE_BYTES - BYTES, v1);
    }
    return i;
}

#endif
