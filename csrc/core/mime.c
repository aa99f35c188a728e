/*
 * mime - reads messages piece by piece; see mime.h
 *
 * The window is what can be looked at: the chunk itself, or, while something
 * is carried over, the carried bytes with as much of the chunk behind them
 * as is needed. Each step looks at the window and either consumes something,
 * changes state, or wants more.
 */
#include "mime.h"

#include "ascii.h"
#include "mime_steps.h"

enum {
    AGAIN = MIME_END + 1, /* a step changed something, but made no event */
    PIECE = 4096,         /* moved at once behind what is carried */
    FEW = 8,              /* boundaries that are compared one by one */
    HEADER_DEFAULT = 1 << 20,
    MOST = 1 << 30 /* of limits whose counts are kept in 32 bits */
};

struct frame {
    size_t bound_at, bound_n; /* in m->bounds; n = 0: none */
    bool open;                /* its boundary is looked for */
    bool seen;                /* its boundary was met */
    bool digest;
};

void mime_limits_default(struct mime_limits *limits)
{
    limits->depth = 100;
    limits->parts = 10000;
    limits->header = HEADER_DEFAULT;
    limits->fields = 10000;
}

static void enter(struct mime *m, enum mime_state state)
{
    m->state = state;
    m->lines = m->scanned = m->junk = 0;
    m->line_start = true;
}

void mime_init(struct mime *m, const struct mime_limits *limits)
{
    memset(m, 0, sizeof *m);
    mime_again(m, limits);
}

static void set_limits(struct mime *m, const struct mime_limits *limits)
{
    m->limits = *limits;
    if (m->limits.header > MOST)
        m->limits.header = MOST;
    if (m->limits.parts > MOST)
        m->limits.parts = MOST;
    if (m->limits.depth > SIZE_MAX / (BOUNDARY_MOST + sizeof(struct frame)))
        m->limits.depth = SIZE_MAX / (BOUNDARY_MOST + sizeof(struct frame));
    buf_renew(&m->carry, m->limits.header + 2 * PIECE);
    buf_renew(&m->frames, SIZE_MAX / 2);
    buf_renew(&m->bounds, SIZE_MAX / 2);
    mime_said_renew(&m->said, m->limits.header);
}

void mime_again(struct mime *m, const struct mime_limits *limits)
{
    set_limits(m, limits);
    m->input = span_of(NULL, 0);
    m->at = m->close_at = m->header_at = 0;
    m->lines = m->scanned = m->junk = m->fields = 0;
    m->junk_to = 0;
    m->depth = m->open_bounds = m->parts = m->close_to = 0;
    memset(m->marks, 0, sizeof m->marks);
    m->finished = false;
    m->defect_n = 0;
    m->opening = true;
    enter(m, MIME_START);
}

void mime_free(struct mime *m)
{
    buf_free(&m->carry);
    buf_free(&m->frames);
    buf_free(&m->bounds);
    mime_said_free(&m->said);
}

void mime_push(struct mime *m, struct span chunk)
{
    m->input = chunk;
}

void mime_finish(struct mime *m)
{
    m->finished = true;
}

/* The window */

static struct span window(const struct mime *m)
{
    return buf_size(&m->carry) ? buf_span(&m->carry) : m->input;
}

/* True when nothing follows the window. */
static bool is_last(const struct mime *m)
{
    return m->finished && (buf_size(&m->carry) == 0 || m->input.n == 0);
}

void mime_consume(struct mime *m, size_t n)
{
    m->at += n;
    m->lines = m->scanned = m->junk = 0;
    if (buf_size(&m->carry))
        buf_drop(&m->carry, n);
    else
        m->input = span_skip(m->input, n);
}

/* Widens the window: AGAIN, or MORE when the chunk is used up. */
static int widen(struct mime *m)
{
    struct span piece = m->input;
    bool carrying = buf_size(&m->carry) > 0;
    if (piece.n == 0)
        return MIME_MORE;
    if (carrying && piece.n > PIECE)
        piece.n = PIECE;
    if (buf_add_span(&m->carry, piece) < 0)
        return buf_error(&m->carry);
    m->input = span_skip(m->input, piece.n);
    return carrying ? AGAIN : MIME_MORE;
}

/* Parts and defects */

struct delimiter {
    size_t frame; /* whose boundary it is */
    struct boundary_line line;
};

static struct frame *frame_at(const struct mime *m, size_t i)
{
    return (struct frame *)(void *)m->frames.base + i;
}

static void note(struct mime *m, enum defect_number number, uint64_t at)
{
    if (m->defect_n < sizeof m->defects / sizeof m->defects[0]) {
        m->defects[m->defect_n].number = number;
        m->defects[m->defect_n++].at = at;
    }
}

static int emit_defect(struct mime *m, struct mime_event *e)
{
    e->number = m->defects[0].number;
    e->at = m->defects[0].at;
    m->defect_n--;
    memmove(m->defects, m->defects + 1, m->defect_n * sizeof m->defects[0]);
    return MIME_DEFECT;
}

static int open_part(struct mime *m, struct mime_event *e)
{
    struct frame f = {0};
    bool digest = m->depth && frame_at(m, m->depth - 1)->digest;
    if (buf_add(&m->frames, (const char *)&f, sizeof f) < 0)
        return buf_error(&m->frames);
    m->opening = false;
    m->depth++;
    m->parts++;
    m->close_to = m->depth;
    m->part_at = m->header_at = m->params_at = m->at;
    m->fields = 0;
    m->params_n = 0;
    mime_said_begin(&m->said, digest);
    enter(m, m->depth == 1 && m->at == 0 ? MIME_START : MIME_HEADER);
    e->at = m->at;
    e->depth = m->depth - 1;
    return MIME_PART;
}

static void forget_boundary(struct mime *m, struct frame *f)
{
    m->open_bounds -= f->open;
    f->open = false;
}

static int close_part(struct mime *m, struct mime_event *e)
{
    struct frame *f = frame_at(m, m->depth - 1);
    if (f->open) {
        note(m, f->seen ? DEFECT_BOUNDARY_UNCLOSED : DEFECT_BOUNDARY_UNUSED,
             m->close_at);
        forget_boundary(m, f);
        return AGAIN;
    }
    if (f->bound_n)
        buf_cut(&m->bounds, f->bound_at);
    m->depth--;
    buf_cut(&m->frames, m->depth * sizeof *f);
    e->at = m->close_at;
    e->depth = m->depth;
    return MIME_PART_END;
}

static int close_all(struct mime *m)
{
    m->close_to = 0;
    m->close_at = m->at;
    enter(m, MIME_DONE);
    return AGAIN;
}

/* Boundaries */

/* Is the line that begins at s a boundary of an open part? The innermost
   comes first: mailers do give nested parts the same boundary. */
static enum boundary_found delimiter(const struct mime *m, struct span s,
                                     bool last, struct delimiter *d)
{
    enum boundary_found found;
    if (!boundary_dashes(s, last, &found))
        return found;
    if (m->open_bounds > FEW && !boundary_marked(m->marks, s))
        return found;
    for (size_t i = m->depth; i-- > 0 && found == BOUNDARY_NO;) {
        const struct frame *f = frame_at(m, i);
        if (!f->open)
            continue;
        d->frame = i;
        found =
            boundary_match(s, span_of(m->bounds.base + f->bound_at, f->bound_n),
                           last, &d->line);
    }
    return found;
}

enum boundary_found mime_delimited(const struct mime *m, struct span s,
                                   bool last)
{
    struct delimiter d;
    return m->open_bounds ? delimiter(m, s, last, &d) : BOUNDARY_NO;
}

/* A boundary line of n bytes at the window's head ended a body at `end`. */
static int meet(struct mime *m, const struct delimiter *d, size_t skip,
                uint64_t end)
{
    struct frame *f = frame_at(m, d->frame);
    f->seen = true;
    m->close_to = d->frame + 1;
    m->close_at = end;
    mime_consume(m, skip + d->line.n);
    enter(m, MIME_AROUND);
    if (d->line.closes) {
        forget_boundary(m, f);
    } else if (m->parts >= m->limits.parts) {
        note(m, DEFECT_LIMIT_PARTS, m->at);
        forget_boundary(m, f);
    } else {
        m->opening = true;
    }
    return AGAIN;
}

/* Header */

/* Keeps the boundary of a multipart with its frame. */
static int hold_boundary(struct mime *m)
{
    struct frame *f = frame_at(m, m->depth - 1);
    struct span bound = buf_span(&m->said.bound);
    if (mime_coding_changes(m->said.coding))
        note(m, DEFECT_ENCODED_PARTS, m->header_at);
    if (bound.n > 70)
        note(m, DEFECT_BOUNDARY_LONG, m->header_at);
    f->bound_at = buf_size(&m->bounds);
    f->bound_n = bound.n;
    f->digest = m->said.digest;
    f->open = true;
    m->open_bounds++;
    boundary_mark(m->marks, bound);
    return buf_add_span(&m->bounds, bound);
}

/* What the body will be taken for. */
static enum mime_kind settle_kind(struct mime *m, struct mime_event *e)
{
    enum mime_kind kind = m->said.kind;
    if (kind == MIME_MULTIPART && buf_size(&m->said.bound) == 0) {
        note(m, DEFECT_BOUNDARY_MISSING, m->header_at);
        kind = MIME_LEAF;
    }
    e->coded = kind == MIME_MESSAGE && mime_coding_changes(m->said.coding);
    if (e->coded)
        kind = MIME_LEAF;
    if (kind != MIME_LEAF && m->depth >= m->limits.depth) {
        note(m, DEFECT_LIMIT_DEPTH, m->header_at);
        kind = MIME_LEAF;
    }
    if (kind == MIME_MESSAGE && m->parts >= m->limits.parts) {
        note(m, DEFECT_LIMIT_PARTS, m->header_at);
        kind = MIME_LEAF;
    }
    return kind;
}

static int end_header(struct mime *m, struct mime_event *e)
{
    e->kind = settle_kind(m, e);
    if (e->kind == MIME_MULTIPART && hold_boundary(m) < 0)
        return buf_error(&m->bounds);
    enter(m, e->kind == MIME_LEAF ? MIME_LEAF_BODY : MIME_AROUND);
    m->opening = e->kind == MIME_MESSAGE;
    e->at = m->at;
    e->depth = m->depth - 1;
    return MIME_HEAD;
}

/* Length of the empty line at the window's head: CR CR LF is one, too, since
   some programs add a CR to each line that has one. */
enum boundary_found mime_empty_line(struct span w, bool last, size_t *n)
{
    size_t i = 0;
    while (i < w.n && i < 2 && w.p[i] == '\r')
        i++;
    *n = i + 1;
    if (i == w.n)
        return last ? BOUNDARY_NO : BOUNDARY_WAIT;
    return w.p[i] == '\n' ? BOUNDARY_YES : BOUNDARY_NO;
}

/* Length of the field at the window's head, continuations included, or 0
   when its end is not in sight. It goes on where the last look ended. */
static size_t field_length(struct mime *m, struct span w, bool last)
{
    for (;;) {
        size_t n;
        if (m->lines && m->lines < w.n && !ascii_is(w.p[m->lines], ASCII_BLANK))
            return m->lines;
        n = header_line(span_skip(w, m->scanned));
        if (n == 0) {
            m->scanned = w.n;
            return last ? w.n : 0;
        }
        m->scanned += n;
        m->lines = m->scanned;
    }
}

int mime_heed(struct mime *m, const struct header_field *f, uint64_t at,
              const char *p)
{
    bool typed = m->said.typed;
    int found;
    if (!mime_said_may(f->name))
        return 0;
    found = mime_said_field(&m->said, f->name, f->value);
    if (found > 0)
        note(m, (enum defect_number)found, at);
    if (!typed && m->said.typed) {
        m->params_at = at + (uint64_t)(m->said.params.p - p);
        m->params_n = m->said.params.n;
    }
    return found;
}

static int take_field(struct mime *m, struct mime_event *e, size_t n)
{
    struct span bytes = span_of(window(m).p, n);
    e->at = m->at;
    e->depth = m->depth - 1;
    e->bytes = bytes;
    e->field.at = 0;
    if (memchr(bytes.p, '\0', n))
        note(m, DEFECT_NUL, m->at);
    int err = mime_heed(m, &e->field, m->at, bytes.p);
    m->fields++;
    mime_consume(m, n);
    return err < 0 ? err : MIME_FIELD;
}

/* A line of n bytes that is no field, with its continuations. */
static int pass_over(struct mime *m, struct mime_event *e, size_t n)
{
    struct span w = window(m);
    enum defect_number number = DEFECT_FIELD_COLON;
    enum mime_junk junk = MIME_JUNK_PASSED;
    if (ascii_is(w.p[0], ASCII_BLANK))
        number = DEFECT_FIELD_FIRST;
    else if (m->at == m->header_at && (span_istarts(w, SPAN("From ")) ||
                                       span_istarts(w, SPAN(">From "))))
        number = DEFECT_MBOX_LINE;
    if (number != DEFECT_MBOX_LINE)
        junk = mime_junk(m, w, n, is_last(m));
    if (junk == MIME_JUNK_MORE)
        return MIME_MORE;
    if (junk == MIME_JUNK_BODY) {
        note(m, DEFECT_HEADER_END, m->at);
        return end_header(m, e);
    }
    note(m, number, m->at);
    mime_consume(m, n);
    return AGAIN;
}

static int over_limit(struct mime *m, enum defect_number number)
{
    note(m, number, m->at);
    enter(m, MIME_SKIP);
    return AGAIN;
}

/* Ends the header where its empty line or the part's end is: an event, or
   AGAIN when the line is another. */
static int try_header_end(struct mime *m, struct mime_event *e)
{
    struct span w = window(m);
    bool last = is_last(m);
    size_t n;
    enum boundary_found empty = mime_empty_line(w, last, &n);
    if (empty == BOUNDARY_WAIT)
        return MIME_MORE;
    if (empty == BOUNDARY_YES) {
        mime_consume(m, n);
        return end_header(m, e);
    }
    if (w.n == 0)
        return end_header(m, e);
    switch (mime_delimited(m, w, last)) {
    case BOUNDARY_WAIT:
        return MIME_MORE;
    case BOUNDARY_YES:
        note(m, DEFECT_HEADER_END, m->at);
        return end_header(m, e);
    default:
        return AGAIN;
    }
}

static int step_header(struct mime *m, struct mime_event *e)
{
    struct span w = window(m);
    size_t n, used = (size_t)(m->at - m->header_at);
    int ended = try_header_end(m, e);
    if (ended != AGAIN)
        return ended;
    n = field_length(m, w, is_last(m));
    if (used > m->limits.header || (n ? n : w.n) > m->limits.header - used)
        return over_limit(m, DEFECT_LIMIT_HEADER);
    if (n == 0)
        return MIME_MORE;
    if (!header_split(span_of(w.p, n), &e->field))
        return pass_over(m, e, n);
    if (m->fields >= m->limits.fields)
        return over_limit(m, DEFECT_LIMIT_FIELDS);
    return take_field(m, e, n);
}

static int step_skip(struct mime *m, struct mime_event *e)
{
    struct span w = window(m);
    size_t n;
    if (m->line_start) {
        int ended = try_header_end(m, e);
        if (ended != AGAIN)
            return ended;
    }
    if (w.n == 0)
        return is_last(m) ? end_header(m, e) : MIME_MORE;
    n = header_line(w);
    m->line_start = n > 0;
    mime_consume(m, n ? n : w.n);
    return AGAIN;
}

static int step_start(struct mime *m)
{
    struct span w = window(m), mark = SPAN("\xef\xbb\xbf");
    size_t n = w.n < mark.n ? w.n : mark.n;
    bool prefix = n == 0 || memcmp(w.p, mark.p, n) == 0;
    if (prefix && n < mark.n && !is_last(m))
        return MIME_MORE;
    if (prefix && n == mark.n) {
        note(m, DEFECT_BYTE_MARK, 0);
        mime_consume(m, n);
        m->header_at = m->at;
    }
    enter(m, MIME_HEADER);
    return AGAIN;
}

/* Bodies */

/* Hands out n bytes of body; those around parts are passed over. */
static int take_body(struct mime *m, struct mime_event *e, size_t n)
{
    e->at = m->at;
    e->depth = m->depth - 1;
    e->bytes = span_of(window(m).p, n);
    mime_consume(m, n);
    m->line_start = false;
    return m->state == MIME_LEAF_BODY && !m->bodiless ? MIME_BODY : AGAIN;
}

static int step_body(struct mime *m, struct mime_event *e)
{
    struct span w = window(m);
    bool last = is_last(m);
    struct delimiter d;
    enum boundary_found found = BOUNDARY_NO;
    size_t i = w.n, n, hold = 0;
    if (m->open_bounds) {
        i = boundary_candidate(w, 0, m->line_start);
        while (i < w.n &&
               (found = delimiter(m, span_skip(w, i), last, &d)) == BOUNDARY_NO)
            i = boundary_candidate(w, i + 1, m->line_start);
        hold = found != BOUNDARY_NO ? boundary_line_end(w, i)
               : last               ? 0
                                    : boundary_held(w);
    }
    n = i - hold;
    if (n)
        return take_body(m, e, n);
    if (found == BOUNDARY_YES)
        return meet(m, &d, hold, m->at);
    return last ? close_all(m) : MIME_MORE;
}

static int step(struct mime *m, struct mime_event *e)
{
    switch (m->state) {
    case MIME_START:
        return step_start(m);
    case MIME_HEADER:
        return step_header(m, e);
    case MIME_SKIP:
        return step_skip(m, e);
    case MIME_LEAF_BODY:
    case MIME_AROUND:
        return step_body(m, e);
    default:
        return MIME_END;
    }
}

int mime_next(struct mime *m, struct mime_event *e)
{
    int result;
    do {
        if (m->defect_n)
            result = emit_defect(m, e);
        else if (m->depth > m->close_to)
            result = close_part(m, e);
        else if (m->opening)
            result = open_part(m, e);
        else
            result = step(m, e);
        if (result == MIME_MORE)
            result = widen(m);
    } while (result == AGAIN);
    e->event = result < 0 ? MIME_END : (enum mime_event_kind)result;
    return result;
}

int mime_resume(struct mime *m, const struct header_field *fields, size_t n,
                size_t body_at)
{
    struct mime_event e;
    int err = open_part(m, &e);
    if (err < 0)
        return err;
    (void)step_start(m);
    for (size_t i = 0; i < n && err >= 0; i++)
        err = mime_said_field(&m->said, fields[i].name, fields[i].value);
    if (err < 0)
        return err;
    m->defect_n = 0; /* told before */
    mime_consume(m, body_at - (size_t)m->at);
    err = end_header(m, &e);
    return err < 0 ? err : 0;
}
