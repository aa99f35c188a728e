/*
 * fuzz_scan - what is told of octets: a byte at a time, in pieces, and by
 * each kernel
 *
 * The scan of this file goes from octet to octet; core's must agree with it
 * however the octets are cut and whichever kernel runs. UTF-8 is judged
 * here by what the octets decode to.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/charset.h"
#include "core/scan.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

static void end_line(struct scan *s, size_t *line, bool blank)
{
    s->lines++;
    if (*line > s->longest)
        s->longest = *line;
    s->trailing_blank |= *line && blank;
    *line = 0;
}

static bool is_blank(struct span in, size_t i)
{
    return i > 0 && (in.p[i - 1] == ' ' || in.p[i - 1] == '\t');
}

static struct scan plain_scan(struct span in)
{
    struct scan s = {0};
    size_t line = 0;
    for (size_t i = 0; i < in.n; i++) {
        bool cr = in.p[i] == '\r', lf = in.p[i] == '\n';
        bool pair = cr && i + 1 < in.n && in.p[i + 1] == '\n';
        s.nul |= in.p[i] == '\0';
        s.eight_bit += (unsigned char)in.p[i] > 127;
        s.bare_cr += cr && !pair;
        s.bare_lf += lf;
        if (cr || lf)
            end_line(&s, &line, is_blank(in, i));
        else
            line++;
        i += pair;
    }
    if (line) {
        end_line(&s, &line, is_blank(in, in.n));
        s.lines--;
    }
    s.size = in.n;
    return s;
}

/* The octets of the sequence at p, at most left, or 0: RFC 3629 3, by the
   number that they stand for. */
static size_t sequence(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc0 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf8 ? 4
                             : 0;
    uint32_t u = n < 2 ? p[0] : p[0] & (0xffu >> (n + 1));
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        u = u << 6 | (p[i] & 0x3f);
    }
    return u < least[n] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000) ? 0 : n;
}

static bool plain_utf8(struct span in)
{
    while (in.n) {
        size_t n = sequence((const unsigned char *)in.p, in.n);
        if (n == 0)
            return false;
        in = span_skip(in, n);
    }
    return true;
}

static void same(const struct scan *a, const struct scan *b, bool utf8)
{
    need(a->size == b->size && a->lines == b->lines);
    need(a->longest == b->longest && a->trailing_blank == b->trailing_blank);
    need(a->eight_bit == b->eight_bit && a->nul == b->nul);
    need(a->bare_cr == b->bare_cr && a->bare_lf == b->bare_lf);
    need(b->not_utf8 == !utf8);
}

static void by_kernel(const struct kernel *k, struct span in, size_t step,
                      const struct scan *expected, bool utf8)
{
    struct scan s = {.kernel = k};
    need(charset_is_utf8_by(k, in) == utf8);
    need(plain_utf8(span_of(in.p, k->utf8(in))));
    while (in.n) {
        size_t n = in.n < step ? in.n : step;
        char *piece = malloc(n); /* of its own: ASan sees its end */
        need(piece != NULL);
        memcpy(piece, in.p, n);
        scan_step(&s, span_of(piece, n));
        free(piece);
        in = span_skip(in, n);
    }
    scan_finish(&s);
    same(expected, &s, utf8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    struct span in = span_of((const char *)data + 1, n - 1);
    struct scan expected = plain_scan(in);
    bool utf8 = plain_utf8(in);
    need(charset_is_utf8(in) == utf8);
    for (const struct kernel *const *k = kernels; *k; k++)
        if (kernel_here(*k)) {
            by_kernel(*k, in, SIZE_MAX / 2, &expected, utf8);
            by_kernel(*k, in, data[0] + 1, &expected, utf8);
        }
    return 0;
}
