/*
 * compose - header fields on their way out; see compose.h
 *
 * put() is the choke point: all that a caller gave passes it, and the only
 * line ends in the output are those that fold() and compose_end() write.
 */
#include "compose.h"

#include "ascii.h"
#include "charset.h"
#include "param.h"
#include "word.h"

enum { COMPOSE_SCRATCH = 1 << 20 }; /* most bytes of one encoded piece */

static bool failed(struct compose *c, int err)
{
    if (!c->err && err < 0)
        c->err = err;
    return c->err != 0;
}

static void put(struct compose *c, struct span s)
{
    if (c->err)
        return;
    if (ascii_breaks(s)) {
        c->err = ERR_SYNTAX;
        return;
    }
    c->column += s.n;
    if (!failed(c, c->column > COMPOSE_LINE ? ERR_LIMIT : 0))
        failed(c, buf_add_span(c->out, s));
}

static void fold(struct compose *c)
{
    if (!c->err)
        failed(c, buf_add_text(c->out, "\r\n"));
    c->column = 0;
    c->start = 0;
}

/* True when n more characters belong on a line of their own: they pass the
   columns here, and either fit there or do not stand first here. */
static bool wants_fold(const struct compose *c, size_t n)
{
    return c->column + n > COMPOSE_COLUMNS && c->column > 0 &&
           (n <= COMPOSE_COLUMNS || c->column != c->start);
}

/* Blanks and a piece; tail characters will follow it without a blank. */
static void place(struct compose *c, struct span blanks, struct span piece,
                  size_t tail)
{
    if (wants_fold(c, blanks.n + piece.n + tail))
        fold(c);
    put(c, blanks);
    put(c, piece);
}

/* Text piece by piece, its own blanks kept between them. */
static void place_text(struct compose *c, struct span s, size_t tail)
{
    struct span blanks = SPAN(" ");
    s = span_trim(s);
    while (s.n && !c->err) {
        size_t n = 0;
        while (n < s.n && !ascii_is(s.p[n], ASCII_BLANK))
            n++;
        place(c, blanks, span_of(s.p, n), n == s.n ? tail : 0);
        s = span_skip(s, n);
        blanks = span_of(s.p, ascii_run(s, ASCII_BLANK));
        s = span_skip(s, blanks.n);
    }
}

/* The scratch as it fills: the text as encoded words, where it needs them.
   Looks for breaks first, since a word would carry them out. taken columns
   stand before it on its line. */
static struct span encoded(struct compose *c, struct span text,
                           enum word_place where, size_t taken)
{
    buf_clear(&c->scratch);
    if (failed(c, ascii_breaks(text) ? ERR_SYNTAX : 0) ||
        failed(c,
               word_encode_at(&c->scratch, text, SPAN("utf-8"), where, taken)))
        return span_of(NULL, 0);
    return buf_span(&c->scratch);
}

static bool has_word_start(struct span s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '=' && s.p[i + 1] == '?')
            return true;
    return false;
}

/* A display name: atoms and words, or one quoted string, which is a piece. */
static void place_phrase(struct compose *c, struct span words, size_t tail)
{
    if (words.n && words.p[0] == '"')
        place(c, SPAN(" "), words, tail);
    else
        place_text(c, words, tail);
}

void compose_free(struct compose *c)
{
    buf_free(&c->scratch);
}

void compose_begin(struct compose *c, struct buf *out, struct span name)
{
    c->out = out;
    c->column = c->items = 0;
    c->utf8 = false;
    c->err = 0;
    c->scratch.ceiling = COMPOSE_SCRATCH;
    failed(c, ascii_all(name, ASCII_FIELD) ? 0 : ERR_SYNTAX);
    put(c, name);
    put(c, SPAN(":"));
    c->start = c->column;
}

static bool is_8bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_is(s.p[i], ASCII_8BIT))
            return true;
    return false;
}

void compose_text(struct compose *c, struct span text)
{
    place_text(c, encoded(c, text, WORD_TEXT, c->column + 1), 0);
}

void compose_bare(struct compose *c, struct span text)
{
    failed(c, ascii_breaks(text) || is_8bit(text) ? ERR_SYNTAX : 0);
    place_text(c, text, 0);
}

void compose_word(struct compose *c, struct span word)
{
    bool ok = ascii_all(word, ASCII_VISIBLE | ASCII_8BIT);
    failed(c, ok && charset_is_utf8(word) ? 0 : ERR_SYNTAX);
    c->utf8 = c->utf8 || is_8bit(word);
    place(c, SPAN(" "), word, 0);
}

void compose_token(struct compose *c, struct span token)
{
    struct span sub = token, main = span_cut(&sub, '/');
    bool ok = ascii_all(main, ASCII_TOKEN) &&
              (main.n == token.n || ascii_all(sub, ASCII_TOKEN));
    failed(c, ok ? 0 : ERR_SYNTAX);
    place(c, SPAN(" "), token, 1);
}

void compose_mailbox(struct compose *c, struct span name, struct span address)
{
    int form = compose_address(address);
    c->utf8 = c->utf8 || form > 0;
    if (failed(c, form))
        return;
    if (c->items++)
        put(c, SPAN(","));
    if (name.n == 0) {
        place(c, SPAN(" "), address, 1);
        return;
    }
    size_t taken = c->column == c->start ? c->column + 1 : 1;
    struct span words = encoded(c, name, WORD_PHRASE, taken);
    if (c->err)
        return;
    size_t line = words.n + address.n + 5; /* blanks, angles, comma */
    if (line <= COMPOSE_COLUMNS && wants_fold(c, line))
        fold(c);
    place_phrase(c, words, 0);
    buf_clear(&c->scratch);
    buf_add_char(&c->scratch, '<');
    buf_add_span(&c->scratch, address);
    buf_add_char(&c->scratch, '>');
    if (!failed(c, buf_error(&c->scratch)))
        place(c, SPAN(" "), buf_span(&c->scratch), 1);
}

void compose_group(struct compose *c, struct span name)
{
    if (c->items)
        put(c, SPAN(","));
    failed(c, name.n ? 0 : ERR_SYNTAX);
    place_phrase(c, encoded(c, name, WORD_PHRASE, 1), 1);
    put(c, SPAN(":"));
    c->items = 0;
}

void compose_group_end(struct compose *c)
{
    put(c, SPAN(";"));
    c->items = 1;
}

/* End of the piece at the head of "name=value; name=value": the semicolon
   outside quotes, or all. */
static size_t parameter_end(struct span s)
{
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            quoted = !quoted;
        else if (quoted && s.p[i] == '\\')
            i++;
        else if (!quoted && s.p[i] == ';')
            return i;
    }
    return s.n;
}

void compose_parameter(struct compose *c, struct span name, struct span value)
{
    struct span s;
    buf_clear(&c->scratch);
    if (failed(c, param_encode(&c->scratch, name, value)))
        return;
    s = buf_span(&c->scratch);
    while (s.n) {
        if (s.p[0] == ';')
            put(c, SPAN(";"));
        s = span_skip(s, s.p[0] == ';');
        s = span_skip(s, ascii_run(s, ASCII_BLANK));
        size_t n = parameter_end(s);
        if (n)
            place(c, SPAN(" "), span_of(s.p, n), 1);
        s = span_skip(s, n);
    }
}

void compose_parameter_words(struct compose *c, struct span name,
                             struct span value)
{
    struct span words = encoded(c, value, WORD_PHRASE, name.n + 3);
    if (c->err || !has_word_start(words))
        return;
    failed(c, ascii_all(name, ASCII_TOKEN) ? 0 : ERR_SYNTAX);
    put(c, SPAN(";"));
    size_t n = span_find(words, ' ');
    if (wants_fold(c, name.n + n + 4))
        fold(c);
    put(c, SPAN(" "));
    put(c, name);
    put(c, SPAN("=\""));
    put(c, span_of(words.p, n));
    place_text(c, span_skip(words, n), 2);
    put(c, SPAN("\""));
}

int compose_end(struct compose *c)
{
    fold(c);
    return c->err;
}

/* A quoted local part: 0 when only what may stand in quotes does. */
static int check_quoted(struct span s)
{
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (s.p[i] == '"' || ascii_is(s.p[i], ASCII_CONTROL))
            return ERR_SYNTAX;
        if (s.p[i] == '\\' &&
            (++i + 1 >= s.n || ascii_is(s.p[i], ASCII_CONTROL)))
            return ERR_SYNTAX;
    }
    return 0;
}

static int check_local(struct span s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        return check_quoted(s);
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is(s.p[i], ASCII_ATEXT | ASCII_8BIT) && s.p[i] != '.')
            return ERR_SYNTAX;
    return s.n ? 0 : ERR_SYNTAX;
}

/* Dots between labels (a last one not), or a literal in brackets. */
static int check_domain(struct span s)
{
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        return ascii_all(span_of(s.p + 1, s.n - 2), ASCII_DTEXT) ? 0
                                                                 : ERR_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        bool dot = s.p[i] == '.';
        bool label = ascii_is(s.p[i], ASCII_LETDIG | ASCII_8BIT) ||
                     s.p[i] == '-' || s.p[i] == '_';
        if (!label && !dot)
            return ERR_SYNTAX;
        if (dot && (i == 0 || i + 1 == s.n || s.p[i + 1] == '.'))
            return ERR_SYNTAX;
    }
    return s.n ? 0 : ERR_SYNTAX;
}

int compose_address(struct span address)
{
    size_t at = address.n;
    while (at > 0 && address.p[at - 1] != '@')
        at--;
    if (at == 0)
        return ERR_SYNTAX;
    if (check_local(span_of(address.p, at - 1)) ||
        check_domain(span_skip(address, at)))
        return ERR_SYNTAX;
    if (!is_8bit(address))
        return 0;
    return charset_is_utf8(address) ? 1 : ERR_SYNTAX;
}
