/*
 * word - encoded words of header values, RFC 2047, read; see word.h
 *
 * Reading is as tolerant as mail programs are: a word may touch other text,
 * hold blanks, or split a character (or a group of base64) with the next
 * one of its charset. Adjacent words of one charset are therefore gathered
 * as bytes, and converted together.
 */
#include "word.h"

#include <limits.h>
#include <stdint.h>

#include "ascii.h"
#include "base64.h"
#include "charset.h"

/* One "=?charset*language?encoding?text?=" */
struct word {
    struct span charset;
    struct span text;
    char encoding; /* 'b' or 'q' */
    size_t n;      /* its whole length */
};

struct reader {
    struct span value;
    struct buf *out;
    struct buf bytes;    /* of the words gathered, not yet converted */
    struct span charset; /* theirs */
    size_t at;           /* where the first of them begins */
    size_t end;          /* where the last of them ends */
    bool open;           /* there are some */
    bool raw;            /* the last words were kept as they were */
    struct base64_decoder base64;
    struct charset_store *store;
    size_t closer; /* the next "?=" at or behind what was last asked for */
    int faults;
    int err; /* the first failure: bytes is cleared for each word */
};

static size_t reader_closer(struct reader *r, size_t from)
{
    if (r->closer < from)
        r->closer = span_find_pair(r->value, from, "?=");
    return r->closer;
}

/* Reads "charset*language?encoding?" behind the "=?" of s; returns its
   length, or 0. */
static size_t word_head(struct span s, struct word *w)
{
    size_t i = 2;
    while (i < s.n && s.p[i] != '?' && ascii_is(s.p[i], ASCII_VISIBLE))
        i++;
    w->charset = span_of(s.p + 2, i - 2);
    w->charset.n = span_find(w->charset, '*');
    if (w->charset.n == 0 || i + 2 >= s.n || s.p[i] != '?' || s.p[i + 2] != '?')
        return 0;
    w->encoding = ascii_lower(s.p[i + 1]);
    return i + 3;
}

/* The word whose "=?" is at i. */
static bool reader_word(struct reader *r, size_t i, struct word *w)
{
    struct span s = span_skip(r->value, i);
    size_t head = word_head(s, w), end;
    if (head == 0)
        return false;
    end = w->encoding == 'b' || w->encoding == 'q' ? reader_closer(r, i + head)
                                                   : r->value.n;
    w->text = span_of(s.p + head, end - i - head);
    if (end == r->value.n || span_find_pair(w->text, 0, "=?") < w->text.n) {
        r->faults++;
        return false;
    }
    w->n = end + 2 - i;
    return true;
}

static void keep_error(struct reader *r, int err)
{
    if (err < 0 && r->err == 0)
        r->err = err;
}

static void add_plain(struct reader *r, struct span s)
{
    if (s.n == 0)
        return;
    if (charset_is_utf8(s)) {
        buf_add_span(r->out, s);
        return;
    }
    r->faults++;
    keep_error(r, charset_decode(r->out, SPAN("windows-1252"), s, NULL));
}

/* Converts what was gathered. */
static void reader_flush(struct reader *r)
{
    int faults;
    size_t before = buf_size(r->out);
    if (!r->open)
        return;
    faults = charset_decode(r->out, r->charset, buf_span(&r->bytes), r->store);
    r->raw = faults == ERR_CHARSET || faults == ERR_SYNTAX;
    if (r->raw) {
        buf_cut(r->out, before);
        add_plain(r, span_of(r->value.p + r->at, r->end - r->at));
        faults = 1;
    }
    if (faults > 0)
        r->faults += faults;
    keep_error(r, faults);
    keep_error(r, buf_error(&r->bytes));
    r->open = false;
    buf_clear(&r->bytes);
}

static void add_q(struct reader *r, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] == '_' ? ' ' : s.p[i];
        if (c == '=') {
            int high = i + 1 < s.n ? ascii_hex(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? ascii_hex(s.p[i + 2]) : -1;
            if (high >= 0 && low >= 0) {
                c = (char)(high * 16 + low);
                i += 2;
            } else {
                r->faults++;
            }
        }
        buf_add_char(&r->bytes, c);
    }
}

/* A group that was cut goes on in the next word: bits that are not zero
   show that it was cut, and not that its padding is missing. */
static void add_b(struct reader *r, struct span s)
{
    struct base64_decoder *d = &r->base64;
    char *p = buf_space(&r->bytes, s.n + 1);
    size_t n;
    bool cut = d->count == 1 || (d->count > 1 && d->held && !d->pad);
    if (!cut)
        base64_decoder_init(d, false);
    if (!p)
        return;
    base64_decode(d, s, p, &n);
    buf_filled(&r->bytes, n);
    r->faults += d->junk > 0;
    d->junk = 0;
}

static void reader_add(struct reader *r, const struct word *w, size_t i)
{
    if (r->open && !span_ieq(r->charset, w->charset))
        reader_flush(r);
    if (!r->open) {
        base64_decoder_init(&r->base64, false);
        r->at = i;
        r->charset = w->charset;
        r->open = true;
    }
    if (w->encoding == 'b') {
        add_b(r, w->text);
    } else {
        base64_decoder_init(&r->base64, false);
        add_q(r, w->text);
    }
    r->end = i + w->n;
}

static bool all_blank(struct span s)
{
    size_t i = 0;
    while (i < s.n && span_blank(s.p[i]))
        i++;
    return i == s.n;
}

int word_decode(struct buf *out, struct span value, struct charset_store *store)
{
    struct reader r = {.value = value, .out = out, .store = store};
    size_t from = 0, i = 0; /* from: plain text not yet written */
    bool after = false;     /* a word ended at from */
    buf_init(&r.bytes, value.n + 1);
    while ((i = span_find_pair(value, i, "=?")) < value.n) {
        struct word w;
        struct span gap = span_of(value.p + from, i - from);
        if (!reader_word(&r, i, &w)) {
            i += 2;
            continue;
        }
        if (!after || !all_blank(gap)) {
            reader_flush(&r);
            add_plain(&r, gap);
        } else if (r.open && !span_ieq(r.charset, w.charset)) {
            reader_flush(&r);
            if (r.raw)
                add_plain(&r, gap);
        }
        reader_add(&r, &w, i);
        from = i += w.n;
        after = true;
    }
    reader_flush(&r);
    add_plain(&r, span_skip(value, from));
    buf_free(&r.bytes);
    keep_error(&r, buf_error(out));
    return r.err ? r.err : r.faults;
}
