/*
 * media - the words that begin Content-* values; see media.h
 */
#include "media.h"

#include "ascii.h"

/* Without the blanks, line ends and comments at its head. */
static struct span skip(struct span s)
{
    size_t depth = 0, i = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (depth && c == '\\')
            i++;
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    return span_skip(s, i);
}

static struct span take(struct span *s)
{
    struct span w = span_of(s->p, ascii_run(*s, ASCII_TOKEN));
    *s = span_skip(*s, w.n);
    return w;
}

/* Takes the quote that some programs set around the words. */
static bool take_quote(struct span *s)
{
    bool quoted = s->n && s->p[0] == '"';
    *s = span_skip(*s, quoted);
    return quoted;
}

/* Without a "," that stands for the first ";". */
static struct span parameters(struct span s)
{
    struct span next = skip(s);
    return next.n && next.p[0] == ',' ? span_skip(next, 1) : s;
}

bool media_split(struct span value, struct media *m)
{
    struct span s = skip(value), first = s;
    bool quoted = take_quote(&s);
    m->type = take(&s);
    m->subtype = span_of(NULL, 0);
    s = skip(s);
    if (s.n && s.p[0] == '/') {
        s = skip(span_skip(s, 1));
        m->subtype = take(&s);
    } else if (s.n && s.p[0] == '=') {
        s = first; /* a parameter stands in the place of the type */
    }
    if (quoted)
        take_quote(&s);
    m->rest = parameters(s);
    if (m->subtype.n == 0)
        m->type = m->subtype;
    return m->type.n > 0;
}

struct span media_word(struct span value, struct span *rest)
{
    struct span s = skip(value), first = s, w;
    bool quoted = take_quote(&s);
    w = take(&s);
    if (quoted)
        take_quote(&s);
    *rest = parameters(s);
    if (skip(s).n == 0 || skip(s).p[0] != '=')
        return w;
    *rest = first; /* a parameter stands in the place of the word */
    return span_of(NULL, 0);
}
