/*
 * base64_avx512 - base64 by 64 characters at a time; see base64_kernels.h
 *
 * One step turns 48 bytes into 64 characters, or back. A whole alphabet is
 * one table of 64 (encoding) or 128 (decoding) that one instruction looks
 * up. Loads and stores with a mask do the last, shorter step; a line of 76
 * is two steps that overlap.
 */
#include "base64_kernels.h"

#include "isa.h"

#if ISA_X86

#include "kernel.h"

#define ON AVX512 STEP

enum { BYTES = 48, CHARS = 64, GROUPS = 16, TWICE = KERNEL_LINE - CHARS };

/* Tables by an expression of the place. */
#define ROW4(f, i) f(i), f((i) + 1), f((i) + 2), f((i) + 3)
#define ROW16(f, i)                                                            \
    ROW4(f, i), ROW4(f, (i) + 4), ROW4(f, (i) + 8), ROW4(f, (i) + 12)
#define TABLE(f) ROW16(f, 0), ROW16(f, 16), ROW16(f, 32), ROW16(f, 48)

/* Of each three bytes 0, 1, 2 the bytes 1, 0, 2, 1: in them the six bits of
   the characters begin at the bits 10, 4, 22 and 16. */
#define SPREAD(i) ((i) / 4 * 3 + ((i) % 4 == 2 ? 2 : (i) % 4 != 1))

/* The three bytes of a group lie in reverse in its four. A line takes its
   last ones from the second of two steps, which begins TWICE / 4 groups
   behind the first. */
#define PACK(i) ((i) / 3 * 4 + 2 - (i) % 3)
#define PACK_LINE(i)                                                           \
    ((i) < BYTES ? PACK(i) : (CHARS + PACK(i) - TWICE) % (2 * CHARS))

static const unsigned char spread[CHARS] = {TABLE(SPREAD)};
static const unsigned char pack[CHARS] = {TABLE(PACK)};
static const unsigned char pack_line[CHARS] = {TABLE(PACK_LINE)};

ON __m512i load(const void *p)
{
    return _mm512_loadu_si512(p);
}

ON void store(char *out, __m512i v)
{
    _mm512_storeu_si512(out, v);
}

/* The first n of 64, all of them from 64 on. */
ON __mmask64 first(size_t n)
{
    return _cvtu64_mask64(_bzhi_u64(~0ull, n < CHARS ? (unsigned)n : CHARS));
}

struct encoder {
    __m512i spread, shift, alphabet;
};

ON struct encoder encoder(bool url)
{
    struct encoder e = {
        load(spread),
        _mm512_set1_epi64(0x3036242a1016040a),
        load(base64_alphabets[url]),
    };
    return e;
}

/* The first 48 bytes to 64 characters. */
ON __m512i encode(const struct encoder *e, __m512i v)
{
    v = _mm512_permutexvar_epi8(e->spread, v);
    v = _mm512_multishift_epi64_epi8(e->shift, v);
    return _mm512_permutexvar_epi8(v, e->alphabet);
}

AVX512 size_t base64_avx512_encode(const unsigned char *in, size_t groups,
                                   char *out, bool url)
{
    struct encoder e = encoder(url);
    size_t left = groups;
    for (; 3 * left >= CHARS; left -= GROUPS, in += BYTES, out += CHARS)
        store(out, encode(&e, load(in)));
    while (left) {
        __m512i v = _mm512_maskz_loadu_epi8(first(3 * left), in);
        _mm512_mask_storeu_epi8(out, first(4 * left), encode(&e, v));
        if (left <= GROUPS)
            break;
        left -= GROUPS;
        in += BYTES;
        out += CHARS;
    }
    return groups;
}

/* Four lines are five steps whose characters, line ends among them, lie one
   right behind the other; the last step ends where the lines end. What each
   place of a step takes is by these, for lines of w places and a step that
   begins at the place s: which character comes next, at which byte it and
   the seven behind it begin, and where the step's bytes begin. A place's
   eight bytes lie in reverse in its eight places, and its six bits are
   shifted down from there. */
enum { LINES = 4, STEPS = 5, CRLF = KERNEL_LINE + 2, LF = KERNEL_LINE + 1 };

#define NEXT(w, p)                                                             \
    ((p) / (w)*KERNEL_LINE +                                                   \
     ((p) % (w) < KERNEL_LINE ? (p) % (w) : KERNEL_LINE))
#define EIGHT(w, s, i) (NEXT(w, (s) + (i) / 8 * 8) * 3 / 4)
#define FROM(w, s)                                                             \
    ((s) % CHARS ? LINES * KERNEL_LINE_BYTES - CHARS : EIGHT(w, s, 0))
#define TAKE(w, s, i)  ((EIGHT(w, s, i) + 7 - (i) % 8 - FROM(w, s)) & 63)
#define SHIFT(w, s, i) ((58 + 8 * EIGHT(w, s, i) - 6 * NEXT(w, (s) + (i))) & 63)
#define END(w, s, i)                                                           \
    (((s) + (i)) % (w) < KERNEL_LINE ? 0                                       \
     : ((s) + (i)) % (w) == (w)-1    ? '\n'                                    \
                                     : '\r')

struct line_step {
    unsigned char take[CHARS], shift[CHARS], end[CHARS], from, to;
};

/* clang-format off */
#define IN4(f, w, s, i)  f(w, s, i), f(w, s, (i) + 1), f(w, s, (i) + 2),       \
                         f(w, s, (i) + 3)
#define IN16(f, w, s, i) IN4(f, w, s, i), IN4(f, w, s, (i) + 4),               \
                         IN4(f, w, s, (i) + 8), IN4(f, w, s, (i) + 12)
#define IN64(f, w, s)    {IN16(f, w, s, 0), IN16(f, w, s, 16),                 \
                          IN16(f, w, s, 32), IN16(f, w, s, 48)}
#define LINE_STEP(w, s)  {IN64(TAKE, w, s), IN64(SHIFT, w, s),                 \
                          IN64(END, w, s), FROM(w, s), s}

#define LINE_STEPS(w)                                                          \
    {LINE_STEP(w, 0), LINE_STEP(w, CHARS), LINE_STEP(w, 2 * CHARS),            \
     LINE_STEP(w, 3 * CHARS), LINE_STEP(w, LINES * (w) - CHARS)}
/* clang-format on */

static const struct line_step line_steps[2][STEPS] = {
    LINE_STEPS(CRLF),
    LINE_STEPS(LF),
};

struct line_encoder {
    __m512i take, shift, end;
    __mmask64 data;
};

ON struct line_encoder line_encoder(const struct line_step *s)
{
    __m512i end = load(s->end);
    struct line_encoder e = {load(s->take), load(s->shift), end,
                             _mm512_testn_epi8_mask(end, end)};
    return e;
}

ON __m512i encode_line_step(const struct line_encoder *e, __m512i alphabet,
                            __m512i v)
{
    v = _mm512_permutexvar_epi8(e->take, v);
    v = _mm512_multishift_epi64_epi8(e->shift, v);
    return _mm512_mask_permutexvar_epi8(e->end, e->data, v, alphabet);
}

/* One line, by two steps that overlap. */
ON void encode_line(const struct encoder *e, const unsigned char *in, char *out)
{
    __m512i head = _mm512_maskz_loadu_epi8(first(BYTES), in);
    in += KERNEL_LINE_BYTES - BYTES;
    store(out, encode(e, head));
    head = _mm512_maskz_loadu_epi8(first(BYTES), in);
    store(out + TWICE, encode(e, head));
}

/* Those of lines that are a multiple of LINES; returns how many. */
ON size_t encode_four_lines(const unsigned char *in, size_t lines, char *out,
                            __m512i alphabet, bool lf)
{
    const struct line_step *s = line_steps[lf];
    struct line_encoder e0 = line_encoder(s), e1 = line_encoder(s + 1);
    struct line_encoder e2 = line_encoder(s + 2), e3 = line_encoder(s + 3);
    struct line_encoder e4 = line_encoder(s + 4);
    size_t i = 0;
    for (; i + LINES <= lines; i += LINES) {
        store(out + s[0].to,
              encode_line_step(&e0, alphabet, load(in + s[0].from)));
        store(out + s[1].to,
              encode_line_step(&e1, alphabet, load(in + s[1].from)));
        store(out + s[2].to,
              encode_line_step(&e2, alphabet, load(in + s[2].from)));
        store(out + s[3].to,
              encode_line_step(&e3, alphabet, load(in + s[3].from)));
        store(out + s[4].to,
              encode_line_step(&e4, alphabet, load(in + s[4].from)));
        in += LINES * KERNEL_LINE_BYTES;
        out += LINES * (lf ? LF : CRLF);
    }
    return i;
}

AVX512 size_t base64_avx512_encode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url, bool lf)
{
    struct encoder e = encoder(url);
    size_t width = lf ? LF : CRLF;
    size_t i = lf ? encode_four_lines(in, lines, out, e.alphabet, true)
                  : encode_four_lines(in, lines, out, e.alphabet, false);
    for (; i < lines; i++) {
        char *end = out + i * width + KERNEL_LINE;
        encode_line(&e, in + i * KERNEL_LINE_BYTES, out + i * width);
        memcpy(end, lf ? "\n" : "\r\n", lf ? 1 : 2);
    }
    return lines;
}

struct decoder {
    __m512i low, high, pack, pack_line;
};

ON struct decoder decoder(bool url)
{
    struct decoder d = {load(base64_values[url]),
                        load(base64_values[url] + CHARS), load(pack),
                        load(pack_line)};
    return d;
}

/* Six bits to a byte. A byte that is none of the alphabet has its highest
   bit set afterwards, or had it set before. */
ON __m512i look_up(const struct decoder *d, __m512i v)
{
    return _mm512_permutex2var_epi8(d->low, v, d->high);
}

ON bool foreign(__m512i v)
{
    return _mm512_movepi8_mask(v) != 0;
}

/* 6 + 6 bits, 12 + 12. */
ON __m512i join(__m512i v)
{
    v = _mm512_maddubs_epi16(v, _mm512_set1_epi32(0x01400140));
    return _mm512_madd_epi16(v, _mm512_set1_epi32(0x00011000));
}

ON __m512i pack48(const struct decoder *d, __m512i v)
{
    return _mm512_permutexvar_epi8(d->pack, join(v));
}

/* Four steps, read before anything is written: out may be in. */
ON bool decode_four(const struct decoder *d, const unsigned char *in, char *out)
{
    __m512i c0 = load(in), c1 = load(in + CHARS);
    __m512i c2 = load(in + 2 * CHARS), c3 = load(in + 3 * CHARS);
    __m512i v0 = look_up(d, c0), v1 = look_up(d, c1);
    __m512i v2 = look_up(d, c2), v3 = look_up(d, c3);
    __m512i bad = _mm512_ternarylogic_epi64(c0, c1, c2, 0xfe);
    bad = _mm512_ternarylogic_epi64(bad, c3, v0, 0xfe);
    bad = _mm512_ternarylogic_epi64(bad, v1, v2, 0xfe);
    if (foreign(_mm512_or_si512(bad, v3)))
        return false;
    store(out, pack48(d, v0));
    store(out + BYTES, pack48(d, v1));
    store(out + 2 * BYTES, pack48(d, v2));
    _mm512_mask_storeu_epi8(out + 3 * BYTES, first(BYTES), pack48(d, v3));
    return true;
}

AVX512 size_t base64_avx512_decode(const unsigned char *in, size_t groups,
                                   char *out, bool url)
{
    struct decoder d = decoder(url);
    size_t i = 0;
    while (i + 4 * GROUPS <= groups && decode_four(&d, in + 4 * i, out + 3 * i))
        i += 4 * GROUPS;
    while (i < groups) {
        size_t n = groups - i < GROUPS ? groups - i : GROUPS;
        __m512i c = _mm512_maskz_loadu_epi8(first(4 * n), in + 4 * i);
        __m512i v = look_up(&d, c);
        __mmask64 bad =
            _mm512_movepi8_mask(_mm512_or_si512(c, v)) & first(4 * n);
        size_t good = bad ? (size_t)__builtin_ctzll(bad) / 4 : n;
        _mm512_mask_storeu_epi8(out + 3 * i, first(3 * good), pack48(&d, v));
        i += good;
        if (bad)
            break;
    }
    return i;
}

struct line {
    __m512i v0, v1, bad;
};

ON struct line line_at(const struct decoder *d, const unsigned char *in)
{
    struct line l;
    __m512i c0 = load(in), c1 = load(in + TWICE);
    l.v0 = look_up(d, c0);
    l.v1 = look_up(d, c1);
    l.bad = _mm512_ternarylogic_epi64(c0, c1, l.v0, 0xfe);
    l.bad = _mm512_or_si512(l.bad, l.v1);
    return l;
}

/* 0: the line ends as it should. */
ON unsigned not_ended(const unsigned char *in, bool lf)
{
    if (lf)
        return in[KERNEL_LINE] ^ '\n';
    return (unsigned)(in[KERNEL_LINE] ^ '\r') |
           (unsigned)(in[KERNEL_LINE + 1] ^ '\n');
}

ON __m512i pack57(const struct decoder *d, const struct line *l)
{
    return _mm512_permutex2var_epi8(join(l->v0), d->pack_line, join(l->v1));
}

/* Back again four lines are five steps, too: one of 64 characters, and four
   of 60, whose 45 bytes come from 62 places with a line end among them. For
   lines of w places and a step that begins at the character s: where its
   load begins, so that it ends within the lines, and where each of its
   characters is in that. */
enum { PART = 60, PART_BYTES = 45 };

#define PLACE(w, s) ((s) / KERNEL_LINE * (w) + (s) % KERNEL_LINE)
#define LOAD(w, s)                                                             \
    ((s) + PART < LINES * KERNEL_LINE ? PLACE(w, s) : LINES * (w)-CHARS)
#define PICK(w, s, i)                                                          \
    (PLACE(w, (s) + ((i) < PART ? (i) : PART - 1)) - LOAD(w, s))

static const unsigned char picks[2][STEPS - 1][CHARS] = {
    {IN64(PICK, CRLF, CHARS), IN64(PICK, CRLF, CHARS + PART),
     IN64(PICK, CRLF, CHARS + 2 * PART), IN64(PICK, CRLF, CHARS + 3 * PART)},
    {IN64(PICK, LF, CHARS), IN64(PICK, LF, CHARS + PART),
     IN64(PICK, LF, CHARS + 2 * PART), IN64(PICK, LF, CHARS + 3 * PART)},
};

struct line_decoder {
    struct decoder d;
    __m512i p1, p2, p3, p4;
};

ON struct line_decoder line_decoder(bool url, bool lf)
{
    const unsigned char(*p)[CHARS] = picks[lf];
    struct line_decoder d = {decoder(url), load(p[0]), load(p[1]), load(p[2]),
                             load(p[3])};
    return d;
}

ON __m512i pick(__m512i from, const unsigned char *in)
{
    return _mm512_permutexvar_epi8(from, load(in));
}

/* Read before anything is written: out may be in. */
ON bool decode_four_lines(const struct line_decoder *l, const unsigned char *in,
                          char *out, bool lf)
{
    const size_t w = lf ? LF : CRLF;
    const struct decoder *d = &l->d;
    __m512i c0 = load(in), c1 = pick(l->p1, in + LOAD(w, CHARS));
    __m512i c2 = pick(l->p2, in + LOAD(w, CHARS + PART));
    __m512i c3 = pick(l->p3, in + LOAD(w, CHARS + 2 * PART));
    __m512i c4 = pick(l->p4, in + LOAD(w, CHARS + 3 * PART));
    __m512i v0 = look_up(d, c0), v1 = look_up(d, c1), v2 = look_up(d, c2);
    __m512i v3 = look_up(d, c3), v4 = look_up(d, c4);
    __m512i bad = _mm512_ternarylogic_epi64(c0, c1, c2, 0xfe);
    bad = _mm512_ternarylogic_epi64(bad, c3, c4, 0xfe);
    bad = _mm512_ternarylogic_epi64(bad, v0, v1, 0xfe);
    bad = _mm512_ternarylogic_epi64(bad, v2, v3, 0xfe);
    unsigned ends = not_ended(in, lf) | not_ended(in + w, lf) |
                    not_ended(in + 2 * w, lf) | not_ended(in + 3 * w, lf);
    if (ends || foreign(_mm512_or_si512(bad, v4)))
        return false;
    store(out, pack48(d, v0));
    store(out += BYTES, pack48(d, v1));
    store(out += PART_BYTES, pack48(d, v2));
    store(out += PART_BYTES, pack48(d, v3));
    out += PART_BYTES;
    _mm512_mask_storeu_epi8(out, first(PART_BYTES), pack48(d, v4));
    return true;
}

ON size_t decode_lines(const unsigned char *in, size_t lines, char *out,
                       bool url, bool lf)
{
    const size_t w = lf ? LF : CRLF, n = KERNEL_LINE_BYTES;
    struct line_decoder d = line_decoder(url, lf);
    size_t i = 0;
    while (i + LINES <= lines &&
           decode_four_lines(&d, in + i * w, out + i * n, lf))
        i += LINES;
    for (; i < lines; i++) {
        struct line l = line_at(&d.d, in + i * w);
        if (not_ended(in + i * w, lf) || foreign(l.bad))
            break;
        _mm512_mask_storeu_epi8(out + i * n, first(n), pack57(&d.d, &l));
    }
    return i;
}

AVX512 size_t base64_avx512_decode_lines(const unsigned char *in, size_t lines,
                                         char *out, bool url, bool lf)
{
    return lf ? decode_lines(in, lines, out, url, true)
              : decode_lines(in, lines, out, url, false);
}

#endif
