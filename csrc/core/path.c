/*
 * path - reverse-path and forward-path of the envelope; see path.h
 *
 * Each scan_* takes the span from where it stands and gives the length of
 * what the grammar matches there, or 0.
 */
#include "path.h"

#include "ascii.h"
#include "charset.h"

enum { LOCAL_MOST = 64, LABEL_MOST = 63, ADDRESS_MOST = 254 };

/* Dot-string = Atom *("." Atom) */
static size_t scan_dotted(struct span s, unsigned classes, size_t most)
{
    size_t i = 0;
    for (;;) {
        size_t n = ascii_run(span_skip(s, i), classes);
        if (n == 0 || n > most)
            return 0;
        i += n;
        if (i == s.n || s.p[i] != '.')
            return i;
        i++;
    }
}

/* Quoted-string = DQUOTE *(qtextSMTP / "\" %d32-126) DQUOTE */
static size_t scan_quoted(struct span s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\' && ++i == s.n)
            return 0;
        if (s.p[i] != ' ' && !ascii_is(s.p[i], ASCII_VISIBLE | ASCII_8BIT))
            return 0;
    }
    return 0;
}

static size_t scan_local(struct span s)
{
    size_t n;
    if (s.n && s.p[0] == '"')
        n = scan_quoted(s);
    else
        n = scan_dotted(s, ASCII_ATEXT | ASCII_8BIT, s.n);
    return n <= LOCAL_MOST ? n : 0;
}

static bool label_ok(struct span label)
{
    if (label.n == 0 || label.n > LABEL_MOST)
        return false;
    if (label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (label.p[i] != '-' &&
            !ascii_is(label.p[i], ASCII_LETDIG | ASCII_8BIT))
            return false;
    return true;
}

static bool is_ipv4(struct span s)
{
    for (int i = 0; i < 4; i++) {
        uint64_t octet;
        struct span part = span_cut(&s, '.');
        if (part.n > 3 || !ascii_number(part, 255, &octet))
            return false;
        if ((s.p != part.p + part.n) != (i < 3))
            return false;
    }
    return true;
}

/* Groups of an IPv6 address, counted; an IPv4 tail counts for two. */
static bool is_ipv6(struct span s)
{
    unsigned groups = 0;
    bool skipped = false;
    size_t i = 0;
    if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
        skipped = true;
        i = 2;
        if (i == s.n)
            return true;
    }
    for (;;) {
        struct span rest = span_skip(s, i);
        size_t n = ascii_run(rest, ASCII_HEX);
        if (n < rest.n && rest.p[n] == '.') {
            groups += 2;
            return is_ipv4(rest) && (skipped ? groups <= 7 : groups == 8);
        }
        if (n == 0 || n > 4)
            return false;
        groups++;
        i += n;
        if (i == s.n)
            return skipped ? groups <= 7 : groups == 8;
        if (s.p[i++] != ':' || i == s.n)
            return false;
        if (s.p[i] == ':') {
            if (skipped)
                return false;
            skipped = true;
            if (++i == s.n)
                return groups <= 7;
        }
    }
}

bool path_is_literal(struct span s)
{
    struct span tag = SPAN("IPv6:");
    if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    s = span_of(s.p + 1, s.n - 2);
    if (span_istarts(s, tag))
        return is_ipv6(span_skip(s, tag.n));
    return is_ipv4(s);
}

bool path_is_domain(struct span s)
{
    if (s.n == 0 || s.n > ADDRESS_MOST || s.p[s.n - 1] == '.')
        return false;
    while (s.n)
        if (!label_ok(span_cut(&s, '.')))
            return false;
    return true;
}

static size_t scan_domain(struct span s)
{
    size_t n = 0;
    if (s.n && s.p[0] == '[') {
        n = span_find(s, ']');
        return n < s.n && path_is_literal(span_of(s.p, n + 1)) ? n + 1 : 0;
    }
    while (n < s.n && (s.p[n] == '-' || s.p[n] == '.' ||
                       ascii_is(s.p[n], ASCII_LETDIG | ASCII_8BIT)))
        n++;
    return path_is_domain(span_of(s.p, n)) ? n : 0;
}

/* A-d-l = At-domain *("," At-domain) ":"; *n is 0 where there is none. */
static int scan_route(struct span s, size_t *n)
{
    size_t i = 0;
    *n = 0;
    while (i < s.n && s.p[i] == '@') {
        size_t domain = scan_domain(span_skip(s, i + 1));
        if (domain == 0)
            return ERR_SYNTAX;
        i += 1 + domain;
        if (i < s.n && s.p[i] == ':') {
            *n = i + 1;
            return 0;
        }
        if (i == s.n || s.p[i++] != ',')
            return ERR_SYNTAX;
    }
    return i == 0 ? 0 : ERR_SYNTAX;
}

static int parse_mailbox(struct path *path, enum path_kind kind, struct span *s)
{
    size_t local = scan_local(*s), domain = 0;
    struct span rest = span_skip(*s, local);
    if (local == 0)
        return ERR_SYNTAX;
    path->local = span_of(s->p, local);
    path->domain = span_of(rest.p, 0);
    if (rest.n && rest.p[0] == '@') {
        rest = span_skip(rest, 1);
        domain = scan_domain(rest);
        if (domain == 0)
            return ERR_SYNTAX;
        path->domain = span_of(rest.p, domain);
        rest = span_skip(rest, domain);
    } else if (kind != PATH_FORWARD ||
               !span_ieq(path->local, SPAN("postmaster"))) {
        return ERR_SYNTAX;
    }
    path->address = span_of(s->p, (size_t)(rest.p - s->p));
    *s = rest;
    return path->address.n <= ADDRESS_MOST ? 0 : ERR_SYNTAX;
}

int path_parse(struct path *path, enum path_kind kind, struct span s,
               struct span *rest)
{
    size_t route;
    memset(path, 0, sizeof *path);
    s = span_skip(s, ascii_run(s, ASCII_BLANK));
    if (s.n < 2 || s.p[0] != '<')
        return ERR_SYNTAX;
    s = span_skip(s, 1);
    if (s.p[0] == '>') {
        path->address = path->local = path->domain = span_of(s.p, 0);
        *rest = span_skip(s, 1);
        return kind == PATH_REVERSE ? 0 : ERR_SYNTAX;
    }
    if (scan_route(s, &route) < 0)
        return ERR_SYNTAX;
    s = span_skip(s, route);
    if (parse_mailbox(path, kind, &s) < 0 || s.n == 0 || s.p[0] != '>')
        return ERR_SYNTAX;
    for (size_t i = 0; i < path->address.n; i++)
        path->utf8 |= ascii_is(path->address.p[i], ASCII_8BIT);
    if (path->utf8 && !charset_is_utf8(path->address))
        return ERR_SYNTAX;
    *rest = span_skip(s, 1);
    return 0;
}

size_t path_unquote(struct span local, char *out)
{
    size_t n = 0;
    bool quoted = local.n >= 2 && local.p[0] == '"';
    for (size_t i = quoted; i + quoted < local.n; i++) {
        if (quoted && local.p[i] == '\\')
            i++;
        out[n++] = local.p[i];
    }
    return n;
}
