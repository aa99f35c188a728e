/*
 * qp_avx512 - quoted-printable by 64 octets at a time; see qp_kernels.h
 *
 * Encoding: where some octets of 21 are escaped, each becomes three places,
 * of which those that are nothing are compressed away. Decoding: all that
 * may be an escape is looked up for all 64 octets, put in place, and the
 * digits and soft breaks behind it are compressed away.
 */
#include "qp_kernels.h"

#include <stdint.h>

#include "isa.h"

#if ISA_X86

#define ON AVX512 STEP

#include "qp_lines.h"

enum { BYTES = 64, TRIPLES = 21, FEW = 3 };

/* Every third place of 63. */
static const uint64_t heads = 0x1249249249249249;

/* Tables by an expression of the place. */
#define ROW4(f, i) f(i), f((i) + 1), f((i) + 2), f((i) + 3)
#define ROW16(f, i)                                                            \
    ROW4(f, i), ROW4(f, (i) + 4), ROW4(f, (i) + 8), ROW4(f, (i) + 12)
#define TABLE(f) ROW16(f, 0), ROW16(f, 16), ROW16(f, 32), ROW16(f, 48)

#define THIRD(i) ((i) / 3)

static const unsigned char thirds[BYTES] = {TABLE(THIRD)};
static const char digits[] = "0123456789ABCDEF";

ON __m512i load(const unsigned char *in)
{
    return _mm512_loadu_si512(in);
}

ON uint64_t is(__m512i v, char c)
{
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c));
}

/* Octets from..to. */
ON uint64_t within(__m512i v, unsigned from, unsigned to)
{
    return _mm512_cmple_epu8_mask(
        _mm512_sub_epi8(v, _mm512_set1_epi8((char)from)),
        _mm512_set1_epi8((char)(to - from)));
}

/* Octets below a limit, all of eight bits among them. */
ON uint64_t below(__m512i v, signed char limit)
{
    return _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(limit));
}

ON uint64_t sequences(__m512i v, const unsigned char *in, uint64_t *carry)
{
    uint64_t t1 = below(load(in + 1), -64);
    uint64_t t2 = t1 & below(load(in + 2), -64);
    uint64_t t3 = t2 & below(load(in + 3), -64);
    return tails(within(v, 0xc2, 0xdf) & t1, within(v, 0xe0, 0xef) & t2,
                 within(v, 0xf0, 0xf4) & t3, carry);
}

ON void sense(struct stretch *s, size_t i, const unsigned char *in, bool binary,
              uint64_t *carry)
{
    __m512i v = load(in);
    uint64_t tab = is(v, '\t'), high = _mm512_movepi8_mask(v);
    uint64_t escaped = (below(v, 32) & ~tab) | is(v, '=') | is(v, 127);
    s->ends[i] = 0;
    if (!binary) {
        __m512i v1 = load(in + 1);
        uint64_t lf1 = is(v1, '\n');
        uint64_t next = lf1 | (is(v1, '\r') & is(load(in + 2), '\n'));
        s->ends[i] = is(v, '\n') | (is(v, '\r') & lf1);
        escaped |= (tab | is(v, ' ')) & next; /* a blank may not end a line */
    }
    s->escaped[i] = escaped;
    s->bound[i] = high ? sequences(v, in, carry) : 0;
}

/* A line at most; what is written behind it is room. */
ON char *copy(char *to, const unsigned char *in, size_t n)
{
    _mm512_storeu_si512(to, load(in));
    if (n > BYTES)
        memcpy(to + BYTES, in + BYTES, 16);
    return to + n;
}

ON char *put_escaped(char *to, unsigned char c)
{
    to[0] = '=';
    to[1] = digits[c >> 4];
    to[2] = digits[c & 15];
    return to + 3;
}

/* Octets at every third place, those of mark as escapes: 63 columns. */
ON __m512i tripled(const unsigned char *in, uint64_t mark)
{
    __m512i digit =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)digits));
    __m512i v = _mm512_permutexvar_epi8(load(thirds), load(in));
    __m512i half =
        _mm512_mask_blend_epi8(mark << 1, v, _mm512_srli_epi16(v, 4));
    half = _mm512_and_si512(half, _mm512_set1_epi8(15));
    v = _mm512_mask_shuffle_epi8(v, mark << 1 | mark << 2, digit, half);
    return _mm512_mask_blend_epi8(mark, v, _mm512_set1_epi8('='));
}

/* Places of three, of 16 escapes each, by a table of 128 octets: from 0 on
   the first digits, from 32 on marks, from 64 on the second digits. */
#define PLACE(i)  ((i) % 3 == 0 ? 32 : (i) / 3 + ((i) % 3 == 1 ? 0 : 64))
#define PLACE2(i) PLACE((i) + 64)

static const unsigned char places[2][BYTES] = {{TABLE(PLACE)}, {TABLE(PLACE2)}};

/* n octets, all of which are escaped. */
ON char *put_all(const unsigned char *in, size_t n, char *to)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)in);
    __m256i nibble = _mm256_set1_epi8(15);
    __m256i digit =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)digits));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
    __m512i first = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_shuffle_epi8(digit, high)),
        _mm256_set1_epi8('='), 1);
    __m512i second = _mm512_castsi256_si512(
        _mm256_shuffle_epi8(digit, _mm256_and_si256(v, nibble)));
    _mm512_storeu_si512(
        to, _mm512_permutex2var_epi8(first, load(places[0]), second));
    if (3 * n > BYTES)
        _mm_storeu_si128((void *)(to + BYTES),
                         _mm512_castsi512_si128(_mm512_permutex2var_epi8(
                             first, load(places[1]), second)));
    return to + 3 * n;
}

ON char *put_many(const unsigned char *in, size_t n, struct pair escaped,
                  char *to)
{
    for (size_t i = 0; i < n; i += TRIPLES) {
        uint64_t mark = _pdep_u64(bits_from(escaped, i), heads);
        uint64_t columns = (heads | mark << 1 | mark << 2) & low(3 * (n - i));
        __m512i v = tripled(in + i, mark);
        _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(columns, v));
        to += count(columns);
    }
    return to;
}

ON char *put(const unsigned char *in, size_t n, struct pair escaped, char *to)
{
    size_t i = 0, marks = count_low(escaped, n);
    if (marks == n)
        return put_all(in, n, to);
    if (marks > FEW)
        return put_many(in, n, escaped, to);
    for (size_t next; (next = next_of(escaped, i)) < n; i = next + 1) {
        to = copy(to, in + i, next - i);
        to = put_escaped(to, in[next]);
    }
    return copy(to, in + i, n - i);
}

/* An octet fits if the one behind it begins in a column up to room. */
ON size_t fitting(struct pair escaped, size_t n, size_t room)
{
    size_t k = 0;
    if (count_low(escaped, n) <= FEW)
        return fitting_few(escaped, n, room);
    if ((~escaped.low & low(LINE / 3 + 1)) == 0)
        return room / 3;
    for (;; k += TRIPLES) {
        uint64_t mark = _pdep_u64(bits_from(escaped, k), heads);
        uint64_t columns = heads | mark << 1 | mark << 2;
        if (count(columns) > room)
            return k + count(_pext_u64(heads, columns) & low(room + 1)) - 1;
        room -= count(columns);
    }
}

AVX512 size_t qp_avx512_encode(struct kernel_lines *l, const unsigned char *in,
                               size_t n)
{
    return encode_lines(l, in, n);
}

/* Values of hexadecimal digits, 128 for all else of ASCII. */
/* clang-format off */
#define DIGIT(i)                                                         \
    (unsigned char)((i) >= '0' && (i) <= '9' ? (i) - '0'                 \
                    : (i) >= 'A' && (i) <= 'F' ? (i) - 'A' + 10          \
                    : (i) >= 'a' && (i) <= 'f' ? (i) - 'a' + 10 : 128)
#define UPPER(i) DIGIT((i) + 64)
/* clang-format on */

static const unsigned char values[2][BYTES] = {{TABLE(DIGIT)}, {TABLE(UPPER)}};

ON __m512i value(__m512i v)
{
    return _mm512_permutex2var_epi8(load(values[0]), v, load(values[1]));
}

/* 64 characters on their way. */
struct quoted {
    __m512i v;
    uint64_t keep;  /* those that are something of the result */
    uint64_t other; /* marks that are neither escapes nor soft breaks */
    uint64_t carry; /* as many of the next 64 are nothing */
};

ON void unquote(struct quoted *q, const unsigned char *in, uint64_t mark,
                __m512i v1, uint64_t lf1, uint64_t cr1)
{
    __m512i v2 = load(in + 2), x1 = value(v1), x2 = value(v2);
    uint64_t no_hex = _mm512_movepi8_mask(
        _mm512_ternarylogic_epi64(x1, x2, _mm512_or_si512(v1, v2), 0xfe));
    uint64_t escape = mark & ~no_hex, soft2 = mark & lf1;
    uint64_t soft3 = mark & cr1 & is(v2, '\n'), three = escape | soft3;
    x1 = _mm512_and_si512(_mm512_slli_epi16(x1, 4),
                          _mm512_set1_epi8((char)0xf0));
    q->v = _mm512_mask_mov_epi8(q->v, escape, _mm512_or_si512(x1, x2));
    q->keep = ~((three | soft2) << 1 | three << 2 | soft2 | soft3);
    q->other = mark & ~(three | soft2);
    q->carry = (three >> 63) * 2 + ((three >> 62 & 1) | soft2 >> 63);
}

AVX512 size_t qp_avx512_decode(const unsigned char *in, size_t n, char **to)
{
    uint64_t carry = 0;
    char *out = *to;
    size_t i = 0;
    while (n - i >= 2 * BYTES) {
        struct quoted q = {load(in + i), ~(uint64_t)0, 0, 0};
        __m512i v1 = load(in + i + 1);
        uint64_t mark = is(q.v, '='), blank = is(q.v, ' ') | is(q.v, '\t');
        uint64_t lf1 = is(v1, '\n'), cr1 = is(v1, '\r');
        uint64_t doubt = blank & (lf1 | cr1);
        unsigned char next = in[i + 64];
        doubt |= blank & (uint64_t)(next == ' ' || next == '\t') << 63;
        if (mark)
            unquote(&q, in + i, mark, v1, lf1, cr1);
        if (mark | carry) {
            q.keep &= ~low(carry);
            q.v = _mm512_maskz_compress_epi8(q.keep, q.v);
        }
        _mm512_storeu_si512(out, q.v);
        if (doubt | q.other) {
            size_t stop = doubt ? run_start(blank, first_of(doubt)) : 64;
            if (q.other & low(stop))
                stop = first_of(q.other);
            out += count(q.keep & low(stop));
            i += stop;
            carry = 0;
            if (stop == 0)
                break;
        } else {
            out += count(q.keep);
            i += 64;
            carry = q.carry;
        }
    }
    *to = out;
    return i + carry;
}

#endif
