/*
 * fuzz_charset - any octets in any charset, whole and in pieces
 *
 * What comes out is UTF-8, and the same however the input is cut.
 */
#include "core/charset.h"
#include "fuzz.h"

static int convert(struct span name, struct span in, size_t step, bool writing,
                   struct buf *out)
{
    struct charset_stream s;
    size_t n;
    int err = charset_open(&s, name, writing, NULL);
    if (err < 0)
        return err;
    while (in.n && err == 0) {
        char *p = piece(&in, step, &n);
        err = charset_step(&s, span_of(p, n), out);
        free(p);
    }
    if (err == 0)
        err = charset_finish(&s, out);
    charset_free(&s);
    return err;
}

/* Reading: UTF-8 comes out, the same in any steps. */
static void reading(struct span name, struct span in, size_t step, bool plain,
                    struct buf *a, struct buf *b)
{
    buf_clear(a);
    buf_clear(b);
    int err = convert(name, in, FUZZ_MOST, false, a);
    need(err == convert(name, in, step, false, b));
    if (plain)
        same(a, b);
    need(err < 0 || charset_is_utf8(buf_span(a)));
}

/* Writing: the same in any steps, and it reads as what it was. */
static void writing(struct span name, struct span in, size_t step,
                    struct buf *a, struct buf *b)
{
    buf_clear(a);
    buf_clear(b);
    int err = convert(name, in, FUZZ_MOST, true, a);
    need(err == convert(name, in, step, true, b));
    need(err <= 0 && (err == 0 || name.n > 5 || !charset_is_utf8(in)));
    if (err < 0)
        return;
    same(a, b);
    buf_clear(b);
    need(convert(name, buf_span(a), step, false, b) == 0);
    need(span_eq(buf_span(b), in));
}

/* In charsets whose tables are plain, and in any that the input names. */
static void fuzz_charset(struct span in, size_t step, unsigned bits,
                         struct buf *a, struct buf *b)
{
    static const char *const names[] = {
        "utf-8",  "us-ascii", "latin1",      "shift_jis", "gb2312",
        "big5",   "utf-16",   "euc-kr",      "euc-jp",    "utf-7",
        "koi8-r", "gb18030",  "iso-2022-jp", "hz"};
    size_t n = sizeof names / sizeof names[0];
    struct span first = in, name = span_cut(&first, '\n');
    if (bits % 16 >= n)
        reading(name, first, step, false, a, b);
    else
        reading(span_from(names[bits % 16]), in, step, true, a, b);
    if (bits & 16)
        writing(SPAN("utf-8"), in, step, a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_charset);
}
