/*
 * base64 - each kernel's base64 against the portable code
 *
 * Whole and cut in two, in every shape of line; clean, and damaged in ways
 * that decoders meet. Decoding is done in place, and to elsewhere.
 */
#include "core/base64.h"

#include "compare.h"

struct shape {
    unsigned columns;
    bool lf, url;
};

static const struct shape shapes[] = {
    {0, false, false},  {76, false, false}, {76, false, true},
    {76, true, false},  {76, true, true},   {0, false, true},
    {64, false, false}, {32, false, false}, {20, false, false},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Where a loop over the shapes begins, and where it ends. */
static size_t first_shape(struct work *w)
{
    return w->some ? below(w, SHAPES) : 0;
}

static bool more_shapes(const struct work *w, size_t first, size_t i)
{
    return w->some ? i == first : i < SHAPES;
}

static size_t encode(const struct kernel *k, const struct shape *s,
                     struct span in, size_t cut, char *out)
{
    struct base64_encoder e;
    size_t n;
    base64_encoder_init(&e, s->columns);
    e.kernel = k;
    e.lf = s->lf;
    e.url = s->url;
    n = base64_encode(&e, span_of(in.p, cut), out);
    n += base64_encode(&e, span_skip(in, cut), out + n);
    return n + base64_encode_finish(&e, out + n);
}

static void compare_encode(struct work *w, const struct kernel *k, size_t n,
                           size_t alignment)
{
    const char *in = (const char *)w->plain + below(w, AROUND);
    size_t first = first_shape(w);
    for (size_t i = first; more_shapes(w, first, i); i++) {
        const struct shape *s = &shapes[i];
        size_t cut = below(w, 2) ? 0 : below(w, n + 1);
        char *out = place(w, alignment, base64_room(n + 2, s->columns));
        size_t a = encode(&kernel_scalar, s, span_of(in, n), 0, w->text);
        size_t b = encode(k, s, span_of(in, n), cut, out);
        need(a == b && memcmp(w->text, out, a) == 0, k, "encoding", n);
        need(intact(out, b), k, "what lies around an encoding", n);
    }
}

struct decoded {
    struct base64_decoder d;
    int err;
    size_t n;
};

static struct decoded decode(const struct kernel *k, bool strict, bool url,
                             struct span in, size_t cut, char *out)
{
    struct decoded r;
    size_t more = 0;
    base64_decoder_init(&r.d, strict);
    r.d.kernel = k;
    r.d.url = url;
    r.err = base64_decode(&r.d, span_of(in.p, cut), out, &r.n);
    if (r.err == 0)
        r.err = base64_decode(&r.d, span_skip(in, cut), out + r.n, &more);
    r.n += more;
    if (r.err == 0)
        r.err = base64_decode_finish(&r.d, out + r.n, &more);
    return r;
}

static bool alike(const struct base64_decoder *a,
                  const struct base64_decoder *b)
{
    return a->held == b->held && a->count == b->count &&
           a->padded == b->padded && a->pad == b->pad && a->junk == b->junk &&
           a->truncated == b->truncated && a->offset == b->offset;
}

static void compare_decode(struct work *w, const struct kernel *k,
                           struct span in, bool url, size_t alignment)
{
    for (int strict = 0; strict < 2; strict++) {
        size_t cut = below(w, 2) ? 0 : below(w, in.n + 1);
        struct decoded a =
            decode(&kernel_scalar, strict, url, in, 0, (char *)w->expected);
        char *p = place(w, alignment, in.n);
        memcpy(p, in.p, in.n);
        struct decoded b = decode(k, strict, url, span_of(p, in.n), cut, p);
        need(a.err == b.err && a.n == b.n && alike(&a.d, &b.d), k,
             "what is told of a decoding", in.n);
        need(memcmp(w->expected, p, a.n) == 0, k, "decoding", in.n);
        need(intact(p, in.n), k, "what lies around a decoding", in.n);

        /* Elsewhere, where there is room for the result alone. */
        p = place(w, alignment, a.n);
        b = decode(k, strict, url, in, 0, p);
        need(a.n == b.n && memcmp(w->expected, p, a.n) == 0 && intact(p, a.n),
             k, "decoding to elsewhere", in.n);
    }
}

/* Octets that a decoder has to tell apart from data put in or over it. */
static size_t damage(struct work *w, const char *in, size_t n, char *out)
{
    static const char odd[] = "==\r\n\n\r \t-_+/.*~@[`{\x7f\x80\xc1\xff\0:,";
    size_t most = n / (20 + below(w, 400)) + 1, room = n;
    memcpy(out, in, n);
    for (size_t times = below(w, most + 1); times && room; times--) {
        size_t at = below(w, room);
        char c = below(w, 4) ? odd[below(w, sizeof odd)] : (char)below(w, 256);
        if (below(w, 2)) {
            out[at] = c;
            continue;
        }
        memmove(out + at, out + at + 1, room - at - 1);
        room--;
    }
    return room;
}

/* n octets at most, of those that encode plain ones. */
static struct span text_of(struct work *w, const struct shape *s, size_t n,
                           bool damaged)
{
    struct span plain = span_of((const char *)w->plain, n);
    size_t size = encode(&kernel_scalar, s, plain, 0, w->text);
    if (size > n)
        size = n;
    if (!damaged)
        return span_of(w->text, size);
    return span_of(w->other, damage(w, w->text, size, w->other));
}

static void compare_decodes(struct work *w, const struct kernel *k, size_t n,
                            size_t alignment)
{
    size_t first = first_shape(w);
    for (size_t i = first; more_shapes(w, first, i); i++)
        for (int damaged = 0; damaged < 2; damaged++)
            compare_decode(w, k, text_of(w, &shapes[i], n, damaged),
                           shapes[i].url, alignment);
}

void compare_base64(struct work *w, const struct kernel *k, size_t n,
                    size_t alignment)
{
    compare_encode(w, k, n, alignment);
    compare_decodes(w, k, n, alignment);
}

/* Four lines, as many as a kernel does at once, of one character each; or
   the length of two without an end, where width is 0. */
static struct span lines_of(struct work *w, size_t width)
{
    size_t n = width ? 4 * width : 2 * KERNEL_LINE;
    memset(w->text, 'Q', n);
    for (size_t i = 0; width && i < n; i += width)
        memcpy(w->text + i + KERNEL_LINE,
               width == KERNEL_LINE + 1 ? "\n" : "\r\n", width - KERNEL_LINE);
    return span_of(w->text, n);
}

/* Every octet at every place of them. */
void compare_base64_octets(struct work *w, const struct kernel *k)
{
    static const size_t widths[] = {0, KERNEL_LINE + 2, KERNEL_LINE + 1};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        struct span in = lines_of(w, widths[i]);
        for (size_t at = 0; at < in.n; at++) {
            char kept = w->text[at];
            for (unsigned octet = 0; octet < 256; octet++) {
                w->text[at] = (char)octet;
                compare_decode(w, k, in, false, at % AROUND);
                compare_decode(w, k, in, true, at % AROUND);
            }
            w->text[at] = kept;
        }
    }
}

static struct span plain_octets(struct work *w, size_t variant, size_t n)
{
    (void)variant;
    return span_of((const char *)w->plain, n);
}

static size_t encode_shape(const struct kernel *k, size_t variant,
                           struct span in, char *out)
{
    return encode(k, &shapes[variant], in, 0, out);
}

const struct step base64_encoding = {
    .name = "base64 encoding",
    .variants = SHAPES,
    .make = plain_octets,
    .run = encode_shape,
};

/* Each shape clean and damaged, decoded leniently and strictly. */
static struct span text_of_shape(struct work *w, size_t variant, size_t n)
{
    return text_of(w, &shapes[variant / 4], n, variant & 1);
}

static size_t decode_shape(const struct kernel *k, size_t variant,
                           struct span in, char *out)
{
    return decode(k, variant & 2, shapes[variant / 4].url, in, 0, out).n;
}

const struct step base64_decoding = {
    .name = "base64 decoding",
    .variants = 4 * SHAPES,
    .in_place = true,
    .make = text_of_shape,
    .run = decode_shape,
};
