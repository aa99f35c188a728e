/*
 * fuzz_codec - quoted-printable and scans of any octets, in pieces
 *
 * Three facts of each: the same bytes come out however the input is cut;
 * what was encoded decodes to what it was; what an encoder writes obeys the
 * limits of its grammar.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/ascii.h"
#include "core/charset.h"
#include "core/qp.h"
#include "core/scan.h"

enum { MOST = 1 << 24 };

static void need(bool fact)
{
    if (!fact)
        abort();
}

static void same(const struct buf *a, const struct buf *b)
{
    need(span_eq(buf_span(a), buf_span(b)));
}

static struct span piece(struct span *in, size_t step)
{
    struct span s = span_of(in->p, in->n < step ? in->n : step);
    *in = span_skip(*in, s.n);
    return s;
}

static void qp_write(struct span in, size_t step, bool binary, bool keep,
                     struct buf *out)
{
    struct qp_encoder e;
    qp_encoder_init(&e, binary);
    e.keep = keep;
    while (in.n)
        need(qp_encode(&e, piece(&in, step), out) == 0);
    need(qp_encode_finish(&e, out) == 0);
}

static void qp_read(struct span in, size_t step, struct buf *out)
{
    struct qp_decoder d;
    qp_decoder_init(&d);
    while (in.n)
        need(qp_decode(&d, piece(&in, step), out) == 0);
    need(qp_decode_finish(&d, out) == 0);
}

static void lines_of_76(struct span s)
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

static void fuzz_qp(struct span in, size_t step, struct buf *a, struct buf *b)
{
    for (int mode = 0; mode < 3; mode++) {
        buf_clear(a);
        buf_clear(b);
        qp_write(in, MOST, mode == 1, mode == 2, a);
        qp_write(in, step, mode == 1, mode == 2, b);
        same(a, b);
        lines_of_76(buf_span(a));
        buf_clear(b);
        qp_read(buf_span(a), step, b);
        need(mode == 0 || span_eq(buf_span(b), in));
    }
    buf_clear(a);
    buf_clear(b);
    qp_read(in, MOST, a);
    qp_read(in, step, b);
    same(a, b);
}

static void fuzz_scan(struct span in, size_t step)
{
    struct scan a = {0}, b = {0};
    bool utf8 = charset_is_utf8(in);
    scan_step(&a, in);
    scan_finish(&a);
    while (in.n)
        scan_step(&b, piece(&in, step));
    scan_finish(&b);
    need(a.size == b.size && a.lines == b.lines && a.longest == b.longest);
    need(a.eight_bit == b.eight_bit && a.nul == b.nul);
    need(a.bare_cr == b.bare_cr && a.bare_lf == b.bare_lf);
    need(a.trailing_blank == b.trailing_blank);
    need(a.not_utf8 == b.not_utf8 && a.not_utf8 == !utf8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf a, b;
    if (n < 2)
        return 0;
    struct span in = span_of((const char *)data + 2, n - 2);
    size_t step = data[1] % 100 + 1;
    buf_init(&a, MOST);
    buf_init(&b, MOST);
    if (data[0] & 1)
        fuzz_qp(in, step, &a, &b);
    else
        fuzz_scan(in, step);
    buf_free(&a);
    buf_free(&b);
    return 0;
}
