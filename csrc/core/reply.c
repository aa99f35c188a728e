/*
 * reply - replies of SMTP, read and written; see reply.h
 *
 * Writing cuts the text into lines at each LF, and a long line at its last
 * blank, or before a whole UTF-8 sequence where it has none.
 */
#include "reply.h"

#include "ascii.h"

enum { CODE = 3 }; /* digits of a code */

void reply_init(struct reply *r)
{
    memset(r, 0, sizeof *r);
    buf_init(&r->lines, REPLY_MOST);
}

void reply_free(struct reply *r)
{
    buf_free(&r->lines);
}

void reply_clear(struct reply *r)
{
    r->code = 0;
    r->whole = false;
    r->enhanced[0] = '\0';
    r->seen = 0;
    r->text = NULL;
    buf_clear(&r->lines);
}

/* Length of the enhanced code at the head of s that fits the code, or 0. */
static size_t enhanced_length(int code, struct span s)
{
    size_t i = 1;
    int class = code / 100;
    if (s.n == 0 || s.p[0] != '0' + class ||
        (class != 2 && class != 4 && class != 5))
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;
        if (i == s.n || s.p[i++] != '.')
            return 0;
        while (i < s.n && ascii_is(s.p[i], ASCII_DIGIT) && digits < 4) {
            digits++;
            i++;
        }
        if (digits < 1 || digits > 3)
            return 0;
    }
    return i == s.n || s.p[i] == ' ' ? i : 0;
}

bool reply_enhanced_fits(int code, struct span enhanced)
{
    size_t n = enhanced_length(code, enhanced);
    return n > 0 && n == enhanced.n;
}

static int reply_bad(struct reply *r, const char *text)
{
    r->text = text;
    return ERR_PROTOCOL;
}

/* 200..599, or 0 where the line does not begin as a reply's does. */
static int line_code(struct span line)
{
    if (line.n < CODE || !ascii_all(span_of(line.p, CODE), ASCII_DIGIT))
        return 0;
    if (line.n > CODE && line.p[CODE] != ' ' && line.p[CODE] != '-')
        return 0;
    int code = 0;
    for (size_t i = 0; i < CODE; i++)
        code = code * 10 + (line.p[i] - '0');
    return code >= 200 && code <= 599 ? code : 0;
}

/* Takes one line, without its end: 1 when it is the last, 0, or ERR_*. */
static int reply_take(struct reply *r, struct span line)
{
    int code = line_code(line);
    if (code == 0)
        return reply_bad(r, "the peer's answer is no SMTP reply");
    if (r->code && code != r->code)
        return reply_bad(r, "the lines of one reply have different codes");
    if (buf_size(&r->lines) + line.n + 1 > REPLY_MOST)
        return reply_bad(r, "the reply is too long");
    if (r->code == 0) {
        struct span words = span_skip(line, CODE + 1);
        size_t n = enhanced_length(code, words);
        if (n)
            memcpy(r->enhanced, words.p, n);
        r->enhanced[n] = '\0';
        r->code = code;
    }
    buf_add_span(&r->lines, line);
    if (buf_add_char(&r->lines, '\n') < 0)
        return buf_error(&r->lines);
    r->whole = line.n == CODE || line.p[CODE] == ' ';
    return r->whole;
}

/* Judges a line that may be unfinished by its first octet, so that a peer
   that never ends a line is known at once. */
static int reply_foresee(struct reply *r, struct span line)
{
    if (line.n == 0 || (line.p[0] >= '2' && line.p[0] <= '5'))
        return 0;
    if (r->code == 0 && line.p[0] >= 0x14 && line.p[0] <= 0x17)
        return reply_bad(r, "the peer speaks TLS where plain SMTP is expected");
    return reply_bad(r, "the peer's answer is no SMTP reply");
}

int reply_read(struct reply *r, struct buf *in)
{
    while (!r->whole) {
        struct span s = buf_span(in), line;
        if (reply_foresee(r, s) < 0)
            return ERR_PROTOCOL;
        size_t n = r->seen + span_find(span_skip(s, r->seen), '\n');
        if (n >= REPLY_LINE_MOST)
            return reply_bad(r, "a line of the reply is too long");
        r->seen = n == s.n ? n : 0;
        if (n == s.n)
            return 0;
        line = span_of(s.p, n > 0 && s.p[n - 1] == '\r' ? n - 1 : n);
        int result = reply_take(r, line);
        if (result < 0)
            return result;
        buf_drop(in, n + 1);
    }
    return 1;
}

bool reply_line(const struct reply *r, size_t *at, struct span *line)
{
    struct span rest = span_skip(buf_span(&r->lines), *at);
    if (rest.n == 0)
        return false;
    *line = span_of(rest.p, span_find(rest, '\n'));
    *at += line->n + 1;
    return true;
}

struct span reply_words(const struct reply *r, struct span line)
{
    struct span words = span_skip(line, CODE + 1);
    size_t n = r->enhanced[0] ? enhanced_length(r->code, words) : 0;
    return n ? span_skip(words, n + 1) : words;
}

/* How many octets of s, at most most, make one line. */
static size_t line_fit(struct span s, size_t most)
{
    size_t n = most;
    if (s.n <= most)
        return s.n;
    while (n > most / 2 && s.p[n] != ' ')
        n--;
    if (n > most / 2)
        return n;
    n = most;
    while (n > most - 4 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return n > most - 4 ? n : most;
}

static char clean(char c)
{
    if (!ascii_is(c, ASCII_CONTROL))
        return c;
    return c == '\t' || c == '\r' ? ' ' : '?';
}

static void line_write(struct buf *out, int code, bool last,
                       struct span enhanced, struct span text)
{
    size_t blank = enhanced.n && text.n;
    size_t n = CODE + 1 + enhanced.n + blank + text.n + 2;
    char *p = buf_space(out, n);
    if (!p)
        return;
    *p++ = (char)('0' + code / 100);
    *p++ = (char)('0' + code / 10 % 10);
    *p++ = (char)('0' + code % 10);
    *p++ = last ? ' ' : '-';
    for (size_t i = 0; i < enhanced.n; i++)
        *p++ = enhanced.p[i];
    if (blank)
        *p++ = ' ';
    for (size_t i = 0; i < text.n; i++)
        *p++ = clean(text.p[i]);
    memcpy(p, "\r\n", 2);
    buf_filled(out, n);
}

/* Cuts the next line off text, at most most octets long. */
static struct span next_line(struct span *text, size_t most)
{
    struct span line = span_of(text->p, span_find(*text, '\n'));
    size_t end = line.n < text->n ? line.n + 1 : line.n;
    if (end > line.n && line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (line.n > most) {
        line.n = end = line_fit(line, most);
        if (text->p[end] == ' ')
            end++;
    }
    *text = span_skip(*text, end);
    return line;
}

int reply_challenge(struct buf *out, int code, struct span text)
{
    line_write(out, code, true, span_of(NULL, 0), text);
    return buf_error(out);
}

int reply_write(struct buf *out, int code, struct span enhanced,
                struct span text)
{
    if (code < 200 || code > 599)
        return ERR_SYNTAX;
    if (enhanced.n && !reply_enhanced_fits(code, enhanced))
        return ERR_SYNTAX;
    size_t most = REPLY_LINE - CODE - 3 - (enhanced.n ? enhanced.n + 1 : 0);
    do {
        struct span line = next_line(&text, most);
        line_write(out, code, text.n == 0, enhanced, line);
    } while (text.n);
    return buf_error(out);
}
