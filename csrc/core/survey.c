/*
 * survey - a body before it is sent; see survey.h
 */
#include "survey.h"

#include <stdint.h>

#include "header.h"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* 1 in each byte of word that is c, else 0. */
static inline uint64_t bytes_equal(uint64_t word, unsigned char c)
{
    uint64_t x = word ^ EACH(c), low = EACH(0x7f);
    return ~(((x & low) + low) | x | low) >> 7;
}

static inline size_t bytes_sum(uint64_t x)
{
    uint64_t mask = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t pairs = (x & mask) + (x >> 8 & mask);
    return (size_t)(pairs * UINT64_C(0x0001000100010001) >> 48);
}

/* Adds to a count what its kernel left of the octets. */
static void survey_rest(struct kernel_count *count, struct span s)
{
    uint64_t seen = 0;
    while (s.n >= sizeof seen) { /* in blocks that a byte can count */
        uint64_t word, lfs = 0, crs = 0;
        for (int i = 0; i < 255 && s.n >= sizeof word; i++) {
            memcpy(&word, s.p, sizeof word);
            seen |= word;
            lfs += bytes_equal(word, '\n');
            crs += bytes_equal(word, '\r');
            s = span_skip(s, sizeof word);
        }
        count->lf += bytes_sum(lfs);
        count->cr += bytes_sum(crs);
    }
    for (size_t i = 0; i < s.n; i++) {
        seen |= (unsigned char)s.p[i];
        count->lf += s.p[i] == '\n';
        count->cr += s.p[i] == '\r';
    }
    count->eight_bit = count->eight_bit || (seen & EACH(0x80)) != 0;
}

struct survey survey_of(const struct kernel *kernel, struct span body)
{
    struct survey s = {body.n, 0, false};
    struct kernel_body seen = {false, false, false, 0, 0};
    struct kernel_count c = {0, 0, false};
    if (body.n && body.p[body.n - 1] != '\n')
        s.size += 2;
    s.plain = kernel->dot_skim(&seen, body);
    body = span_skip(body, s.plain); /* what was seen has its ends in pairs */
    survey_rest(&c, span_skip(body, kernel->count(&c, body)));
    s.eight_bit = c.eight_bit || seen.eight_bit;
    s.size += c.lf > c.cr ? c.lf - c.cr : c.cr - c.lf;
    return s;
}

bool survey_binary(struct span message)
{
    struct header_field f;
    if (!header_find(message, SPAN("content-transfer-encoding"), 0, &f))
        return false;
    return span_istarts(span_trim(f.value), SPAN("binary"));
}
