/*
 * line - the next line of a dialogue; see line.h
 */
#include "line.h"

static enum line_result line_incomplete(struct line_reader *r, struct span in,
                                        size_t limit, size_t *used)
{
    *used = 0;
    r->scanned = in.n;
    if (r->discarding || in.n >= limit) {
        r->discarding = true;
        r->scanned = 0;
        *used = in.n;
    }
    return LINE_MORE;
}

enum line_result line_next(struct line_reader *r, struct span in, size_t limit,
                           struct span *line, size_t *used)
{
    size_t at = r->scanned + span_find(span_skip(in, r->scanned), '\n');
    bool over = r->discarding || at >= limit;
    if (at >= in.n)
        return line_incomplete(r, in, limit, used);
    r->scanned = 0;
    r->discarding = false;
    *used = at + 1;
    if (over)
        return LINE_OVERLONG;
    if (at > 0 && in.p[at - 1] == '\r') {
        *line = span_of(in.p, at - 1);
        return LINE_WHOLE;
    }
    *line = span_of(in.p, at);
    return LINE_BARE;
}
