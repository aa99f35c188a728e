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

bool media_split(struct span value, struct media *m)
{
    struct span s = skip(value);
    m->type = take(&s);
    m->subtype = span_of(NULL, 0);
    s = skip(s);
    if (s.n && s.p[0] == '/') {
        s = skip(span_skip(s, 1));
        m->subtype = take(&s);
    }
    m->rest = span_skip(s, span_find(s, ';'));
    if (m->rest.n == 0)
        m->rest = s;
    if (m->subtype.n == 0)
        m->type = m->subtype;
    return m->type.n > 0;
}

struct span media_word(struct span value, struct span *rest)
{
    struct span s = skip(value), w;
    bool quoted = s.n && s.p[0] == '"';
    if (quoted)
        s = span_skip(s, 1);
    w = take(&s);
    *rest = span_skip(s, quoted && s.n && s.p[0] == '"');
    return w;
}
