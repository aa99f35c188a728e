/*
 * qp_five - five escapes of quoted-printable at once, by 16 octets
 *
 * For the instruction sets of qp_step.h, which says what unquote_five does.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_QP_FIVE_H
#define CORE_QP_FIVE_H

#include "isa.h"

#if ISA_X86

ON bool unquote_five(const char *p, char *to)
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

#elif ISA_NEON

ON bool unquote_five(const char *p, char *to)
{
    static const unsigned char firsts[8] = {1, 4, 7, 10, 13, 255, 255, 255};
    static const unsigned char seconds[8] = {2, 5, 8, 11, 14, 255, 255, 255};
    uint8x16_t v = vld1q_u8((const unsigned char *)p);
    uint8x16_t digit = vsubq_u8(v, vdupq_n_u8('0'));
    uint8x16_t letter =
        vsubq_u8(vorrq_u8(v, vdupq_n_u8(32)), vdupq_n_u8('a' - 10));
    uint8x16_t is_digit = vcltq_u8(digit, vdupq_n_u8(10));
    uint8x16_t is_letter = vandq_u8(vcgeq_u8(letter, vdupq_n_u8(10)),
                                    vcltq_u8(letter, vdupq_n_u8(16)));
    uint8x16_t bad = vmvnq_u8(vorrq_u8(is_digit, is_letter));
    uint8x8_t high, low, wrong;
    v = vbslq_u8(is_digit, digit, letter);
    high = vqtbl1_u8(v, vld1_u8(firsts));
    low = vqtbl1_u8(v, vld1_u8(seconds));
    wrong = vorr_u8(vqtbl1_u8(bad, vld1_u8(firsts)),
                    vqtbl1_u8(bad, vld1_u8(seconds)));
    vst1_u8((unsigned char *)to, vorr_u8(vshl_n_u8(high, 4), low));
    return vmaxv_u8(wrong) == 0;
}

#endif
#endif
