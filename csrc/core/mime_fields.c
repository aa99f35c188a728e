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

/* May the next thing be a field that nothing has to be known of? */
static bool is_ready(const struct mime *m)
{
    return m->state == MIME_HEADER && m->input.n &&
           ascii_is(m->input.p[0], ASCII_FIELD) && m->finished &&
           m->defect_n == 0 && buf_size(&m->carry) == 0 && !m->opening &&
           m->depth <= m->close_to;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Are there bytes that end a name, or may? */
static bool is_special(uint64_t w)
{
    uint64_t colon = w ^ EACH(':');
    return (((w - EACH(0x21)) | (w + EACH(1)) | w | (colon - EACH(1))) &
            EACH(0x80)) != 0;
}

/* Length of a field's name at the head of s. */
static size_t name_end(struct span s)
{
    size_t n = 0;
    for (uint64_t w; n + sizeof w <= s.n; n += sizeof w) {
        memcpy(&w, s.p + n, sizeof w);
        if (is_special(w))
            break;
    }
    while (n < s.n && ascii_is(s.p[n], ASCII_FIELD))
        n++;
    return n;
}

/* Length of the field at the head of s, continuations included; 0 where it
   is not plain, or no line follows it. */
static size_t plain_field(struct span s, struct header_field *f)
{
    size_t name = name_end(s), n;
    if (name == 0 || name == s.n || s.p[name] != ':')
        return 0;
    n = name;
    do {
        n += span_find(span_skip(s, n), '\n') + 1;
        if (n >= s.n)
            return 0;
    } while (ascii_is(s.p[n], ASCII_BLANK));
    f->name = span_of(s.p, name);
    f->value = span_of(s.p + name + 1, n - name - 2);
    if (f->value.n && f->value.p[f->value.n - 1] == '\r')
        f->value.n--;
    return n;
}

static bool is_dashed(struct span s)
{
    return s.n > 1 && s.p[0] == '-' && s.p[1] == '-';
}

/* What is left of the header's bytes, no NUL among them. */
static struct span area_of(const struct mime *m)
{
    size_t used = (size_t)(m->at - m->header_at), most = m->limits.header;
    struct span s = m->input;
    most = used < most ? most - used : 0;
    if (s.n > AREA)
        s.n = AREA;
    if (s.n > most)
        s.n = most;
    s.n = span_find(s, '\0');
    return s;
}

int mime_fields(struct mime *m, struct mime_field *out, size_t room)
{
    struct span area;
    struct header_field f;
    size_t i = 0, n;
    if (!is_ready(m))
        return 0;
    area = area_of(m);
    while (i < room && m->fields < m->limits.fields && !is_dashed(area) &&
           (n = plain_field(area, &f)) > 0) {
        int err = mime_heed(m, &f, area.p);
        if (err < 0)
            return err;
        out[i].at = (uint32_t)(m->at - m->part_at);
        out[i].n = (uint32_t)n;
        out[i++].hash = mime_hash(f.name);
        area = span_skip(area, n);
        mime_consume(m, n);
        m->fields++;
        if (err > 0)
            break;
    }
    return (int)i;
}
