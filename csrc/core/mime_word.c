/*
 * mime_word - text with encoded words as most are; see mime_word.h
 */
#include "mime_word.h"

#include <stdint.h>

#include "ascii.h"
#include "base64_kernels.h"
#include "charset.h"
#include "qp_kernels.h"

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH       EACH(0x80)

/* More than 0: there are bytes below 0x20, or from 0x7f on. */
static uint64_t specials(uint64_t w)
{
    return ((w - EACH(0x20)) | (w + EACH(1)) | w) & HIGH;
}

static uint64_t equal(uint64_t w, unsigned char byte)
{
    w ^= EACH(byte);
    return (w - EACH(1)) & ~w & HIGH;
}

/* The last eight bytes, or, before blanks, the few there are. */
static uint64_t tail_word(struct span s)
{
    uint64_t w = EACH(' ');
    if (s.n >= sizeof w)
        memcpy(&w, s.p + s.n - sizeof w, sizeof w);
    else if (s.n)
        memcpy(&w, s.p, s.n);
    return w;
}

enum mime_text mime_text_kind(struct span s)
{
    uint64_t w = tail_word(s);
    uint64_t special = specials(w), equals = equal(w, '=');
    for (size_t i = 0; i + sizeof w < s.n; i += sizeof w) {
        memcpy(&w, s.p + i, sizeof w);
        special |= specials(w);
        equals |= equal(w, '=');
    }
    if (special)
        return MIME_TEXT_OTHER;
    return equals && span_find_pair(s, 0, "=?") < s.n ? MIME_TEXT_WORDS
                                                      : MIME_TEXT_PLAIN;
}

/* Writes the text of a word; NULL: it is no plain one. */
static char *put_q(char *to, struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    for (; p < end; p++) {
        if (*p != '=') {
            *to++ = *p == '_' ? ' ' : (char)*p;
            continue;
        }
        if (end - p < 3 || (qp_hex[p[1]] | qp_hex[p[2]]) > 15)
            return NULL;
        *to++ = (char)(qp_hex[p[1]] << 4 | qp_hex[p[2]]);
        p += 2;
    }
    return to;
}

/* The last group of base64, where "=" may stand; no bit is left over. */
static char *put_last(char *to, const unsigned char *p)
{
    const unsigned char *value = base64_values[0];
    size_t n = p[3] != '=' ? 3 : p[2] != '=' ? 2 : 1;
    unsigned a = value[p[0]], b = value[p[1]];
    unsigned c = n > 1 ? value[p[2]] : 0, d = n > 2 ? value[p[3]] : 0;
    if ((a | b | c | d) & 0x80)
        return NULL;
    if ((n == 1 && b & 15) || (n == 2 && c & 3))
        return NULL;
    to[0] = (char)(a << 2 | b >> 4);
    if (n > 1)
        to[1] = (char)(b << 4 | c >> 2);
    if (n > 2)
        to[2] = (char)(c << 6 | d);
    return to + n;
}

static char *put_b(char *to, struct span s)
{
    const unsigned char *value = base64_values[0];
    const unsigned char *p = (const unsigned char *)s.p, *last;
    if (s.n == 0 || s.n % 4 != 0)
        return NULL;
    for (last = p + s.n - 4; p < last; p += 4) {
        unsigned a = value[p[0]], b = value[p[1]];
        unsigned c = value[p[2]], d = value[p[3]];
        if ((a | b | c | d) & 0x80)
            return NULL;
        *to++ = (char)(a << 2 | b >> 4);
        *to++ = (char)(b << 4 | c >> 2);
        *to++ = (char)(c << 6 | d);
    }
    return put_last(to, p);
}

/* Writes the word at the head of s to *to: its length, or 0. */
static size_t put_word(char **to, struct span s)
{
    struct span text = span_skip(s, 10);
    char kind = s.n < 13 ? '\0' : ascii_lower(s.p[8]);
    if ((kind != 'b' && kind != 'q') || s.p[9] != '?' ||
        !span_istarts(s, SPAN("=?utf-8?")))
        return 0;
    text.n = span_find(text, '?');
    if (text.n == 0 || text.n + 11 >= s.n || s.p[text.n + 11] != '=' ||
        span_find(text, ' ') < text.n)
        return 0;
    *to = kind == 'b' ? put_b(*to, text) : put_q(*to, text);
    return *to ? text.n + 12 : 0;
}

static bool all_blank(struct span s)
{
    while (s.n && s.p[0] == ' ')
        s = span_skip(s, 1);
    return s.n == 0;
}

/* May a control be among them, or a byte order mark? */
static uint64_t doubtful(uint64_t w)
{
    return ((w - EACH(0x20)) & ~w & HIGH) | equal(w, 0x7f) | equal(w, 0xef);
}

/* No controls, no byte order mark, all UTF-8. */
static bool is_sound(struct span s)
{
    uint64_t w = tail_word(s);
    uint64_t found = doubtful(w);
    for (size_t i = 0; i + sizeof w < s.n; i += sizeof w) {
        memcpy(&w, s.p + i, sizeof w);
        found |= doubtful(w);
    }
    return !found && charset_is_utf8(s);
}

static char *put(char *to, struct span s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

/* What is written is never longer than what is read. */
bool mime_words(struct buf *out, struct span value)
{
    char *to = buf_space(out, value.n), *begin = to;
    size_t from = 0, i = 0;
    bool after = false; /* a word ended at from */
    if (!to)
        return false;
    while ((i = span_find_pair(value, i, "=?")) < value.n) {
        struct span gap = span_of(value.p + from, i - from);
        size_t n;
        if (!after || !all_blank(gap))
            to = put(to, gap);
        n = put_word(&to, span_skip(value, i));
        if (n == 0)
            return false;
        from = i += n;
        after = true;
    }
    to = put(to, span_skip(value, from));
    if (!is_sound(span_of(begin, (size_t)(to - begin))))
        return false;
    buf_filled(out, (size_t)(to - begin));
    return true;
}
