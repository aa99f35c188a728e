/*
 * breaks - the line ends of a span, one after the other
 *
 * The next CR and the next LF are looked up apart (memchr) and remembered,
 * so that each byte is searched once for each, however they are mixed.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_BREAKS_H
#define CORE_BREAKS_H

#include "span.h"

struct breaks {
    struct span s;
    size_t cr, lf; /* the next ones, s.n when there is none */
};

/* CUT: a CR whose next byte is not here yet. */
enum break_kind { BREAK_NONE, BREAK_CRLF, BREAK_CR, BREAK_LF, BREAK_CUT };

static inline size_t breaks_find(struct span s, size_t from, char c)
{
    return from + span_find(span_skip(s, from), c);
}

static inline void breaks_init(struct breaks *b, struct span s)
{
    b->s = s;
    b->cr = span_find(s, '\r');
    b->lf = span_find(s, '\n');
}

/* Offset of the first CR or LF at or behind from (never less than in the
   call before), or s.n. */
static inline size_t breaks_next(struct breaks *b, size_t from)
{
    if (b->cr < from)
        b->cr = breaks_find(b->s, from, '\r');
    if (b->lf < from)
        b->lf = breaks_find(b->s, from, '\n');
    return b->cr < b->lf ? b->cr : b->lf;
}

/* What the line end at i is. */
static inline enum break_kind breaks_kind(const struct breaks *b, size_t i)
{
    if (i == b->s.n)
        return BREAK_NONE;
    if (b->s.p[i] == '\n')
        return BREAK_LF;
    if (i + 1 == b->s.n)
        return BREAK_CUT;
    return b->s.p[i + 1] == '\n' ? BREAK_CRLF : BREAK_CR;
}

#endif
