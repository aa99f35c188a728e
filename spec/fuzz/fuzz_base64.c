/*
 * fuzz_base64 - base64 of any octets, by each kernel, in pieces
 *
 * Each gives what the portable code gives of the whole; what was encoded
 * decodes to what it was; strict, a value has one text.
 */
#include "core/base64.h"
#include "fuzz.h"

static const struct kernel *kernel_of(unsigned bits)
{
    size_t here = 0;
    for (size_t i = 0; kernels[i]; i++)
        here += kernel_here(kernels[i]);
    here = bits % here;
    for (size_t i = 0;; i++)
        if (kernel_here(kernels[i]) && here-- == 0)
            return kernels[i];
}

struct way {
    const struct kernel *kernel;
    unsigned columns;
    bool lf, url, strict;
};

static void encode(struct span in, size_t step, const struct way *way,
                   struct buf *out)
{
    struct base64_encoder e;
    size_t n;
    base64_encoder_init(&e, way->columns);
    e.kernel = way->kernel;
    e.lf = way->lf;
    e.url = way->url;
    while (in.n) {
        char *p = piece(&in, step, &n);
        char *to = buf_space(out, base64_room(n + 2, way->columns));
        buf_filled(out, base64_encode(&e, span_of(p, n), to));
        free(p);
    }
    buf_filled(out, base64_encode_finish(&e, buf_space(out, 6)));
}

/* Each piece is decoded where it stands. */
static int decode(struct span in, size_t step, const struct way *way,
                  struct buf *out, struct base64_decoder *d)
{
    size_t n, got;
    int err = 0;
    base64_decoder_init(d, way->strict);
    d->kernel = way->kernel;
    d->url = way->url;
    while (in.n && err == 0) {
        char *p = piece(&in, step, &n);
        err = base64_decode(d, span_of(p, n), p, &got);
        need(got <= n);
        buf_add(out, p, got);
        free(p);
    }
    return err ? err : base64_decode_finish(d, NULL, &got);
}

static void there_and_back(struct span in, size_t step, struct way way,
                           struct buf *a, struct buf *b)
{
    struct way plain = way;
    struct base64_decoder d;
    plain.kernel = &kernel_scalar;
    encode(in, FUZZ_MOST, &plain, a);
    encode(in, step, &way, b);
    same(a, b);
    buf_clear(b);
    way.strict = way.columns == 0;
    need(decode(buf_span(a), step, &way, b, &d) == 0);
    need(span_eq(buf_span(b), in) && !d.junk && !d.truncated);
}

static void anything(struct span in, size_t step, struct way way, struct buf *a,
                     struct buf *b)
{
    struct way plain = way;
    struct base64_decoder d, e;
    plain.kernel = &kernel_scalar;
    buf_clear(a);
    buf_clear(b);
    int err = decode(in, FUZZ_MOST, &plain, a, &d);
    need(err == decode(in, step, &way, b, &e));
    same(a, b);
    need(d.junk == e.junk && d.offset == e.offset);
    need(d.truncated == e.truncated);
    if (err || !way.strict)
        return;
    buf_clear(b); /* strict: one text for one value */
    way.columns = 0;
    encode(buf_span(a), FUZZ_MOST, &way, b);
    need(span_eq(buf_span(b), in));
}

static void fuzz_base64(struct span in, size_t step, unsigned bits,
                        struct buf *a, struct buf *b)
{
    static const unsigned widths[] = {0, 76, 4, 64};
    struct way way = {.kernel = kernel_of(bits >> 5),
                      .columns = widths[bits & 3],
                      .lf = bits & 4,
                      .url = bits & 8,
                      .strict = bits & 16};
    if (step > 40) /* kernels need some length */
        step = step > 70 ? FUZZ_MOST : step * 16;
    there_and_back(in, step, way, a, b);
    anything(in, step, way, a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_base64);
}
