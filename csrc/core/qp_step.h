/*
 * qp_step - quoted-printable by 64 octets at a time, without compressing
 *
 * Written once for the instruction sets that can compare many octets, but
 * not squeeze those together that are left: the file of one defines ON,
 * includes its octets_<isa>.h and this, and defines unquote_five(). Vectors
 * find what is to be done, runs between are copied whole, and each escape is
 * looked up in a table.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_QP_STEP_H
#define CORE_QP_STEP_H

#include "qp_lines.h"

/* Five escapes in a row; false where one is none. 8 octets are written. */
ON bool unquote_five(const char *p, char *to);

ON uint64_t is_tail(const char *p)
{
    return from(p, 0x80) & ~from(p, 0xc0);
}

ON uint64_t sequences(const char *p, uint64_t *carry)
{
    uint64_t t1 = is_tail(p + 1);
    uint64_t t2 = t1 & is_tail(p + 2);
    uint64_t t3 = t2 & is_tail(p + 3);
    uint64_t two = from(p, 0xc2), three = from(p, 0xe0);
    uint64_t four = from(p, 0xf0), none = from(p, 0xf5);
    return tails(two & ~three & t1, three & ~four & t2, four & ~none & t3,
                 carry);
}

ON void sense(struct stretch *s, size_t i, const unsigned char *in, bool binary,
              uint64_t *carry)
{
    const char *p = (const char *)in;
    uint64_t tab = equal(p, '\t'), beyond = from(p, 127);
    uint64_t escaped = (~from(p, ' ') & ~tab) | equal(p, '=') | beyond;
    s->ends[i] = 0;
    if (!binary) {
        uint64_t lf1 = equal(p + 1, '\n');
        uint64_t next = lf1 | (equal(p + 1, '\r') & equal(p + 2, '\n'));
        s->ends[i] = equal(p, '\n') | (equal(p, '\r') & lf1);
        escaped |= (tab | equal(p, ' ')) & next; /* a blank may not end it */
    }
    s->escaped[i] = escaped;
    s->bound[i] = beyond ? sequences(p, carry) : 0;
}

/* A line at most; what is written behind it is room. */
ON char *copy_line(char *to, const void *in, size_t n)
{
    const char *p = in;
    if (n > 16)
        copy(to, p);
    else
        memcpy(to, p, 16);
    if (n > 64)
        memcpy(to + 64, p + 64, 16);
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
            to = copy_line(to, in + i, next - i);
        for (i = next; i < n && at(escaped, i); i++, to += 3)
            memcpy(to, escapes[in[i]], 4);
    }
    return i < n ? copy_line(to, in + i, n - i) : to;
}

ON size_t fitting(struct pair escaped, size_t n, size_t room)
{
    return fitting_few(escaped, n, room);
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

/* Decodes up to stop; returns where it stopped, behind it where an escape
   ends there. *odd: before. */
ON size_t unquote_all(const unsigned char *in, uint64_t marks, size_t stop,
                      char **to, bool *odd)
{
    size_t at = 0;
    for (marks &= low(stop); marks; marks &= ~low(at)) {
        size_t mark = first_of(marks);
        if (mark > at)
            *to = copy_line(*to, in + at, mark - at);
        at = mark;
        if ((marks >> mark & FIVE) == FIVE &&
            unquote_five((const char *)in + at, *to)) {
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
        *to = copy_line(*to, in + at, stop - at);
    return at < stop ? stop : at;
}

ON size_t decode_lines(const unsigned char *in, size_t n, char **to)
{
    size_t i = 0;
    bool odd = false;
    while (!odd && n - i >= KERNEL_QP_AHEAD) {
        const char *p = (const char *)in + i;
        uint64_t blank = equal(p, ' ') | equal(p, '\t'), marks = equal(p, '=');
        uint64_t ends = equal(p, '\r') | equal(p, '\n');
        uint64_t doubt = blank & ends >> 1;
        size_t stop = 64;
        if (blank >> 63 &&
            (p[64] == ' ' || p[64] == '\t' || p[64] == '\r' || p[64] == '\n'))
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
