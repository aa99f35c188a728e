/*
 * span - borrowed bytes
 *
 * A span points at bytes that somebody else owns. Whoever hands one out says
 * which call ends the loan. An empty span may have a null pointer.
 *
 * Owns: nothing. Fails with: nothing. I/O: none.
 */
#ifndef CORE_SPAN_H
#define CORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Linkage of every function that crosses files: one shared object, and only
   luaopen_lunapost_core leaves it. Per declaration, since a rock is built
   with the user's own flags. */
#define INTERNAL __attribute__((visibility("hidden")))

struct span {
    const char *p;
    size_t n;
};

#define SPAN(literal) span_of("" literal, sizeof(literal) - 1)

static inline struct span span_of(const char *p, size_t n)
{
    struct span s = {p, n};
    return s;
}

static inline struct span span_from(const char *text)
{
    return span_of(text, text ? strlen(text) : 0);
}

static inline struct span span_skip(struct span s, size_t n)
{
    return n < s.n ? span_of(s.p + n, s.n - n) : span_of(s.p, 0);
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Are n octets, 4 or more, the same? */
static inline bool span_same(const char *a, const char *b, size_t n)
{
    uint64_t x = 0, y = 0;
    if (n < sizeof x) {
        memcpy(&x, a, 4);
        memcpy(&y, b, 4);
        if (x != y)
            return false;
        memcpy(&x, a + n - 4, 4);
        memcpy(&y, b + n - 4, 4);
        return x == y;
    }
    for (size_t i = 0; i + sizeof x < n; i += sizeof x) {
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        if (x != y)
            return false;
    }
    memcpy(&x, a + n - sizeof x, sizeof x);
    memcpy(&y, b + n - sizeof y, sizeof y);
    return x == y;
}

/* Equal but for ASCII case. What is compared most is written alike. */
static inline bool span_ieq(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    if (a.n == 0 || (a.n >= 4 && span_same(a.p, b.p, a.n)))
        return true;
    for (size_t i = 0; i < a.n; i++) {
        unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
        unsigned char letter = (x | 0x20) - 'a';
        if (x != y && ((x ^ y) != 0x20 || letter > 'z' - 'a'))
            return false;
    }
    return true;
}

static inline bool span_istarts(struct span s, struct span prefix)
{
    return s.n >= prefix.n && span_ieq(span_of(s.p, prefix.n), prefix);
}

/* Offset of the first c, or s.n. */
static inline size_t span_find(struct span s, char c)
{
    const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
    return q ? (size_t)(q - s.p) : s.n;
}

static inline bool span_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Offset of the first pair of characters at or behind from, or s.n. */
static inline size_t span_find_pair(struct span s, size_t from,
                                    const char *pair)
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

/* Without blanks (space, tab, CR, LF) at both ends. */
static inline struct span span_trim(struct span s)
{
    while (s.n && span_blank(s.p[0]))
        s = span_of(s.p + 1, s.n - 1);
    while (s.n && span_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The bytes before the first c; *s becomes what follows it, or
   the empty span at the end. */
static inline struct span span_cut(struct span *s, char c)
{
    size_t n = span_find(*s, c);
    struct span head = span_of(s->p, n);
    *s = n < s->n ? span_of(s->p + n + 1, s->n - n - 1)
                  : span_of(s->n ? s->p + n : s->p, 0);
    return head;
}

#endif
