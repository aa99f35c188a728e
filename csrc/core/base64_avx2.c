/*
 * base64_avx2 - base64 by 32 characters at a time; see base64_kernels.h
 *
 * One step turns 24 bytes into 32 characters, or back. What is not a
 * multiple of that is done by a last step that ends where the input ends
 * and writes some characters a second time, the same ones. Lines of 76 are
 * three steps, at the characters 0, 32 and 44: no tail, no second pass.
 */
#include "base64_kernels.h"

#include "isa.h"

#if ISA_X86

#include "kernel.h"

enum { BYTES = 24, CHARS = 32, GROUPS = 8 };

/* A table of 16 in both halves of a vector. */
AVX2 STEP __m256i both(const signed char *table)
{
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)table));
}

/* 24 bytes at in to 32 characters at out. */
AVX2 STEP void encode_step(const unsigned char *in, char *out, __m256i shift)
{
    /* 12 bytes to each half, from loads that stay within the 24. */
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)in);
    __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(in + 8));
    __m256i v =
        _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);

    /* Of each three bytes 0, 1, 2 the 16-bit words 0:1 and 1:2. */
    v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8,
                                                7, 10, 9, 11, 10, 5, 4, 6, 5, 8,
                                                7, 9, 8, 11, 10, 12, 11, 14, 13,
                                                15, 14));

    /* Six bits to a byte; a multiplication shifts each word its own way. */
    __m256i even =
        _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0fc0fc00)),
                           _mm256_set1_epi32(0x04000040));
    __m256i odd =
        _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003f03f0)),
                           _mm256_set1_epi32(0x01000010));
    v = _mm256_or_si256(even, odd);

    /* 0 for A..Z, 1 for a..z, 2..13 for what follows them. */
    __m256i range = _mm256_subs_epu8(v, _mm256_set1_epi8(51));
    __m256i behind = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(25));
    range = _mm256_sub_epi8(range, behind);
    v = _mm256_add_epi8(v, _mm256_shuffle_epi8(shift, range));
    _mm256_storeu_si256((__m256i *)(void *)out, v);
}

AVX2 size_t base64_avx2_encode(const unsigned char *in, size_t groups,
                               char *out, bool url)
{
    __m256i shift = both(base64_ranges[url].shift);
    size_t i = 0;
    if (groups < GROUPS)
        return 0;
    for (; i + GROUPS <= groups; i += GROUPS)
        encode_step(in + 3 * i, out + 4 * i, shift);
    if (i < groups) {
        i = groups - GROUPS;
        encode_step(in + 3 * i, out + 4 * i, shift);
    }
    return groups;
}

AVX2 size_t base64_avx2_encode_lines(const unsigned char *in, size_t lines,
                                     char *out, bool url, bool lf)
{
    __m256i shift = both(base64_ranges[url].shift);
    for (size_t i = 0; i < lines; i++) {
        encode_step(in, out, shift);
        encode_step(in + BYTES, out + CHARS, shift);
        encode_step(in + KERNEL_LINE_BYTES - BYTES, out + KERNEL_LINE - CHARS,
                    shift);
        memcpy(out + KERNEL_LINE, lf ? "\n" : "\r\n", lf ? 1 : 2);
        in += KERNEL_LINE_BYTES;
        out += KERNEL_LINE + (lf ? 1 : 2);
    }
    return lines;
}

struct decoder {
    __m256i low, high, unshift, odd;
};

AVX2 STEP struct decoder decoder(bool url)
{
    const struct base64_ranges *a = &base64_ranges[url];
    struct decoder d = {both(a->low), both(a->high), both(a->unshift),
                        _mm256_set1_epi8(a->odd)};
    return d;
}

AVX2 STEP __m256i load(const unsigned char *in)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)in);
}

AVX2 STEP __m256i row(__m256i v)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}

/* Bytes that are not 0 where a character is none of the alphabet. */
AVX2 STEP __m256i foreign(const struct decoder *d, __m256i v)
{
    __m256i column = _mm256_and_si256(v, _mm256_set1_epi8(15));
    return _mm256_and_si256(_mm256_shuffle_epi8(d->low, column),
                            _mm256_shuffle_epi8(d->high, row(v)));
}

AVX2 STEP bool none(__m256i v)
{
    return _mm256_testz_si256(v, v);
}

/* 32 characters of the alphabet to 24 bytes and 8 of no meaning. */
AVX2 STEP __m256i decode(const struct decoder *d, __m256i v)
{
    __m256i odd =
        _mm256_and_si256(_mm256_cmpeq_epi8(v, d->odd), _mm256_set1_epi8(8));
    __m256i by = _mm256_or_si256(row(v), odd);
    v = _mm256_add_epi8(v, _mm256_shuffle_epi8(d->unshift, by));

    /* 6 + 6 bits, 12 + 12, then the three bytes in their order. */
    v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
    v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
    v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14,
                                                13, 12, -1, -1, -1, -1, 2, 1, 0,
                                                6, 5, 4, 10, 9, 8, 14, 13, 12,
                                                -1, -1, -1, -1));
    return _mm256_permutevar8x32_epi32(
        v, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
}

/* Where what follows is written next, or is none of the output's. */
AVX2 STEP void store_wide(char *out, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)out, v);
}

AVX2 STEP void store(char *out, __m256i v)
{
    _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(v));
    _mm_storel_epi64((__m128i *)(void *)(out + 16),
                     _mm256_extracti128_si256(v, 1));
}

/* Four steps, read before anything is written: out may be in. */
AVX2 STEP bool decode_four(const struct decoder *d, const unsigned char *in,
                           char *out)
{
    __m256i v0 = load(in), v1 = load(in + CHARS);
    __m256i v2 = load(in + 2 * CHARS), v3 = load(in + 3 * CHARS);
    __m256i front = _mm256_or_si256(foreign(d, v0), foreign(d, v1));
    __m256i back = _mm256_or_si256(foreign(d, v2), foreign(d, v3));
    if (!none(_mm256_or_si256(front, back)))
        return false;
    store_wide(out, decode(d, v0));
    store_wide(out + BYTES, decode(d, v1));
    store_wide(out + 2 * BYTES, decode(d, v2));
    store(out + 3 * BYTES, decode(d, v3));
    return true;
}

AVX2 size_t base64_avx2_decode(const unsigned char *in, size_t groups,
                               char *out, bool url)
{
    struct decoder d = decoder(url);
    size_t i = 0;
    while (i + 4 * GROUPS <= groups && decode_four(&d, in + 4 * i, out + 3 * i))
        i += 4 * GROUPS;
    for (; i + GROUPS <= groups; i += GROUPS) {
        __m256i v = load(in + 4 * i);
        if (!none(foreign(&d, v)))
            break;
        store(out + 3 * i, decode(&d, v));
    }
    return i;
}

AVX2 size_t base64_avx2_decode_lines(const unsigned char *in, size_t lines,
                                     char *out, bool url, bool lf)
{
    struct decoder d = decoder(url);
    size_t i = 0, end = lf ? 1 : 2;
    for (; i < lines; i++, in += KERNEL_LINE + end, out += KERNEL_LINE_BYTES) {
        if (memcmp(in + KERNEL_LINE, lf ? "\n" : "\r\n", end) != 0)
            break;
        __m256i v0 = load(in), v1 = load(in + CHARS);
        __m256i v2 = load(in + KERNEL_LINE - CHARS);
        __m256i bad = _mm256_or_si256(foreign(&d, v0), foreign(&d, v1));
        if (!none(_mm256_or_si256(bad, foreign(&d, v2))))
            break;
        store_wide(out, decode(&d, v0));
        store_wide(out + BYTES, decode(&d, v1));
        store(out + KERNEL_LINE_BYTES - BYTES, decode(&d, v2));
    }
    return i;
}

#endif
