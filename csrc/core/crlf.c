/*
 * crlf - line ends of the wire as those of files; see crlf.h
 */
#include "crlf.h"

/* What stands before the first CR that is not kept, or all of it. */
static size_t run(struct span s)
{
    size_t i = 0;
    while (i < s.n) {
        const char *cr = memchr(s.p + i, '\r', s.n - i);
        if (!cr)
            return s.n;
        i = (size_t)(cr - s.p);
        if (i + 1 == s.n || cr[1] == '\n')
            return i;
        i++;
    }
    return i;
}

int crlf_decode(struct crlf_decoder *d, struct span in, struct buf *out)
{
    char *p = buf_space(out, in.n + 1), *q = p;
    if (!p)
        return buf_error(out);
    if (d->cr && in.n) {
        if (in.p[0] != '\n')
            *q++ = '\r';
        d->cr = false;
    }
    while (in.n) {
        size_t n = run(in);
        memcpy(q, in.p, n);
        q += n;
        d->cr = n + 1 == in.n; /* no run ends before its last byte else */
        in = span_skip(in, n + 1);
    }
    buf_filled(out, (size_t)(q - p));
    return 0;
}

int crlf_decode_finish(struct crlf_decoder *d, struct buf *out)
{
    bool held = d->cr;
    d->cr = false;
    return held ? buf_add_char(out, '\r') : buf_error(out);
}
