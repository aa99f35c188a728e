/*
 * text_step - what is done with lines by 64 octets at a time
 *
 * The same for all instruction sets, once it is known which of 64 octets
 * are CR and so on: a bit each, the first one the lowest. text_<isa>.c
 * includes this behind ON, its attributes, and
 *
 *   ON uint64_t equal(const char *p, char c)          which octets are c,
 *   ON uint64_t from(const char *p, unsigned char c)  or c and more,
 *   ON uint64_t high(const char *p)                   or above 127
 *   ON void copy(char *out, const char *p)            64 octets
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_TEXT_STEP_H
#define CORE_TEXT_STEP_H

#include <stdint.h>

#include "scan.h"
#include "text_kernels.h"

enum { STEP_SIZE = 64 };

/* What the octets before these were, in the lowest bit; 0 or 1. */
struct before {
    uint64_t cr;    /* the last one is a CR */
    uint64_t fresh; /* a line begins here */
};

ON struct before before(const struct kernel_wire *l)
{
    struct before b = {0, !l->inside};
    return b;
}

/* A CR at the end is given back, as what follows decides on it. */
ON size_t behind(struct kernel_wire *l, struct before b, size_t taken)
{
    l->inside = !b.fresh;
    l->written -= b.cr;
    return taken - b.cr;
}

struct marks {
    uint64_t lf;
    uint64_t added;   /* an octet comes before these */
    bool bare_cr;     /* is among them: none of them can be taken */
    struct before by; /* of the step behind them */
};

ON struct marks marks(const char *p, struct before b, bool dots)
{
    uint64_t lf = equal(p, '\n'), cr = equal(p, '\r');
    uint64_t due = cr << 1 | b.cr; /* where LF has to be */
    uint64_t fresh = lf << 1 | b.fresh;
    struct marks m = {lf, lf & ~due, (due & ~lf) != 0, {cr >> 63, lf >> 63}};
    if (dots)
        m.added |= equal(p, '.') & fresh;
    return m;
}

/* Where an octet is added, the rest is copied once more, one further on. So
   it reads up to a step more than it takes. */
ON size_t encode_by_copies(struct kernel_wire *l, struct span in, char *out)
{
    struct before b = before(l);
    char *q = out;
    size_t i = 0;
    for (; in.n - i >= 2 * STEP_SIZE; i += STEP_SIZE) {
        const char *p = in.p + i;
        struct marks m = marks(p, b, l->dots);
        if (m.bare_cr)
            break;
        copy(q, p);
        for (; m.added; m.added &= m.added - 1) {
            unsigned at = (unsigned)__builtin_ctzll(m.added);
            q[at] = p[at] == '\n' ? '\r' : '.';
            q++;
            copy(q + at, p + at);
        }
        q += STEP_SIZE;
        b = m.by;
    }
    l->written = (size_t)(q - out);
    return behind(l, b, i);
}

ON unsigned first_of(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

/* How many octets are behind the last. */
ON unsigned behind_last(uint64_t bits)
{
    return (unsigned)__builtin_clzll(bits);
}

ON size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The longest stretch from one of these to the next. */
ON size_t longest_of(uint64_t ends)
{
    size_t longest = 0, from = first_of(ends);
    while (ends &= ends - 1) {
        longest = larger(longest, first_of(ends) - from);
        from = first_of(ends);
    }
    return longest;
}

/* Lines within a step are looked at only where one may be the longest. */
ON void look_lines(struct kernel_body *b, uint64_t lf)
{
    if (!lf) {
        b->line += STEP_SIZE;
        return;
    }
    b->longest = larger(b->longest, b->line + first_of(lf) + 1);
    if (b->longest < STEP_SIZE)
        b->longest = larger(b->longest, longest_of(lf));
    b->line = behind_last(lf);
}

ON size_t look(struct kernel_body *body, struct span in)
{
    struct kernel_body b = *body;
    struct before by = {0, !b.inside};
    uint64_t nul = 0, eight_bit = 0;
    size_t i = 0;
    for (; in.n - i >= STEP_SIZE; i += STEP_SIZE) {
        const char *p = in.p + i;
        struct marks m = marks(p, by, true);
        if (m.bare_cr || m.added)
            break;
        nul |= equal(p, '\0');
        eight_bit |= high(p);
        look_lines(&b, m.lf);
        by = m.by;
    }
    b.line -= by.cr;
    b.inside = !by.fresh;
    b.nul |= nul != 0;
    b.eight_bit |= eight_bit != 0;
    *body = b;
    return i - by.cr;
}

/* Which of these octets need care: LF where no CR is before it, what follows a
   CR where it is no LF, a dot behind LF. The octet before them is there. */
ON uint64_t careful(const char *p)
{
    return (equal(p - 1, '\r') ^ equal(p, '\n')) |
           (equal(p, '.') & equal(p - 1, '\n'));
}

enum {
    SKIM_STEPS = 4,      /* between which it is not asked what was found */
    SKIM_AHEAD = 1 << 12 /* octets asked of memory before they are looked at */
};

ON size_t skim_steps(struct span in, size_t i, uint64_t *eight_bit)
{
    for (; in.n - i >= SKIM_STEPS * STEP_SIZE; i += SKIM_STEPS * STEP_SIZE) {
        uint64_t found = 0, bits = 0;
        for (size_t k = 0; k < SKIM_STEPS; k++) {
            const char *p = in.p + i + k * STEP_SIZE;
            __builtin_prefetch(p + SKIM_AHEAD);
            found |= careful(p);
            bits |= high(p);
        }
        if (found)
            break;
        *eight_bit |= bits;
    }
    return i;
}

/* As look, for who asks less. */
ON size_t skim(struct kernel_body *b, struct span in)
{
    struct before by = {0, !b->inside};
    if (in.n < STEP_SIZE)
        return 0;
    struct marks m = marks(in.p, by, true);
    if (m.bare_cr || m.added)
        return 0;
    uint64_t eight_bit = high(in.p);
    size_t i = skim_steps(in, STEP_SIZE, &eight_bit);
    for (; in.n - i >= STEP_SIZE && !careful(in.p + i); i += STEP_SIZE)
        eight_bit |= high(in.p + i);
    b->eight_bit |= eight_bit != 0;
    b->inside = in.p[i - 1] != '\n';
    return i - (in.p[i - 1] == '\r');
}

ON bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line ends where the octet before these was a CR. */
ON void scan_cr(struct scan *s, bool bare)
{
    s->cr = false;
    s->bare_cr += bare;
    s->longest = larger(s->longest, s->line);
    s->trailing_blank |= s->line && is_blank(s->last);
    s->line = 0;
    s->lines++;
}

ON size_t count(uint64_t bits)
{
    return (size_t)__builtin_popcountll(bits);
}

/* The line ends among 64 octets: where lines end, and the LF of CRLF. */
struct line_ends {
    uint64_t ends, paired;
};

ON size_t longest_text(struct line_ends e)
{
    size_t longest = 0;
    for (uint64_t ends = e.ends; (ends & (ends - 1)) != 0;) {
        unsigned from = first_of(ends);
        ends &= ends - 1;
        size_t n = first_of(ends) - from - 1 - (e.paired >> from >> 1 & 1);
        longest = larger(longest, n);
    }
    return longest;
}

/* blank: where spaces and tabs are; waits: the last octet is a CR. */
ON void scan_ends(struct scan *s, struct line_ends e, uint64_t blank,
                  size_t waits)
{
    uint64_t carried = s->line && is_blank(s->last);
    size_t before = e.paired & 1;
    if (!e.ends) {
        s->line += STEP_SIZE - before - waits;
        return;
    }
    s->lines += count(e.ends);
    s->trailing_blank |= (e.ends & (blank << 1 | carried)) != 0;
    s->longest = larger(s->longest, s->line + first_of(e.ends) - before);
    if (s->longest < STEP_SIZE)
        s->longest = larger(s->longest, longest_text(e));
    s->line = behind_last(e.ends) - (e.paired > e.ends) - waits;
}

/* A CR at the end waits: what follows decides whether it is bare. */
ON void scan_64(struct scan *s, const char *p)
{
    uint64_t lf = equal(p, '\n'), cr = equal(p, '\r'), last = cr >> 63;
    uint64_t due = cr << 1 | s->cr, paired = lf & due;
    uint64_t ends = (cr & ~(last << 63)) | (lf & ~due);
    struct line_ends e = {ends, paired};
    if (s->cr)
        scan_cr(s, !paired || !(lf & 1));
    s->bare_lf += count(lf & ~due);
    s->bare_cr += count(ends & cr & ~(lf >> 1));
    s->eight_bit += count(high(p));
    s->nul |= equal(p, '\0') != 0;
    scan_ends(s, e, equal(p, ' ') | equal(p, '\t'), last);
    s->cr = last != 0;
    if (s->line)
        s->last = p[STEP_SIZE - 1 - last];
}

ON size_t scan(struct scan *state, struct span in)
{
    struct scan s = *state;
    size_t i = 0;
    for (; in.n - i >= STEP_SIZE; i += STEP_SIZE)
        scan_64(&s, in.p + i);
    *state = s;
    return i;
}

ON size_t count_ends(struct kernel_count *counts, struct span in)
{
    struct kernel_count c = *counts;
    uint64_t eight_bit = 0;
    size_t i = 0;
    for (; in.n - i >= STEP_SIZE; i += STEP_SIZE) {
        c.lf += count(equal(in.p + i, '\n'));
        c.cr += count(equal(in.p + i, '\r'));
        eight_bit |= high(in.p + i);
    }
    c.eight_bit |= eight_bit != 0;
    *counts = c;
    return i;
}

/* What 64 octets leave for the next ones: where octets 80..BF are due, and
   in the lowest bit whether the last one was E0, ED, F0, F4. */
struct sequences {
    uint64_t due, e0, ed, f0, f4;
};

/* Second octets: no overlong forms, no surrogates, nothing above U+10FFFF. */
ON bool seconds(const char *p, struct sequences *s)
{
    uint64_t e0 = equal(p, '\xe0'), ed = equal(p, '\xed');
    uint64_t f0 = equal(p, '\xf0'), f4 = equal(p, '\xf4');
    uint64_t a0 = from(p, 0xa0), from_90 = from(p, 0x90);
    uint64_t wrong = ((e0 << 1 | s->e0) & ~a0) | ((ed << 1 | s->ed) & a0) |
                     ((f0 << 1 | s->f0) & ~from_90) |
                     ((f4 << 1 | s->f4) & from_90);
    s->e0 = e0 >> 63;
    s->ed = ed >> 63;
    s->f0 = f0 >> 63;
    s->f4 = f4 >> 63;
    return !wrong;
}

ON bool utf8_64(const char *p, struct sequences *s)
{
    uint64_t bits = high(p);
    if (!bits)
        return !s->due;
    uint64_t two = from(p, 0xc0), three = from(p, 0xe0), four = from(p, 0xf0);
    uint64_t none = equal(p, '\xc0') | equal(p, '\xc1') | from(p, 0xf5);
    uint64_t due = two << 1 | three << 2 | four << 3 | s->due;
    if (none || due != (bits & ~two))
        return false;
    if ((three || s->e0 || s->ed || s->f0 || s->f4) && !seconds(p, s))
        return false;
    s->due = two >> 63 | three >> 62 | four >> 61;
    return true;
}

ON size_t utf8(struct span in)
{
    struct sequences s = {0, 0, 0, 0, 0};
    size_t i = 0;
    bool open = false;
    while (in.n - i >= STEP_SIZE && utf8_64(in.p + i, &s)) {
        i += STEP_SIZE;
        open = s.due != 0;
    }
    if (open) { /* back to where the last sequence begins */
        while ((in.p[--i] & 0xc0) == 0x80)
            continue;
    }
    return i;
}

#endif
