/*
 * word - encoded words of header values, RFC 2047; see word.h
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

enum {
    WORD_MOST = 75,
    WORD_LINE = 76,   /* RFC 2047 2: of a line with a word */
    WORD_USEFUL = 30, /* no word is cut shorter to fit a line */
    BARE_MOST = 900
};

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
    size_t closer; /* the next "?=" at or behind what was last asked for */
    int faults;
    int err; /* the first failure: bytes is cleared for each word */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Offset of the first pair of characters at or behind from, or value.n. */
static size_t find_pair(struct span s, size_t from, const char *pair)
{
    while (from + 1 < s.n) {
        const char *q = memchr(s.p + from, pair[0], s.n - from - 1);
        if (!q)
            break;
        from = (size_t)(q - s.p);
        if (q[1] == pair[1])
            return from;
        from++;
    }
    return s.n;
}

static size_t reader_closer(struct reader *r, size_t from)
{
    if (r->closer < from)
        r->closer = find_pair(r->value, from, "?=");
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
    if (end == r->value.n || find_pair(w->text, 0, "=?") < w->text.n) {
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
    keep_error(r, charset_decode(r->out, SPAN("windows-1252"), s));
}

/* Converts what was gathered. */
static void reader_flush(struct reader *r)
{
    int faults;
    size_t before = buf_size(r->out);
    if (!r->open)
        return;
    faults = charset_decode(r->out, r->charset, buf_span(&r->bytes));
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
    while (i < s.n && is_blank(s.p[i]))
        i++;
    return i == s.n;
}

int word_decode(struct buf *out, struct span value)
{
    struct reader r = {.value = value, .out = out};
    size_t from = 0, i = 0; /* from: plain text not yet written */
    bool after = false;     /* a word ended at from */
    buf_init(&r.bytes, value.n + 1);
    while ((i = find_pair(value, i, "=?")) < value.n) {
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

struct writer {
    struct buf *out;
    struct span charset;
    enum word_place place;
    struct buf bytes; /* of the word being made, in the charset */
    size_t taken;     /* columns before the first word on its line */
    bool b;           /* base64 */
};

/* What Q leaves as it is, RFC 2047 4.2 and 5 (3); the same in text, where
   more would be allowed, but for a few harmless signs. */
static bool q_bare(const struct writer *w, char c)
{
    if (ascii_is(c, ASCII_LETDIG))
        return true;
    if (c == '\0' || !ascii_is(c, ASCII_VISIBLE))
        return false;
    return strchr(w->place == WORD_TEXT ? "!*+-/.,;:@#$%&'()<>[]{}|^~\"\\`"
                                        : "!*+-/",
                  c) != NULL;
}

static size_t q_length(const struct writer *w, struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == ' ' || q_bare(w, s.p[i]) ? 1 : 3;
    return n;
}

static size_t b_length(size_t n)
{
    return (n + 2) / 3 * 4;
}

static void put_q(struct writer *w, struct span s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char code[3] = {'=', digits[c >> 4], digits[c & 15]};
        if (c == ' ')
            buf_add_char(w->out, '_');
        else if (q_bare(w, s.p[i]))
            buf_add_char(w->out, s.p[i]);
        else
            buf_add(w->out, code, 3);
    }
}

static void put_b(struct writer *w, struct span s)
{
    struct base64_encoder e;
    char *p = buf_space(w->out, base64_room(s.n + 2, 0) + 4);
    size_t n;
    if (!p)
        return;
    base64_encoder_init(&e, 0);
    n = base64_encode(&e, s, p);
    n += base64_encode_finish(&e, p + n);
    buf_filled(w->out, n);
}

/* Converts a piece to w->bytes. */
static int convert(struct writer *w, struct span piece)
{
    buf_clear(&w->bytes);
    return charset_encode(&w->bytes, w->charset, piece);
}

static size_t room(const struct writer *w)
{
    size_t frame = w->charset.n + 7; /* the signs around it and the text */
    size_t most =
        w->taken + WORD_USEFUL > WORD_LINE ? WORD_MOST : WORD_LINE - w->taken;
    if (most > WORD_MOST)
        most = WORD_MOST;
    return frame < most ? most - frame : 0;
}

static bool fits(const struct writer *w)
{
    struct span s = buf_span(&w->bytes);
    return (w->b ? b_length(s.n) : q_length(w, s)) <= room(w);
}

static size_t characters(struct span s, size_t most)
{
    size_t i = 0;
    while (i < s.n && most--)
        i += charset_utf8(span_skip(s, i));
    return i;
}

/* A word that others follow ends with a whole group of base64 where fewer
   characters make that so: there are readers that join the groups of
   adjacent words, and stop at the first "=". */
static int whole_group(struct writer *w, struct span run, size_t *count)
{
    for (size_t n = *count; n > 0; n--) {
        int err = convert(w, span_of(run.p, characters(run, n)));
        if (err < 0)
            return err;
        if (buf_size(&w->bytes) % 3 == 0) {
            *count = n;
            break;
        }
    }
    return 0;
}

/* The longest head of run, in whole characters, that fits a word stands
   converted in w->bytes; its length, or an error. By halving: a word has
   at most 75 characters, and in some charsets each attempt is a call. */
static int take_piece(struct writer *w, struct span run, size_t *taken)
{
    size_t low = 1, high = room(w);
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        int err = convert(w, span_of(run.p, characters(run, middle)));
        if (err < 0)
            return err;
        if (fits(w))
            low = middle;
        else
            high = middle - 1;
    }
    int err = 0;
    if (w->b && characters(run, low) < run.n)
        err = whole_group(w, run, &low);
    if (err < 0)
        return err;
    *taken = characters(run, low);
    err = convert(w, span_of(run.p, *taken));
    return err < 0 ? err : fits(w) ? 0 : ERR_LIMIT;
}

static int put_run(struct writer *w, struct span run)
{
    struct span bytes;
    int err = convert(w, run);
    if (err < 0)
        return err;
    bytes = buf_span(&w->bytes);
    w->b = b_length(bytes.n) < q_length(w, bytes) ||
           span_find(bytes, '\033') < bytes.n; /* as RFC 1468 has it */
    while (run.n) {
        size_t n;
        err = take_piece(w, run, &n);
        if (err < 0)
            return err;
        buf_add_text(w->out, "=?");
        buf_add_span(w->out, w->charset);
        buf_add_text(w->out, w->b ? "?B?" : "?Q?");
        if (w->b)
            put_b(w, buf_span(&w->bytes));
        else
            put_q(w, buf_span(&w->bytes));
        buf_add_text(w->out, "?=");
        w->taken = 0;
        run = span_skip(run, n);
        if (run.n)
            buf_add_char(w->out, ' ');
    }
    return buf_error(w->out);
}

/* May this stretch without blanks stand as it is? */
static bool is_bare(const struct writer *w, struct span token)
{
    if (token.n > BARE_MOST || find_pair(token, 0, "=?") < token.n)
        return false;
    if (w->place == WORD_PHRASE)
        return ascii_all(token, ASCII_ATEXT);
    if (!ascii_all(token, ASCII_VISIBLE))
        return false;
    return w->place == WORD_TEXT || (span_find(token, '(') == token.n &&
                                     span_find(token, ')') == token.n &&
                                     span_find(token, '\\') == token.n);
}

static size_t blanks(struct span s)
{
    return ascii_run(s, ASCII_BLANK);
}

static size_t token(struct span s)
{
    size_t i = 0;
    while (i < s.n && s.p[i] != ' ' && s.p[i] != '\t')
        i++;
    return i;
}

/* Length of the run at the head of s, which begins with a token that is not
   bare: up to the last such token with no bare one before it. */
static size_t run_length(const struct writer *w, struct span s)
{
    size_t end = token(s), i = end;
    while (i < s.n) {
        size_t gap = blanks(span_skip(s, i));
        struct span next = span_skip(s, i + gap);
        next.n = token(next);
        if (next.n == 0)
            break;
        if (is_bare(w, next))
            break;
        end = i += gap + next.n;
    }
    return end;
}

static int put_text(struct writer *w, struct span s)
{
    while (s.n) {
        size_t gap = blanks(s), n;
        buf_add(w->out, s.p, gap);
        s = span_skip(s, gap);
        n = token(s);
        if (n == 0)
            break;
        if (is_bare(w, span_of(s.p, n))) {
            buf_add(w->out, s.p, n);
            w->taken = 0;
        } else {
            n = run_length(w, s);
            int err = put_run(w, span_of(s.p, n));
            if (err < 0)
                return err;
        }
        s = span_skip(s, n);
    }
    return buf_error(w->out);
}

static size_t quoted_length(struct span s)
{
    size_t n = 2 + s.n;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '"' || s.p[i] == '\\';
    return n;
}

static int put_quoted(struct buf *out, struct span s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, s.p[i]);
    }
    return buf_add_char(out, '"');
}

/* Single spaces between atoms, and nothing else? */
static bool is_atoms(const struct writer *w, struct span s)
{
    while (s.n) {
        size_t n = token(s);
        if (!is_bare(w, span_of(s.p, n)))
            return false;
        s = span_skip(s, n);
        if (s.n && (blanks(s) != 1 || s.p[0] != ' ' || s.n == 1))
            return false;
        s = span_skip(s, 1);
    }
    return true;
}

static int put_phrase(struct writer *w, struct span s)
{
    if (is_atoms(w, s))
        return buf_add_span(w->out, s);
    if (quoted_length(s) <= WORD_LINE && find_pair(s, 0, "=?") == s.n &&
        ascii_all(s, ASCII_VISIBLE | ASCII_BLANK))
        return put_quoted(w->out, s);
    if (blanks(s) || ascii_is(s.p[s.n - 1], ASCII_BLANK) ||
        find_pair(s, 0, "  ") < s.n || span_find(s, '\t') < s.n)
        return put_run(w, s); /* a phrase keeps no such blanks */
    return put_text(w, s);
}

int word_encode(struct buf *out, struct span text, struct span charset,
                enum word_place place)
{
    return word_encode_at(out, text, charset, place, 0);
}

int word_encode_at(struct buf *out, struct span text, struct span charset,
                   enum word_place place, size_t taken)
{
    struct writer w = {
        .out = out, .charset = charset, .place = place, .taken = taken};
    int err;
    if (ascii_breaks(text) || !charset_is_utf8(text))
        return ERR_SYNTAX;
    if (!ascii_all(charset, ASCII_TOKEN))
        return ERR_CHARSET;
    buf_init(&w.bytes, text.n * 4 + 256);
    err = place == WORD_PHRASE ? put_phrase(&w, text) : put_text(&w, text);
    buf_free(&w.bytes);
    return err;
}
