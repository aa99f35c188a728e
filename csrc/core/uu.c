/*
 * uu - uuencode; see uu.h
 */
#include "uu.h"

#include "ascii.h"

static char digit(unsigned v)
{
    return v ? (char)(v + ' ') : '`';
}

int uu_encode_start(struct uu_encoder *e, struct span name, unsigned mode,
                    struct buf *out)
{
    char digits[4] = {(char)('0' + (mode >> 6 & 7)),
                      (char)('0' + (mode >> 3 & 7)), (char)('0' + (mode & 7)),
                      ' '};
    memset(e, 0, sizeof *e);
    if (name.n == 0 || name.n > UU_NAME || ascii_breaks(name) || mode > 0777)
        return ERR_SYNTAX;
    buf_add_text(out, "begin ");
    buf_add(out, digits, sizeof digits);
    buf_add_span(out, name);
    return buf_add_char(out, '\n');
}

static int encode_line(const unsigned char *p, size_t n, struct buf *out)
{
    size_t room = 2 + (n + 2) / 3 * 4;
    char *to = buf_space(out, room);
    if (!to)
        return buf_error(out);
    *to++ = digit((unsigned)n);
    for (size_t i = 0; i < n; i += 3, to += 4) {
        unsigned a = p[i], b = i + 1 < n ? p[i + 1] : 0;
        unsigned c = i + 2 < n ? p[i + 2] : 0;
        to[0] = digit(a >> 2);
        to[1] = digit((a << 4 | b >> 4) & 63);
        to[2] = digit((b << 2 | c >> 6) & 63);
        to[3] = digit(c & 63);
    }
    *to = '\n';
    buf_filled(out, room);
    return 0;
}

int uu_encode(struct uu_encoder *e, struct span in, struct buf *out)
{
    while (in.n) {
        if (e->held_n == 0 && in.n >= UU_LINE) {
            encode_line((const unsigned char *)in.p, UU_LINE, out);
            in = span_skip(in, UU_LINE);
            continue;
        }
        size_t n = UU_LINE - e->held_n;
        if (n > in.n)
            n = in.n;
        memcpy(e->held + e->held_n, in.p, n);
        e->held_n += (unsigned)n;
        in = span_skip(in, n);
        if (e->held_n == UU_LINE) {
            encode_line(e->held, UU_LINE, out);
            e->held_n = 0;
        }
    }
    return buf_error(out);
}

int uu_encode_finish(struct uu_encoder *e, struct buf *out)
{
    if (e->held_n)
        encode_line(e->held, e->held_n, out);
    e->held_n = 0;
    return buf_add_text(out, "`\nend\n");
}

/* "begin MODE NAME" */
static bool take_begin(struct uu_decoder *d, struct span line)
{
    unsigned mode = 0;
    size_t i;
    if (line.n < 6 || memcmp(line.p, "begin ", 6) != 0)
        return false;
    line = span_skip(line, 6);
    for (i = 0; i < line.n && i < 6; i++) {
        if (line.p[i] < '0' || line.p[i] > '7')
            break;
        mode = mode * 8 + (unsigned)(line.p[i] - '0');
    }
    if (i < 3 || i == line.n || line.p[i] != ' ')
        return false;
    line = span_trim(span_skip(line, i));
    if (line.n == 0 || line.n > UU_NAME)
        return false;
    d->mode = mode & 0777;
    memcpy(d->name, line.p, line.n);
    d->name[line.n] = '\0';
    return true;
}

static unsigned value(struct span line, size_t i)
{
    return i < line.n ? (unsigned)(line.p[i] - ' ') & 63 : 0;
}

/* Has the line the look of data: only digits, and not too many of them (some
   programs add a checksum)? */
static bool is_data(struct span line, size_t digits)
{
    if (line.n > digits + 3)
        return false;
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < ' ' || line.p[i] > '`')
            return false;
    return true;
}

static void decode_line(struct uu_decoder *d, struct span line, struct buf *out)
{
    size_t n = value(line, 0), digits = (n + 2) / 3 * 4;
    char bytes[66];
    if (!is_data(line, digits)) {
        d->junk++;
        return;
    }
    for (size_t i = 1, k = 0; k < n; i += 4, k += 3) {
        unsigned a = value(line, i), b = value(line, i + 1);
        unsigned c = value(line, i + 2), last = value(line, i + 3);
        bytes[k] = (char)(a << 2 | b >> 4);
        bytes[k + 1] = (char)((b << 4 | c >> 2) & 255);
        bytes[k + 2] = (char)((c << 6 | last) & 255);
    }
    buf_add(out, bytes, n);
}

static void take_line(struct uu_decoder *d, struct span line, struct buf *out)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (d->at == UU_BEFORE && take_begin(d, line))
        d->at = UU_INSIDE;
    else if (d->at == UU_INSIDE && span_eq(span_trim(line), SPAN("end")))
        d->at = UU_BEHIND;
    else if (d->at == UU_INSIDE && line.n)
        decode_line(d, line, out);
}

int uu_decode(struct uu_decoder *d, struct span in, struct buf *out)
{
    while (in.n && d->at != UU_BEHIND) {
        size_t n = span_find(in, '\n'), room = UU_TEXT - d->held_n;
        struct span line = span_of(in.p, n);
        bool whole = n < in.n;
        in = span_skip(in, n + 1);
        if (whole && d->held_n == 0) {
            take_line(d, span_of(line.p, n < UU_TEXT ? n : UU_TEXT), out);
            continue;
        }
        n = line.n < room ? line.n : room;
        if (n)
            memcpy(d->held + d->held_n, line.p, n);
        d->held_n += (unsigned)n;
        if (whole) {
            take_line(d, span_of(d->held, d->held_n), out);
            d->held_n = 0;
        }
    }
    return buf_error(out);
}

int uu_decode_finish(struct uu_decoder *d, struct buf *out)
{
    if (d->held_n)
        take_line(d, span_of(d->held, d->held_n), out);
    d->held_n = 0;
    if (buf_error(out))
        return buf_error(out);
    return d->at == UU_BEFORE ? ERR_SYNTAX : 0;
}
