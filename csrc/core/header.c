/*
 * header - blocks of header fields; see header.h
 */
#include "header.h"

#include "ascii.h"

size_t header_line(struct span s)
{
    size_t n = span_find(s, '\n');
    return n < s.n ? n + 1 : 0;
}

size_t header_name(struct span line, size_t *value)
{
    size_t n = ascii_run(line, ASCII_FIELD);
    size_t colon = n;
    while (colon < line.n && ascii_is(line.p[colon], ASCII_BLANK))
        colon++;
    if (n == 0 || colon >= line.n || line.p[colon] != ':')
        return 0;
    *value = colon + 1;
    return n;
}

bool header_split(struct span field, struct header_field *f)
{
    size_t value = 0;
    size_t name = header_name(field, &value);
    f->n = field.n;
    f->name = span_of(field.p, name);
    f->value = header_value(span_skip(field, value));
    return name > 0;
}

static bool empty_line(struct span s)
{
    size_t i = 0;
    while (i < s.n && i < 2 && s.p[i] == '\r')
        i++;
    return s.n == 0 || (i < s.n && s.p[i] == '\n');
}

bool header_next(struct span block, size_t *at, struct header_field *f)
{
    struct span rest = span_skip(block, *at);
    size_t n = 0;
    if (empty_line(rest))
        return false;
    do {
        size_t line = header_line(span_skip(rest, n));
        n = line ? n + line : rest.n;
    } while (n < rest.n && ascii_is(rest.p[n], ASCII_BLANK));
    f->at = *at;
    *at += n;
    header_split(span_of(rest.p, n), f);
    return true;
}

bool header_find(struct span block, struct span name, size_t nth,
                 struct header_field *f)
{
    size_t at = 0;
    while (header_next(block, &at, f))
        if (span_ieq(f->name, name) && nth-- == 0)
            return true;
    return false;
}

int header_unfold(struct buf *out, struct span raw)
{
    raw = span_trim(raw);
    while (raw.n) {
        size_t n = 0;
        while (n < raw.n && raw.p[n] != '\r' && raw.p[n] != '\n' && raw.p[n])
            n++;
        buf_add(out, raw.p, n);
        raw = span_skip(raw, n < raw.n ? n + 1 : n);
    }
    return buf_error(out);
}
