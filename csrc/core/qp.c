/*
 * qp - quoted-printable; see qp.h
 *
 * Both directions work on blocks, for which room is made once. A run of
 * bytes that stay as they are is copied whole; one table, or memchr, finds
 * its end. What cannot be told before more is there (a blank that may end
 * its line) is left over, and held until the next call.
 */
#include "qp.h"

#include "qp_kernels.h"

enum {
    BLOCK = 16384,
    STRIDE = 16,
    LINE_MOST = 75, /* and the "=" of a soft break */
    PLAIN = 1,
    BLANK = 2
};

/* clang-format off */
#define X16(n) n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n
static const unsigned char classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, BLANK, 0, 0, 0, 0, 0, 0, X16(0),
    BLANK, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1,
    X16(1), X16(1), X16(1), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0,
    X16(0), X16(0), X16(0), X16(0), X16(0), X16(0), X16(0), X16(0),
};
/* clang-format on */

static const char digits[] = "0123456789ABCDEF";

/* The input of one call, and where output goes. */
struct work {
    const unsigned char *p;
    size_t n;
    bool final; /* nothing follows */
    char *to;
};

static bool is_blank(unsigned char c)
{
    return classes[c] == BLANK;
}

void qp_encoder_init(struct qp_encoder *e, bool binary)
{
    memset(e, 0, sizeof *e);
    e->kernel = &kernel_scalar;
    e->binary = binary;
}

static void put(struct work *w, const void *p, size_t n)
{
    memcpy(w->to, p, n);
    w->to += n;
}

/* At most a line, and most often a word: for that a call costs more than
   the copy. What is written behind n is room, and written over. */
static inline void put_short(struct work *w, const unsigned char *p, size_t n)
{
    size_t left = w->n - (size_t)(p - w->p), i = 0;
    for (; i < n && left - i >= STRIDE; i += STRIDE)
        memcpy(w->to + i, p + i, STRIDE);
    for (; i < n; i++)
        w->to[i] = (char)p[i];
    w->to += n;
}

/* lf: where breaks are kept, this one is LF. */
static inline void put_break(struct qp_encoder *e, struct work *w, bool lf)
{
    if (!e->keep || !lf)
        *w->to++ = '\r';
    *w->to++ = '\n';
    e->column = 0;
}

static inline void make_room(struct qp_encoder *e, struct work *w,
                             size_t columns)
{
    if (e->column + columns > LINE_MOST) {
        *w->to++ = '=';
        put_break(e, w, true);
    }
}

static inline void escape(char *to, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++, to += 3) {
        to[0] = '=';
        to[1] = digits[p[i] >> 4];
        to[2] = digits[p[i] & 15];
    }
}

/* n bytes that must stay on one line. */
static inline void put_escaped(struct qp_encoder *e, struct work *w,
                               const unsigned char *p, size_t n)
{
    make_room(e, w, 3 * n);
    for (size_t i = 0; i < n; i++) {
        w->to[0] = '=';
        w->to[1] = digits[p[i] >> 4];
        w->to[2] = digits[p[i] & 15];
        w->to += 3;
    }
    e->column += 3 * (unsigned)n;
}

enum answer { NO, YES, MORE };

/* Is the byte at i one that a line must not begin with? */
static enum answer is_armed(const struct work *w, size_t i)
{
    static const char from[] = "From ";
    size_t n = w->n - i < 5 ? w->n - i : 5;
    if (w->p[i] == '.')
        return YES;
    if (w->p[i] != 'F' || memcmp(w->p + i, from, n) != 0)
        return NO;
    return n == 5 ? YES : w->final ? NO : MORE;
}

/* Bytes i to end stay as they are; returns where it stopped. */
static inline size_t put_plain(struct qp_encoder *e, struct work *w, size_t i,
                               size_t end)
{
    while (i < end) {
        make_room(e, w, 1);
        if (e->column == 0) {
            enum answer armed = is_armed(w, i);
            if (armed == MORE)
                return i;
            if (armed == YES) {
                put_escaped(e, w, w->p + i++, 1);
                continue;
            }
        }
        size_t n = LINE_MOST - e->column;
        if (n > end - i)
            n = end - i;
        put_short(w, w->p + i, n);
        e->column += (unsigned)n;
        i += n;
    }
    return i;
}

/* What the bytes at i are to a line: its end of *n bytes or not. */
static inline enum answer line_end(const struct qp_encoder *e,
                                   const struct work *w, size_t i, size_t *n)
{
    if (i == w->n) {
        *n = 0;
        return w->final ? YES : MORE;
    }
    *n = w->p[i] == '\r' ? 2 : 1;
    if (e->binary || (w->p[i] != '\r' && w->p[i] != '\n'))
        return NO;
    if (*n == 1)
        return YES;
    if (i + 1 == w->n)
        return w->final ? NO : MORE;
    return w->p[i + 1] == '\n' ? YES : NO;
}

static inline size_t put_blank(struct qp_encoder *e, struct work *w, size_t i)
{
    size_t n;
    enum answer last = line_end(e, w, i + 1, &n);
    if (last == MORE)
        return i;
    if (last == NO)
        return put_plain(e, w, i, i + 1);
    put_escaped(e, w, w->p + i, 1);
    return i + 1;
}

/* Bytes of the UTF-8 sequence at i, 1 for anything else, 0: more is needed.
   Only for the look of it, hence no validation. */
static inline size_t sequence(const struct work *w, size_t i)
{
    unsigned char c = w->p[i];
    size_t k, n = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
    for (k = 1; k < n; k++) {
        if (i + k == w->n)
            return w->final ? 1 : 0;
        if ((w->p[i + k] & 0xc0) != 0x80)
            return 1;
    }
    return n;
}

static inline bool is_three(const unsigned char *p)
{
    return (p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 &&
           (p[2] & 0xc0) == 0x80;
}

/* As many sequences of three bytes, as in CJK, as a line has room for. Apart
   from the loop, which is the slower for all else when it is in it. */
__attribute__((noinline)) static size_t put_threes(struct qp_encoder *e,
                                                   struct work *w, size_t i)
{
    size_t most, n = 0;
    make_room(e, w, 9);
    most = (LINE_MOST - e->column) / 9 * 3;
    while (n < most && w->n - i - n >= 3 && is_three(w->p + i + n))
        n += 3;
    escape(w->to, w->p + i, n);
    w->to += 3 * n;
    e->column += 3 * (unsigned)n;
    return i + n;
}

/* The byte at i is neither plain nor blank. Returns where it stopped. */
static inline size_t put_other(struct qp_encoder *e, struct work *w, size_t i)
{
    size_t n;
    if (w->n - i >= 3 && is_three(w->p + i))
        return put_threes(e, w, i);
    enum answer end = line_end(e, w, i, &n);
    if (end == MORE)
        return i;
    if (end == YES) {
        put_break(e, w, n == 1);
        return i + n;
    }
    n = sequence(w, i);
    if (n)
        put_escaped(e, w, w->p + i, n);
    return i + n;
}

/* What the kernel takes of the bytes from i on. */
static inline size_t encode_bulk(struct qp_encoder *e, struct work *w, size_t i)
{
    struct kernel_lines l = {w->to, e->column, e->binary, e->keep};
    size_t n = e->kernel->qp_encode(&l, w->p + i, w->n - i);
    w->to = l.to;
    e->column = l.column;
    return n;
}

/* Encodes a block; returns how many bytes it took. */
static size_t encode_block(struct qp_encoder *e, struct work *w)
{
    size_t i = 0;
    while (i < w->n) {
        if (w->n - i >= KERNEL_QP_AHEAD)
            i += encode_bulk(e, w, i);
        size_t end = i, next;
        while (end < w->n && classes[w->p[end]])
            end++;
        if (end > i + 1 && is_blank(w->p[end - 1]))
            end--; /* its line may end here */
        if (end == i)
            next = put_other(e, w, i);
        else if (end == i + 1 && is_blank(w->p[i]))
            next = put_blank(e, w, i);
        else
            next = put_plain(e, w, i, end);
        if (next == i || (next < end && end > i))
            return next; /* the rest needs more */
        i = next;
    }
    return i;
}

/* Encodes in whole; *used bytes of it were taken, the rest needs more. */
static int encode_span(struct qp_encoder *e, struct span in, bool final,
                       struct buf *out, size_t *used)
{
    for (*used = 0; *used < in.n;) {
        size_t left = in.n - *used, n = left < BLOCK ? left : BLOCK;
        /* at most 3 columns a byte, and 3 for a soft break every 72 */
        char *to = buf_space(out, n * 4 + 2 * STRIDE + KERNEL_QP_ROOM);
        struct work w = {(const unsigned char *)in.p + *used, n,
                         final && n == left, to};
        if (!to)
            return buf_error(out);
        size_t taken = encode_block(e, &w);
        buf_filled(out, (size_t)(w.to - to));
        *used += taken;
        if (taken == 0 || (n == left && taken < n))
            break;
    }
    return 0;
}

int qp_encode(struct qp_encoder *e, struct span in, struct buf *out)
{
    size_t used;
    while (e->held_n && in.n) {
        char joined[2 * sizeof e->held];
        size_t n = in.n < sizeof e->held ? in.n : sizeof e->held;
        memcpy(joined, e->held, e->held_n);
        memcpy(joined + e->held_n, in.p, n);
        struct span all = span_of(joined, e->held_n + n);
        if (encode_span(e, all, false, out, &used) < 0)
            return buf_error(out);
        if (used >= e->held_n) {
            in = span_skip(in, used - e->held_n);
            e->held_n = 0;
            break;
        }
        in = span_skip(in, n);
        e->held_n = (unsigned)(all.n - used);
        memcpy(e->held, joined + used, e->held_n);
    }
    if (in.n == 0 || encode_span(e, in, false, out, &used) < 0)
        return buf_error(out);
    in = span_skip(in, used);
    memcpy(e->held, in.p, in.n);
    e->held_n = (unsigned)in.n;
    return buf_error(out);
}

int qp_encode_finish(struct qp_encoder *e, struct buf *out)
{
    size_t used;
    struct span held = span_of((const char *)e->held, e->held_n);
    int err = encode_span(e, held, true, out, &used);
    e->held_n = 0;
    e->column = 0;
    return err < 0 ? err : buf_error(out);
}

void qp_decoder_init(struct qp_decoder *d)
{
    memset(d, 0, sizeof *d);
    d->kernel = &kernel_scalar;
}

/* clang-format off */
#define N4 16, 16, 16, 16
#define N16 N4, N4, N4, N4
const unsigned char qp_hex[256] = {
    N16, N16, N16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 16, N4,
    16, 10, 11, 12, 13, 14, 15, 16, N4, N4, N16,
    16, 10, 11, 12, 13, 14, 15, 16, N4, N4, N16,
    N16, N16, N16, N16, N16, N16, N16, N16,
};
/* clang-format on */

static size_t find(const struct work *w, size_t from, char c)
{
    const unsigned char *q = memchr(w->p + from, c, w->n - from);
    return q ? (size_t)(q - w->p) : w->n;
}

/* Where the blanks that end the line begin, which ends at end. */
static size_t trim(const struct work *w, size_t from, size_t end)
{
    size_t i = end;
    while (i > from && end - i < QP_BLANKS && is_blank(w->p[i - 1]))
        i--;
    return i;
}

/* Copies from..at, the end of a line; returns behind it. */
static size_t put_line(struct work *w, size_t from, size_t at)
{
    size_t end = at > from && w->p[at - 1] == '\r' ? at - 1 : at;
    put(w, w->p + from, trim(w, from, end) - from);
    put(w, w->p + end, at + 1 - end);
    return at + 1;
}

/* A soft break behind "=": its length, 0: there is none. */
static enum answer soft_break(const struct work *w, size_t i, size_t *n)
{
    size_t end = i;
    while (end < w->n && end - i < QP_BLANKS && is_blank(w->p[end]))
        end++;
    if (end < w->n && w->p[end] == '\r')
        end++;
    *n = end - i;
    if (end == w->n)
        return w->final ? YES : MORE;
    *n = end + 1 - i;
    return w->p[end] == '\n' ? YES : NO;
}

/* "=" at i. Returns behind what it begins, or i: more is needed. */
static size_t put_quoted(struct qp_decoder *d, struct work *w, size_t i)
{
    unsigned high = i + 1 < w->n ? qp_hex[w->p[i + 1]] : 16;
    unsigned low = i + 2 < w->n ? qp_hex[w->p[i + 2]] : 16;
    size_t n;
    if (high < 16 && low < 16) {
        *w->to++ = (char)(high << 4 | low);
        return i + 3;
    }
    if (high < 16 && i + 2 == w->n && !w->final)
        return i;
    switch (high < 16 ? NO : soft_break(w, i + 1, &n)) {
    case MORE:
        return i;
    case YES:
        return i + 1 + n;
    default:
        if (d->invalid++ == 0)
            d->invalid_at = d->offset + i;
        *w->to++ = '=';
        return i + 1;
    }
}

/* What the block ends with and cannot be told yet. */
static size_t open_end(const struct work *w, size_t from)
{
    size_t end = w->n;
    if (!w->final && end > from && w->p[end - 1] == '\r')
        end--;
    return trim(w, from, end);
}

/* Decodes a block; returns how many bytes it took. */
static size_t decode_block(struct qp_decoder *d, struct work *w)
{
    size_t i = 0, next, line = find(w, 0, '\n'), quoted = find(w, 0, '=');
    while (i < w->n) {
        i += d->kernel->qp_decode(w->p + i, w->n - i, &w->to);
        if (line < i)
            line = find(w, i, '\n');
        if (quoted < i)
            quoted = find(w, i, '=');
        if (line < quoted) {
            i = put_line(w, i, line);
        } else if (quoted < w->n) {
            if (quoted - i < LINE_MOST)
                put_short(w, w->p + i, quoted - i);
            else
                put(w, w->p + i, quoted - i);
            for (i = quoted; i < w->n && w->p[i] == '='; i = next) {
                next = put_quoted(d, w, i);
                if (next == i)
                    return i;
            }
        } else {
            size_t end = open_end(w, i);
            put(w, w->p + i, end - i);
            return w->final ? w->n : end;
        }
    }
    return i;
}

static int decode_span(struct qp_decoder *d, struct span in, bool final,
                       struct buf *out, size_t *used)
{
    for (*used = 0; *used < in.n;) {
        size_t left = in.n - *used, n = left < 4 * BLOCK ? left : 4 * BLOCK;
        char *to = buf_space(out, n + KERNEL_QP_ROOM);
        struct work w = {(const unsigned char *)in.p + *used, n,
                         final && n == left, to};
        if (!to)
            return buf_error(out);
        size_t taken = decode_block(d, &w);
        buf_filled(out, (size_t)(w.to - to));
        *used += taken;
        d->offset += taken;
        if (taken == 0 || (n == left && taken < n))
            break;
    }
    return 0;
}

int qp_decode(struct qp_decoder *d, struct span in, struct buf *out)
{
    size_t used;
    while (d->held_n && in.n) {
        char joined[2 * sizeof d->held];
        size_t n = in.n < sizeof d->held ? in.n : sizeof d->held;
        memcpy(joined, d->held, d->held_n);
        memcpy(joined + d->held_n, in.p, n);
        struct span all = span_of(joined, d->held_n + n);
        if (decode_span(d, all, false, out, &used) < 0)
            return buf_error(out);
        if (used >= d->held_n) {
            in = span_skip(in, used - d->held_n);
            d->held_n = 0;
            break;
        }
        in = span_skip(in, n);
        d->held_n = (unsigned)(all.n - used);
        memcpy(d->held, joined + used, d->held_n);
    }
    if (in.n == 0 || decode_span(d, in, false, out, &used) < 0)
        return buf_error(out);
    in = span_skip(in, used);
    memcpy(d->held, in.p, in.n);
    d->held_n = (unsigned)in.n;
    return buf_error(out);
}

int qp_decode_finish(struct qp_decoder *d, struct buf *out)
{
    size_t used;
    struct span held = span_of((const char *)d->held, d->held_n);
    int err = decode_span(d, held, true, out, &used);
    d->held_n = 0;
    return err < 0 ? err : buf_error(out);
}
