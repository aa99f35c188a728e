/*
 * mime_word - text with encoded words as most are; see mime_word.h
 */
#include "mime_word.h"

#include <stdint.h>

#include "ascii.h"
#include "base64.h"
#include "charset.h"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH       EACH(0x80)

/* Are there bytes below 0x20, or from 0x7f on? */
static bool is_special(uint64_t w)
{
    return (((w - EACH(0x20)) | (w + EACH(1)) | w) & HIGH) != 0;
}

enum mime_text mime_text_kind(struct span s)
{
    size_t i = 0;
    for (uint64_t w; i + sizeof w <= s.n; i += sizeof w) {
        memcpy(&w, s.p + i, sizeof w);
        if (is_special(w))
            return MIME_TEXT_OTHER;
    }
    for (; i < s.n; i++)
        if (!ascii_is(s.p[i], ASCII_VISIBLE) && s.p[i] != ' ')
            return MIME_TEXT_OTHER;
    return span_find_pair(s, 0, "=?") < s.n ? MIME_TEXT_WORDS : MIME_TEXT_PLAIN;
}

static bool add_q(struct buf *out, struct span s)
{
    char *to = buf_space(out, s.n);
    size_t n = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int c = s.p[i] == '_' ? ' ' : (unsigned char)s.p[i];
        if (c == '=' && i + 2 < s.n) {
            c = ascii_hex(s.p[i + 1]) * 16 + ascii_hex(s.p[i + 2]);
            if (ascii_hex(s.p[i + 1]) < 0 || ascii_hex(s.p[i + 2]) < 0)
                return false;
            i += 2;
        } else if (c == '=') {
            return false;
        }
        to[n++] = (char)c;
    }
    buf_filled(out, n);
    return true;
}

static bool add_b(struct buf *out, struct span s)
{
    struct base64_decoder d;
    size_t n, more = 0;
    char *to = buf_space(out, s.n);
    base64_decoder_init(&d, true);
    if (!to || base64_decode(&d, s, to, &n) < 0 ||
        base64_decode_finish(&d, to + n, &more) < 0)
        return false;
    buf_filled(out, n);
    return true;
}

/* Appends the word at the head of s: its length, or 0. */
static size_t add_word(struct buf *out, struct span s)
{
    struct span text = span_skip(s, 10);
    bool b;
    if (!span_istarts(s, SPAN("=?utf-8?")) || s.n < 13 || s.p[9] != '?')
        return 0;
    text.n = span_find(text, '?');
    if (text.n == 0 || text.n + 11 >= s.n || s.p[text.n + 11] != '=' ||
        span_find(text, ' ') < text.n)
        return 0;
    b = ascii_lower(s.p[8]) == 'b';
    if (!b && ascii_lower(s.p[8]) != 'q')
        return 0;
    return (b ? add_b(out, text) : add_q(out, text)) ? text.n + 12 : 0;
}

static bool all_blank(struct span s)
{
    while (s.n && s.p[0] == ' ')
        s = span_skip(s, 1);
    return s.n == 0;
}

/* No controls, no byte order mark, all UTF-8. */
static bool is_sound(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_is(s.p[i], ASCII_CONTROL) || s.p[i] == '\xef')
            return false;
    return charset_is_utf8(s);
}

bool mime_words(struct buf *out, struct span value)
{
    size_t before = buf_size(out), from = 0, i = 0;
    bool after = false; /* a word ended at from */
    while ((i = span_find_pair(value, i, "=?")) < value.n) {
        struct span gap = span_of(value.p + from, i - from);
        size_t n;
        if (!after || !all_blank(gap))
            buf_add_span(out, gap);
        n = add_word(out, span_skip(value, i));
        if (n == 0)
            break;
        from = i += n;
        after = true;
    }
    if (i >= value.n && buf_add_span(out, span_skip(value, from)) == 0 &&
        is_sound(span_skip(buf_span(out), before)))
        return true;
    buf_cut(out, before);
    return false;
}
