/*
 * fuzz_codec - every codec on any octets, whole and in pieces
 *
 * Three facts of each: the same bytes come out however the input is cut;
 * what was encoded decodes to what it was; what an encoder writes obeys the
 * limits of its grammar.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/ascii.h"
#include "core/base64.h"
#include "core/charset.h"
#include "core/kernel.h"
#include "core/param.h"
#include "core/qp.h"
#include "core/scan.h"
#include "core/uu.h"
#include "core/word.h"

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

static const struct kernel *best_kernel(void)
{
#if KERNEL_AVX2
    if (__builtin_cpu_supports("avx2"))
        return &kernel_avx2;
#endif
    return &kernel_scalar;
}

/* Steps of MOST are by the portable code, all others by the best kernel. */
static const struct kernel *kernel_for(size_t step)
{
    return step == MOST ? &kernel_scalar : best_kernel();
}

static void base64_write(struct span in, size_t step, unsigned columns, bool lf,
                         struct buf *out)
{
    struct base64_encoder e;
    base64_encoder_init(&e, columns);
    e.kernel = kernel_for(step);
    e.lf = lf;
    while (in.n) {
        struct span s = piece(&in, step);
        char *p = buf_space(out, base64_room(s.n + 2, columns));
        buf_filled(out, base64_encode(&e, s, p));
    }
    buf_filled(out, base64_encode_finish(&e, buf_space(out, 6)));
}

/* Each piece is decoded where it stands. */
static int base64_read(struct span in, size_t step, bool strict,
                       struct buf *out, struct base64_decoder *d)
{
    size_t n;
    int err = 0;
    base64_decoder_init(d, strict);
    d->kernel = kernel_for(step);
    while (in.n && err == 0) {
        struct span s = piece(&in, step);
        char *copy = malloc(s.n);
        memcpy(copy, s.p, s.n);
        err = base64_decode(d, span_of(copy, s.n), copy, &n);
        need(n <= s.n);
        buf_add(out, copy, n);
        free(copy);
    }
    return err ? err : base64_decode_finish(d, NULL, &n);
}

static void fuzz_base64(struct span in, size_t step, struct buf *a,
                        struct buf *b)
{
    static const unsigned widths[] = {0, 4, 76};
    struct base64_decoder d, e;
    int err;
    if (step > 50) /* all at once, for kernels need some length */
        step += MOST;
    for (size_t i = 0; i < 3; i++) {
        buf_clear(a);
        buf_clear(b);
        base64_write(in, MOST, widths[i], step & 1, a);
        base64_write(in, step, widths[i], step & 1, b);
        same(a, b);
        buf_clear(b);
        need(base64_read(buf_span(a), step, widths[i] == 0, b, &d) == 0);
        need(span_eq(buf_span(b), in) && !d.junk && !d.truncated);
    }
    for (int strict = 0; strict < 2; strict++) {
        buf_clear(a);
        buf_clear(b);
        err = base64_read(in, MOST, strict, a, &d);
        need(err == base64_read(in, step, strict, b, &e));
        same(a, b);
        need(d.junk == e.junk && d.offset == e.offset);
    }
    if (err == 0) { /* strict: one text for one value */
        buf_clear(b);
        base64_write(buf_span(a), MOST, 0, false, b);
        need(span_eq(buf_span(b), in));
    }
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

static int uu_read(struct span in, size_t step, struct buf *out)
{
    struct uu_decoder d = {0};
    while (in.n)
        need(uu_decode(&d, piece(&in, step), out) == 0);
    return uu_decode_finish(&d, out);
}

static void uu_write(struct span in, size_t step, struct buf *out)
{
    struct uu_encoder e;
    need(uu_encode_start(&e, SPAN("a b"), 0644, out) == 0);
    while (in.n)
        need(uu_encode(&e, piece(&in, step), out) == 0);
    need(uu_encode_finish(&e, out) == 0);
}

static void fuzz_uu(struct span in, size_t step, struct buf *a, struct buf *b)
{
    uu_write(in, MOST, a);
    uu_write(in, step, b);
    same(a, b);
    buf_clear(b);
    need(uu_read(buf_span(a), step, b) == 0);
    need(span_eq(buf_span(b), in));
    buf_clear(a);
    buf_clear(b);
    need(uu_read(in, MOST, a) == uu_read(in, step, b));
    same(a, b);
}

static int convert(struct span name, struct span in, size_t step, bool writing,
                   struct buf *out)
{
    struct charset_stream s;
    int err = charset_open(&s, name, writing);
    if (err < 0)
        return err;
    while (in.n && err == 0)
        err = charset_step(&s, piece(&in, step), out);
    if (err == 0)
        err = charset_finish(&s, out);
    charset_free(&s);
    return err;
}

/* In charsets whose tables are plain, and in any that the input names. */
static void fuzz_charset(struct span in, size_t step, struct buf *a,
                         struct buf *b)
{
    static const char *const names[] = {"utf-8",     "us-ascii",    "latin1",
                                        "shift_jis", "gb2312",      "big5",
                                        "utf-16",    "iso-2022-jp", "hz"};
    struct span first = in, name = span_cut(&first, '\n');
    size_t n = sizeof names / sizeof names[0];
    for (size_t i = 0; i <= n; i++) {
        struct span charset = i < n ? span_from(names[i]) : name;
        struct span bytes = i < n ? in : first;
        buf_clear(a);
        buf_clear(b);
        int err = convert(charset, bytes, MOST, false, a);
        need(err == convert(charset, bytes, step, false, b));
        if (i < n)
            same(a, b);
        need(err < 0 || charset_is_utf8(buf_span(a)));
        buf_clear(b);
        if (err == 0 && i == 0 && charset_is_utf8(in))
            need(convert(charset, in, step, true, b) == 0 &&
                 span_eq(buf_span(b), in));
    }
}

static void fuzz_word(struct span in, size_t step, struct buf *a, struct buf *b)
{
    enum word_place place = (enum word_place)(step % 3);
    int err = word_decode(a, in);
    need(err >= 0 && charset_is_utf8(buf_span(a)));
    err = word_encode(b, in, SPAN("utf-8"), place);
    need((err == 0) == (charset_is_utf8(in) && !ascii_breaks(in)));
    if (err < 0)
        return;
    need(!memchr(buf_span(b).p ? buf_span(b).p : "", '\n', buf_size(b)));
    buf_clear(a);
    need(word_decode(a, buf_span(b)) == 0);
    if (place != WORD_PHRASE || (in.n && buf_span(b).p[0] != '"'))
        need(span_eq(buf_span(a), in));
}

static void fuzz_param(struct span in, struct buf *a)
{
    struct param_list list = {0};
    need(param_parse(&list, in) == 0 && list.n <= PARAM_MOST);
    for (size_t i = 0; i < list.n; i++)
        need(charset_is_utf8(param_value(&list, i)) &&
             ascii_all(param_name(&list, i), ASCII_TOKEN));
    int err = param_encode(a, SPAN("filename"), in);
    need((err == 0) == (charset_is_utf8(in) && !ascii_breaks(in)));
    if (err == 0) {
        need(param_parse(&list, buf_span(a)) == 0);
        need(list.n == 1 && list.faults == 0);
        need(span_eq(param_value(&list, 0), in));
    }
    param_list_free(&list);
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
    switch (data[0] % 7) {
    case 0:
        fuzz_base64(in, step, &a, &b);
        break;
    case 1:
        fuzz_qp(in, step, &a, &b);
        break;
    case 2:
        fuzz_uu(in, step, &a, &b);
        break;
    case 3:
        fuzz_charset(in, step, &a, &b);
        break;
    case 4:
        fuzz_word(in, step, &a, &b);
        break;
    case 5:
        fuzz_param(in, &a);
        break;
    default:
        fuzz_scan(in, step);
    }
    buf_free(&a);
    buf_free(&b);
    return 0;
}
