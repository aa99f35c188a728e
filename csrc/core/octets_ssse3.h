/*
 * octets_ssse3 - which of 64 octets are what, by four quarters of 16
 *
 * A bit for each octet, the first one the lowest, and a copy of all. The
 * file that includes this defines ON, its attributes, before.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_OCTETS_SSSE3_H
#define CORE_OCTETS_SSSE3_H

#include <stdint.h>

enum { QUARTER = 16 };

ON __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

ON uint64_t equal_quarter(const char *p, char c)
{
    __m128i same = _mm_cmpeq_epi8(load(p), _mm_set1_epi8(c));
    return (unsigned)_mm_movemask_epi8(same);
}

ON uint64_t equal(const char *p, char c)
{
    return equal_quarter(p, c) | equal_quarter(p + QUARTER, c) << 16 |
           equal_quarter(p + 2 * QUARTER, c) << 32 |
           equal_quarter(p + 3 * QUARTER, c) << 48;
}

ON uint64_t from_quarter(const char *p, unsigned char c)
{
    __m128i v = load(p), most = _mm_max_epu8(v, _mm_set1_epi8((char)c));
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, most));
}

ON uint64_t from(const char *p, unsigned char c)
{
    return from_quarter(p, c) | from_quarter(p + QUARTER, c) << 16 |
           from_quarter(p + 2 * QUARTER, c) << 32 |
           from_quarter(p + 3 * QUARTER, c) << 48;
}

ON uint64_t high_quarter(const char *p)
{
    return (unsigned)_mm_movemask_epi8(load(p));
}

ON uint64_t high(const char *p)
{
    return high_quarter(p) | high_quarter(p + QUARTER) << 16 |
           high_quarter(p + 2 * QUARTER) << 32 |
           high_quarter(p + 3 * QUARTER) << 48;
}

ON void copy(char *out, const char *p)
{
    __m128i a = load(p), b = load(p + QUARTER);
    __m128i c = load(p + 2 * QUARTER), d = load(p + 3 * QUARTER);
    __m128i *to = (__m128i *)(void *)out;
    _mm_storeu_si128(to, a);
    _mm_storeu_si128(to + 1, b);
    _mm_storeu_si128(to + 2, c);
    _mm_storeu_si128(to + 3, d);
}

#endif
