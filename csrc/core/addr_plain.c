/*
 * addr_plain - addresses as most are written; see addr_plain.h
 */
#include "addr_plain.h"

#include "ascii.h"

static size_t skip_blanks(struct span s, size_t i)
{
    while (i < s.n && span_blank(s.p[i]))
        i++;
    return i;
}

/* Behind the atoms and dots that begin at i. */
static size_t skip_atoms(struct span s, size_t i)
{
    while (i < s.n && ascii_is(s.p[i], ASCII_DOTTED))
        i++;
    return i;
}

/* Behind "local@domain" at i, whose atoms end at at; or 0. */
static size_t take_spec(struct span s, size_t i, size_t at, struct addr *a)
{
    size_t end;
    if (at == i || at == s.n || s.p[at] != '@')
        return 0;
    end = skip_atoms(s, at + 1);
    if (end == at + 1 || s.p[at + 1] == '=' ||
        (s.p[i] == '=' && s.p[i + 1] == '?')) /* an encoded word? */
        return 0;
    a->local = at - i;
    a->address = span_of(s.p + i, end - i);
    return end;
}

/* Behind the words at i, the first of which ends at end, and which one blank
   parts each, and the blank behind them; or 0. */
static size_t take_words(struct span s, size_t i, size_t end, struct addr *a)
{
    size_t from = i;
    for (;;) {
        if (end == i || end == s.n)
            return 0;
        i = end + (s.p[end] == ' ');
        if (i == end || i == s.n || s.p[i] == '<')
            break;
        end = skip_atoms(s, i);
    }
    a->name = span_of(s.p + from, end - from);
    return i;
}

/* Behind the quoted words at i, and the blanks behind them; or 0. */
static size_t take_quoted(struct span s, size_t i, struct addr *a)
{
    size_t from = ++i;
    while (i < s.n && ascii_is(s.p[i], ASCII_QTEXT | ASCII_8BIT | ASCII_BLANK))
        i++;
    if (i >= s.n || s.p[i] != '"')
        return 0;
    a->name = span_trim(span_of(s.p + from, i - from));
    return skip_blanks(s, i + 1);
}

/* Behind the address and the blanks that follow it; or 0. */
static size_t take_address(struct span s, size_t i, struct addr *a)
{
    size_t atoms = skip_atoms(s, i), end = take_spec(s, i, atoms, a);
    if (end)
        return skip_blanks(s, end);
    if (s.p[i] == '"')
        i = take_quoted(s, i, a);
    else if (s.p[i] != '<')
        i = take_words(s, i, atoms, a);
    if (i >= s.n || s.p[i] != '<')
        return 0;
    end = take_spec(s, i + 1, skip_atoms(s, i + 1), a);
    if (end == 0 || end == s.n || s.p[end] != '>')
        return 0;
    return skip_blanks(s, end + 1);
}

size_t addr_plain(struct span s, struct addr *a)
{
    size_t i = skip_blanks(s, 0);
    memset(a, 0, sizeof *a);
    if (i == s.n)
        return 0;
    i = take_address(s, i, a);
    if (i == 0 || (i < s.n && s.p[i] != ','))
        return 0;
    return i + (i < s.n);
}
