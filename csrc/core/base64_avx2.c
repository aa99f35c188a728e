/*
 * base64_avx2 - base64 by 32 characters at a time; see base64_kernels.h
 *
 * One step turns 24 bytes into 32 characters, or back, in two halves of 12
 * bytes. What is not a multiple of that is done by a last step that ends
 * where the input ends and writes some characters a second time, the same
 * ones. Two lines of 76 are five steps: two for each, and one whose halves
 * are the last 12 characters of both.
 */
#include "base64_kernels.h"

#include "isa.h"

#if ISA_X86

#include "kernel.h"

#define ON AVX2 STEP

enum { BYTES = 24, CHARS = 32, GROUPS = 8, HALF = CHARS / 2 };
enum { LINE = KERNEL_LINE, LINE_BYTES = KERNEL_LINE_BYTES };

/* How far a load begins before the 24 bytes that it is for, so that 12 of
   them are in each half. */
enum { BEFORE = 4 };

ON __m256i load(const unsigned char *in)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)in);
}

ON __m256i load_halves(const unsigned char *first, const unsigned char *second)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)first);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)second);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

ON void store_half(char *out, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)out, v);
}

ON void store(char *out, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)out, v);
}

/* A table of 16 in both halves of a vector. */
ON __m256i both(const signed char *table)
{
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)table));
}

/* Words 0:1 and 1:2 of each three bytes 0, 1, 2 to four characters. */
ON __m256i encode(__m256i v, __m256i shift)
{
    /* A multiplication shifts each word its own way: two characters come to
     their low bytes, two to their high ones. */
    __m256i low = _mm256_mulhi_epu16(v, _mm256_set1_epi32(0x04000040));
    __m256i high = _mm256_mullo_epi16(v, _mm256_set1_epi32(0x01000010));
    v = _mm256_blendv_epi8(low, high, _mm256_set1_epi16((short)0xff00));
    v = _mm256_and_si256(v, _mm256_set1_epi8(63));

    /* 0 for A..Z, 1 for a..z, 2..13 for what follows them. */
    __m256i range = _mm256_subs_epu8(v, _mm256_set1_epi8(51));
    __m256i behind = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(25));
    range = _mm256_sub_epi8(range, behind);
    return _mm256_add_epi8(v, _mm256_shuffle_epi8(shift, range));
}

#define SPREAD(i)                                                              \
    (i) + 1, (i), (i) + 2, (i) + 1, (i) + 4, (i) + 3, (i) + 5, (i) + 4,        \
        (i) + 7, (i) + 6, (i) + 8, (i) + 7, (i) + 10, (i) + 9, (i) + 11,       \
        (i) + 10

/* 24 bytes at in, the four before them, and the four behind. */
ON void encode_step(const unsigned char *in, char *out, __m256i shift)
{
    __m256i v = load(in - BEFORE);
    v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(SPREAD(4), SPREAD(0)));
    store(out, encode(v, shift));
}

/* 24 bytes at in, by loads that stay within them. */
ON void encode_alone(const unsigned char *in, char *out, __m256i shift)
{
    __m256i v = load_halves(in, in + BYTES - HALF);
    v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(SPREAD(0), SPREAD(4)));
    store(out, encode(v, shift));
}

AVX2 size_t base64_avx2_encode(const unsigned char *in, size_t groups,
                               char *out, bool url)
{
    __m256i shift = both(base64_ranges[url].shift);
    size_t i = GROUPS;
    if (groups < GROUPS)
        return 0;
    encode_alone(in, out, shift);
    for (; i + GROUPS + 2 <= groups; i += GROUPS)
        encode_step(in + 3 * i, out + 4 * i, shift);
    for (; i < groups; i += GROUPS) {
        if (i + GROUPS > groups)
            i = groups - GROUPS;
        encode_alone(in + 3 * i, out + 4 * i, shift);
    }
    return groups;
}

/* One line without its end. */
ON void encode_line(const unsigned char *in, char *out, __m256i shift)
{
    encode_alone(in, out, shift);
    encode_alone(in + BYTES, out + CHARS, shift);
    encode_alone(in + LINE_BYTES - BYTES, out + LINE - CHARS, shift);
}

/* The last 12 characters of two lines, with their ends, and some more. */
ON __m256i encode_ends(const unsigned char *in, __m256i shift, __m256i end)
{
    __m256i v = load_halves(in + LINE_BYTES - HALF, in + 2 * LINE_BYTES - HALF);
    v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(SPREAD(7), SPREAD(7)));
    return _mm256_blend_epi32(encode(v, shift), end, 0x88);
}

ON size_t encode_lines(const unsigned char *in, size_t lines, char *out,
                       __m256i shift, bool lf)
{
    const size_t w = LINE + (lf ? 1 : 2);
    const __m256i end = _mm256_set1_epi32(lf ? '\n' : '\r' | '\n' << 8);
    for (size_t i = 0; i < lines; i++, in += LINE_BYTES, out += w) {
        /* Pairs have a byte before them, and a line behind. */
        for (; i && i + 2 < lines; i += 2) {
            __m256i ends = encode_ends(in, shift, end);
            encode_step(in, out, shift);
            encode_step(in + BYTES, out + CHARS, shift);
            store_half(out + 2 * CHARS, _mm256_castsi256_si128(ends));
            in += LINE_BYTES;
            out += w;
            encode_step(in, out, shift);
            encode_step(in + BYTES, out + CHARS, shift);
            store_half(out + 2 * CHARS, _mm256_extracti128_si256(ends, 1));
            in += LINE_BYTES;
            out += w;
        }
        encode_line(in, out, shift);
        memcpy(out + LINE, lf ? "\n" : "\r\n", w - LINE);
    }
    return lines;
}

AVX2 size_t base64_avx2_encode_lines(const unsigned char *in, size_t lines,
                                     char *out, bool url, bool lf)
{
    __m256i shift = both(base64_ranges[url].shift);
    return lf ? encode_lines(in, lines, out, shift, true)
              : encode_lines(in, lines, out, shift, false);
}

struct decoder {
    __m256i low, high, unshift, odd;
};

ON struct decoder decoder(bool url)
{
    const struct base64_ranges *a = &base64_ranges[url];
    struct decoder d = {both(a->low), both(a->high), both(a->unshift),
                        _mm256_set1_epi8(a->odd)};
    return d;
}

/* Row * 2; what shuffles look at of it. */
ON __m256i row(__m256i v)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, 3), _mm256_set1_epi8(0x1e));
}

/* Bytes that are 0 where a character is none of the alphabet. */
ON __m256i own(const struct decoder *d, __m256i v)
{
    return _mm256_and_si256(_mm256_shuffle_epi8(d->low, v),
                            _mm256_shuffle_epi8(d->high, row(v)));
}

/* Of two such: 0 where one of them is. */
ON __m256i both_own(__m256i a, __m256i b)
{
    return _mm256_min_epu8(a, b);
}

ON bool all(__m256i own)
{
    __m256i none = _mm256_cmpeq_epi8(own, _mm256_setzero_si256());
    return _mm256_movemask_epi8(none) == 0;
}

/* 32 characters of the alphabet to 12 bytes and 4 zeros, twice. */
ON __m256i decode(const struct decoder *d, __m256i v)
{
    __m256i by = _mm256_add_epi8(row(v), _mm256_cmpeq_epi8(v, d->odd));
    v = _mm256_add_epi8(v, _mm256_shuffle_epi8(d->unshift, by));

    /* 6 + 6 bits, 12 + 12, then the three bytes in their order. */
    v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
    v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
    return _mm256_shuffle_epi8(v, _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8,
                                                   14, 13, 12, -1, -1, -1, -1,
                                                   2, 1, 0, 6, 5, 4, 10, 9, 8,
                                                   14, 13, 12, -1, -1, -1, -1));
}

/* The 24 bytes, and 4 that are written next, or are none of the output's. */
ON void put_wide(char *out, __m256i v)
{
    store_half(out, _mm256_castsi256_si128(v));
    store_half(out + 12, _mm256_extracti128_si256(v, 1));
}

/* The 12 bytes of a half. */
ON void put_half(char *out, __m128i v)
{
    int last = _mm_extract_epi32(v, 2);
    _mm_storel_epi64((__m128i *)(void *)out, v);
    memcpy(out + 8, &last, sizeof last);
}

ON void put(char *out, __m256i v)
{
    store_half(out, _mm256_castsi256_si128(v));
    put_half(out + 12, _mm256_extracti128_si256(v, 1));
}

/* Four steps, read before anything is written: out may be in. */
ON bool decode_four(const struct decoder *d, const unsigned char *in, char *out)
{
    __m256i v0 = load(in), v1 = load(in + CHARS);
    __m256i v2 = load(in + 2 * CHARS), v3 = load(in + 3 * CHARS);
    __m256i front = both_own(own(d, v0), own(d, v1));
    __m256i back = both_own(own(d, v2), own(d, v3));
    if (!all(both_own(front, back)))
        return false;
    put_wide(out, decode(d, v0));
    put_wide(out + BYTES, decode(d, v1));
    put_wide(out + 2 * BYTES, decode(d, v2));
    put(out + 3 * BYTES, decode(d, v3));
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
        if (!all(own(&d, v)))
            break;
        put(out + 3 * i, decode(&d, v));
    }
    return i;
}

ON bool ended(const unsigned char *in, bool lf)
{
    return lf ? in[LINE] == '\n' : in[LINE] == '\r' && in[LINE + 1] == '\n';
}

ON bool decode_pair(const struct decoder *d, const unsigned char *in, char *out,
                    bool lf)
{
    const unsigned char *next = in + LINE + (lf ? 1 : 2);
    __m256i v0 = load(in), v1 = load(in + CHARS);
    __m256i v2 = load(next), v3 = load(next + CHARS);
    __m256i v4 = load_halves(in + LINE - HALF, next + LINE - HALF);
    __m256i front = both_own(own(d, v0), own(d, v1));
    __m256i back = both_own(own(d, v2), own(d, v3));
    back = both_own(back, own(d, v4));
    if (!ended(in, lf) || !ended(next, lf) || !all(both_own(front, back)))
        return false;
    v4 = decode(d, v4);
    put_wide(out, decode(d, v0));
    put_wide(out + BYTES, decode(d, v1));
    store_half(out + LINE_BYTES - 12, _mm256_castsi256_si128(v4));
    out += LINE_BYTES;
    put_wide(out, decode(d, v2));
    put_wide(out + BYTES, decode(d, v3));
    put_half(out + LINE_BYTES - 12, _mm256_extracti128_si256(v4, 1));
    return true;
}

ON bool decode_line(const struct decoder *d, const unsigned char *in, char *out,
                    bool lf)
{
    __m256i v0 = load(in), v1 = load(in + CHARS);
    __m256i v2 = load(in + LINE - CHARS);
    __m256i good = both_own(own(d, v0), own(d, v1));
    if (!ended(in, lf) || !all(both_own(good, own(d, v2))))
        return false;
    put_wide(out, decode(d, v0));
    put_wide(out + BYTES, decode(d, v1));
    put(out + LINE_BYTES - BYTES, decode(d, v2));
    return true;
}

ON size_t decode_lines(const unsigned char *in, size_t lines, char *out,
                       bool url, bool lf)
{
    const size_t w = LINE + (lf ? 1 : 2), n = LINE_BYTES;
    struct decoder d = decoder(url);
    size_t i = 0;
    while (i + 2 <= lines && decode_pair(&d, in + i * w, out + i * n, lf))
        i += 2;
    while (i < lines && decode_line(&d, in + i * w, out + i * n, lf))
        i++;
    return i;
}

AVX2 size_t base64_avx2_decode_lines(const unsigned char *in, size_t lines,
                                     char *out, bool url, bool lf)
{
    return lf ? decode_lines(in, lines, out, url, true)
              : decode_lines(in, lines, out, url, false);
}

#endif
