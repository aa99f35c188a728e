/*
 * base64 - RFC 4648 4 and 5, RFC 2045 6.8; see base64.h
 *
 * Two inner loops see nearly all bytes: encode_groups and decode_groups, on
 * whole groups of one line, or the kernel in their place, which also takes
 * whole lines of 76. Everything else (other lines, cut groups, padding, what
 * is no data) happens around them, a character at a time.
 */
#include "base64.h"

#include <stdint.h>

#include "base64_kernels.h"

const char base64_alphabets[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t base64_room(size_t n, unsigned columns)
{
    size_t chars = n / 3 * 4 + (n % 3 ? 4 : 0);
    size_t lines = columns ? chars / columns + (chars % columns != 0) : 0;
    return chars + 2 * lines;
}

void base64_encoder_init(struct base64_encoder *e, unsigned columns)
{
    memset(e, 0, sizeof *e);
    e->kernel = &kernel_scalar;
    e->columns = columns;
}

static void encode_groups(const struct base64_encoder *e,
                          const unsigned char *in, size_t groups, char *out)
{
    const char *alphabet = base64_alphabets[e->url];
    size_t done = e->kernel->base64_encode(in, groups, out, e->url);
    in += 3 * done;
    out += 4 * done;
    for (groups -= done; groups; groups--, in += 3, out += 4) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        out[0] = alphabet[v >> 18];
        out[1] = alphabet[v >> 12 & 63];
        out[2] = alphabet[v >> 6 & 63];
        out[3] = alphabet[v & 63];
    }
}

static size_t end_line(struct base64_encoder *e, char *out)
{
    e->column = 0;
    if (e->lf) {
        *out = '\n';
        return 1;
    }
    memcpy(out, "\r\n", 2);
    return 2;
}

/* Lines that the kernel makes from their first character to their end. */
static size_t encode_whole_lines(const struct base64_encoder *e,
                                 const unsigned char *in, size_t groups,
                                 char *out)
{
    if (e->columns != KERNEL_LINE || e->column)
        return 0;
    return e->kernel->base64_encode_lines(in, groups / (KERNEL_LINE / 4), out,
                                          e->url, e->lf);
}

/* Encodes whole groups, with line ends where a line is full. */
static size_t encode_lines(struct base64_encoder *e, const unsigned char *in,
                           size_t groups, char *out)
{
    char *start = out;
    while (groups) {
        size_t lines = encode_whole_lines(e, in, groups, out);
        in += KERNEL_LINE_BYTES * lines;
        out += (e->lf ? KERNEL_LINE + 1u : KERNEL_LINE + 2u) * lines;
        groups -= KERNEL_LINE / 4 * lines;
        size_t fit = e->columns ? (e->columns - e->column) / 4 : groups;
        size_t n = groups < fit ? groups : fit;
        encode_groups(e, in, n, out);
        in += 3 * n;
        out += 4 * n;
        groups -= n;
        if (!e->columns)
            continue;
        e->column += 4 * (unsigned)n;
        if (e->column == e->columns)
            out += end_line(e, out);
    }
    return (size_t)(out - start);
}

size_t base64_encode(struct base64_encoder *e, struct span in, char *out)
{
    size_t n = 0;
    if (e->held_n) {
        while (e->held_n < 3 && in.n) {
            e->held[e->held_n++] = (unsigned char)in.p[0];
            in = span_skip(in, 1);
        }
        if (e->held_n < 3)
            return 0;
        n = encode_lines(e, e->held, 1, out);
        e->held_n = 0;
    }
    n += encode_lines(e, (const unsigned char *)in.p, in.n / 3, out + n);
    in = span_skip(in, in.n / 3 * 3);
    if (in.n)
        memcpy(e->held, in.p, in.n);
    e->held_n = (unsigned)in.n;
    return n;
}

size_t base64_encode_finish(struct base64_encoder *e, char *out)
{
    size_t n = 0;
    if (e->held_n) {
        unsigned char group[3] = {e->held[0], 0, 0};
        if (e->held_n == 2)
            group[1] = e->held[1];
        encode_groups(e, group, 1, out);
        n = e->held_n + 1;
        if (!e->unpadded)
            for (; n < 4; n++)
                out[n] = '=';
        e->column += (unsigned)n;
        e->held_n = 0;
    }
    if (e->columns && e->column)
        n += end_line(e, out + n);
    return n;
}

/* What an octet is to a decoder that is not six bits. */
enum { PAD = 0x80, BLANK = 0x81, JUNK = 0xff };

/* clang-format off */
#define J4 JUNK, JUNK, JUNK, JUNK
#define J16 J4, J4, J4, J4
#define HEAD                                                            \
    J4, J4, JUNK, BLANK, BLANK, JUNK, JUNK, BLANK, JUNK, JUNK, J16,     \
    BLANK, JUNK, JUNK, JUNK, J4
#define DIGITS 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, JUNK, JUNK,      \
    JUNK, PAD, JUNK, JUNK
#define UPPER 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
    17, 18, 19, 20, 21, 22, 23, 24, 25
#define LOWER 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,   \
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51
#define TAIL J4, JUNK, J16, J16, J16, J16, J16, J16, J16, J16

const unsigned char base64_values[2][256] = {
    {HEAD, JUNK, JUNK, JUNK, 62, JUNK, JUNK, JUNK, 63, DIGITS,
     JUNK, UPPER, J4, JUNK, JUNK, LOWER, TAIL},
    {HEAD, JUNK, JUNK, JUNK, JUNK, JUNK, 62, JUNK, JUNK, DIGITS,
     JUNK, UPPER, J4, 63, JUNK, LOWER, TAIL},
};
/* clang-format on */

void base64_decoder_init(struct base64_decoder *d, bool strict)
{
    memset(d, 0, sizeof *d);
    d->kernel = &kernel_scalar;
    d->strict = strict;
}

/* Decodes whole groups up to the first that has anything but data; returns
   how many. */
static size_t decode_groups(const struct base64_decoder *decoder,
                            const unsigned char *in, size_t groups, char *out)
{
    const unsigned char *value = base64_values[decoder->url];
    size_t i = decoder->kernel->base64_decode(in, groups, out, decoder->url);
    in += 4 * i;
    out += 3 * i;
    for (; i < groups; i++, in += 4, out += 3) {
        uint32_t a = value[in[0]], b = value[in[1]];
        uint32_t c = value[in[2]], d = value[in[3]];
        if ((a | b | c | d) & 0x80)
            break;
        a = a << 18 | b << 12 | c << 6 | d;
        out[0] = (char)(a >> 16);
        out[1] = (char)(a >> 8 & 255);
        out[2] = (char)(a & 255);
    }
    return i;
}

/* Whole lines as mail (CRLF) and files (LF) have them, which only lenient
   decoding takes; *width is of a line with its end. Returns how many. */
static size_t decode_whole_lines(const struct base64_decoder *d, struct span in,
                                 char *out, size_t *width)
{
    bool lf = in.n > KERNEL_LINE && in.p[KERNEL_LINE] == '\n';
    *width = lf ? KERNEL_LINE + 1 : KERNEL_LINE + 2;
    if (d->strict)
        return 0;
    return d->kernel->base64_decode_lines((const unsigned char *)in.p,
                                          in.n / *width, out, d->url, lf);
}

/* One character that is data; returns how many bytes it completed. */
static size_t decode_data(struct base64_decoder *d, unsigned v, char *out)
{
    static const unsigned char left[4] = {6, 4, 2, 0};
    unsigned bits = d->held << 6 | v;
    unsigned keep = left[d->count];
    size_t n = d->count ? 1 : 0;
    if (n)
        *out = (char)(bits >> keep & 255);
    d->held = bits & ((1u << keep) - 1);
    d->count = (d->count + 1) % 4;
    return n;
}

/* "=": true when it is where it may be. */
static bool decode_pad(struct base64_decoder *d)
{
    if (d->count < 2 || (d->strict && d->held))
        return false;
    d->padded = d->count == 3 || d->pad;
    d->pad = true;
    if (d->padded)
        d->count = 0;
    return true;
}

/* One character outside the fast path; false: strict, and not allowed. */
static bool decode_one(struct base64_decoder *d, unsigned v, char *out,
                       size_t *n)
{
    if (v == BLANK && !d->strict)
        return true;
    if (v < 64 && !d->padded && !(d->pad && d->strict)) {
        d->junk += d->pad; /* that "=" was none */
        d->pad = false;
        *n += decode_data(d, v, out);
        return true;
    }
    if (v == PAD && !d->padded && decode_pad(d))
        return true;
    d->junk++;
    return !d->strict;
}

int base64_decode(struct base64_decoder *d, struct span in, char *out,
                  size_t *n)
{
    const unsigned char *p = (const unsigned char *)in.p;
    const unsigned char *value = base64_values[d->url];
    size_t i = 0;
    *n = 0;
    while (i < in.n) {
        if (d->count == 0 && !d->padded) {
            size_t width;
            size_t lines =
                decode_whole_lines(d, span_skip(in, i), out + *n, &width);
            i += width * lines;
            *n += KERNEL_LINE_BYTES * lines;
            size_t groups = decode_groups(d, p + i, (in.n - i) / 4, out + *n);
            i += 4 * groups;
            *n += 3 * groups;
            if (i == in.n)
                break;
        }
        if (!decode_one(d, value[p[i]], out + *n, n)) {
            d->offset += i;
            return ERR_SYNTAX;
        }
        i++;
    }
    d->offset += i;
    return 0;
}

int base64_decode_finish(struct base64_decoder *d, char *out, size_t *n)
{
    (void)out;
    *n = 0;
    if (d->count == 0)
        return 0;
    if (d->unpadded && d->count > 1 && !d->pad && !(d->strict && d->held))
        return 0;
    d->truncated = 1;
    return d->strict ? ERR_SYNTAX : 0;
}
