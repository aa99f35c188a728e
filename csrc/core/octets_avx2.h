/*
 * octets_avx2 - which of 64 octets are what, by two halves of 32
 *
 * A bit for each octet, the first one the lowest, and a copy of all. The
 * file that includes this defines ON, its attributes, before.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_OCTETS_AVX2_H
#define CORE_OCTETS_AVX2_H

#include <stdint.h>

enum { HALF = 32 };

ON __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

ON uint64_t equal_half(const char *p, char c)
{
    __m256i same = _mm256_cmpeq_epi8(load(p), _mm256_set1_epi8(c));
    return (unsigned)_mm256_movemask_epi8(same);
}

ON uint64_t equal(const char *p, char c)
{
    return equal_half(p, c) | equal_half(p + HALF, c) << HALF;
}

ON uint64_t from_half(const char *p, unsigned char c)
{
    __m256i v = load(p), most = _mm256_max_epu8(v, _mm256_set1_epi8((char)c));
    return (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, most));
}

ON uint64_t from(const char *p, unsigned char c)
{
    return from_half(p, c) | from_half(p + HALF, c) << HALF;
}

ON uint64_t high(const char *p)
{
    uint64_t low = (unsigned)_mm256_movemask_epi8(load(p));
    return low | (uint64_t)(unsigned)_mm256_movemask_epi8(load(p + HALF))
                     << HALF;
}

ON void copy(char *out, const char *p)
{
    __m256i low = load(p), high = load(p + HALF);
    _mm256_storeu_si256((__m256i *)(void *)out, low);
    _mm256_storeu_si256((__m256i *)(void *)(out + HALF), high);
}

#endif
