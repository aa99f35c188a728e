/*
 * qp_avx2 - quoted-printable by 64 octets at a time; see qp_kernels.h
 *
 * Vectors find what is to be done, runs between are copied 32 octets at a
 * time, and each escape is looked up in a table.
 */
#include "qp_kernels.h"

#include <stdint.h>

#include "isa.h"

#if ISA_X86

#define ON AVX2 STEP

#include "qp_lines.h"

struct block {
    __m256i a, b;
};

ON struct block load(const unsigned char *in)
{
    struct block v = {
        _mm256_loadu_si256((const __m256i *)(const void *)in),
        _mm256_loadu_si256((const __m256i *)(const void *)(in + 32)),
    };
    return v;
}

ON uint64_t bits(__m256i a, __m256i b)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(a) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

ON uint64_t is(struct block v, char c)
{
    __m256i x = _mm256_set1_epi8(c);
    return bits(_mm256_cmpeq_epi8(v.a, x), _mm256_cmpeq_epi8(v.b, x));
}

/* Octets above c, of those from 128 on. */
ON uint64_t above(struct block v, uint64_t high, int c)
{
    __m256i x = _mm256_set1_epi8((char)c);
    return high & bits(_mm256_cmpgt_epi8(v.a, x), _mm256_cmpgt_epi8(v.b, x));
}

/* Octets 0x80 to 0xbf: signed, the lowest. */
ON uint64_t is_tail(struct block v)
{
    __m256i x = _mm256_set1_epi8((char)0xc0);
    return bits(_mm256_cmpgt_epi8(x, v.a), _mm256_cmpgt_epi8(x, v.b));
}

ON uint64_t sequences(struct block v, uint64_t high, const unsigned char *in,
                      uint64_t *carry)
{
    uint64_t t1 = is_tail(load(in + 1));
    uint64_t t2 = t1 & is_tail(load(in + 2));
    uint64_t t3 = t2 & is_tail(load(in + 3));
    uint64_t two = above(v, high, 0xc1), three = above(v, high, 0xdf);
    uint64_t four = above(v, high, 0xef), none = above(v, high, 0xf4);
    return tails(two & ~three & t1, three & ~four & t2, four & ~none & t3,
                 carry);
}

ON void sense(struct stretch *s, size_t i, const unsigned char *in, bool binary,
              uint64_t *carry)
{
    struct block v = load(in);
    uint64_t tab = is(v, '\t'), high = bits(v.a, v.b);
    __m256i space = _mm256_set1_epi8(' ');
    uint64_t below = bits(_mm256_cmpgt_epi8(space, v.a),
                          _mm256_cmpgt_epi8(space, v.b)); /* and 128..255 */
    uint64_t escaped = (below & ~tab) | is(v, '=') | is(v, 127);
    s->ends[i] = 0;
    if (!binary) {
        struct block v1 = load(in + 1);
        uint64_t lf1 = is(v1, '\n');
        uint64_t next = lf1 | (is(v1, '\r') & is(load(in + 2), '\n'));
        s->ends[i] = is(v, '\n') | (is(v, '\r') & lf1);
        escaped |= (tab | is(v, ' ')) & next; /* a blank may not end a line */
    }
    s->escaped[i] = escaped;
    s->bound[i] = high ? sequences(v, high, in, carry) : 0;
}

/* A line at most; what is written behind it is room. */
ON char *copy(char *to, const unsigned char *in, size_t n)
{
    struct block v = load(in);
    _mm256_storeu_si256((__m256i *)(void *)to, v.a);
    if (n > 32)
        _mm256_storeu_si256((__m256i *)(void *)(to + 32), v.b);
    if (n > 64)
        memcpy(to + 64, in + 64, 16);
    return to + n;
}

/* clang-format off */
#define COLUMNS(h)                                                       \
    "=" h "0", "=" h "1", "=" h "2", "=" h "3", "=" h "4", "=" h "5",    \
    "=" h "6", "=" h "7", "=" h "8", "=" h "9", "=" h "A", "=" h "B",    \
    "=" h "C", "=" h "D", "=" h "E", "=" h "F"

static const char escapes[256][4] = {
    COLUMNS("0"), COLUMNS("1"), COLUMNS("2"), COLUMNS("3"),
    COLUMNS("4"), COLUMNS("5"), COLUMNS("6"), COLUMNS("7"),
    COLUMNS("8"), COLUMNS("9"), COLUMNS("A"), COLUMNS("B"),
    COLUMNS("C"), COLUMNS("D"), COLUMNS("E"), COLUMNS("F"),
};
/* clang-format on */

ON char *put(const unsigned char *in, size_t n, struct pair escaped, char *to)
{
    size_t i = 0;
    for (size_t next; (next = next_of(escaped, i)) < n;) {
        if (next > i)
            to = copy(to, in + i, next - i);
        for (i = next; i < n && at(escaped, i); i++, to += 3)
            memcpy(to, escapes[in[i]], 4);
    }
    return i < n ? copy(to, in + i, n - i) : to;
}

ON size_t fitting(struct pair escaped, size_t n, size_t room)
{
    return fitting_few(escaped, n, room);
}

AVX2 size_t qp_avx2_encode(struct kernel_lines *l, const unsigned char *in,
                           size_t n)
{
    return encode_lines(l, in, n);
}

/* What "=" at p is followed by: 3 or 2 octets with it, an escape, whose value
   goes to to, or a soft break; 0 for anything else. */
ON size_t unquote(const unsigned char *p, char **to)
{
    unsigned high = qp_hex[p[1]], digit = qp_hex[p[2]];
    if ((high | digit) < 16) {
        *(*to)++ = (char)(high << 4 | digit);
        return 3;
    }
    if (p[1] == '\n')
        return 2;
    return p[1] == '\r' && p[2] == '\n' ? 3 : 0;
}

enum { FIVE = 0x1249 }; /* marks, each with two digits behind it */

/* Five escapes in a row; false where one is none. 8 octets are written. */
ON bool unquote_five(const unsigned char *p, char *to)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
    __m128i letter =
        _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(32)), _mm_set1_epi8('a'));
    __m128i is_digit =
        _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i is_letter =
        _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    int hex = _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter));
    v = _mm_blendv_epi8(_mm_add_epi8(letter, _mm_set1_epi8(10)), digit,
                        is_digit);
    v = _mm_shuffle_epi8(v, _mm_setr_epi8(1, 2, 4, 5, 7, 8, 10, 11, 13, 14, -1,
                                          -1, -1, -1, -1, -1));
    v = _mm_maddubs_epi16(v, _mm_set1_epi16(0x0110));
    v = _mm_packus_epi16(v, v);
    _mm_storel_epi64((__m128i *)(void *)to, v);
    return (hex & 0x6db6) == 0x6db6;
}

/* Decodes up to stop; returns where it stopped, behind it where an escape
   ends there. *odd: before. */
ON size_t unquote_all(const unsigned char *in, uint64_t marks, size_t stop,
                      char **to, bool *odd)
{
    size_t at = 0;
    for (marks &= low(stop); marks; marks &= ~low(at)) {
        size_t mark = first_of(marks);
        if (mark > at)
            *to = copy(*to, in + at, mark - at);
        at = mark;
        if ((marks >> mark & FIVE) == FIVE && unquote_five(in + at, *to)) {
            *to += 5;
            at += 15;
            continue;
        }
        size_t n = unquote(in + at, to);
        *odd = n == 0;
        if (*odd)
            return at;
        at += n;
    }
    if (at < stop)
        *to = copy(*to, in + at, stop - at);
    return at < stop ? stop : at;
}

AVX2 size_t qp_avx2_decode(const unsigned char *in, size_t n, char **to)
{
    size_t i = 0;
    bool odd = false;
    while (!odd && n - i >= KERNEL_QP_AHEAD) {
        struct block v = load(in + i);
        uint64_t blank = is(v, ' ') | is(v, '\t'), marks = is(v, '=');
        uint64_t ends = is(v, '\r') | is(v, '\n'), doubt = blank & ends >> 1;
        size_t stop = 64;
        unsigned char next = in[i + 64];
        if (blank >> 63 &&
            (next == ' ' || next == '\t' || next == '\r' || next == '\n'))
            doubt |= (uint64_t)1 << 63;
        if (doubt)
            stop = run_start(blank, first_of(doubt));
        odd = stop == 0;
        if (stop)
            i += unquote_all(in + i, marks, stop, to, &odd);
    }
    return i;
}

#endif
