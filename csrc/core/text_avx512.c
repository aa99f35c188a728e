/*
 * text_avx512 - lines by 64 octets at a time; see text_kernels.h
 *
 * Octets are put in by doubling each: the first of a pair becomes what is
 * put in, and goes where nothing is, as the pairs are packed.
 */
#include "isa.h"

#if ISA_X86

#define ON AVX512 STEP

#include <stdint.h>

ON uint64_t equal(const char *p, char c)
{
    __m512i v = _mm512_loadu_si512(p);
    return _cvtmask64_u64(_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c)));
}

ON uint64_t from(const char *p, unsigned char c)
{
    __m512i v = _mm512_loadu_si512(p), least = _mm512_set1_epi8((char)c);
    return _cvtmask64_u64(_mm512_cmpge_epu8_mask(v, least));
}

ON uint64_t high(const char *p)
{
    return _cvtmask64_u64(_mm512_movepi8_mask(_mm512_loadu_si512(p)));
}

ON void copy(char *out, const char *p)
{
    _mm512_storeu_si512(out, _mm512_loadu_si512(p));
}

#include "text_step.h"

/* clang-format off */
#define PAIRS4(i)  (i), (i), (i) + 1, (i) + 1
#define PAIRS16(i) PAIRS4(i), PAIRS4((i) + 2), PAIRS4((i) + 4), PAIRS4((i) + 6)
#define PAIRS64(i) PAIRS16(i), PAIRS16((i) + 8), PAIRS16((i) + 16),            \
                   PAIRS16((i) + 24)
/* clang-format on */

enum { HALF = STEP_SIZE / 2 };

static const unsigned char pairs[2][STEP_SIZE] = {
    {PAIRS64(0)},
    {PAIRS64(HALF)},
};

#define FIRSTS UINT64_C(0x5555555555555555)

/* 32 of the octets, with CR and dots put in; returns where they end. */
ON char *put_half(char *out, __m512i v, __m512i pair, uint64_t lf,
                  uint64_t added)
{
    __mmask64 cr = _cvtu64_mask64(_pdep_u64(lf, FIRSTS));
    __mmask64 kept = _cvtu64_mask64(_pdep_u64(added, FIRSTS) | ~FIRSTS);
    v = _mm512_permutexvar_epi8(pair, v);
    v = _mm512_mask_blend_epi8(cr, v, _mm512_set1_epi8('\r'));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(kept, v));
    return out + HALF + _mm_popcnt_u32((unsigned)added);
}

/* 64 of the octets, with one put in: all of them one place on, then those
   before it over that. */
ON char *put_one(char *out, __m512i v, const struct marks *m)
{
    __mmask64 lf = _cvtu64_mask64(m->lf);
    __m512i fill = _mm512_mask_blend_epi8(lf, _mm512_set1_epi8('.'),
                                          _mm512_set1_epi8('\r'));
    char *shifted = out + 1;
    _mm512_storeu_si512(shifted, v);
    v = _mm512_mask_expand_epi8(fill, _cvtu64_mask64(~m->added), v);
    _mm512_storeu_si512(out, v);
    return shifted + STEP_SIZE;
}

AVX512 size_t text_avx512_encode(struct kernel_wire *l, struct span in,
                                 char *out)
{
    __m512i low = _mm512_loadu_si512(pairs[0]);
    __m512i high = _mm512_loadu_si512(pairs[1]);
    struct before b = before(l);
    char *q = out;
    size_t i = 0;
    for (; in.n - i >= STEP_SIZE; i += STEP_SIZE) {
        __m512i v = _mm512_loadu_si512(in.p + i);
        struct marks m = marks(in.p + i, b, l->dots);
        if (m.bare_cr)
            break;
        if (!m.added) {
            _mm512_storeu_si512(q, v);
            q += STEP_SIZE;
        } else if ((m.added & (m.added - 1)) == 0) {
            q = put_one(q, v, &m);
        } else {
            q = put_half(q, v, low, m.lf, m.added);
            q = put_half(q, v, high, m.lf >> HALF, m.added >> HALF);
        }
        b = m.by;
    }
    l->written = (size_t)(q - out);
    return behind(l, b, i);
}

AVX512 size_t text_avx512_look(struct kernel_body *b, struct span in)
{
    return look(b, in);
}

AVX512 size_t text_avx512_skim(struct kernel_body *b, struct span in)
{
    return skim(b, in);
}

AVX512 size_t text_avx512_scan(struct scan *s, struct span in)
{
    return scan(s, in);
}

AVX512 size_t text_avx512_count(struct kernel_count *c, struct span in)
{
    return count_ends(c, in);
}

AVX512 size_t text_avx512_utf8(struct span in)
{
    return utf8(in);
}

#endif
