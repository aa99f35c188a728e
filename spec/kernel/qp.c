/*
 * qp - each kernel's quoted-printable against the portable code
 *
 * Text is put together from pieces: of languages, of what ends a line or
 * must not begin one, and of what quoted-printable itself is made of, whole
 * and broken. All of it is encoded and decoded, whole and cut in two.
 */
#include "core/qp.h"

#include "compare.h"

enum { PIECES = 10 };

static const char *const kinds[][PIECES] = {
    {"the quick ", "brown fox, ", "over\r\n", "a lazy dog. ", "and so on"},
    {"caf\xc3\xa9 ", "\xc3\xa0 ", "la ", "fen\xc3\xaatre\r\n", "d'\xc3\xa9t"},
    {"\xe6\x97\xa5\xe6\x9c\xac", "\xe8\xaa\x9e", "\xe3\x80\x82\r\n",
     "\xf0\x9f\x8c\x99", "\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97"},
    {"a", ".", "\n", " \r\n", "\t\n", "From ", "=", "\r", "\xff", "\xe2\x82"},
    {"=E2=82=AC", "=3D", "a soft one=\r\n", "=C3=A9", "word ", "=20\r\n"},
    {"=", "=4", "=G1", "=3d", "= \t\r\n", "=\n", "=\r", " ", "\x80", "\r\n"},
    {"neverending"},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], MODES = 3 };

static struct span mixture(struct work *w, size_t kind, size_t n)
{
    const char *const *pieces = kinds[kind];
    size_t count = 0, at = 0;
    while (count < PIECES && pieces[count])
        count++;
    while (at < n) {
        struct span piece = span_from(pieces[below(w, count)]);
        if (piece.n > n - at)
            piece.n = n - at;
        memcpy(w->text + at, piece.p, piece.n);
        at += piece.n;
    }
    return span_of(w->text, n);
}

/* Copies what the buf holds to out, and frees it. */
static size_t taken(struct buf *b, char *out)
{
    size_t n = buf_size(b);
    if (n)
        memcpy(out, buf_span(b).p, n);
    buf_free(b);
    return n;
}

/* Modes: text, binary, line ends as they are. */
static size_t encode(const struct kernel *k, size_t mode, struct span in,
                     size_t cut, char *out)
{
    struct qp_encoder e;
    struct buf b;
    buf_init(&b, 1 << 24);
    qp_encoder_init(&e, mode == 1);
    e.kernel = k;
    e.keep = mode == 2;
    qp_encode(&e, span_of(in.p, cut), &b);
    qp_encode(&e, span_skip(in, cut), &b);
    need(qp_encode_finish(&e, &b) == 0, k, "memory", in.n);
    return taken(&b, out);
}

static size_t decode(const struct kernel *k, struct qp_decoder *d,
                     struct span in, size_t cut, char *out)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    qp_decoder_init(d);
    d->kernel = k;
    qp_decode(d, span_of(in.p, cut), &b);
    qp_decode(d, span_skip(in, cut), &b);
    need(qp_decode_finish(d, &b) == 0, k, "memory", in.n);
    return taken(&b, out);
}

static void compare_decode(struct work *w, const struct kernel *k,
                           struct span in, size_t cut)
{
    struct qp_decoder a, b;
    size_t n = decode(&kernel_scalar, &a, in, 0, (char *)w->expected);
    size_t m = decode(k, &b, in, cut, w->other);
    need(n == m && memcmp(w->expected, w->other, n) == 0, k,
         "quoted-printable's decoding", in.n);
    need(a.invalid == b.invalid && a.invalid_at == b.invalid_at &&
             a.offset == b.offset,
         k, "what is told of quoted-printable", in.n);
}

void compare_qp(struct work *w, const struct kernel *k, size_t n,
                size_t alignment)
{
    if (w->some && below(w, AROUND / 4))
        return;
    size_t mode = below(w, MODES), cut = below(w, 2) ? 0 : below(w, n + 1);
    struct span in = mixture(w, below(w, KINDS), n);
    char *p = place(w, alignment, n);
    memcpy(p, in.p, n);
    in.p = p;
    size_t a = encode(&kernel_scalar, mode, in, 0, (char *)w->expected);
    size_t b = encode(k, mode, in, cut, w->other);
    need(a == b && memcmp(w->expected, w->other, a) == 0, k,
         "quoted-printable's encoding", n);
    compare_decode(w, k, in, cut);
    need(intact(p, n), k, "what lies around quoted-printable", n);
}

static size_t encode_whole(const struct kernel *k, size_t variant,
                           struct span in, char *out)
{
    return encode(k, (variant + in.n) % MODES, in, 0, out);
}

const struct step qp_encoding = {
    .name = "quoted-printable's encoding",
    .variants = KINDS,
    .make = mixture,
    .run = encode_whole,
};

static size_t decode_whole(const struct kernel *k, size_t variant,
                           struct span in, char *out)
{
    struct qp_decoder d;
    (void)variant;
    return decode(k, &d, in, 0, out);
}

const struct step qp_decoding = {
    .name = "quoted-printable's decoding",
    .variants = KINDS,
    .in_place = true,
    .make = mixture,
    .run = decode_whole,
};
