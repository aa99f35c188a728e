/*
 * addr - lists of addresses in header fields; see addr.h
 *
 * A token is a word (atom with its dots, encoded word, bracketed text), a
 * quoted string, a comment or a special. Words gather in r->name, and the
 * last ones, those that dots or adjacency join, also in r->word: an "@"
 * makes these the local part, an angle makes all of them the display name.
 * A bare address stays in r->name too, for "a@b <c@d>" has a name of that
 * kind; only when the next "@" comes is it known that a comma was missing,
 * and the reader goes back to r->restart. So no byte is read over twice.
 */
#include "addr.h"

#include "addr_plain.h"
#include "ascii.h"

enum kind { END, WORD, QUOTED, COMMENT, SPECIAL };
enum { QUOTE, PARENTHESIS }; /* indexes of r->unclosed */

struct token {
    enum kind kind;
    struct span text; /* what is within quotes or parentheses */
    size_t at;
    bool spaced; /* blanks stand before it */
};

/* What is known of the address that is being read. */
struct entry {
    size_t mark; /* where in r->name the words of r->word begin */
    size_t keep; /* length of the words before a bare address */
    bool quoted; /* r->word began with a quoted string */
    bool joined; /* the last token was a word, too */
    bool parted; /* a comment came behind it, which stands for a blank */
};

void addr_init(struct addr_reader *r, struct span value, size_t most)
{
    memset(r, 0, sizeof *r);
    addr_again(r, value, most);
}

void addr_again(struct addr_reader *r, struct span value, size_t most)
{
    r->s = value;
    r->at = 0;
    r->local = r->restart = r->faults = 0;
    r->left = most;
    r->grouped = r->found = r->angled = r->orphaned = false;
    r->unclosed[QUOTE] = r->unclosed[PARENTHESIS] = false;
    r->gathers = false;
}

/* Plain addresses need no memory: it is made ready for the first other. */
static void gather(struct addr_reader *r)
{
    size_t ceiling = 2 * r->s.n + 64;
    if (r->gathers)
        return;
    r->gathers = true;
    buf_renew(&r->name, ceiling);
    buf_renew(&r->word, ceiling);
    buf_renew(&r->spec, ceiling);
    buf_renew(&r->remark, ceiling);
    buf_renew(&r->group, ceiling);
}

void addr_free(struct addr_reader *r)
{
    buf_free(&r->name);
    buf_free(&r->word);
    buf_free(&r->spec);
    buf_free(&r->remark);
    buf_free(&r->group);
}

/* Unlike buf_clear, it keeps a failure. */
static void empty(struct buf *b)
{
    buf_cut(b, 0);
}

/* Form feeds and the like are none in RFC 5322, but no part of a word. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* Length of what an opening mark at the head of s begins, both marks
   included, or 0 when it is never closed. */
static size_t enclosed(struct span s, char open, char close)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (s.p[i] == close && (open != close || i > 0) && --depth == 0)
            return i + 1;
        else if (s.p[i] == open && (open != close || i == 0))
            depth++;
    }
    return 0;
}

/* Cuts what a mark encloses into t; a mark that nothing closes is passed
   over, and none of its kind is looked for again. */
static bool take_enclosed(struct addr_reader *r, struct token *t, int mark)
{
    static const char open[] = "\"(", close[] = "\")";
    struct span rest = span_skip(r->s, r->at);
    size_t n = r->unclosed[mark] ? 0 : enclosed(rest, open[mark], close[mark]);
    if (n == 0) {
        r->unclosed[mark] = true;
        r->faults++;
        r->at++;
        return false;
    }
    t->text = span_of(rest.p + 1, n - 2);
    r->at += n;
    return true;
}

/* Length of an encoded word at the head of s (RFC 2047 2), or 0. It may
   hold what ends other words: commas, angles, at-signs. */
static size_t encoded_word(struct span s)
{
    int marks = 0;
    if (s.n < 2 || s.p[0] != '=' || s.p[1] != '?')
        return 0;
    for (size_t i = 2; i < s.n && !is_blank(s.p[i]); i++) {
        if (s.p[i] != '?')
            continue;
        if (++marks == 3)
            return i + 1 < s.n && s.p[i + 1] == '=' ? i + 2 : 0;
    }
    return 0;
}

/* Length of a domain literal at the head of s, or 0. */
static size_t literal(struct span s)
{
    size_t n = 1;
    if (s.n == 0 || s.p[0] != '[')
        return 0;
    while (n < s.n && (is_blank(s.p[n]) || ascii_is(s.p[n], ASCII_DTEXT)) &&
           !strchr("<>,;\"@(", s.p[n] ? s.p[n] : '<'))
        n++;
    return n < s.n && s.p[n] == ']' ? n + 1 : 0;
}

static size_t atom(struct span s)
{
    size_t n = encoded_word(s);
    if (n == 0)
        n = literal(s);
    if (n)
        return n;
    while (n < s.n && (ascii_is(s.p[n], ASCII_ATEXT) ||
                       (!is_blank(s.p[n]) && !strchr("<>,;:@()\"", s.p[n]))))
        n++;
    return n;
}

static bool take(struct addr_reader *r, struct token *t)
{
    struct span rest = span_skip(r->s, r->at);
    char c = rest.p[0];
    t->at = r->at;
    t->kind = c == '"' ? QUOTED : c == '(' ? COMMENT : WORD;
    if (c == '"' || c == '(')
        return take_enclosed(r, t, c == '"' ? QUOTE : PARENTHESIS);
    t->text = span_of(rest.p, atom(rest));
    if (t->text.n == 0) {
        t->kind = SPECIAL;
        t->text.n = 1;
    }
    r->at += t->text.n;
    return true;
}

static void next_token(struct addr_reader *r, struct token *t)
{
    t->spaced = false;
    do {
        while (r->at < r->s.n && is_blank(r->s.p[r->at])) {
            t->spaced = true;
            r->at++;
        }
        if (r->at >= r->s.n) {
            t->kind = END;
            t->at = r->at;
            t->text = span_of(NULL, 0);
            return;
        }
    } while (!take(r, t));
}

/* Appends the text of a quoted string or comment: no backslashes, no line
   ends, no NUL. */
static void add_plain(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        if (s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0')
            buf_add_char(out, s.p[i]);
    }
}

/* Appends a word. Only a domain literal can hold blanks, line ends among
   them; they mean nothing in it. */
static void add_dense(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_blank(s.p[i]))
            buf_add_char(out, s.p[i]);
}

static bool is_dot_atom(struct span s)
{
    bool dot = true;
    for (size_t i = 0; i < s.n; i++) {
        bool was = dot;
        dot = s.p[i] == '.';
        if (dot ? was : !ascii_is(s.p[i], ASCII_ATEXT | ASCII_8BIT))
            return false;
    }
    return !dot;
}

/* Appends a quoted local part, without its quotes where it needs none, else
   with only those backslashes that it needs. */
static void add_local(struct buf *out, struct span s)
{
    if (is_dot_atom(s)) {
        buf_add_span(out, s);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_char(out, '\\');
        if (s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0')
            buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, '"');
}

static bool ends_with_dot(const struct buf *b)
{
    struct span s = buf_span(b);
    return s.n && s.p[s.n - 1] == '.';
}

static bool starts_with_dot(const struct token *t)
{
    return t->kind == WORD && t->text.n && t->text.p[0] == '.';
}

static void add_word(struct addr_reader *r, struct entry *e,
                     const struct token *t)
{
    bool join = e->joined &&
                (!t->spaced || ends_with_dot(&r->word) || starts_with_dot(t));
    if ((t->spaced || e->parted) && buf_size(&r->name))
        buf_add_char(&r->name, ' ');
    e->parted = false;
    if (!join) {
        empty(&r->word);
        e->mark = buf_size(&r->name);
        e->quoted = t->kind == QUOTED;
    }
    if (t->kind == QUOTED) {
        add_plain(&r->name, t->text);
        add_local(&r->word, t->text);
    } else {
        add_plain(&r->name, t->text);
        add_dense(&r->word, t->text);
    }
    e->joined = true;
}

/* Appends the domain that follows an "@": words that dots join, comments
   between them, or one literal. */
static void read_domain(struct addr_reader *r, struct buf *out)
{
    struct token t;
    bool first = true;
    size_t behind = r->at; /* a comment behind the domain may be its name */
    for (;;) {
        next_token(r, &t);
        if (t.kind == COMMENT)
            continue;
        if (t.kind != WORD ||
            !(first || starts_with_dot(&t) || ends_with_dot(out)))
            break;
        add_dense(out, t.text);
        behind = r->at;
        first = false;
    }
    r->at = behind;
}

/* spec = local "@" domain, the "@" just read. */
static void read_address(struct addr_reader *r)
{
    if (r->found) /* a@b@c: the last at-sign divides */
        r->faults++;
    else
        empty(&r->spec);
    if (buf_size(&r->word))
        buf_add_span(&r->spec, buf_span(&r->word));
    empty(&r->word);
    r->local = buf_size(&r->spec);
    buf_add_char(&r->spec, '@');
    read_domain(r, &r->spec);
    r->found = true;
}

/* One token within angles; false behind them. */
static bool angle_token(struct addr_reader *r, const struct token *t)
{
    char c = t->kind == SPECIAL ? t->text.p[0] : '\0';
    if (t->kind == END || c == ';' ||
        (c == ',' && (r->found || buf_size(&r->word)))) {
        r->faults++;
        r->at = t->at;
        return false;
    }
    if (t->kind == WORD || t->kind == QUOTED) {
        if (t->spaced && buf_size(&r->word) && !starts_with_dot(t) &&
            !ends_with_dot(&r->word))
            buf_add_char(&r->word, ' ');
        if (t->kind == QUOTED)
            add_local(&r->word, t->text);
        else
            add_dense(&r->word, t->text);
    } else if (c == ':') { /* the end of a route, or mailto: */
        empty(&r->word);
    } else if (c == '@' && (r->found || buf_size(&r->word))) {
        read_address(r);
    } else if (c == '@') { /* RFC 5322 4.4: a route says nothing today */
        read_domain(r, &r->remark);
        empty(&r->remark);
    }
    return c != '>';
}

static void read_angle(struct addr_reader *r)
{
    struct token t;
    r->found = false;
    empty(&r->word);
    empty(&r->spec);
    do
        next_token(r, &t);
    while (angle_token(r, &t));
    if (!r->found) {
        buf_add_span(&r->spec, buf_span(&r->word));
        r->local = buf_size(&r->spec);
    }
    empty(&r->word);
    r->found = r->angled = true;
}

static void begin_entry(struct addr_reader *r, struct entry *e)
{
    memset(e, 0, sizeof *e);
    empty(&r->name);
    empty(&r->word);
    empty(&r->spec);
    empty(&r->remark);
    r->local = 0;
    r->restart = 0;
    r->found = r->angled = false;
}

static void begin_group(struct addr_reader *r, struct entry *e)
{
    if (r->grouped)
        r->faults++;
    empty(&r->group);
    buf_add_span(&r->group, span_trim(buf_span(&r->name)));
    r->grouped = true;
    begin_entry(r, e);
}

/* Settles what the words were; false when there is nothing to hand out. */
static bool settle(struct addr_reader *r, const struct entry *e)
{
    if (r->found && !r->angled) {
        buf_cut(&r->name, e->keep);
    } else if (!r->found && r->orphaned) {
        r->faults++;
        return false;
    } else if (!r->found && e->mark == 0 && !e->quoted &&
               encoded_word(buf_span(&r->word)) == 0) {
        buf_add_span(&r->spec, buf_span(&r->word)); /* one word: an address */
        r->local = buf_size(&r->spec);
        empty(&r->name);
    }
    if (r->angled && !e->quoted &&
        span_eq(buf_span(&r->name), buf_span(&r->spec)))
        empty(&r->name); /* a@b <a@b>: says nothing more */
    return r->angled || span_trim(buf_span(&r->name)).n || buf_size(&r->spec);
}

static void fill(const struct addr_reader *r, struct addr *a)
{
    a->name = span_trim(buf_span(&r->name));
    if (a->name.n == 0)
        a->name = span_trim(buf_span(&r->remark));
    a->address = buf_span(&r->spec);
    a->local = r->local;
    a->grouped = r->grouped;
    a->group = r->grouped ? buf_span(&r->group) : span_of(NULL, 0);
}

/* An "@" outside angles; false when it shows that a comma was missing. */
static bool bare_at(struct addr_reader *r, struct entry *e)
{
    size_t from;
    if (r->found && buf_size(&r->word)) {
        r->at = r->restart;
        return false;
    }
    if (!r->found)
        e->keep = buf_size(&r->word) ? e->mark : buf_size(&r->name);
    from = buf_size(r->found ? &r->spec : &r->word);
    read_address(r);
    buf_add_span(&r->name, span_skip(buf_span(&r->spec), from));
    e->joined = e->parted = false;
    return true;
}

static bool word_token(struct addr_reader *r, struct entry *e,
                       const struct token *t)
{
    if (r->angled) {
        r->at = t->at;
        return false;
    }
    if (r->found && !r->restart)
        r->restart = t->at;
    add_word(r, e, t);
    return true;
}

static bool special_token(struct addr_reader *r, struct entry *e,
                          const struct token *t)
{
    bool joined = e->joined;
    e->joined = false;
    switch (t->text.p[0]) {
    case '<':
        if (r->angled) {
            r->at = t->at;
            return false;
        }
        read_angle(r);
        return true;
    case '@':
        if (r->angled)
            return true;
        e->joined = joined;
        empty(&r->remark);
        return bare_at(r, e);
    case ':':
        if (r->found)
            return false;
        begin_group(r, e);
        return true;
    case ',':
    case ';':
        return false;
    default: /* a stray ")" or ">" */
        r->faults++;
        return true;
    }
}

/* One token of an entry; false when the entry ends. */
static bool entry_token(struct addr_reader *r, struct entry *e,
                        const struct token *t)
{
    switch (t->kind) {
    case WORD:
    case QUOTED:
        return word_token(r, e, t);
    case SPECIAL:
        return special_token(r, e, t);
    case COMMENT: /* behind the address it is a name, RFC 822 A.1.3 */
        empty(&r->remark);
        if (r->found || buf_size(&r->word) || buf_size(&r->name))
            add_plain(&r->remark, t->text);
        e->joined = false;
        e->parted = buf_size(&r->name) > 0;
        return true;
    default:
        return false;
    }
}

static int failure(const struct addr_reader *r)
{
    const struct buf *all[] = {&r->name, &r->word, &r->spec, &r->remark,
                               &r->group};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (buf_error(all[i]))
            return buf_error(all[i]);
    return 0;
}

/* Takes an address that needs no more than a look. */
static bool next_plain(struct addr_reader *r, struct addr *a)
{
    size_t n = r->grouped ? 0 : addr_plain(span_skip(r->s, r->at), a);
    r->at += n;
    r->left -= n > 0;
    r->orphaned &= n == 0;
    return n > 0;
}

/* Nothing stands behind a plain address that ended the list. */
static bool at_end(const struct addr_reader *r)
{
    return r->left == 0 || r->at >= r->s.n;
}

int addr_next(struct addr_reader *r, struct addr *a)
{
    struct entry e;
    struct token t;
    bool whole;
    if (at_end(r))
        return 0;
    if (next_plain(r, a))
        return 1;
    gather(r);
    do {
        begin_entry(r, &e);
        do
            next_token(r, &t);
        while (entry_token(r, &e, &t));
        if (failure(r))
            return failure(r);
        whole = settle(r, &e);
        r->orphaned = t.kind != END && r->at <= t.at;
        fill(r, a);
        if (t.kind == SPECIAL && t.text.p[0] == ';')
            r->grouped = false;
    } while (!whole && t.kind != END);
    r->left -= whole;
    return whole;
}
