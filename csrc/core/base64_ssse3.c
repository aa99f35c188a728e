/*
 * base64_ssse3 - base64 by 16 characters at a time; see base64_kernels.h
 *
 * One step turns 12 bytes into 16 characters, or back, as those of
 * base64_avx2.c do with twice as many. Lines of 76 are five steps, the last
 * of which writes four characters a second time.
 */
#include "base64_kernels.h"

#include "isa.h"

#if ISA_X86

#include "kernel.h"

#define ON SSSE3 STEP

enum { BYTES = 12, CHARS = 16, GROUPS = 4 };

/* clang-format off */
const struct base64_ranges base64_ranges[2] = {
    {
        {65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0},
        {0x0a, 0x0e, 0x0e, 0x0e, 0x0e, 0x0e, 0x0e, 0x0e,
         0x0e, 0x0e, 0x0c, 0x05, 0x04, 0x04, 0x04, 0x05},
        {0, 0, 0, 0, 0x01, 0, 0x02, 0, 0x04, 0, 0x08, 0, 0x04, 0, 0x08, 0},
        {0, 0, 0, 16, 19, 0, 4, 0, -65, 0, -65, 0, -71, 0, -71, 0},
        '/',
    },
    {
        {65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -17, 32, 0, 0},
        {0x1a, 0x1e, 0x1e, 0x1e, 0x1e, 0x1e, 0x1e, 0x1e,
         0x1e, 0x1e, 0x1c, 0x04, 0x04, 0x05, 0x04, 0x14},
        {0, 0, 0, 0, 0x01, 0, 0x02, 0, 0x04, 0, 0x10, 0, 0x04, 0, 0x08, 0},
        {0, 0, 0, 0, 17, 0, 4, 0, -65, -32, -65, 0, -71, 0, -71, 0},
        '_',
    },
};
/* clang-format on */

ON __m128i load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* Where what follows is written next, or is none of the output's. */
ON void store_wide(char *out, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)out, v);
}

/* The first 12 bytes to 16 characters at out. */
ON void encode_step(__m128i v, char *out, __m128i shift)
{
    /* Of each three bytes 0, 1, 2 the 16-bit words 0:1 and 1:2. */
    v = _mm_shuffle_epi8(
        v, _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));

    /* Six bits to a byte; a multiplication shifts each word its own way. */
    __m128i even = _mm_mulhi_epu16(_mm_and_si128(v, _mm_set1_epi32(0x0fc0fc00)),
                                   _mm_set1_epi32(0x04000040));
    __m128i odd = _mm_mullo_epi16(_mm_and_si128(v, _mm_set1_epi32(0x003f03f0)),
                                  _mm_set1_epi32(0x01000010));
    v = _mm_or_si128(even, odd);

    /* 0 for A..Z, 1 for a..z, 2..13 for what follows them. */
    __m128i range = _mm_subs_epu8(v, _mm_set1_epi8(51));
    range = _mm_sub_epi8(range, _mm_cmpgt_epi8(v, _mm_set1_epi8(25)));
    store_wide(out, _mm_add_epi8(v, _mm_shuffle_epi8(shift, range)));
}

/* The 12 bytes before end, of which 16 may be read. */
ON void encode_last(const unsigned char *end, char *out, __m128i shift)
{
    __m128i v = _mm_srli_si128(load(end - CHARS), CHARS - BYTES);
    encode_step(v, out - CHARS, shift);
}

SSSE3 size_t base64_ssse3_encode(const unsigned char *in, size_t groups,
                                 char *out, bool url)
{
    __m128i shift = load(base64_ranges[url].shift);
    const unsigned char *end = in + 3 * groups;
    char *out_end = out + 4 * groups;
    if (groups < 2 * GROUPS)
        return 0;
    for (; end - in > 2 * BYTES; in += BYTES, out += CHARS)
        encode_step(load(in), out, shift);
    encode_step(load(end - 2 * BYTES), out_end - 2 * CHARS, shift);
    encode_last(end, out_end, shift);
    return groups;
}

SSSE3 size_t base64_ssse3_encode_lines(const unsigned char *in, size_t lines,
                                       char *out, bool url, bool lf)
{
    __m128i shift = load(base64_ranges[url].shift);
    for (size_t i = 0; i < lines; i++) {
        encode_step(load(in), out, shift);
        encode_step(load(in + BYTES), out + CHARS, shift);
        encode_step(load(in + 2 * BYTES), out + 2 * CHARS, shift);
        encode_step(load(in + 3 * BYTES), out + 3 * CHARS, shift);
        in += KERNEL_LINE_BYTES;
        out += KERNEL_LINE;
        encode_last(in, out, shift);
        if (!lf)
            *out++ = '\r';
        *out++ = '\n';
    }
    return lines;
}

struct decoder {
    __m128i low, high, unshift, odd;
};

ON struct decoder decoder_of(bool url)
{
    const struct base64_ranges *r = &base64_ranges[url];
    struct decoder d = {load(r->low), load(r->high), load(r->unshift),
                        _mm_set1_epi8(r->odd)};
    return d;
}

/* Row * 2; what shuffles look at of it. */
ON __m128i row(__m128i v)
{
    return _mm_and_si128(_mm_srli_epi16(v, 3), _mm_set1_epi8(0x1e));
}

/* Bytes that are 0 where a character is none of the alphabet. */
ON __m128i own(const struct decoder *d, __m128i v)
{
    return _mm_and_si128(_mm_shuffle_epi8(d->low, v),
                         _mm_shuffle_epi8(d->high, row(v)));
}

/* Of two such: 0 where one of them is. */
ON __m128i both_own(__m128i a, __m128i b)
{
    return _mm_min_epu8(a, b);
}

ON bool all(__m128i own)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(own, _mm_setzero_si128())) == 0;
}

/* 16 characters of the alphabet to 12 bytes and 4 of no meaning. */
ON __m128i decode(const struct decoder *d, __m128i v)
{
    __m128i by = _mm_add_epi8(row(v), _mm_cmpeq_epi8(v, d->odd));
    v = _mm_add_epi8(v, _mm_shuffle_epi8(d->unshift, by));

    /* 6 + 6 bits, 12 + 12, then the three bytes in their order. */
    v = _mm_maddubs_epi16(v, _mm_set1_epi32(0x01400140));
    v = _mm_madd_epi16(v, _mm_set1_epi32(0x00011000));
    return _mm_shuffle_epi8(v, _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13,
                                             12, -1, -1, -1, -1));
}

ON void store(char *out, __m128i v)
{
    int last = _mm_extract_epi32(v, 2);
    _mm_storel_epi64((__m128i *)(void *)out, v);
    memcpy(out + 8, &last, sizeof last);
}

/* Four steps, read before anything is written: out may be in. */
ON bool decode_four(const struct decoder *d, const unsigned char *in, char *out)
{
    __m128i v0 = load(in), v1 = load(in + CHARS);
    __m128i v2 = load(in + 2 * CHARS), v3 = load(in + 3 * CHARS);
    __m128i front = both_own(own(d, v0), own(d, v1));
    __m128i back = both_own(own(d, v2), own(d, v3));
    if (!all(both_own(front, back)))
        return false;
    store_wide(out, decode(d, v0));
    store_wide(out + BYTES, decode(d, v1));
    store_wide(out + 2 * BYTES, decode(d, v2));
    store(out + 3 * BYTES, decode(d, v3));
    return true;
}

SSSE3 size_t base64_ssse3_decode(const unsigned char *in, size_t groups,
                                 char *out, bool url)
{
    struct decoder d = decoder_of(url);
    size_t i = 0;
    while (i + 4 * GROUPS <= groups && decode_four(&d, in + 4 * i, out + 3 * i))
        i += 4 * GROUPS;
    for (; i + GROUPS <= groups; i += GROUPS) {
        __m128i v = load(in + 4 * i);
        if (!all(own(&d, v)))
            break;
        store(out + 3 * i, decode(&d, v));
    }
    return i;
}

/* One line, read before anything is written. */
ON bool decode_line(const struct decoder *d, const unsigned char *in, char *out)
{
    __m128i v0 = load(in), v1 = load(in + CHARS);
    __m128i v2 = load(in + 2 * CHARS), v3 = load(in + 3 * CHARS);
    __m128i v4 = load(in + KERNEL_LINE - CHARS);
    __m128i front = both_own(own(d, v0), own(d, v1));
    __m128i back = both_own(own(d, v2), own(d, v3));
    back = both_own(back, own(d, v4));
    if (!all(both_own(front, back)))
        return false;
    store_wide(out, decode(d, v0));
    store_wide(out + BYTES, decode(d, v1));
    store_wide(out + 2 * BYTES, decode(d, v2));
    store_wide(out + 3 * BYTES, decode(d, v3));
    store(out + KERNEL_LINE_BYTES - BYTES, decode(d, v4));
    return true;
}

SSSE3 size_t base64_ssse3_decode_lines(const unsigned char *in, size_t lines,
                                       char *out, bool url, bool lf)
{
    struct decoder d = decoder_of(url);
    size_t i = 0, end = lf ? 1 : 2;
    for (; i < lines; i++, in += KERNEL_LINE + end, out += KERNEL_LINE_BYTES)
        if (memcmp(in + KERNEL_LINE, lf ? "\n" : "\r\n", end) != 0 ||
            !decode_line(&d, in, out))
            break;
    return i;
}

#endif
