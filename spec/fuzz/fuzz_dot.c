/*
 * fuzz_dot - dots and line ends against a decoder that takes a byte at a
 * time, in any pieces
 *
 * The decoder of core hops over runs; the one here is the grammar of RFC
 * 5321 4.1.1.4 written down as plainly as can be, and must agree with it in
 * every byte, offset and flag. What the encoder wrote must be ended where it
 * ended, with line ends made CRLF and nothing else changed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/dot.h"
#include "core/scan.h"

static const struct kernel *kernel; /* that core runs at present */

static void need(bool fact)
{
    if (!fact)
        abort();
}

struct seen {
    struct buf body;
    size_t used; /* of the wire */
    bool ended, bare_cr, bare_lf;
};

/* The body that the wire holds, byte by byte. */
static void plain_decode(struct span wire, struct seen *seen)
{
    size_t i = 0;
    bool start = true;
    while (i < wire.n) {
        const char *p = wire.p + i;
        size_t left = wire.n - i;
        if (start && left >= 3 && memcmp(p, ".\r\n", 3) == 0) {
            seen->ended = true;
            i += 3;
            break;
        }
        if (start && *p == '.') {
            i++;
            start = false;
            continue;
        }
        if (*p == '\r' && left == 1)
            break; /* it waits */
        if (left >= 2 && memcmp(p, "\r\n", 2) == 0) {
            buf_add(&seen->body, p, 2);
            start = true;
            i += 2;
            continue;
        }
        seen->bare_cr |= *p == '\r';
        seen->bare_lf |= *p == '\n';
        buf_add_char(&seen->body, *p);
        start = false;
        i++;
    }
    seen->used = i;
}

/* In pieces, each in memory of its own, so that ASan sees its end. */
static void core_decode(struct span wire, size_t step, struct seen *seen)
{
    struct dot_decoder d = {.kernel = kernel};
    size_t at = 0, give = step, out, used;
    int end = 0;
    while (at < wire.n && !end) {
        size_t n = wire.n - at < give ? wire.n - at : give;
        char *piece = malloc(n);
        memcpy(piece, wire.p + at, n);
        end = dot_decode(&d, piece, n, &out, &used);
        need(used <= n && out <= used);
        need(end || used + 1 >= n);
        buf_add(&seen->body, piece, out);
        free(piece);
        at += used;
        give = step + (used < n);
        if (used < n && at + 1 == wire.n)
            break;
    }
    seen->used = at;
    seen->ended = end;
    seen->bare_cr = d.bare_cr;
    seen->bare_lf = d.bare_lf;
    need(d.wire == at && d.size == buf_size(&seen->body));
}

static void compare(const struct seen *a, const struct seen *b)
{
    need(span_eq(buf_span(&a->body), buf_span(&b->body)));
    need(a->used == b->used && a->ended == b->ended);
    need(a->bare_cr == b->bare_cr && a->bare_lf == b->bare_lf);
}

static void decoding(struct span wire)
{
    static const size_t steps[] = {1, 2, 3, 7, 67, 130, SIZE_MAX / 2};
    struct seen plain = {0}, core = {0};
    buf_init(&plain.body, 1 << 24);
    buf_init(&core.body, 1 << 24);
    plain_decode(wire, &plain);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        buf_clear(&core.body);
        core_decode(wire, steps[i], &core);
        compare(&plain, &core);
    }
    buf_free(&plain.body);
    buf_free(&core.body);
}

/* Repairing gives a body without bare line ends, the same in any steps. */
static void fixing(struct span wire, size_t step, struct buf *out)
{
    struct dot_decoder d = {.kernel = kernel};
    size_t used, give = step;
    int end = 0;
    while (wire.n && !end) {
        size_t n = wire.n < give ? wire.n : give;
        end = dot_decode_fix(&d, span_of(wire.p, n), out, &used);
        wire = span_skip(wire, used);
        give = step + (used < n);
        if (used < n && wire.n == 1)
            break;
    }
    struct scan scan = {0};
    scan_step(&scan, buf_span(out));
    scan_finish(&scan);
    need(scan.bare_cr == 0 && scan.bare_lf == 0);
}

static void encode(struct span in, size_t step, bool plain, struct buf *out)
{
    struct dot_encoder e = {.kernel = kernel, .plain = plain};
    while (in.n) {
        size_t n = in.n < step ? in.n : step;
        need(dot_encode(&e, span_of(in.p, n), out) == 0);
        in = span_skip(in, n);
    }
    need(dot_encode_finish(&e, out) == 0);
}

static void encoding(struct span in)
{
    const struct kernel *present = kernel;
    struct buf wire, text, again;
    struct dot_decoder d = {.kernel = kernel};
    size_t n, used;
    buf_init(&wire, 1 << 24);
    buf_init(&text, 1 << 24);
    buf_init(&again, 1 << 24);
    encode(in, SIZE_MAX / 2, false, &wire);
    encode(in, SIZE_MAX / 2, true, &text);
    kernel = NULL;
    encode(in, SIZE_MAX / 2, false, &again);
    kernel = present;
    need(span_eq(buf_span(&again), buf_span(&wire)));
    for (size_t step = 1; step < 200; step += step < 3 ? 1 : 66) {
        buf_clear(&again);
        encode(in, step, false, &again);
        need(span_eq(buf_span(&again), buf_span(&wire)));
    }
    char *p = wire.base + wire.head;
    need(dot_decode(&d, p, buf_size(&wire), &n, &used) == 1);
    need(used == buf_size(&wire) && !d.bare_cr && !d.bare_lf);
    if (n > buf_size(&text)) /* the last line was not ended */
        buf_add_text(&text, "\r\n");
    need(span_eq(span_of(p, n), buf_span(&text)));
    buf_free(&wire);
    buf_free(&text);
    buf_free(&again);
}

static void all(struct span input)
{
    struct buf whole, pieces;
    decoding(input);
    encoding(input);
    buf_init(&whole, 1 << 24);
    buf_init(&pieces, 1 << 24);
    fixing(input, SIZE_MAX / 2, &whole);
    fixing(input, 1, &pieces);
    need(span_eq(buf_span(&whole), buf_span(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (const struct kernel *const *k = kernels; *k; k++) {
        kernel = *k;
        if (kernel_here(kernel))
            all(span_of((const char *)data, n));
    }
    return 0;
}
