/*
 * mime_junk - lines in a header that are no fields; see mime_steps.h
 *
 * Header after header was damaged on its way, and has such lines between its
 * fields, or before its end. A body that begins without an empty line is
 * rarer; it shows by what follows: a boundary, and no field before it; or the
 * end of a message in which nothing is a field, not even one that was cut.
 */
#include "ascii.h"
#include "mime_steps.h"

/* "Content-Ty" at the end of a message that was cut there. */
static bool is_cut(struct span s)
{
    if (!span_istarts(s, SPAN("Content-")))
        return false;
    s = span_skip(s, ascii_run(s, ASCII_FIELD));
    return span_trim(s).n == 0;
}

/* What a line says of the junk before it. */
static enum mime_junk judge(const struct mime *m, struct span s, bool last)
{
    size_t n, value;
    enum boundary_found found = mime_empty_line(s, last, &n);
    if (found == BOUNDARY_YES || (s.n == 0 && last && m->fields))
        return MIME_JUNK_PASSED;
    if (found == BOUNDARY_NO)
        found = mime_delimited(m, s, last);
    if (found == BOUNDARY_YES || (s.n == 0 && last))
        return MIME_JUNK_BODY;
    n = header_line(s);
    if (found == BOUNDARY_WAIT || (n == 0 && !last))
        return MIME_JUNK_MORE;
    return header_name(span_of(s.p, n ? n : s.n), &value) ? MIME_JUNK_PASSED
                                                          : MIME_JUNK_GOES_ON;
}

enum mime_junk mime_junk(struct mime *m, struct span w, size_t n, bool last)
{
    size_t most = m->limits.header - (size_t)(m->at - m->header_at);
    enum mime_junk found = MIME_JUNK_PASSED;
    if (m->at < m->junk_to)
        return found;
    if (m->junk < n)
        m->junk = n;
    while (m->junk <= most) {
        struct span rest = span_skip(w, m->junk);
        found = judge(m, rest, last);
        if (found == MIME_JUNK_BODY && rest.n == 0 && is_cut(w))
            found = MIME_JUNK_PASSED;
        if (found != MIME_JUNK_GOES_ON)
            break;
        n = header_line(rest);
        m->junk += n ? n : rest.n;
        found = MIME_JUNK_PASSED;
    }
    if (found == MIME_JUNK_PASSED)
        m->junk_to = m->at + m->junk;
    return found;
}
