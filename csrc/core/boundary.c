/*
 * boundary - lines that part the bodies of a multipart; see boundary.h
 */
#include "boundary.h"

#include "ascii.h"

size_t boundary_candidate(struct span s, size_t from, bool start)
{
    for (size_t i = from; i < s.n;) {
        i += span_find(span_skip(s, i), '-');
        if (i == s.n || (i ? s.p[i - 1] == '\n' : start))
            return i;
        i += span_find(span_skip(s, i), '\n') + 1;
        if (i < s.n && s.p[i] == '-')
            return i;
    }
    return s.n;
}

bool boundary_dashes(struct span s, bool last, enum boundary_found *found)
{
    size_t n = 0;
    while (n < s.n && n < 2 && s.p[n] == '-')
        n++;
    *found = n == s.n && n < 2 && !last ? BOUNDARY_WAIT : BOUNDARY_NO;
    return n == 2;
}

/* What follows the boundary on its line: "--", blanks, the line's end. */
static enum boundary_found match_tail(struct span s, size_t at, bool last,
                                      struct boundary_line *line)
{
    struct span tail = span_skip(s, at);
    size_t i = at;
    if (tail.n == 1 && tail.p[0] == '-' && !last)
        return BOUNDARY_WAIT;
    line->closes = tail.n >= 2 && tail.p[0] == '-' && tail.p[1] == '-';
    i += line->closes ? 2 : 0;
    while (i < s.n && i < BOUNDARY_LINE_MOST && ascii_is(s.p[i], ASCII_BLANK))
        i++;
    if (i >= BOUNDARY_LINE_MOST)
        return BOUNDARY_NO;
    while (i < s.n && i < BOUNDARY_LINE_MOST && s.p[i] == '\r')
        i++; /* two where a CR was added once too often */
    line->n = i;
    if (i == s.n)
        return last ? BOUNDARY_YES : BOUNDARY_WAIT;
    line->n = i + 1;
    return s.p[i] == '\n' ? BOUNDARY_YES : BOUNDARY_NO;
}

enum boundary_found boundary_match(struct span s, struct span bound, bool last,
                                   struct boundary_line *line)
{
    size_t n = s.n - 2 < bound.n ? s.n - 2 : bound.n;
    if (memcmp(s.p + 2, bound.p, n) != 0)
        return BOUNDARY_NO;
    if (n == bound.n)
        return match_tail(s, n + 2, last, line);
    return last ? BOUNDARY_NO : BOUNDARY_WAIT;
}

/* The first bytes, the last bytes and the length make the mark. */
static uint32_t mark_of(struct span s)
{
    uint64_t first = 0, last = 0;
    size_t n = s.n < sizeof first ? s.n : sizeof first;
    memcpy(&first, s.p, n);
    memcpy(&last, s.p + s.n - n, n);
    first = (first ^ s.n) * UINT64_C(0x9e3779b97f4a7c15);
    last = (last ^ first) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return (uint32_t)(last >> 40) % (BOUNDARY_MARKS * 64);
}

void boundary_mark(uint64_t *marks, struct span bound)
{
    uint32_t mark = mark_of(bound);
    marks[mark / 64] |= UINT64_C(1) << mark % 64;
}

static bool is_marked(const uint64_t *marks, struct span bound)
{
    uint32_t mark = mark_of(bound);
    return marks[mark / 64] >> mark % 64 & 1;
}

bool boundary_marked(const uint64_t *marks, struct span s)
{
    struct span line = span_of(s.p + 2, 0);
    size_t most = s.n - 2 < BOUNDARY_LINE_MOST ? s.n - 2 : BOUNDARY_LINE_MOST;
    line.n = span_find(span_of(line.p, most), '\n');
    if (line.n == most)
        return true;
    while (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    while (line.n && ascii_is(line.p[line.n - 1], ASCII_BLANK))
        line.n--;
    if (is_marked(marks, line))
        return true;
    return line.n > 2 && line.p[line.n - 1] == '-' &&
           line.p[line.n - 2] == '-' &&
           is_marked(marks, span_of(line.p, line.n - 2));
}

size_t boundary_line_end(struct span s, size_t n)
{
    if (n == 0 || s.p[n - 1] != '\n')
        return 0;
    return n > 1 && s.p[n - 2] == '\r' ? 2 : 1;
}

size_t boundary_held(struct span s)
{
    size_t n = boundary_line_end(s, s.n);
    return n == 0 && s.n && s.p[s.n - 1] == '\r' ? 1 : n;
}
