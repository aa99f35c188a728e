/*
 * fuzz_qp - quoted-printable of any octets, by each kernel, in pieces
 *
 * Each gives what the portable code gives of the whole, which keeps to lines
 * of 76; binary, what was encoded decodes to what it was.
 */
#include "core/ascii.h"
#include "core/qp.h"
#include "fuzz.h"

static void encode(const struct kernel *k, struct span in, size_t step,
                   unsigned bits, struct buf *out)
{
    struct qp_encoder e;
    size_t n;
    qp_encoder_init(&e, bits & 1);
    e.kernel = k;
    e.keep = bits & 2;
    while (in.n) {
        char *p = piece(&in, step, &n);
        need(qp_encode(&e, span_of(p, n), out) == 0);
        free(p);
    }
    need(qp_encode_finish(&e, out) == 0);
}

static size_t decode(const struct kernel *k, struct span in, size_t step,
                     struct buf *out)
{
    struct qp_decoder d;
    size_t n;
    qp_decoder_init(&d);
    d.kernel = k;
    while (in.n) {
        char *p = piece(&in, step, &n);
        need(qp_decode(&d, span_of(p, n), out) == 0);
        free(p);
    }
    need(qp_decode_finish(&d, out) == 0);
    return d.invalid ? d.invalid_at + 1 : 0;
}

static void narrow(struct span s)
{
    while (s.n) {
        struct span line = span_cut(&s, '\n');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        need(line.n <= 76);
        need(!line.n || !ascii_is(line.p[line.n - 1], ASCII_BLANK));
        need(!line.n || line.p[0] != '.');
    }
}

static void fuzz_qp(struct span in, size_t step, unsigned bits, struct buf *a,
                    struct buf *b)
{
    size_t wrong = 0;
    if (step > 40) /* kernels need some length */
        step = step > 70 ? FUZZ_MOST : step * 16;
    encode(&kernel_scalar, in, FUZZ_MOST, bits, a);
    narrow(buf_span(a));
    for (size_t i = 0; kernels[i]; i++) {
        if (!kernel_here(kernels[i]))
            continue;
        buf_clear(b);
        encode(kernels[i], in, step, bits, b);
        same(a, b);
        buf_clear(b);
        need(decode(kernels[i], buf_span(a), step, b) == 0);
        need(!(bits & 3) || span_eq(buf_span(b), in));
    }
    buf_clear(a);
    wrong = decode(&kernel_scalar, in, FUZZ_MOST, a);
    for (size_t i = 0; kernels[i]; i++) {
        if (!kernel_here(kernels[i]))
            continue;
        buf_clear(b);
        need(decode(kernels[i], in, step, b) == wrong);
        same(a, b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_qp);
}
