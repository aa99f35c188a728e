/*
 * param - parameters of MIME fields; see param.h
 *
 * Reading takes two passes. The first cuts the field into pieces, one for
 * each "name=value" as it stands. The second joins the pieces of each name
 * in the order of their RFC 2231 numbers, and decodes them together, since
 * a character may be split across two.
 */
#include "param.h"

#include "ascii.h"
#include "charset.h"
#include "word.h"

enum {
    LINE_MOST = 76,     /* a piece, the blank before and the ";" behind it */
    WHOLE_MOST = 70,    /* a boundary: many readers take no parts of one */
    COMMENT_MOST = 256, /* so that many that are not closed cost no time */
    SECTION_MOST = 9999,
    PLAIN = -1
};

struct piece {
    struct span name; /* without the numbers and stars of RFC 2231 */
    struct span value;
    int section; /* PLAIN: the name has no number */
    bool quoted;
    bool extended; /* percent-encoded, the first one with a charset */
    bool done;
};

struct reader {
    struct param_list *list;
    struct span rest;
    struct piece pieces[PARAM_MOST];
    size_t n;
};

/* Length of the comment at the head of s, its nested ones included; 0 when
   it is not closed within COMMENT_MOST. */
static size_t comment(struct span s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n && i < COMMENT_MOST; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* Length of the blanks and comments at the head of s. */
static size_t space(struct span s)
{
    size_t i = 0, n = 1;
    while (i < s.n && n) {
        n = span_blank(s.p[i]) ? 1 : 0;
        if (s.p[i] == '(')
            n = comment(span_skip(s, i));
        i += n;
    }
    return i;
}

static void skip_space(struct reader *r)
{
    r->rest = span_skip(r->rest, space(r->rest));
}

/* Length of "name =" at the head of s, without what is between in *name; 0
   when s does not begin a parameter. */
static size_t assignment(struct span s, size_t *name)
{
    size_t i = ascii_run(s, ASCII_TOKEN);
    *name = i;
    if (i == 0)
        return 0;
    i += space(span_skip(s, i));
    return i < s.n && s.p[i] == '=' ? i + 1 : 0;
}

/* Behind blanks in an unquoted value: does something else begin here? */
static bool value_ends(struct span s)
{
    size_t name, n = 0;
    if (assignment(s, &name))
        return true;
    if (s.n && s.p[0] == '(')
        n = comment(s);
    while (n < s.n && span_blank(s.p[n]))
        n++;
    return n == s.n || (n > 0 && s.p[n] == ';');
}

/* An unquoted value goes on over blanks (file names), up to ";", a comment
   that ends it, or the next "name=" whose ";" was forgotten. */
static struct span take_token(struct reader *r)
{
    struct span s = r->rest;
    size_t i = 0, end = 0;
    while (i < s.n && s.p[i] != ';') {
        if (!span_blank(s.p[i])) {
            end = ++i;
            continue;
        }
        while (i < s.n && span_blank(s.p[i]))
            i++;
        if (value_ends(span_skip(s, i)))
            break;
    }
    r->rest = span_skip(s, i);
    if (end && s.p[end - 1] == '"' &&
        span_find(span_of(s.p, end), '"') == end - 1) {
        r->list->faults++; /* a quote that nothing opened */
        end--;
    }
    return span_of(s.p, end);
}

static struct span take_quoted(struct reader *r)
{
    struct span s = span_skip(r->rest, 1);
    size_t i = 0, name;
    while (i < s.n && s.p[i] != '"')
        i += s.p[i] == '\\' && i + 1 < s.n ? 2 : 1;
    r->list->faults += i == s.n;
    r->rest = span_skip(s, i + 1);
    skip_space(r);
    if (r->rest.n && r->rest.p[0] != ';') {
        r->list->faults++;
        if (!assignment(r->rest, &name))
            r->rest = span_skip(r->rest, span_find(r->rest, ';'));
    }
    return span_of(s.p, i);
}

/* Takes the numbers and stars off the name: name*1*, RFC 2231 3 and 4. */
static void split_name(struct piece *piece)
{
    struct span s = piece->name, number;
    uint64_t section;
    size_t star;
    piece->section = PLAIN;
    if (s.n > 1 && s.p[s.n - 1] == '*') {
        piece->extended = true;
        s.n--;
    }
    star = span_find(s, '*');
    number = span_skip(s, star + 1);
    if (star && ascii_number(number, SECTION_MOST, &section)) {
        piece->section = (int)section;
        s.n = star;
    }
    piece->name = s;
}

static void take_piece(struct reader *r)
{
    struct piece piece = {0};
    size_t name, n;
    skip_space(r);
    if (r->rest.n == 0 || r->rest.p[0] == ';') {
        r->rest = span_skip(r->rest, 1);
        return;
    }
    n = assignment(r->rest, &name);
    if (n == 0) {
        r->list->faults++;
        r->rest = span_skip(r->rest, span_find(r->rest, ';') + 1);
        return;
    }
    piece.name = span_of(r->rest.p, name);
    r->rest = span_skip(r->rest, n);
    skip_space(r);
    piece.quoted = r->rest.n && r->rest.p[0] == '"';
    piece.value = piece.quoted ? take_quoted(r) : take_token(r);
    split_name(&piece);
    if (r->n < PARAM_MOST) {
        r->pieces[r->n++] = piece;
        return;
    }
    r->list->more = true;
    r->list->faults++;
}

/* Adds a value without its quoting. */
static void add_value(struct reader *r, const struct piece *piece,
                      struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int high, low;
        if (c == '\\' && piece->quoted && i + 1 < s.n) {
            c = s.p[++i];
        } else if (c == '%' && piece->extended && i + 2 < s.n &&
                   (high = ascii_hex(s.p[i + 1])) >= 0 &&
                   (low = ascii_hex(s.p[i + 2])) >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        buf_add_char(&r->list->joined, c);
    }
}

/* Takes "charset'language'" off the first piece of an extended value. */
static struct span take_charset(struct span *value, struct span *language)
{
    struct span s = *value, charset = span_cut(&s, '\'');
    if (span_find(s, '\'') == s.n)
        return SPAN("");
    *language = span_cut(&s, '\'');
    *value = s;
    return charset;
}

/* Appends what was joined, decoded. */
static int add_decoded(struct reader *r, bool extended, struct span charset)
{
    struct buf *text = &r->list->text;
    struct span bytes = buf_span(&r->list->joined);
    struct charset_store *store = r->list->store;
    size_t before = buf_size(text);
    int faults = ERR_CHARSET;
    if (!extended ||
        (charset.n == 0 && span_find_pair(bytes, 0, "=?") < bytes.n))
        return word_decode(text, bytes, store);
    if (charset.n)
        faults = charset_decode(text, charset, bytes, store);
    if (faults != ERR_CHARSET && faults != ERR_SYNTAX)
        return faults;
    buf_cut(text, before);
    faults = charset_decode(text, SPAN("unknown-8bit"), bytes, NULL);
    return faults >= 0 && charset.n ? faults + 1 : faults;
}

/* The piece of the same name whose number comes next, or NULL. */
static struct piece *next_piece(struct reader *r, const struct piece *first,
                                int section)
{
    struct piece *best = NULL;
    for (size_t i = 0; i < r->n; i++) {
        struct piece *p = &r->pieces[i];
        if (p->done || p->section < section || !span_ieq(p->name, first->name))
            continue;
        if (!best || p->section < best->section)
            best = p;
    }
    return best;
}

/* What is to be read for a name: a value with a star before its numbered
   pieces, these before a plain one (kept for old readers, RFC 5987 4.2). */
static struct piece *best_piece(struct reader *r, struct piece *first)
{
    struct piece *numbered = NULL;
    for (size_t i = 0; i < r->n; i++) {
        struct piece *p = &r->pieces[i];
        if (p->done || !span_ieq(p->name, first->name))
            continue;
        if (p->section == PLAIN && p->extended)
            return p;
        if (p->section != PLAIN &&
            (!numbered || p->section < numbered->section))
            numbered = p;
    }
    return numbered ? numbered : first;
}

static void drop_name(struct reader *r, struct span name)
{
    for (size_t i = 0; i < r->n; i++)
        if (span_ieq(r->pieces[i].name, name))
            r->pieces[i].done = true;
}

/* What a value says of itself */
struct said {
    struct span charset;
    struct span language;
    bool extended;
};

static void join(struct reader *r, struct piece *piece, struct said *said)
{
    struct span value = piece->value;
    int section = piece->section;
    if (piece->extended)
        said->charset = take_charset(&value, &said->language);
    r->list->faults += section > 0; /* the first one is missing */
    for (;;) {
        said->extended |= piece->extended;
        add_value(r, piece, value);
        if (section == PLAIN)
            return;
        piece = next_piece(r, piece, section + 1);
        if (!piece)
            return;
        r->list->faults += piece->section != section + 1;
        section = piece->section;
        value = piece->value;
    }
}

static int add_name(struct param_list *list, struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        buf_add_char(&list->text, ascii_lower(name.p[i]));
    return buf_error(&list->text);
}

static int add_param(struct reader *r, struct piece *first)
{
    struct param_list *list = r->list;
    struct param *param = &list->items[list->n];
    struct said said = {SPAN(""), SPAN(""), false};
    int faults;
    buf_clear(&r->list->joined);
    param->name_at = buf_size(&list->text);
    param->name_n = first->name.n;
    faults = add_name(list, first->name);
    if (faults < 0)
        return faults;
    join(r, best_piece(r, first), &said);
    if (buf_error(&r->list->joined))
        return buf_error(&r->list->joined);
    param->value_at = buf_size(&list->text);
    faults = add_decoded(r, said.extended, said.charset);
    if (faults < 0)
        return faults;
    param->value_n = buf_size(&list->text) - param->value_at;
    param->language_n = word_is_language(said.language) ? said.language.n : 0;
    buf_add(&list->text, said.language.p, param->language_n);
    list->faults += (size_t)faults;
    list->n++;
    drop_name(r, first->name);
    return 0;
}

int param_parse(struct param_list *list, struct span value)
{
    struct reader r;
    int err = 0;
    buf_renew(&list->text, value.n * 8 + 64);
    list->n = list->faults = 0;
    list->more = false;
    r.list = list;
    r.rest = value;
    r.n = 0;
    buf_renew(&list->joined, value.n + 1);
    while (r.rest.n)
        take_piece(&r);
    for (size_t i = 0; i < r.n && err == 0; i++)
        if (!r.pieces[i].done)
            err = add_param(&r, &r.pieces[i]);
    return err;
}

void param_list_free(struct param_list *list)
{
    buf_free(&list->text);
    buf_free(&list->joined);
    list->n = 0;
}

struct span param_name(const struct param_list *list, size_t i)
{
    struct span s = buf_span(&list->text);
    return span_of(s.p + list->items[i].name_at, list->items[i].name_n);
}

struct span param_value(const struct param_list *list, size_t i)
{
    struct span s = buf_span(&list->text);
    return span_of(s.p + list->items[i].value_at, list->items[i].value_n);
}

struct span param_language(const struct param_list *list, size_t i)
{
    struct span value = param_value(list, i);
    return span_of(value.p + value.n, list->items[i].language_n);
}

/* RFC 2231 attribute-char */
static bool is_attribute(char c)
{
    return ascii_is(c, ASCII_TOKEN) && c != '*' && c != '\'' && c != '%';
}

struct writer {
    struct buf *out;
    struct span name;
    struct span rest; /* of the value */
    struct span charset;
    struct span language;
    bool octets; /* rest is not UTF-8 */
    bool extended;
    bool numbered;
    unsigned section;
};

/* How many columns the character at the head of s takes, and how many bytes
   it is. */
static size_t width(const struct writer *w, struct span s, size_t *n)
{
    *n = w->octets ? 1 : charset_utf8(s);
    if (w->extended)
        return is_attribute(s.p[0]) ? 1 : 3 * *n;
    return s.p[0] == '"' || s.p[0] == '\\' ? 2 : 1;
}

/* How many bytes of the value fit into columns; all of them when numbers
   are not used. */
static size_t fitting(const struct writer *w, size_t columns)
{
    size_t i = 0, n;
    while (i < w->rest.n) {
        size_t need = width(w, span_skip(w->rest, i), &n);
        if (need > columns && i > 0)
            break;
        columns -= need < columns ? need : columns;
        i += n;
    }
    return i;
}

static void put_extended(struct buf *out, struct span s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_attribute(s.p[i]))
            buf_add_char(out, s.p[i]);
        else
            buf_add(out, code, 3);
    }
}

static void put_quoted(struct buf *out, struct span s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, '"');
}

/* "; name=" or "; name*1*=utf-8''", and as much of the value as fits. */
static void put_piece(struct writer *w)
{
    size_t before = buf_size(w->out), n;
    buf_add_text(w->out, "; ");
    buf_add_span(w->out, w->name);
    if (w->numbered) {
        buf_add_char(w->out, '*');
        buf_add_number(w->out, w->section);
    }
    buf_add_text(w->out, w->extended ? "*=" : "=");
    if (w->extended && w->section == 0) {
        buf_add_span(w->out, w->charset);
        buf_add_char(w->out, '\'');
        buf_add_span(w->out, w->language);
        buf_add_char(w->out, '\'');
    }
    n = buf_size(w->out) - before + (w->extended ? 0 : 2);
    n = w->numbered ? fitting(w, n < LINE_MOST ? LINE_MOST - n : 1) : w->rest.n;
    if (w->extended)
        put_extended(w->out, span_of(w->rest.p, n));
    else
        put_quoted(w->out, span_of(w->rest.p, n));
    w->rest = span_skip(w->rest, n);
    w->section++;
}

/* Would the value fit one piece? */
static bool is_short(const struct writer *w)
{
    size_t n = w->name.n + 5;
    if (w->extended)
        n += 2 + w->charset.n + w->language.n;
    return n < LINE_MOST && fitting(w, LINE_MOST - n) == w->rest.n;
}

static bool looks_encoded(struct span s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '=' && s.p[i + 1] == '?')
            return true;
    return false;
}

static int put_param(struct writer *w)
{
    w->numbered = !is_short(w) && (w->extended || w->rest.n > WHOLE_MOST);
    if (!w->numbered && !w->extended && ascii_all(w->rest, ASCII_TOKEN)) {
        buf_add_text(w->out, "; ");
        buf_add_span(w->out, w->name);
        buf_add_char(w->out, '=');
        return buf_add_span(w->out, w->rest);
    }
    do
        put_piece(w);
    while (w->rest.n);
    return buf_error(w->out);
}

static int put_converted(struct writer *w)
{
    struct buf bytes;
    int err;
    buf_init(&bytes, w->rest.n * 8 + 64);
    err = charset_encode(&bytes, w->charset, w->rest, NULL);
    w->octets = true;
    w->rest = buf_span(&bytes);
    if (err == 0)
        err = put_param(w);
    buf_free(&bytes);
    return err;
}

int param_encode_as(struct buf *out, struct span name, struct span value,
                    struct span charset, struct span language)
{
    struct writer w = {
        .out = out, .name = name, .rest = value, .language = language};
    bool ascii = ascii_all(value, ASCII_VISIBLE | ASCII_BLANK);
    if (!ascii_all(name, ASCII_TOKEN) || span_find(name, '*') < name.n)
        return ERR_SYNTAX;
    if (ascii_breaks(value) || !charset_is_utf8(value))
        return ERR_SYNTAX;
    if (language.n && !word_is_language(language))
        return ERR_SYNTAX;
    w.charset = charset.n ? charset : SPAN("utf-8");
    if (!ascii_all(w.charset, ASCII_TOKEN) ||
        span_find(w.charset, '\'') < w.charset.n)
        return ERR_CHARSET;
    w.extended = language.n || (value.n && (!ascii || looks_encoded(value)));
    if (!w.extended || span_ieq(w.charset, SPAN("utf-8")))
        return put_param(&w);
    return put_converted(&w);
}

int param_encode(struct buf *out, struct span name, struct span value)
{
    return param_encode_as(out, name, value, SPAN(""), SPAN(""));
}
