/*
 * text - each kernel's work on lines against the portable code
 *
 * Text is put together from what lines are made of, in mixtures from plain
 * to nothing but line ends and dots; taken whole, and in pieces. Input ends
 * where its memory does, so that ASan sees what reads further.
 */
#include "core/charset.h"
#include "core/dot.h"
#include "core/scan.h"
#include "core/survey.h"

#include "compare.h"

/* What follows what, and how often: a number of parts, each as likely. */
static const char *const mixtures[][12] = {
    {"\n", ".", "a", NULL},
    {"\r\n", "\r\n.", "the quick brown fox jumps over the dog", NULL},
    {"\n", "the quick brown fox jumps over the lazy dog.", ".", NULL},
    {"\r\n", "\n", "\r", ".", "a", NULL},
    {"\r\n.\r\n", "a long line goes on and on and on", "\n.\n", "x", "y", NULL},
    {"\n", "\n", "\n.", "...", "\n", "\n", "\r\n", NULL},
    {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "abc", " \r\n", NULL},
    {"\xed\x9f\xbf", "\xe0\xa0\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
     "\xef\xbf\xbf", "z", NULL},
    {"\xe5\xa4\xa9\xe5\x9c\xb0\xe7\x8e\x84\xe9\xbb\x84", "\r\n", "\t\n", "q ",
     NULL},
    {"\r", "\x8a", "\x0b\t ", "\xff", "\n", "\xe2\x82\xac \r\n", NULL},
};

enum { MIXTURES = sizeof mixtures / sizeof mixtures[0] };

static void mix(struct work *w, size_t kind, char *out, size_t n)
{
    const char *const *parts = mixtures[kind];
    size_t count = 0, at = 0;
    while (parts[count])
        count++;
    while (at < n) {
        const char *part = parts[below(w, count)];
        size_t size = strlen(part);
        if (size > n - at)
            size = n - at;
        memcpy(out + at, part, size);
        at += size;
    }
    if (n && below(w, 8) == 0)
        out[below(w, n)] = '\0';
    if (n && below(w, 4) == 0)
        out[below(w, n)] = (char)below(w, 256);
}

static void encode(const struct kernel *k, bool plain, struct span in,
                   size_t cut, struct buf *out)
{
    struct dot_encoder e = {.kernel = k, .plain = plain};
    buf_clear(out);
    dot_encode(&e, span_of(in.p, cut), out);
    dot_encode(&e, span_skip(in, cut), out);
    dot_encode_finish(&e, out);
}

/* It writes no more than it may. */
static void compare_room(struct work *w, const struct kernel *k, struct span in,
                         size_t alignment)
{
    struct kernel_wire l = {true, below(w, 2), 0};
    char *p = place(w, alignment, 2 * in.n + 64);
    size_t taken = k->dot_encode(&l, in, p);
    need(intact(p, 2 * in.n + 64), k, "what lies around dots", in.n);
    need(taken <= in.n && l.written >= taken, k, "what is told", in.n);
}

static void compare_encode(struct work *w, const struct kernel *k,
                           struct span in, size_t alignment)
{
    struct buf a, b;
    buf_init(&a, 1 << 24);
    buf_init(&b, 1 << 24);
    for (int plain = 0; plain < 2; plain++) {
        encode(&kernel_scalar, plain, in, 0, &a);
        encode(k, plain, in, 0, &b);
        need(span_eq(buf_span(&a), buf_span(&b)), k, "dots", in.n);
        encode(k, plain, in, below(w, in.n + 1), &b);
        need(span_eq(buf_span(&a), buf_span(&b)), k, "dots in pieces", in.n);
    }
    compare_room(w, k, in, alignment);
    buf_free(&a);
    buf_free(&b);
}

static struct scan scan(const struct kernel *k, struct span in, size_t cut)
{
    struct scan s;
    memset(&s, 0, sizeof s);
    s.kernel = k;
    scan_step(&s, span_of(in.p, cut));
    scan_step(&s, span_skip(in, cut));
    scan_finish(&s);
    return s;
}

static void compare_scan(struct work *w, const struct kernel *k, struct span in)
{
    struct scan a = scan(NULL, in, 0);
    struct scan b = scan(k, in, below(w, 2) ? 0 : below(w, in.n + 1));
    need(a.size == b.size && a.lines == b.lines, k, "lines", in.n);
    need(a.longest == b.longest, k, "the longest line", in.n);
    need(a.eight_bit == b.eight_bit && a.nul == b.nul, k, "octets", in.n);
    need(a.bare_cr == b.bare_cr && a.bare_lf == b.bare_lf, k, "bare", in.n);
    need(a.trailing_blank == b.trailing_blank, k, "blanks", in.n);
    need(a.not_utf8 == b.not_utf8, k, "UTF-8 in a scan", in.n);
    need(charset_is_utf8(in) == charset_is_utf8_by(k, in), k, "UTF-8", in.n);
    need(charset_is_utf8(in) == !a.not_utf8, k, "a scan's UTF-8", in.n);
    size_t n = k->utf8(in);
    need(n <= in.n && charset_is_utf8(span_of(in.p, n)), k, "a head", in.n);
}

static void compare_survey(const struct kernel *k, struct span in)
{
    struct survey a = survey_of(&kernel_scalar, in);
    struct survey b = survey_of(k, in);
    need(a.size == b.size && a.eight_bit == b.eight_bit, k, "a survey", in.n);
    need(b.plain <= in.n, k, "a plain head", in.n);
}

static void compare_looks(const struct kernel *k, struct span in)
{
    for (int inside = 0; inside < 2; inside++) {
        struct kernel_body a = {inside, false, false, 0, 0}, b = a;
        size_t n = k->dot_look(&a, in);
        need(k->dot_skim(&b, in) == n, k, "two looks", in.n);
        need(a.inside == b.inside && a.eight_bit == b.eight_bit, k,
             "what two looks see", in.n);
        need(!b.nul && b.line == 0 && b.longest == 0, k, "more", in.n);
    }
}

struct decoded {
    struct dot_decoder d;
    struct buf body;
    size_t used;
};

/* In place, or with fix to elsewhere; a CR that waits is given again. */
static void decode(const struct kernel *k, bool fix, struct span in, size_t cut,
                   struct decoded *r)
{
    size_t give = cut ? cut : in.n, n, used;
    int end = 0;
    memset(&r->d, 0, sizeof r->d);
    r->d.kernel = k;
    r->used = 0;
    buf_clear(&r->body);
    while (!end && r->used < in.n && give > r->used) {
        struct span part = span_of(in.p + r->used, give - r->used);
        if (fix) {
            end = dot_decode_fix(&r->d, part, &r->body, &used);
        } else {
            char *p = malloc(part.n);
            need(p != NULL, k, "memory", in.n);
            memcpy(p, part.p, part.n);
            end = dot_decode(&r->d, p, part.n, &n, &used);
            buf_add(&r->body, p, n);
            free(p);
        }
        r->used += used;
        give = give == in.n ? 0 : in.n;
    }
}

static void same_body(const struct kernel *k, size_t n, const struct decoded *x,
                      const struct decoded *y)
{
    const struct dot_decoder *a = &x->d, *b = &y->d;
    need(x->used == y->used && a->at == b->at, k, "the end", n);
    need(span_eq(buf_span(&x->body), buf_span(&y->body)), k, "a body", n);
    need(a->bare_cr == b->bare_cr && a->bare_lf == b->bare_lf &&
             a->bare_at == b->bare_at,
         k, "bare line ends", n);
    need(a->nul == b->nul && a->eight_bit == b->eight_bit, k, "notes", n);
    need(a->wire == b->wire && a->size == b->size, k, "sizes", n);
    need(a->line == b->line && a->longest == b->longest, k, "lengths", n);
}

static void compare_decode(struct work *w, const struct kernel *k,
                           struct span in)
{
    struct decoded a, b;
    buf_init(&a.body, 1 << 24);
    buf_init(&b.body, 1 << 24);
    for (int fix = 0; fix < 2; fix++) {
        decode(NULL, fix, in, in.n, &a);
        decode(k, fix, in, in.n, &b);
        same_body(k, in.n, &a, &b);
        decode(k, fix, in, below(w, in.n + 1), &b);
        same_body(k, in.n, &a, &b);
    }
    buf_free(&a.body);
    buf_free(&b.body);
}

void compare_text(struct work *w, const struct kernel *k, size_t n,
                  size_t alignment)
{
    char *memory = malloc(alignment + n + 1);
    need(memory != NULL, k, "memory", n);
    char *p = memory + alignment + 1;
    size_t kind = below(w, MIXTURES);
    mix(w, kind, p, n);
    compare_encode(w, k, span_of(p, n), alignment);
    compare_scan(w, k, span_of(p, n));
    compare_survey(k, span_of(p, n));
    compare_looks(k, span_of(p, n));
    compare_decode(w, k, span_of(p, n));
    free(memory);
}

enum { WIRE, LINES, MENDED, SEEN, WAYS };

static struct span make(struct work *w, size_t way, size_t n)
{
    (void)way;
    mix(w, below(w, MIXTURES), w->other, n);
    return span_of(w->other, n);
}

static size_t told(const struct kernel *k, struct span in, char *out)
{
    struct scan s = scan(k, in, 0);
    size_t seen[] = {
        s.size,     s.lines,
        s.longest,  s.eight_bit,
        s.bare_cr,  s.bare_lf,
        s.nul,      s.trailing_blank,
        s.not_utf8, charset_is_utf8_by(k, in),
    };
    memcpy(out, seen, sizeof seen);
    return sizeof seen;
}

static size_t run(const struct kernel *k, size_t way, struct span in, char *out)
{
    struct dot_decoder d = {.kernel = k};
    struct buf b;
    size_t n;
    if (way == SEEN)
        return told(k, in, out);
    buf_init(&b, 1 << 24);
    if (way == MENDED)
        dot_decode_fix(&d, in, &b, &n);
    else
        encode(k, way == LINES, in, 0, &b);
    n = buf_size(&b);
    if (n)
        memcpy(out, buf_span(&b).p, n);
    buf_free(&b);
    return n;
}

const struct step text_steps = {"text", WAYS, false, make, run};
