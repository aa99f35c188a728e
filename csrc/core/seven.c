/*
 * seven - charsets that shift between tables in seven bits; see seven.h
 */
#include "seven.h"

enum { ESCAPE = 0x1b, BAD = 0xff };

/* A shift sequence, and what it shifts to. */
struct shift {
    const char *bytes;
    enum seven_table table;
};

static const struct shift jp[] = {
    {"\x1b(B", SEVEN_ASCII},      {"\x1b(J", SEVEN_ASCII},
    {"\x1b(I", SEVEN_KATAKANA},   {"\x1b$@", SEVEN_PAIRS},
    {"\x1b$B", SEVEN_PAIRS},      {"\x1b$(B", SEVEN_PAIRS},
    {"\x1b$(D", SEVEN_PAIRS_0212}};

static const struct shift hz[] = {
    {"~{", SEVEN_PAIRS}, {"~}", SEVEN_ASCII}, {"~\n", SEVEN_ASCII}};

static char *put(char *to, unsigned c)
{
    *to = (char)c;
    return to + 1;
}

/* A pair cut off by something else. */
static char *drop_lead(struct seven *s, char *to)
{
    if (s->lead)
        to = put(to, BAD);
    s->lead = 0;
    return to;
}

/* One byte that belongs to no shift sequence. */
static char *put_byte(struct seven *s, unsigned char c, char *to)
{
    if (c <= ' ' || c == 0x7f) {
        if (s->hz && c == '\n')
            s->table = SEVEN_ASCII; /* RFC 1843: a line at most */
        return put(drop_lead(s, to), c);
    }
    if (c >= 0x80)
        return put(drop_lead(s, to), BAD);
    if (s->table == SEVEN_ASCII)
        return put(to, c);
    if (s->table == SEVEN_KATAKANA)
        return put(put(to, 0x8e), c | 0x80u);
    if (!s->lead) {
        s->lead = c;
        return to;
    }
    if (s->table == SEVEN_PAIRS_0212)
        to = put(to, 0x8f);
    to = put(put(to, s->lead | 0x80u), c | 0x80u);
    s->lead = 0;
    return to;
}

enum answer { NO, YES, MORE };

/* Are the held bytes a shift sequence, or the beginning of one? */
static enum answer find_shift(const struct seven *s, enum seven_table *table)
{
    const struct shift *shifts = s->hz ? hz : jp;
    size_t n = s->hz ? sizeof hz / sizeof hz[0] : sizeof jp / sizeof jp[0];
    enum answer answer = NO;
    for (size_t i = 0; i < n; i++) {
        if (memcmp(shifts[i].bytes, s->held, s->held_n) != 0)
            continue;
        *table = shifts[i].table;
        if (strlen(shifts[i].bytes) == s->held_n)
            return YES;
        answer = MORE;
    }
    return answer;
}

/* The byte that ends the held ones; they are no shift sequence. */
static char *put_held(struct seven *s, char *to)
{
    unsigned char held[sizeof s->held];
    unsigned n = s->held_n;
    memcpy(held, s->held, n);
    s->held_n = 0;
    if (s->hz && n == 2 && held[1] == '~' && s->table == SEVEN_ASCII)
        return put(to, '~');
    to = held[0] == ESCAPE ? put(drop_lead(s, to), BAD)
                           : put_byte(s, held[0], to);
    for (unsigned i = 1; i < n; i++)
        to = put_byte(s, held[i], to);
    return to;
}

static bool begins_shift(const struct seven *s, unsigned char c)
{
    return s->hz ? c == '~' && !s->lead : c == ESCAPE;
}

size_t seven_step(struct seven *s, struct span in, char *out)
{
    char *to = out;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        enum seven_table table;
        bool again;
        if (s->held_n == 0 && !begins_shift(s, c)) {
            to = put_byte(s, c, to);
            continue;
        }
        s->held[s->held_n++] = c;
        switch (find_shift(s, &table)) {
        case YES:
            to = drop_lead(s, to);
            s->table = table;
            s->held_n = 0;
            break;
        case NO:
            again = c == ESCAPE && !s->hz;
            s->held_n -= again;
            to = put_held(s, to);
            if (again) /* what it cut short is none, but it may begin one */
                s->held[s->held_n++] = c;
            break;
        default:
            break;
        }
    }
    return (size_t)(to - out);
}

size_t seven_finish(struct seven *s, char *out)
{
    char *to = drop_lead(s, out);
    if (s->held_n)
        to = put(to, BAD);
    s->held_n = 0;
    return (size_t)(to - out);
}
