/*
 * mime_fields - the fields of a header at once; see mime.h
 *
 * A field that needs no repair begins with its name and a colon, and is
 * followed by another line. What may be more is left to mime_next: lines
 * that are no fields, boundaries, what holds NUL, what passes a limit, the
 * last line of all.
 */
#include "ascii.h"
#include "mime_steps.h"

enum { AREA = 1024 }; /* looked at for NUL at once */

/* May the next thing be a field that nothing has to be known of? At the start
   of a message it is one when it is no byte order mark. */
static bool is_ready(const struct mime *m)
{
    return (m->state == MIME_HEADER || m->state == MIME_START) && m->input.n &&
           ascii_is(m->input.p[0], ASCII_FIELD) && m->finished &&
           m->defect_n == 0 && buf_size(&m->carry) == 0 && !m->opening &&
           m->depth <= m->close_to;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bits of bytes that end a name, or may. The first one in memory is
   right, those behind it may not be. */
static uint64_t specials(uint64_t w)
{
    uint64_t colon = w ^ EACH(':');
    return ((w - EACH(0x21)) | (w + EACH(1)) | w | (colon - EACH(1))) &
           EACH(0x80);
}

/* Behind a field's name, which begins at p. */
static const char *behind_name(const char *p, const char *end)
{
    for (uint64_t w; end - p >= (ptrdiff_t)sizeof w; p += sizeof w) {
        memcpy(&w, p, sizeof w);
        w = specials(w);
        if (w && ASCII_LITTLE)
            return p + __builtin_ctzll(w) / 8;
        if (w)
            break;
    }
    while (p < end && ascii_is(*p, ASCII_FIELD))
        p++;
    return p;
}

/* Behind the field whose colon is there, continuations included; NULL where it
   has none, or no line follows it. */
static const char *behind_field(const char *colon, const char *end)
{
    const char *p = colon;
    if (p == end || *p != ':')
        return NULL;
    do {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p || ++p == end)
            return NULL;
    } while (*p == ' ' || *p == '\t');
    return p;
}

static int heed(struct mime *m, const char *p, const char *colon,
                const char *next)
{
    uint64_t at = m->at + (uint64_t)(p - m->input.p);
    struct header_field f = {.name = span_of(p, (size_t)(colon - p))};
    f.value = header_value(span_of(colon + 1, (size_t)(next - colon) - 1));
    return mime_heed(m, &f, at, p);
}

static bool is_dashed(const char *p, const char *end)
{
    return *p == '-' && end - p > 1 && p[1] == '-';
}

/* What is left of the header's bytes, no NUL among them. */
static size_t area_size(const struct mime *m)
{
    size_t used = (size_t)(m->at - m->header_at), most = m->limits.header;
    struct span s = m->input;
    most = used < most ? most - used : 0;
    if (s.n > AREA)
        s.n = AREA;
    if (s.n > most)
        s.n = most;
    return span_find(s, '\0');
}

/* Everything before p was taken. */
static void take_to(struct mime *m, const char *p, size_t fields)
{
    size_t n = (size_t)(p - m->input.p);
    m->at += n;
    m->input = span_of(p, m->input.n - n);
    m->fields += fields;
    if (fields) {
        m->state = MIME_HEADER;
        m->lines = m->scanned = m->junk = 0;
    }
}

int mime_fields(struct mime *m, struct mime_field *out, size_t room)
{
    const char *p, *end, *colon, *next;
    size_t i = 0, left = m->limits.fields - m->fields;
    uint32_t at = (uint32_t)(m->at - m->part_at);
    int err = 0;
    if (!is_ready(m))
        return 0;
    p = m->input.p;
    end = p + area_size(m);
    if (room > left)
        room = left;
    for (; err == 0 && i < room && p < end && !is_dashed(p, end); p = next) {
        struct span name = span_of(p, 0);
        colon = behind_name(p, end);
        next = behind_field(colon, end);
        name.n = (size_t)(colon - p);
        if (!next || name.n == 0)
            break;
        if (mime_said_may(name))
            err = heed(m, p, colon, next);
        out[i].at = at + (uint32_t)(p - m->input.p);
        out[i].n = (uint32_t)(next - p);
        out[i++].hash = mime_hash(name);
    }
    take_to(m, p, i);
    return err < 0 ? err : (int)i;
}
