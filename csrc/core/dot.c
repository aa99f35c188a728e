/*
 * dot - line ends and the transparency of a DATA body; see dot.h
 *
 * Both directions hop from line end to line end with memchr and move what
 * lies between in the longest runs that they can: a run goes on over CRLFs
 * and ends where a byte has to be put in or left out.
 */
#include "dot.h"

#include <stdint.h>

#include "breaks.h"

#define ONES UINT64_C(0x0101010101010101)

/* Bytes taken at once, and the least that a kernel takes. */
enum { LINES = 8192, LEAST = 64 };

static size_t encode_held(struct dot_encoder *e, struct span in,
                          struct buf *out)
{
    if (!(e->cr || e->cr_out) || in.n == 0)
        return 0;
    buf_add_text(out, e->cr_out ? "\n" : "\r\n");
    e->cr = e->cr_out = e->inside = false;
    return in.p[0] == '\n' ? 1 : 0;
}

/* Copies until behind the next LF, which is copied, too; 8 bytes at once,
   so that 7 more may be written. NULL: there is none. */
static const char *copy_line(const char *p, const char *end, char **out)
{
    char *q = *out;
    uint64_t word, x;
    for (; end - p >= 8; p += 8, q += 8) {
        memcpy(&word, p, 8);
        memcpy(q, &word, 8);
        x = word ^ ONES * '\n';
        if ((x - ONES) & ~x & ONES << 7)
            break;
    }
    while (p < end && *p != '\n')
        *q++ = *p++;
    *out = q;
    return p < end ? p + 1 : NULL;
}

/* Whole lines of in, which begins a line and has no CR: straight to where
   they go, when that has room for the most that can come of them. Returns
   how many bytes were taken. */
static size_t encode_lines(const struct dot_encoder *e, struct span in,
                           struct buf *out)
{
    size_t n = in.n < LINES ? in.n : LINES, room = 2 * n + 8;
    if (buf_error(out) || out->ceiling - buf_size(out) < room)
        return 0;
    char *start = buf_space(out, room), *q = start, *line = q;
    const char *p = in.p, *next = start ? p : NULL, *end = p + n;
    while (next && next < end) {
        p = next;
        line = q;
        if (*p == '.' && !e->plain)
            *q++ = '.';
        next = copy_line(p, end, &q);
        if (next) {
            memcpy(q, "\r\n", 2);
            q += 2;
            p = next;
            line = q;
        }
    }
    buf_filled(out, (size_t)(line - start));
    return (size_t)(p - in.p);
}

/* What the kernel takes of in; returns how many bytes. */
static size_t encode_by_kernel(struct dot_encoder *e, struct span in,
                               struct buf *out)
{
    size_t i = 0, n;
    do {
        struct span part = span_skip(in, i);
        if (part.n > LINES)
            part.n = LINES;
        size_t room = 2 * part.n + LEAST;
        if (part.n < LEAST || buf_error(out) ||
            out->ceiling - buf_size(out) < room)
            break;
        char *p = buf_space(out, room);
        if (!p)
            break;
        struct kernel_wire l = {!e->plain, e->inside, 0};
        n = e->kernel->dot_encode(&l, part, p);
        buf_filled(out, l.written);
        e->inside = l.inside;
        i += n;
    } while (n >= LEAST);
    return i;
}

static int encode_portably(struct dot_encoder *e, struct span in,
                           struct buf *out)
{
    size_t i = 0, from = 0;
    struct breaks b;
    breaks_init(&b, in);
    while (i < in.n) {
        if (!e->inside && i == from && b.cr > i) {
            size_t n = encode_lines(e, span_of(in.p + i, b.cr - i), out);
            from = i += n;
            if (n)
                continue;
        }
        if (!e->inside && in.p[i] == '.' && !e->plain) {
            buf_add(out, in.p + from, i + 1 - from);
            from = i; /* and so this dot goes out again */
        }
        e->inside = true;
        i = breaks_next(&b, i);
        enum break_kind end = breaks_kind(&b, i);
        if (end == BREAK_NONE)
            break;
        e->inside = end == BREAK_CUT;
        if (end == BREAK_CRLF) {
            i += 2;
            continue;
        }
        buf_add(out, in.p + from, i - from);
        from = ++i;
        if (end == BREAK_CUT)
            e->cr = true;
        else
            buf_add(out, "\r\n", 2);
    }
    return buf_add(out, in.p + from, in.n - from);
}

int dot_encode(struct dot_encoder *e, struct span in, struct buf *out)
{
    while (in.n) {
        in = span_skip(in, encode_held(e, in, out));
        if (e->kernel)
            in = span_skip(in, encode_by_kernel(e, in, out));
        size_t n = e->kernel && in.n > LINES ? LINES : in.n;
        encode_portably(e, span_of(in.p, n), out);
        in = span_skip(in, n);
    }
    return buf_error(out);
}

int dot_encode_finish(struct dot_encoder *e, struct buf *out)
{
    bool mark = !e->plain && !e->unmarked;
    if (e->cr || (e->inside && mark))
        buf_add(out, "\r\n", 2);
    if (mark)
        buf_add(out, ".\r\n", 3);
    e->cr = e->inside = false;
    return buf_error(out);
}

/* Where decoded runs go: to the front of the input itself, or to out. */
struct sink {
    char *p;
    size_t n;
    struct buf *out;
    struct dot_decoder *d;
    const char *noted; /* decode_notes was told of what lies before */
};

static bool eight_bit(const char *p, size_t n)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        all |= word;
    }
    for (; i < n; i++)
        all |= (unsigned char)p[i];
    return (all & UINT64_C(0x8080808080808080)) != 0;
}

static void decode_notes(struct dot_decoder *d, const char *p, size_t n)
{
    if (!d->nul)
        d->nul = n && memchr(p, '\0', n) != NULL;
    if (!d->eight_bit)
        d->eight_bit = eight_bit(p, n);
}

static void note_until(struct sink *s, const char *end)
{
    decode_notes(s->d, s->noted, (size_t)(end - s->noted));
    s->noted = end;
}

static void sink_add(struct sink *s, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (p + n > s->noted)
        note_until(s, p + n); /* before it is moved */
    if (s->out)
        buf_add(s->out, p, n);
    else if (s->p + s->n != p)
        memmove(s->p + s->n, p, n);
    s->n += n;
}

static void decode_line(struct dot_decoder *d, size_t end)
{
    d->line += end;
    d->longest = dot_longest(d);
    d->line = 0;
}

static void decode_bare(struct dot_decoder *d, enum break_kind end, size_t at)
{
    if (!d->bare_cr && !d->bare_lf)
        d->bare_at = d->wire + at;
    d->bare_cr |= end == BREAK_CR;
    d->bare_lf |= end == BREAK_LF;
}

/* A bare CR or LF at i: kept, or with out replaced. Returns where the run
   not yet moved begins. */
static size_t decode_repair(struct dot_decoder *d, struct sink *s,
                            const char *p, size_t from, size_t i)
{
    if (!s->out) {
        d->line++;
        return from;
    }
    sink_add(s, p + from, i - from);
    buf_add(s->out, "\r\n", 2);
    s->n += 2;
    decode_line(d, 2);
    return i + 1;
}

/* Takes what begins a line. False: the end, or a CR that has to wait. */
static bool decode_start(struct dot_decoder *d, struct sink *s, const char *p,
                         size_t n, size_t *from, size_t *i)
{
    if (d->at == DOT_AT_START && p[*i] == '.') {
        sink_add(s, p + *from, *i - *from);
        *from = ++*i;
        d->at = DOT_AT_DOT;
        if (*i == n)
            return false;
    }
    if (d->at == DOT_AT_DOT && p[*i] == '\r') {
        if (*i + 1 == n)
            return false;
        if (p[*i + 1] == '\n') {
            *from = *i += 2;
            d->at = DOT_AT_END;
            return false;
        }
    }
    d->at = DOT_AT_INSIDE;
    return true;
}

/* What the kernel sees of lines that are as they should be; returns how many
   bytes. */
static size_t decode_by_kernel(struct dot_decoder *d, struct sink *s,
                               struct span in)
{
    struct kernel_body b = {d->at == DOT_AT_INSIDE, d->nul, d->eight_bit,
                            d->line, d->longest};
    size_t n = d->kernel->dot_look(&b, in);
    if (n == 0)
        return 0;
    note_until(s, in.p);
    s->noted = in.p + n;
    d->at = b.inside ? DOT_AT_INSIDE : DOT_AT_START;
    d->nul |= b.nul;
    d->eight_bit |= b.eight_bit;
    d->line = b.line;
    d->longest = b.longest;
    return n;
}

/* Returns how many bytes were taken. */
static size_t decode_run(struct dot_decoder *d, struct sink *s, const char *p,
                         size_t n)
{
    size_t i = 0, from = 0;
    struct breaks b;
    breaks_init(&b, span_of(p, n));
    while (i < n && d->at != DOT_AT_END) {
        if (d->kernel && n - i >= LEAST && d->at != DOT_AT_DOT)
            i += decode_by_kernel(d, s, span_of(p + i, n - i));
        if (i == n)
            break;
        if (d->at != DOT_AT_INSIDE && !decode_start(d, s, p, n, &from, &i))
            break;
        size_t next = breaks_next(&b, i);
        enum break_kind end = breaks_kind(&b, next);
        d->line += next - i;
        i = next;
        if (end == BREAK_NONE || end == BREAK_CUT)
            break;
        if (end == BREAK_CRLF) {
            decode_line(d, 2);
            i += 2;
            d->at = DOT_AT_START;
        } else {
            decode_bare(d, end, i);
            from = decode_repair(d, s, p, from, i);
            i++;
        }
    }
    sink_add(s, p + from, i - from);
    note_until(s, p + i);
    d->wire += i;
    d->size += s->n;
    return i;
}

int dot_decode(struct dot_decoder *d, char *p, size_t n, size_t *out_n,
               size_t *used)
{
    struct sink s = {p, 0, NULL, d, p};
    *used = decode_run(d, &s, p, n);
    *out_n = s.n;
    return d->at == DOT_AT_END;
}

int dot_decode_fix(struct dot_decoder *d, struct span in, struct buf *out,
                   size_t *used)
{
    struct sink s = {NULL, 0, out, d, in.p};
    *used = decode_run(d, &s, in.p, in.n);
    return buf_error(out) ? buf_error(out) : d->at == DOT_AT_END;
}
