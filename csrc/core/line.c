/*
 * line - the next line of a dialogue; see line.h
 */
#include "line.h"

/* Finds the end of a line that nobody keeps, from an offset on; *used octets
   are done with. */
static bool line_discard(struct line_reader *r, struct span in, size_t from,
                         bool strict, size_t *used)
{
    for (;;) {
        size_t at = from + span_find(span_skip(in, from), '\n');
        bool crlf = at > 0 ? in.n && in.p[at - 1] == '\r' : r->cr;
        if (at >= in.n) {
            r->cr = crlf;
            *used = in.n;
            return false;
        }
        if (crlf || !strict) {
            memset(r, 0, sizeof *r);
            *used = at + 1;
            return true;
        }
        from = at + 1;
    }
}

static enum line_result line_overlong(struct line_reader *r, struct span in,
                                      size_t from, bool strict, size_t *used)
{
    r->state = LINE_TOO_LONG;
    r->scanned = 0;
    return line_discard(r, in, from, strict, used) ? LINE_OVERLONG : LINE_MORE;
}

static enum line_result line_keep(struct line_reader *r, struct span in,
                                  size_t limit, bool strict, struct span *line,
                                  size_t *used)
{
    size_t at = r->scanned + span_find(span_skip(in, r->scanned), '\n');
    *used = 0;
    if (at >= limit)
        return line_overlong(r, in, at < in.n ? at : in.n, strict, used);
    if (at >= in.n) {
        r->scanned = in.n;
        return LINE_MORE;
    }
    r->scanned = 0;
    *used = at + 1;
    if (at > 0 && in.p[at - 1] == '\r') {
        *line = span_of(in.p, at - 1);
        return LINE_WHOLE;
    }
    *line = span_of(in.p, at);
    if (strict)
        r->state = LINE_MUTE;
    return LINE_BARE;
}

enum line_result line_next(struct line_reader *r, struct span in, size_t limit,
                           bool strict, struct span *line, size_t *used)
{
    size_t skipped = 0;
    enum line_result result;
    if (r->state == LINE_TOO_LONG)
        return line_overlong(r, in, 0, strict, used);
    if (r->state == LINE_MUTE) {
        if (!line_discard(r, in, 0, strict, used))
            return LINE_MORE;
        skipped = *used;
    }
    result = line_keep(r, span_skip(in, skipped), limit, strict, line, used);
    *used += skipped;
    return result;
}
