/*
 * charset - conversion between charsets by the system's iconv; see charset.h
 *
 * UTF-8, ASCII and windows-1252, which nearly all mail is in, are done here,
 * and UTF-7 is read here (utf7.h); all else is iconv's.
 */
#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <limits.h>
#include <stdint.h>

enum { SPACE_LEAST = 16, SPACE_MOST = 1 << 16 };

static const char replacement[] = "\xef\xbf\xbd";

/* clang-format off */
/* windows-1252 128..159; the five free places are C1 controls, as in
   browsers */
static const uint16_t upper[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
    0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};
/* clang-format on */

size_t charset_ascii_run(struct span s)
{
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof word <= s.n; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < s.n && (unsigned char)s.p[i] < 0x80)
        i++;
    return i;
}

/* How many bytes of s match the sequence that its first byte begins, at
   most *whole, the sequence's length (0: nothing begins here). */
static size_t utf8_match(struct span s, size_t *whole)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char low = 0x80, high = 0xbf;
    size_t i;
    *whole = p[0] < 0x80   ? 1
             : p[0] < 0xc2 ? 0
             : p[0] < 0xe0 ? 2
             : p[0] < 0xf0 ? 3
             : p[0] < 0xf5 ? 4
                           : 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* no overlong forms */
    else if (p[0] == 0xed)
        high = 0x9f; /* no surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f; /* nothing above U+10FFFF */
    if (*whole == 0)
        return 0;
    for (i = 1; i < *whole && i < s.n; i++) {
        if (p[i] < low || p[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    return i;
}

size_t charset_utf8(struct span s)
{
    size_t whole;
    if (s.n == 0)
        return 0;
    return utf8_match(s, &whole) == whole ? whole : 0;
}

static inline bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the sequence at p, of which left bytes are there; 0: none. The
   most common ones are told at once: letters with accents, and what has
   three bytes but for those that may be overlong or surrogates. */
static inline size_t utf8_next(const unsigned char *p, size_t left)
{
    if (left >= 3 && is_tail(p[1])) {
        if (p[0] >= 0xc2 && p[0] < 0xe0)
            return 2;
        if (p[0] > 0xe0 && p[0] < 0xf0 && p[0] != 0xed && is_tail(p[2]))
            return 3;
    }
    return charset_utf8(span_of((const char *)p, left));
}

/* How many of the eight bytes at p, from the first on, are ASCII. */
static inline size_t ascii_of_eight(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    word &= UINT64_C(0x8080808080808080);
    if (word == 0)
        return sizeof word;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(word) / 8;
#else
    return (size_t)__builtin_clzll(word) / 8;
#endif
}

/* Length of the longest well-formed head of s. */
static size_t utf8_run(struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0, n;
    while (s.n - i >= sizeof(uint64_t)) {
        n = ascii_of_eight(p + i);
        i += n;
        if (n == sizeof(uint64_t))
            continue;
        do {
            n = utf8_next(p + i, s.n - i);
            i += n;
        } while (n && i < s.n && p[i] >= 0x80);
        if (n == 0)
            return i;
    }
    for (; i < s.n; i += n) {
        n = p[i] < 0x80 ? 1 : utf8_next(p + i, s.n - i);
        if (n == 0)
            break;
    }
    return i;
}

bool charset_is_utf8(struct span s)
{
    return utf8_run(s) == s.n;
}

bool charset_is_utf8_by(const struct kernel *kernel, struct span s)
{
    return charset_is_utf8(span_skip(s, kernel->utf8(s)));
}

static void add_1252(struct buf *out, unsigned char c)
{
    unsigned u = c >= 0x80 && c < 0xa0 ? upper[c - 0x80] : c;
    char seq[3];
    if (u < 0x80) {
        buf_add_char(out, (char)u);
    } else if (u < 0x800) {
        seq[0] = (char)(0xc0 | u >> 6);
        seq[1] = (char)(0x80 | (u & 63));
        buf_add(out, seq, 2);
    } else {
        seq[0] = (char)(0xe0 | u >> 12);
        seq[1] = (char)(0x80 | (u >> 6 & 63));
        seq[2] = (char)(0x80 | (u & 63));
        buf_add(out, seq, 3);
    }
}

static int step_1252(struct charset_stream *s, struct span in, struct buf *out,
                     size_t *used)
{
    (void)s;
    for (*used = 0; *used < in.n;) {
        struct span rest = span_skip(in, *used);
        size_t n = charset_ascii_run(rest);
        buf_add(out, rest.p, n);
        if (n < rest.n)
            add_1252(out, (unsigned char)rest.p[n++]);
        *used += n;
    }
    return buf_error(out);
}

/* Something that is not UTF-8 at the head of rest; how many bytes were
   dealt with, 0: that depends on what follows. */
static size_t replace_utf8(struct charset_stream *s, struct span rest,
                           struct buf *out)
{
    size_t whole, n = utf8_match(rest, &whole);
    if (n == rest.n && n < whole)
        return 0;
    s->faults++;
    if (s->kind == CHARSET_ASCII) {
        add_1252(out, (unsigned char)rest.p[0]);
        return 1;
    }
    buf_add_text(out, replacement);
    return n ? n : 1;
}

static int step_utf8(struct charset_stream *s, struct span in, struct buf *out,
                     size_t *used)
{
    for (*used = 0; *used < in.n;) {
        struct span rest = span_skip(in, *used);
        size_t n = s->writing && s->kind == CHARSET_ASCII
                       ? charset_ascii_run(rest)
                       : utf8_run(rest);
        if (s->kind == CHARSET_ASCII && !s->writing && !s->faults)
            s->faults = charset_ascii_run(span_of(rest.p, n)) < n;
        buf_add(out, rest.p, n);
        *used += n;
        if (n == rest.n)
            break;
        rest = span_skip(rest, n);
        if (s->writing) {
            size_t whole;
            return utf8_match(rest, &whole) == rest.n && rest.n < whole
                       ? buf_error(out)
                       : ERR_SYNTAX;
        }
        n = replace_utf8(s, rest, out);
        if (n == 0)
            break;
        *used += n;
    }
    return buf_error(out);
}

/* Room for what iconv gives of hint bytes; NULL at the ceiling. */
static char *iconv_space(struct buf *out, size_t hint, size_t *room)
{
    size_t left = out->ceiling - buf_size(out);
    size_t want = hint > SPACE_MOST ? SPACE_MOST : hint * 2;
    if (want > left)
        want = left;
    if (want < SPACE_LEAST)
        want = SPACE_LEAST;
    *room = want;
    return buf_space(out, want);
}

/* How much to skip of what iconv does not know. */
static size_t fault_length(const struct charset_stream *s, const char *at)
{
    unsigned char c = (unsigned char)*at;
    if (s->kind != CHARSET_SEVEN || c < 0x80 || c == 0xff)
        return s->unit;
    return c == 0x8f ? 3 : 2; /* a character of the twin */
}

/* glibc's CP949 (2.36) refuses A2 E8, but only once it has passed it. */
static bool fault_passed(const struct charset_stream *s, const char *start,
                         const char *at)
{
    return s->passes && at - start >= 2 && memcmp(at - 2, "\xa2\xe8", 2) == 0;
}

static void *iconv_try(struct charset_store *store, const char *name,
                       bool writing)
{
    void *kept = charset_store_take(store, name, writing);
    iconv_t cd;
    if (kept)
        return kept;
    cd = writing ? iconv_open(name, CHARSET_NAME_UTF8)
                 : iconv_open(CHARSET_NAME_UTF8, name);
    return cd == (iconv_t)-1 ? NULL : cd;
}

/* A sign of NEC or IBM, which stand under the name of ISO-2022-JP only; for
   all else Microsoft's table would change a few common ones. */
static bool read_spare(struct charset_stream *s, struct span character,
                       struct buf *out)
{
    union {
        const char *from;
        char *to;
    } p = {character.p};
    size_t room = SPACE_LEAST;
    char *q;
    if (s->kind != CHARSET_SEVEN || s->seven.hz || character.n < 2)
        return false;
    if (!s->spare)
        s->spare = iconv_try(s->store, CHARSET_NAME_SPARE, false);
    if (!s->spare || !(q = buf_space(out, room)))
        return false;
    if (iconv(s->spare, &p.to, &character.n, &q, &room) == (size_t)-1)
        return false;
    buf_filled(out, SPACE_LEAST - room);
    return true;
}

static int step_iconv(struct charset_stream *s, struct span in, struct buf *out,
                      size_t *used)
{
    union {
        const char *from;
        char *to;
    } p = {in.p}; /* iconv takes a pointer that is not const */
    size_t left = in.n, room, n;
    *used = 0;
    while (left) {
        char *q = iconv_space(out, left, &room), *end = q;
        const char *start = p.from;
        if (!q)
            return buf_error(out);
        n = iconv(s->cd, &p.to, &left, &end, &room);
        int problem = n == (size_t)-1 ? errno : 0;
        buf_filled(out, (size_t)(end - q));
        if (problem == EINVAL && left <= sizeof s->held)
            break;
        if (problem == 0 || (problem == E2BIG && end > q))
            continue;
        if (s->writing)
            return ERR_SYNTAX;
        n = fault_passed(s, start, p.from) ? 0 : fault_length(s, p.from);
        n = left < n ? left : n;
        if (!read_spare(s, span_of(p.from, n), out)) {
            s->faults++;
            buf_add_text(out, replacement);
        }
        p.from += n;
        left -= n;
    }
    *used = in.n - left;
    return buf_error(out);
}

static int step_seven(struct charset_stream *s, struct span in, struct buf *out,
                      size_t *used)
{
    char twin[256 * SEVEN_GROWTH + SEVEN_HELD];
    int err = 0;
    for (*used = 0; *used < in.n && err == 0;) {
        size_t n = in.n - *used < 256 ? in.n - *used : 256, taken;
        size_t twin_n = seven_step(&s->seven, span_of(in.p + *used, n), twin);
        err = step_iconv(s, span_of(twin, twin_n), out, &taken);
        *used += n;
    }
    return err;
}

static int step_utf7(struct charset_stream *s, struct span in, struct buf *out,
                     size_t *used)
{
    s->faults += utf7_step(&s->utf7, in, out);
    *used = in.n;
    return buf_error(out);
}

typedef int step_function(struct charset_stream *s, struct span in,
                          struct buf *out, size_t *used);

static step_function *const steps[] = {
    [CHARSET_UTF8] = step_utf8,   [CHARSET_ASCII] = step_utf8,
    [CHARSET_1252] = step_1252,   [CHARSET_ICONV] = step_iconv,
    [CHARSET_SEVEN] = step_seven, [CHARSET_UTF7] = step_utf7,
};

static int hold(struct charset_stream *s, struct span rest)
{
    if (rest.n > sizeof s->held)
        return ERR_SYNTAX;
    if (rest.n)
        memmove(s->held, rest.p, rest.n);
    s->held_n = (unsigned)rest.n;
    return 0;
}

/* Completes the held sequence with the head of *in. */
static int step_held(struct charset_stream *s, struct span *in, struct buf *out)
{
    char joined[2 * sizeof s->held];
    size_t used, n = sizeof s->held;
    if (n > in->n)
        n = in->n;
    memcpy(joined, s->held, s->held_n);
    memcpy(joined + s->held_n, in->p, n);
    struct span all = span_of(joined, s->held_n + n);
    int err = steps[s->kind](s, all, out, &used);
    if (err < 0)
        return err;
    if (used < s->held_n) {
        *in = span_skip(*in, n);
        return hold(s, span_skip(all, used));
    }
    *in = span_skip(*in, used - s->held_n);
    s->held_n = 0;
    return 0;
}

int charset_step(struct charset_stream *s, struct span in, struct buf *out)
{
    size_t used;
    int err = 0;
    while (s->held_n && in.n && err == 0)
        err = step_held(s, &in, out);
    if (err < 0 || in.n == 0)
        return err;
    err = steps[s->kind](s, in, out, &used);
    return err < 0 ? err : hold(s, span_skip(in, used));
}

/* Back to the initial shift state (iso-2022-jp). */
static int finish_shift(struct charset_stream *s, struct buf *out)
{
    size_t room;
    char *q = iconv_space(out, SPACE_LEAST, &room), *end = q;
    if (!q)
        return buf_error(out);
    if (iconv(s->cd, NULL, NULL, &end, &room) == (size_t)-1)
        return ERR_SYNTAX;
    buf_filled(out, (size_t)(end - q));
    return 0;
}

int charset_finish(struct charset_stream *s, struct buf *out)
{
    if (s->held_n && s->writing)
        return ERR_SYNTAX;
    if (s->held_n) {
        s->faults++;
        if (s->kind == CHARSET_ASCII)
            for (unsigned i = 0; i < s->held_n; i++)
                add_1252(out, s->held[i]);
        else
            buf_add_text(out, replacement);
        s->held_n = 0;
    }
    s->faults += utf7_finish(&s->utf7, out);
    if (s->kind == CHARSET_SEVEN) {
        char rest[SEVEN_HELD];
        size_t n = seven_finish(&s->seven, rest), used;
        step_iconv(s, span_of(rest, n), out, &used);
    }
    return s->cd ? finish_shift(s, out) : buf_error(out);
}

static unsigned name_unit(const char *name)
{
    if (strncmp(name, "utf-16", 6) == 0 || strncmp(name, "ucs-2", 5) == 0)
        return 2;
    if (strncmp(name, "utf-32", 6) == 0 || strncmp(name, "ucs-4", 5) == 0)
        return 4;
    return 1;
}

/* Kinds that need no iconv, or something in front of it. */
static enum charset_kind name_kind(const char *known, bool writing)
{
    if (strcmp(known, CHARSET_NAME_UTF8) == 0)
        return CHARSET_UTF8;
    if (strcmp(known, CHARSET_NAME_ASCII) == 0)
        return CHARSET_ASCII;
    if (writing)
        return CHARSET_ICONV;
    if (strcmp(known, CHARSET_NAME_1252) == 0)
        return CHARSET_1252;
    if (strcmp(known, CHARSET_NAME_UTF7) == 0)
        return CHARSET_UTF7;
    return strcmp(known, CHARSET_NAME_JP) == 0 ||
                   strcmp(known, CHARSET_NAME_HZ) == 0
               ? CHARSET_SEVEN
               : CHARSET_ICONV;
}

static void *open_iconv(struct charset_stream *s)
{
    const char *twin;
    void *cd;
    if (s->kind == CHARSET_SEVEN) {
        s->seven.hz = strcmp(s->name, CHARSET_NAME_HZ) == 0;
        twin = s->seven.hz ? "gb18030" : "euc-jp";
        memcpy(s->name, twin, strlen(twin) + 1);
    }
    cd = iconv_try(s->store, s->name, s->writing);
    if (!cd && strncmp(s->name, "x-", 2) == 0) {
        char bare[CHARSET_NAME_MOST]; /* which may be an alias, too */
        if (!charset_name(span_from(s->name + 2), s->writing, bare))
            return NULL;
        memcpy(s->name, bare, sizeof bare);
        cd = iconv_try(s->store, s->name, s->writing);
    }
    return cd;
}

int charset_open(struct charset_stream *s, struct span charset, bool writing,
                 struct charset_store *store)
{
    memset(s, 0, sizeof *s);
    s->writing = writing;
    s->store = store;
    if (!charset_name(charset, writing, s->name))
        return ERR_CHARSET;
    s->unit = name_unit(s->name);
    s->passes = strcmp(s->name, "cp949") == 0;
    s->kind = name_kind(s->name, writing);
    if (s->kind < CHARSET_ICONV)
        return 0;
    s->cd = open_iconv(s);
    if (s->cd)
        return 0;
    return errno == ENOMEM ? ERR_MEMORY : ERR_CHARSET;
}

void charset_free(struct charset_stream *s)
{
    charset_store_give(s->store, s->cd, s->name, s->writing);
    charset_store_give(s->store, s->spare, CHARSET_NAME_SPARE, false);
    s->cd = s->spare = NULL;
}

static int convert(struct buf *out, struct span charset, struct span in,
                   bool writing, struct charset_store *store)
{
    struct charset_stream s;
    int err = charset_open(&s, charset, writing, store);
    if (err < 0)
        return err;
    err = charset_step(&s, in, out);
    if (err == 0)
        err = charset_finish(&s, out);
    charset_free(&s);
    if (err < 0)
        return err;
    return s.faults > INT_MAX ? INT_MAX : (int)s.faults;
}

int charset_decode(struct buf *out, struct span charset, struct span bytes,
                   struct charset_store *store)
{
    return convert(out, charset, bytes, false, store);
}

int charset_encode(struct buf *out, struct span charset, struct span text,
                   struct charset_store *store)
{
    return convert(out, charset, text, true, store);
}

bool charset_known(struct span charset)
{
    struct charset_stream s;
    if (charset_open(&s, charset, false, NULL) < 0)
        return false;
    charset_free(&s);
    return true;
}
