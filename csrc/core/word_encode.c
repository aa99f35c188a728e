/*
 * word_encode - encoded words of header values, written; see word.h
 */
#include <stdint.h>

#include "ascii.h"
#include "base64.h"
#include "charset.h"
#include "word.h"

enum {
    WORD_MOST = 75,
    WORD_LINE = 76,   /* RFC 2047 2: of a line with a word */
    WORD_USEFUL = 30, /* no word is cut shorter to fit a line */
    BARE_MOST = 900,
    LANGUAGE_MOST = 35 /* RFC 5646 4.4.1 */
};

struct writer {
    struct buf *out;
    struct word_form form;
    bool utf8;         /* its charset: nothing to convert */
    struct buf bytes;  /* of the word being made, in another charset */
    struct span piece; /* these, or those of the text */
    size_t taken;      /* columns before the first word on its line */
    bool b;            /* base64 */
};

/* What Q leaves as it is, RFC 2047 4.2 and 5 (3); the same in text, where
   more would be allowed, but for a few harmless signs. */
static bool q_bare(const struct writer *w, char c)
{
    if (ascii_is(c, ASCII_LETDIG))
        return true;
    if (c == '\0' || !ascii_is(c, ASCII_VISIBLE))
        return false;
    return strchr(w->form.place == WORD_TEXT ? "!*+-/.,;:@#$%&'()<>[]{}|^~\"\\`"
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

/* Makes w->piece a piece of the text in the charset. */
static int convert(struct writer *w, struct span piece)
{
    int err;
    w->piece = piece;
    if (w->utf8)
        return 0;
    buf_clear(&w->bytes);
    err = charset_encode(&w->bytes, w->form.charset, piece, w->form.store);
    w->piece = buf_span(&w->bytes);
    return err;
}

/* Columns that a word's text may take. */
static size_t room(const struct writer *w)
{
    const struct word_form *form = &w->form;
    size_t frame = form->charset.n + 7; /* the signs around it and the text */
    size_t most =
        w->taken + WORD_USEFUL > WORD_LINE ? WORD_MOST : WORD_LINE - w->taken;
    if (form->language.n)
        frame += 1 + form->language.n;
    if (most > WORD_MOST)
        most = WORD_MOST;
    return frame < most ? most - frame : 0;
}

static bool fits(const struct writer *w)
{
    return (w->b ? b_length(w->piece.n) : q_length(w, w->piece)) <= room(w);
}

static size_t characters(struct span s, size_t most)
{
    size_t i = 0;
    while (i < s.n && most--)
        i += charset_utf8(span_skip(s, i));
    return i;
}

/* The longest head of run that fits a word, where the text is its bytes. A
   word that others follow ends with a whole group of base64 where fewer
   characters make that so: there are readers that join the groups of
   adjacent words, and stop at the first "=". */
static size_t fitting(const struct writer *w, struct span run)
{
    size_t most = room(w), i = 0, columns = 0, whole = 0;
    while (i < run.n) {
        size_t n = charset_utf8(span_skip(run, i));
        columns = w->b ? b_length(i + n)
                       : columns + q_length(w, span_of(run.p + i, n));
        if (columns > most)
            return w->b && whole ? whole : i;
        i += n;
        if (i % 3 == 0)
            whole = i;
    }
    return i;
}

/* The same for a head of *count characters, in a charset. */
static int whole_group(struct writer *w, struct span run, size_t *count)
{
    for (size_t n = *count; n > 0; n--) {
        int err = convert(w, span_of(run.p, characters(run, n)));
        if (err < 0)
            return err;
        if (w->piece.n % 3 == 0) {
            *count = n;
            break;
        }
    }
    return 0;
}

/* fitting where the text has to be converted: by halving, since a word has
   at most 75 characters, and each attempt is a call of iconv. */
static int fitting_converted(struct writer *w, struct span run, size_t *taken)
{
    size_t low = 1, high = room(w);
    int err = 0;
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        err = convert(w, span_of(run.p, characters(run, middle)));
        if (err < 0)
            return err;
        if (fits(w))
            low = middle;
        else
            high = middle - 1;
    }
    if (w->b && characters(run, low) < run.n)
        err = whole_group(w, run, &low);
    *taken = characters(run, low);
    return err;
}

/* The longest head of run, in whole characters, that fits a word becomes
   w->piece. */
static int take_piece(struct writer *w, struct span run, size_t *taken)
{
    int err = 0;
    if (w->utf8)
        *taken = fitting(w, run);
    else
        err = fitting_converted(w, run, taken);
    if (err == 0)
        err = convert(w, span_of(run.p, *taken));
    return err < 0 ? err : *taken && fits(w) ? 0 : ERR_LIMIT;
}

static void put_word(struct writer *w)
{
    buf_add_text(w->out, "=?");
    buf_add_span(w->out, w->form.charset);
    if (w->form.language.n) {
        buf_add_char(w->out, '*');
        buf_add_span(w->out, w->form.language);
    }
    buf_add_text(w->out, w->b ? "?B?" : "?Q?");
    if (w->b)
        put_b(w, w->piece);
    else
        put_q(w, w->piece);
    buf_add_text(w->out, "?=");
}

static int put_run(struct writer *w, struct span run)
{
    int err = convert(w, run);
    if (err < 0)
        return err;
    w->b = b_length(w->piece.n) < q_length(w, w->piece) ||
           span_find(w->piece, '\033') < w->piece.n; /* as RFC 1468 has it */
    while (run.n) {
        size_t n;
        err = take_piece(w, run, &n);
        if (err < 0)
            return err;
        put_word(w);
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
    if (token.n > BARE_MOST || span_find_pair(token, 0, "=?") < token.n)
        return false;
    if (w->form.place == WORD_PHRASE)
        return ascii_all(token, ASCII_ATEXT);
    if (!ascii_all(token, ASCII_VISIBLE))
        return false;
    return w->form.place == WORD_TEXT || (span_find(token, '(') == token.n &&
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
    if (quoted_length(s) <= WORD_LINE && span_find_pair(s, 0, "=?") == s.n &&
        ascii_all(s, ASCII_VISIBLE | ASCII_BLANK))
        return put_quoted(w->out, s);
    if (blanks(s) || ascii_is(s.p[s.n - 1], ASCII_BLANK) ||
        span_find_pair(s, 0, "  ") < s.n || span_find(s, '\t') < s.n)
        return put_run(w, s); /* a phrase keeps no such blanks */
    return put_text(w, s);
}

bool word_is_language(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is(s.p[i], ASCII_LETDIG) && s.p[i] != '-')
            return false;
    return s.n > 0 && s.n <= LANGUAGE_MOST;
}

int word_encode_as(struct buf *out, struct span text,
                   const struct word_form *form)
{
    struct writer w = {.out = out, .form = *form, .taken = form->taken};
    int err;
    if (ascii_breaks(text) || !charset_is_utf8(text))
        return ERR_SYNTAX;
    if (form->language.n && !word_is_language(form->language))
        return ERR_SYNTAX;
    if (!ascii_all(form->charset, ASCII_TOKEN) ||
        span_find(form->charset, '\'') < form->charset.n)
        return ERR_CHARSET;
    w.utf8 = span_ieq(form->charset, SPAN("utf-8"));
    buf_init(&w.bytes, text.n * 4 + 256);
    err =
        form->place == WORD_PHRASE ? put_phrase(&w, text) : put_text(&w, text);
    buf_free(&w.bytes);
    return err;
}

int word_encode_at(struct buf *out, struct span text, struct span charset,
                   enum word_place place, size_t taken)
{
    struct word_form form = {
        .charset = charset, .place = place, .taken = taken};
    return word_encode_as(out, text, &form);
}

int word_encode(struct buf *out, struct span text, struct span charset,
                enum word_place place)
{
    return word_encode_at(out, text, charset, place, 0);
}
