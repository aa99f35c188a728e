/*
 * utf7 - the charset UTF-7, made into UTF-8; see utf7.h
 */
#include "utf7.h"

static size_t fault(struct buf *out)
{
    buf_add(out, "\xef\xbf\xbd", 3);
    return 1;
}

static int sextet(unsigned char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static void add_character(struct buf *out, uint32_t c)
{
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        s[i] = (char)(0x80 | (c & 63));
    s[0] = (char)(lead[n] | c);
    buf_add(out, s, n);
}

/* A surrogate whose other half does not follow. */
static size_t drop_high(struct utf7 *u, struct buf *out)
{
    if (!u->high)
        return 0;
    u->high = 0;
    return fault(out);
}

/* The next 16 bits. */
static size_t put_unit(struct utf7 *u, uint32_t unit, struct buf *out)
{
    size_t faults;
    if (unit >= 0xdc00 && unit < 0xe000) {
        if (!u->high)
            return fault(out);
        add_character(out,
                      0x10000 + ((u->high - 0xd800u) << 10) + unit - 0xdc00);
        u->high = 0;
        return 0;
    }
    faults = drop_high(u, out);
    if (unit >= 0xd800 && unit < 0xdc00)
        u->high = (uint16_t)unit;
    else
        add_character(out, unit);
    return faults;
}

/* Less than six bits are left at the end of base64, and none is set. */
static size_t end_shift(struct utf7 *u, struct buf *out)
{
    size_t faults = drop_high(u, out);
    if (u->bits_n >= 6 || (u->bits & ((1u << u->bits_n) - 1)))
        faults += fault(out);
    u->shifted = false;
    u->bits_n = 0;
    return faults;
}

static size_t put_shifted(struct utf7 *u, unsigned value, struct buf *out)
{
    u->empty = false;
    u->bits = u->bits << 6 | value;
    u->bits_n += 6;
    if (u->bits_n < 16)
        return 0;
    u->bits_n -= 16;
    return put_unit(u, u->bits >> u->bits_n & 0xffff, out);
}

/* One octet outside of base64. */
static size_t put_direct(struct utf7 *u, char c, struct buf *out)
{
    if ((unsigned char)c >= 0x80)
        return fault(out);
    if (c == '+')
        u->shifted = u->empty = true;
    else
        buf_add_char(out, c);
    return 0;
}

/* The octet that ends base64. */
static size_t put_end(struct utf7 *u, char c, struct buf *out)
{
    size_t faults = 0;
    if (!u->empty)
        faults = end_shift(u, out);
    else if (c == '-')
        buf_add_char(out, '+');
    else
        faults = fault(out);
    u->shifted = u->empty = false;
    return c == '-' ? faults : faults + put_direct(u, c, out);
}

size_t utf7_step(struct utf7 *u, struct span in, struct buf *out)
{
    size_t faults = 0;
    for (size_t i = 0; i < in.n; i++) {
        int value = u->shifted ? sextet((unsigned char)in.p[i]) : -1;
        if (value >= 0)
            faults += put_shifted(u, (unsigned)value, out);
        else if (u->shifted)
            faults += put_end(u, in.p[i], out);
        else
            faults += put_direct(u, in.p[i], out);
    }
    return faults;
}

size_t utf7_finish(struct utf7 *u, struct buf *out)
{
    if (!u->shifted)
        return 0;
    u->shifted = false;
    return u->empty ? fault(out) : end_shift(u, out);
}
