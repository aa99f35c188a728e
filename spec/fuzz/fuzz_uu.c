/*
 * fuzz_uu - uuencode of any octets, whole and in pieces
 *
 * The same bytes come out however the input is cut, what was encoded
 * decodes to what it was, and no line is over 61 characters.
 */
#include "core/uu.h"
#include "fuzz.h"

static int uu_read(struct span in, size_t step, struct buf *out)
{
    struct uu_decoder d = {0};
    size_t n;
    while (in.n) {
        char *p = piece(&in, step, &n);
        need(uu_decode(&d, span_of(p, n), out) == 0);
        free(p);
    }
    return uu_decode_finish(&d, out);
}

static void uu_write(struct span in, size_t step, struct buf *out)
{
    struct uu_encoder e;
    size_t n;
    need(uu_encode_start(&e, SPAN("a b"), 0644, out) == 0);
    while (in.n) {
        char *p = piece(&in, step, &n);
        need(uu_encode(&e, span_of(p, n), out) == 0);
        free(p);
    }
    need(uu_encode_finish(&e, out) == 0);
}

static void uu_lines(struct span s)
{
    while (s.n) {
        struct span line = span_cut(&s, '\n');
        need(line.n <= 61);
        for (size_t i = 0; i < line.n; i++)
            need(line.p[i] >= ' ' && line.p[i] <= 'z');
    }
}

static void fuzz_uu(struct span in, size_t step, unsigned bits, struct buf *a,
                    struct buf *b)
{
    (void)bits;
    uu_write(in, FUZZ_MOST, a);
    uu_write(in, step, b);
    same(a, b);
    uu_lines(buf_span(a));
    buf_clear(b);
    need(uu_read(buf_span(a), step, b) == 0);
    need(span_eq(buf_span(b), in));
    buf_clear(a);
    buf_clear(b);
    need(uu_read(in, FUZZ_MOST, a) == uu_read(in, step, b));
    same(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_uu);
}
