/*
 * compare - each kernel of this machine against the portable code
 *
 * Usage: compare [most], the longest input (4096). Every length up to most
 * at one alignment, up to 320 at all of 0..63; whole and cut in two; clean,
 * and damaged in ways that decoders meet. Decoding is done in place. Prints
 * the names of the kernels, or what differs, with exit status 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base64.h"

enum { MOST = 1 << 16, AROUND = 64, ALL_ALIGNMENTS = 320, CANARY = 0xa5 };

struct work {
    unsigned char plain[MOST + AROUND];
    char text[2 * MOST], other[2 * MOST];
    unsigned char expected[2 * MOST];
    unsigned char room[2 * MOST + 5 * AROUND]; /* what a kernel works on */
    uint64_t random;
};

static size_t below(struct work *w, size_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (size_t)(w->random >> 11) % n;
}

static void need(bool fact, const struct kernel *k, const char *what, size_t n)
{
    if (fact)
        return;
    printf("%s: %s differs, %zu octets\n", k->name, what, n);
    exit(1);
}

/* A place of that alignment for n octets, with canaries on both sides. */
static char *place(struct work *w, size_t alignment, size_t n)
{
    uintptr_t at = (uintptr_t)w->room;
    unsigned char *p = w->room + (AROUND - at % AROUND) + AROUND + alignment;
    memset(p - AROUND, CANARY, n + 2 * AROUND);
    return (char *)p;
}

static bool intact(const char *p, size_t n)
{
    unsigned char canaries[AROUND];
    memset(canaries, CANARY, AROUND);
    return memcmp(p - AROUND, canaries, AROUND) == 0 &&
           memcmp(p + n, canaries, AROUND) == 0;
}

struct shape {
    unsigned columns;
    bool lf, url;
};

static const struct shape shapes[] = {
    {0, false, false},  {76, false, false}, {76, false, true},
    {76, true, false},  {0, false, true},   {64, false, false},
    {32, false, false}, {20, false, false},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

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
    for (size_t i = 0; i < SHAPES; i++) {
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

static void compare_decodes(struct work *w, const struct kernel *k, size_t n,
                            size_t alignment)
{
    for (size_t i = 0; i < SHAPES; i++) {
        size_t size = encode(&kernel_scalar, &shapes[i],
                             span_of((const char *)w->plain, n), 0, w->text);
        if (size > n)
            size = n;
        struct span in = span_of(w->text, size);
        compare_decode(w, k, in, shapes[i].url, alignment);
        in = span_of(w->other, damage(w, w->text, size, w->other));
        compare_decode(w, k, in, shapes[i].url, alignment);
    }
}

/* Every octet at every place of a few steps, in both alphabets. */
static void compare_octets(struct work *w, const struct kernel *k)
{
    enum { LENGTH = 2 * 78 };
    for (unsigned octet = 0; octet < 256; octet++)
        for (size_t at = 0; at < LENGTH; at++)
            for (size_t i = 0; i < 2; i++) {
                memset(w->text, 'Q', LENGTH);
                if (i == 0) {
                    memcpy(w->text + 76, "\r\n", 2);
                    memcpy(w->text + 78 + 76, "\r\n", 2);
                }
                w->text[at] = (char)octet;
                struct span in = span_of(w->text, LENGTH);
                compare_decode(w, k, in, false, at % AROUND);
                compare_decode(w, k, in, true, at % AROUND);
            }
}

static void compare(struct work *w, const struct kernel *k, size_t most)
{
    compare_octets(w, k);
    for (size_t n = 0; n <= most; n++) {
        size_t alignments = n <= ALL_ALIGNMENTS ? AROUND : 1;
        for (size_t i = 0; i < alignments; i++) {
            size_t alignment = alignments == 1 ? n * 7 % AROUND : i;
            compare_encode(w, k, n, alignment);
            compare_decodes(w, k, n, alignment);
        }
    }
    printf("%s\n", k->name);
}

int main(int argc, char **argv)
{
    struct work *w = malloc(sizeof *w);
    long most = argc > 1 ? strtol(argv[1], NULL, 10) : 4096;
    if (!w || most < 0 || most > MOST / 2)
        return 2;
    w->random = 88172645463325252u;
    for (size_t i = 0; i < sizeof w->plain; i++)
        w->plain[i] = (unsigned char)below(w, 256);
    compare(w, &kernel_scalar, (size_t)most / 16);
#if KERNEL_AVX2
    if (__builtin_cpu_supports("avx2"))
        compare(w, &kernel_avx2, (size_t)most);
#endif
    free(w);
    return 0;
}
