/*
 * mime_param - a parameter where all are plain; see mime_param.h
 */
#include "mime_param.h"

#include "ascii.h"
#include "param.h"

static size_t skip_blanks(struct span s, size_t i)
{
    while (i < s.n && span_blank(s.p[i]))
        i++;
    return i;
}

/* Behind the word at i: visible ASCII that is no encoded word. */
static size_t take_word(struct span s, size_t i)
{
    while (i < s.n && ascii_is(s.p[i], ASCII_VISIBLE) && s.p[i] != ';' &&
           s.p[i] != '"' && s.p[i] != '(' &&
           !(s.p[i] == '?' && s.p[i - 1] == '='))
        i++;
    return i;
}

/* Where the closing quote is, or the end where there is something else. */
static size_t find_quote(struct span s, size_t i)
{
    while (i < s.n && ascii_is(s.p[i], ASCII_QTEXT | ASCII_BLANK) &&
           !(s.p[i] == '?' && s.p[i - 1] == '='))
        i++;
    return i < s.n && s.p[i] == '"' ? i : s.n;
}

/* Behind the value at i and the blanks that follow it; past the end of s
   where it is not plain. */
static size_t take_value(struct span s, size_t i, struct span *value)
{
    size_t end;
    if (i < s.n && s.p[i] == '"') {
        end = find_quote(s, ++i);
        if (end == s.n)
            return s.n + 1;
        *value = span_of(s.p + i, end - i);
        return skip_blanks(s, end + 1);
    }
    end = take_word(s, i);
    *value = span_of(s.p + i, end - i);
    return end == i ? s.n + 1 : skip_blanks(s, end);
}

/* Behind the name at i; 0 when no "=" follows, or it has a star. */
static size_t take_name(struct span s, size_t i, struct span *name)
{
    size_t end = i;
    while (end < s.n && ascii_is(s.p[end], ASCII_TOKEN) && s.p[end] != '*')
        end++;
    *name = span_of(s.p + i, end - i);
    return end > i && end < s.n && s.p[end] == '=' ? end : 0;
}

bool mime_param(struct span rest, struct span name, struct span *value)
{
    size_t i = 0, n = 0;
    *value = span_of(NULL, 0);
    while ((i = skip_blanks(rest, i)) < rest.n) {
        struct span found, one;
        if (rest.p[i] == ';') {
            i++;
            continue;
        }
        i = take_name(rest, i, &found);
        if (i == 0 || n++ == PARAM_MOST)
            return false;
        i = take_value(rest, skip_blanks(rest, i + 1), &one);
        if (i > rest.n || (i < rest.n && rest.p[i] != ';'))
            return false;
        if (!value->p && span_ieq(found, name))
            *value = one;
    }
    return true;
}
