/*
 * mime_said - what a header says of the body; see mime_said.h
 */
#include "mime_said.h"

#include "ascii.h"
#include "boundary.h"
#include "header.h"
#include "mime_param.h"

void mime_said_renew(struct mime_said *s, size_t most)
{
    buf_renew(&s->bound, most + 1);
}

void mime_said_free(struct mime_said *s)
{
    buf_free(&s->bound);
    param_list_free(&s->list);
}

void mime_said_begin(struct mime_said *s, bool digest)
{
    s->kind = digest ? MIME_MESSAGE : MIME_LEAF;
    s->type = digest ? MIME_TYPE_MESSAGE : MIME_TYPE_PLAIN;
    s->coding = MIME_CODING_NONE;
    s->params = span_of(NULL, 0);
    s->typed = s->encoded = s->digest = false;
    s->text = !digest;
    buf_clear(&s->bound);
}

/* The boundary among parameters that are not plain, until the next use of
   the list. */
static int find_boundary(struct mime_said *s, struct span rest,
                         struct span *bound)
{
    int err = header_unfold(&s->bound, rest);
    if (err == 0)
        err = param_parse(&s->list, buf_span(&s->bound));
    buf_cut(&s->bound, 0);
    *bound = span_of(NULL, 0);
    for (size_t i = 0; err == 0 && i < s->list.n && !bound->p; i++)
        if (span_eq(param_name(&s->list, i), SPAN("boundary")))
            *bound = param_value(&s->list, i);
    return err;
}

static int keep_boundary(struct mime_said *s, struct span rest)
{
    struct span bound;
    int err = 0;
    if (!mime_param(rest, SPAN("boundary"), &bound))
        err = find_boundary(s, rest, &bound);
    while (bound.n && span_blank(bound.p[bound.n - 1]))
        bound.n--; /* RFC 2046 5.1.1: it may begin with blanks, but not end */
    if (bound.n > BOUNDARY_MOST)
        bound.n = BOUNDARY_MOST;
    if (err == 0)
        err = buf_add_span(&s->bound, bound);
    return err == ERR_MEMORY ? err : 0;
}

/* A type that is known, and nothing else before the ";". */
static enum mime_type known_type(struct span value, struct media *m)
{
    size_t n;
    while (value.n && value.p[0] == ' ')
        value = span_skip(value, 1);
    n = span_find(value, ';');
    m->rest = span_skip(value, n);
    return mime_known_name(span_of(value.p, n), m);
}

/* "type/subtype" and nothing else before the ";"? */
static bool split_plain(struct span value, struct media *m)
{
    size_t from = 0, slash, end;
    while (from < value.n && value.p[from] == ' ')
        from++;
    slash = from;
    while (slash < value.n && ascii_is(value.p[slash], ASCII_TOKEN))
        slash++;
    if (slash == from || slash == value.n || value.p[slash] != '/')
        return false;
    end = slash + 1;
    while (end < value.n && ascii_is(value.p[end], ASCII_TOKEN))
        end++;
    m->type = span_of(value.p + from, slash - from);
    m->subtype = span_of(value.p + slash + 1, end - slash - 1);
    m->rest = span_skip(value, end);
    return m->subtype.n && (end == value.n || value.p[end] == ';');
}

static int read_type(struct mime_said *s, struct span value)
{
    struct media media;
    enum mime_type known;
    bool usable;
    if (s->typed)
        return DEFECT_TYPE_REPEATED;
    s->typed = true;
    known = known_type(value, &media);
    usable = known || split_plain(value, &media) || media_split(value, &media);
    s->params = media.rest;
    s->kind = MIME_LEAF;
    s->type = MIME_TYPE_PLAIN; /* RFC 2045 5.2, in a digest, too */
    s->text = true;
    if (!usable)
        return DEFECT_TYPE;
    s->type = known ? known : mime_known_type(&media);
    s->text = span_ieq(media.type, SPAN("text"));
    if (span_ieq(media.type, SPAN("multipart"))) {
        s->kind = MIME_MULTIPART;
        s->digest = span_ieq(media.subtype, SPAN("digest"));
        return keep_boundary(s, media.rest);
    }
    if (span_ieq(media.type, SPAN("message")) &&
        (span_ieq(media.subtype, SPAN("rfc822")) ||
         span_ieq(media.subtype, SPAN("global"))))
        s->kind = MIME_MESSAGE;
    return 0;
}

static int read_encoding(struct mime_said *s, struct span value)
{
    struct span rest;
    if (!s->encoded)
        s->coding = mime_known_coding(span_trim(value));
    if (!s->encoded && s->coding == MIME_CODING_UNKNOWN)
        s->coding = mime_known_coding(media_word(value, &rest));
    s->encoded = true;
    return 0;
}

int mime_said_field(struct mime_said *s, struct span name, struct span value)
{
    if (span_ieq(name, SPAN("Content-Type")))
        return read_type(s, value);
    if (span_ieq(name, SPAN("Content-Transfer-Encoding")))
        return read_encoding(s, value);
    return 0;
}
