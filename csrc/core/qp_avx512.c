/*
 * qp_avx512 - quoted-printable by 64 characters at a time; see qp_kernels.h
 *
 * Loads with a mask do the last, shorter step; stores are whole, for which
 * KERNEL_QP_ROOM is. 21 octets and
 * their 63 characters are one step of the escapes.
 */
#include "qp_kernels.h"

#include <stdint.h>

#include "isa.h"

#if ISA_X86

#define ON AVX512 STEP

enum { BYTES = 64, ESCAPES = 21 };

/* Every third place of 63, and what stands there. */
static const uint64_t equals = 0x1249249249249249;
static const uint64_t highs = 0x2492492492492492;

/* Tables by an expression of the place. */
#define ROW4(f, i) f(i), f((i) + 1), f((i) + 2), f((i) + 3)
#define ROW16(f, i)                                                            \
    ROW4(f, i), ROW4(f, (i) + 4), ROW4(f, (i) + 8), ROW4(f, (i) + 12)
#define TABLE(f) ROW16(f, 0), ROW16(f, 16), ROW16(f, 32), ROW16(f, 48)

#define THIRD(i) ((i) / 3)

static const unsigned char thirds[BYTES] = {TABLE(THIRD)};
static const char digits[] = "0123456789ABCDEF";

/* The first n of 64, all of them from 64 on. */
ON __mmask64 first(size_t n)
{
    return _cvtu64_mask64(_bzhi_u64(~0ull, n < BYTES ? (unsigned)n : BYTES));
}

AVX512 size_t qp_avx512_escape(const unsigned char *in, size_t n, char *out)
{
    __m512i spread = _mm512_loadu_si512(thirds);
    __m512i digit =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)digits));
    for (size_t i = 0; i < n; i += ESCAPES) {
        size_t k = n - i < ESCAPES ? n - i : ESCAPES;
        __m512i v = _mm512_maskz_loadu_epi8(first(k), in + i);
        v = _mm512_permutexvar_epi8(spread, v);
        v = _mm512_mask_blend_epi8(highs, v, _mm512_srli_epi16(v, 4));
        v = _mm512_and_si512(v, _mm512_set1_epi8(15));
        v = _mm512_shuffle_epi8(digit, v);
        v = _mm512_mask_blend_epi8(equals, v, _mm512_set1_epi8('='));
        _mm512_storeu_si512(out + 3 * i, v);
    }
    return n;
}

#endif
