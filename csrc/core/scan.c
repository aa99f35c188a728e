/*
 * scan - what a body is made of; see scan.h
 *
 * One pass over the memory in blocks that stay in the nearest cache, where
 * each question has its own quick loop.
 */
#include "scan.h"

#include <stdint.h>

#include "breaks.h"
#include "charset.h"

enum { BLOCK = 8192, LINE_MOST = 998 };

#define HIGH UINT64_C(0x8080808080808080)
#define ONES UINT64_C(0x0101010101010101)

static size_t count_eight_bit(struct span s)
{
    size_t i = 0, n = 0;
    uint64_t word;
    for (; i + sizeof word <= s.n; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        n += (size_t)(((word & HIGH) >> 7) * ONES >> 56);
    }
    for (; i < s.n; i++)
        n += (unsigned char)s.p[i] >> 7;
    return n;
}

static void end_line(struct scan *s)
{
    if (s->line > s->longest)
        s->longest = s->line;
    if (s->line && (s->last == ' ' || s->last == '\t'))
        s->trailing_blank = true;
    s->line = 0;
    s->lines++;
}

static void add_to_line(struct scan *s, struct span text)
{
    if (text.n == 0)
        return;
    s->line += text.n;
    s->last = text.p[text.n - 1];
}

/* The CR that ended the last block, now that the next byte is here. */
static size_t resolve_cr(struct scan *s, struct span in)
{
    if (!s->cr || in.n == 0)
        return 0;
    s->cr = false;
    s->bare_cr += in.p[0] != '\n';
    end_line(s);
    return in.p[0] == '\n' ? 1 : 0;
}

static void scan_lines(struct scan *s, struct span in)
{
    size_t i = resolve_cr(s, in);
    struct breaks b;
    breaks_init(&b, in);
    while (i < in.n) {
        size_t end = breaks_next(&b, i);
        enum break_kind kind = breaks_kind(&b, end);
        add_to_line(s, span_of(in.p + i, end - i));
        if (kind == BREAK_NONE)
            return;
        s->cr = kind == BREAK_CUT;
        if (s->cr)
            return;
        s->bare_cr += kind == BREAK_CR;
        s->bare_lf += kind == BREAK_LF;
        end_line(s);
        i = end + (kind == BREAK_CRLF ? 2 : 1);
    }
}

/* Is held, with what follows it, the beginning of a sequence? */
static size_t utf8_whole(const struct scan *s)
{
    return charset_utf8(span_of((const char *)s->held, s->held_n));
}

/* How long the sequence is that c begins, as far as c tells. */
static unsigned utf8_length(unsigned char c)
{
    return c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
}

/* Completes the held sequence; returns how many bytes of in it took. */
static size_t utf8_held(struct scan *s, struct span in)
{
    size_t n = 0;
    unsigned whole = utf8_length(s->held[0]);
    while (s->held_n < whole && n < in.n)
        s->held[s->held_n++] = (unsigned char)in.p[n++];
    if (s->held_n < whole)
        return n;
    s->not_utf8 = utf8_whole(s) != whole;
    s->held_n = 0;
    return n;
}

static void scan_utf8(struct scan *s, struct span in)
{
    if (s->held_n)
        in = span_skip(in, utf8_held(s, in));
    while (in.n && !s->not_utf8) {
        if (s->kernel)
            in = span_skip(in, s->kernel->utf8(in));
        in = span_skip(in, charset_ascii_run(in));
        if (in.n == 0)
            return;
        size_t n = charset_utf8(in);
        if (n == 0 && in.n < utf8_length((unsigned char)in.p[0])) {
            memcpy(s->held, in.p, in.n);
            s->held_n = (unsigned)in.n;
            return;
        }
        s->not_utf8 = n == 0;
        in = span_skip(in, n);
    }
}

static void scan_portably(struct scan *s, struct span block)
{
    s->eight_bit += count_eight_bit(block);
    s->nul = s->nul || (block.n && memchr(block.p, '\0', block.n));
    scan_lines(s, block);
}

void scan_step(struct scan *s, struct span in)
{
    while (in.n) {
        struct span block = span_of(in.p, in.n < BLOCK ? in.n : BLOCK);
        size_t eight_bit = s->eight_bit;
        size_t n = s->kernel ? s->kernel->scan(s, block) : 0;
        s->size += block.n;
        scan_portably(s, span_skip(block, n));
        if ((s->eight_bit > eight_bit || s->held_n) && !s->not_utf8)
            scan_utf8(s, block);
        in = span_skip(in, block.n);
    }
}

void scan_finish(struct scan *s)
{
    if (s->cr) {
        s->bare_cr++;
        s->cr = false;
        end_line(s);
    } else if (s->line) {
        end_line(s);
        s->lines--; /* it had no end */
    }
    if (s->held_n)
        s->not_utf8 = true;
    s->held_n = 0;
}

enum scan_encoding scan_choose(const struct scan *s, bool text, bool eight_bit)
{
    bool lines = text ? s->bare_cr == 0 : s->bare_cr + s->bare_lf == 0;
    if (lines && !s->nul && s->longest <= LINE_MOST) {
        if (s->eight_bit == 0)
            return SCAN_7BIT;
        if (eight_bit)
            return SCAN_8BIT;
    }
    /* two more a byte escaped, against one for every three */
    return text && !s->nul && s->eight_bit < s->size / 6 ? SCAN_QP
                                                         : SCAN_BASE64;
}

const char *scan_name(enum scan_encoding encoding)
{
    static const char *const names[] = {"7bit", "8bit", "quoted-printable",
                                        "base64", "binary"};
    return names[encoding];
}
