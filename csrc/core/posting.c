/*
 * posting - whole messages over a client machine; see posting.h
 */
#include "posting.h"

#include <stdint.h>

#include "ascii.h"

enum {
    NUMBER_MOST = 24, /* digits of a size */
    FRAME_RCPT = sizeof "RCPT TO:<>\r\n",
    FRAME_MOST = sizeof "MAIL FROM:<> BODY=8BITMIME SIZE=\r\nDATA\r\n" +
                 NUMBER_MOST /* of the commands, beside RCPT and an address */
};

void posting_init(struct posting *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->said, 2 * POSTING_SAID + REPLY_MOST);
    buf_init(&p->lines, CLIENT_OUT);
    buf_init(&p->behind, CLIENT_OUT);
    reply_init(&p->reply);
    buf_init(&p->record, POSTING_RECORD);
}

void posting_free(struct posting *p)
{
    buf_free(&p->said);
    buf_free(&p->lines);
    buf_free(&p->behind);
    reply_free(&p->reply);
    buf_free(&p->record);
}

static void posting_enter(struct posting *p, enum posting_stage stage)
{
    p->stage = stage;
    p->since = p->now;
}

void posting_noted(struct posting *p)
{
    buf_clear(&p->record);
    buf_rest(&p->record);
    p->pieces = 0;
}

/* Drops the oldest piece. */
static void record_drop(struct posting *p)
{
    uint32_t n;
    memcpy(&n, buf_span(&p->record).p + POSTING_HEAD - sizeof n, sizeof n);
    buf_drop(&p->record, POSTING_HEAD + n);
    p->pieces--;
}

/* Where there is no memory the record has a gap: what came before is lost,
   and no half of a piece is left. */
static void posting_note(struct posting *p, char who, struct span text)
{
    uint32_t n = (uint32_t)text.n;
    char head[POSTING_HEAD];
    if (p->pieces == 2 * POSTING_PIECES)
        while (p->pieces > POSTING_PIECES)
            record_drop(p);
    while (p->pieces &&
           buf_size(&p->record) + sizeof head + text.n > POSTING_RECORD)
        record_drop(p);
    head[0] = who;
    memcpy(head + 1, &p->now, sizeof p->now);
    memcpy(head + 1 + sizeof p->now, &n, sizeof n);
    buf_add(&p->record, head, sizeof head);
    if (buf_add_span(&p->record, text) < 0)
        posting_noted(p);
    else
        p->pieces++;
}

/* As most are: atoms and dots, at an at-sign or by themselves. */
static bool simple(struct span s)
{
    size_t n = ascii_run(s, ASCII_DOTTED);
    if (n < s.n && s.p[n] == '@')
        n += 1 + ascii_run(span_skip(s, n + 1), ASCII_DOTTED);
    return n == s.n;
}

bool posting_bare(struct span s)
{
    if (s.n > POSTING_ADDRESS)
        return false;
    if (simple(s))
        return true;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c <= ' ' || c > '~' || c == '<' || c == '>' || c == '"' ||
            c == '\\')
            return false;
    }
    return true;
}

/* Then what is to happen is for others to judge. */
static bool any_twice(const struct posting_mail *m)
{
    for (size_t i = 1; i < m->recipients; i++)
        for (size_t k = 0; k < i; k++)
            if (span_eq(m->to[i], m->to[k]))
                return true;
    return false;
}

bool posting_fits(const struct posting *p, const struct posting_mail *m)
{
    if (m->recipients == 0 || m->recipients > p->peer.most ||
        !posting_bare(m->from))
        return false;
    for (size_t i = 0; i < m->recipients; i++)
        if (m->to[i].n == 0 || !posting_bare(m->to[i]))
            return false;
    if (!m->known && p->peer.binary && survey_binary(m->parts->octets))
        return false;
    return !any_twice(m);
}

static char *put(char *q, struct span s)
{
    memcpy(q, s.p, s.n);
    return q + s.n;
}

/* The parameters of MAIL, and its end. */
static char *put_params(char *q, const struct posting *p,
                        const struct survey *s)
{
    struct buf number = {q, 0, 0, NUMBER_MOST, NUMBER_MOST, 0};
    if (p->peer.eight_bit && s->eight_bit)
        q = put(q, SPAN(" BODY=8BITMIME"));
    if (p->peer.size) {
        q = put(q, SPAN(" SIZE="));
        number.base = q;
        buf_add_number(&number, s->size);
        q += buf_size(&number);
    }
    return put(q, SPAN("\r\n"));
}

/* The commands of a message that fits. */
static bool write_lines(const struct posting *p, const struct posting_mail *m,
                        const struct survey *s, struct buf *lines)
{
    size_t room = m->from.n + FRAME_MOST;
    for (size_t i = 0; i < m->recipients; i++)
        room += m->to[i].n + FRAME_RCPT;
    buf_clear(lines);
    char *start = buf_space(lines, room), *q = start;
    if (!start)
        return false;
    q = put(q, SPAN("MAIL FROM:<"));
    q = put(q, m->from);
    q = put(q, SPAN(">"));
    q = put_params(q, p, s);
    for (size_t i = 0; i < m->recipients; i++) {
        q = put(q, SPAN("RCPT TO:<"));
        q = put(q, m->to[i]);
        q = put(q, SPAN(">\r\n"));
    }
    q = put(q, SPAN("DATA\r\n"));
    buf_filled(lines, (size_t)(q - start));
    return true;
}

static struct survey posting_survey(const struct client *c,
                                    const struct posting_mail *m)
{
    if (m->known)
        return (struct survey){m->size, 0, m->eight_bit};
    if (m->seen)
        return *m->seen;
    return survey_of(c->kernel ? c->kernel : &kernel_scalar, m->parts->octets);
}

/* Makes the commands of a message, and what is said of it: false where it is
   not for this way. */
static bool posting_compose(const struct posting *p, const struct client *c,
                            const struct posting_mail *m, struct buf *lines,
                            struct posting_said *said)
{
    if (!posting_fits(p, m))
        return false;
    struct survey s = posting_survey(c, m);
    if (p->peer.limit && s.size > p->peer.limit)
        return false;
    *said = (struct posting_said){m->recipients + 2, false, s.plain,
                                  m->known ? m->size : m->parts->octets.n};
    return write_lines(p, m, &s, lines);
}

/* Cuts a line off, without its end. */
static struct span cut_line(struct span *lines)
{
    struct span line = span_cut(lines, '\n');
    return span_of(line.p, line.n ? line.n - 1 : 0);
}

/* Commands of any kind: all of them, for there is room, and each is sound; or
   the first is refused. */
static int say_lines(struct client *c, struct span lines, size_t count)
{
    int err = client_holds(c, count, lines.n + count) ? 0 : ERR_LIMIT;
    while (lines.n && err == 0) {
        struct span line = cut_line(&lines), verb = span_cut(&line, ' ');
        err = client_command(c, verb, line);
    }
    return err;
}

static bool posting_speak(struct posting *p, struct client *c,
                          const struct buf *lines,
                          const struct posting_said *said)
{
    struct span text = buf_span(lines);
    int err = said->other ? say_lines(c, text, said->count)
                          : client_envelope(c, text, said->count);
    if (err < 0)
        return false;
    posting_note(p, 'C', buf_span(lines));
    return true;
}

bool posting_say(struct posting *p, struct client *c,
                 const struct posting_mail *m)
{
    struct posting_said said;
    if (!posting_compose(p, c, m, &p->lines, &said) ||
        !posting_speak(p, c, &p->lines, &said))
        return false;
    p->present = said;
    posting_enter(p, POSTING_HEARING);
    return true;
}

bool posting_behind(struct posting *p, const struct client *c,
                    const struct posting_mail *m)
{
    bool fits = m && posting_compose(p, c, m, &p->behind, &p->ready);
    if (!fits)
        p->ready.count = 0;
    return fits;
}

bool posting_behind_lines(struct posting *p, struct client *c,
                          struct span lines, size_t count)
{
    struct span rest = lines;
    size_t n = 0;
    int err = 0;
    for (; rest.n && err == 0; n++)
        err = client_sound(c, cut_line(&rest));
    buf_clear(&p->behind);
    bool fits = n && n == count && err == 0 && count < POSTING_WINDOW &&
                buf_add_span(&p->behind, lines) == 0;
    p->ready = (struct posting_said){fits ? count : 0, true, 0, 0};
    return fits;
}

/* What was heard to commands, and is not yet in the record. */
static void posting_note_said(struct posting *p)
{
    struct span said = span_skip(buf_span(&p->said), p->told);
    p->told += said.n;
    if (said.n)
        posting_note(p, 'S', said);
}

/* Takes a reply to a command; true: the last one that is to be heard. */
static bool posting_hear(struct posting *p, const struct reply *r)
{
    bool last = ++p->heard == p->present.count;
    buf_add_span(&p->said, buf_span(&r->lines));
    p->odd = p->odd || (last ? r->code != 354 : r->code >= 300);
    p->since = p->now;
    return last || r->code == 421 || buf_size(&p->said) > POSTING_SAID;
}

int posting_next(struct posting *p, struct client *c)
{
    int result = CLIENT_MORE;
    while (p->stage != POSTING_BODY) {
        result = client_next(c);
        if (result != CLIENT_REPLY)
            break;
        if (p->stage == POSTING_FINAL) {
            posting_note(p, 'S', buf_span(&c->reply.lines));
            break;
        }
        if (!posting_hear(p, &c->reply))
            continue;
        posting_note_said(p);
        if (p->odd || p->heard < p->present.count)
            break;
        posting_enter(p, POSTING_BODY);
        result = CLIENT_MORE;
    }
    return result;
}

static struct span rest_of(const struct posting *p,
                           const struct posting_mail *m)
{
    return span_skip(m->parts[p->part].octets, p->taken);
}

bool posting_lines(const struct posting *p, const struct posting_mail *m)
{
    return !m->parts[p->part].base64;
}

bool posting_more(struct posting *p, const struct posting_mail *m)
{
    while (p->part + 1 < m->count && rest_of(p, m).n == 0) {
        p->part++;
        p->taken = p->present.plain = 0;
    }
    if (p->part + 1 < m->count)
        return true;
    return rest_of(p, m).n > (posting_lines(p, m) ? POSTING_LONG : 0);
}

struct span posting_most(const struct posting *p, const struct posting_mail *m)
{
    struct span most = rest_of(p, m);
    if (p->part + 1 == m->count && posting_lines(p, m))
        most.n = most.n > POSTING_LAST ? most.n - POSTING_LAST : 0;
    return most;
}

void posting_took(struct posting *p, size_t n)
{
    p->taken += n;
    if (n)
        p->since = p->now;
}

size_t posting_plain(const struct posting *p)
{
    return p->present.plain > p->taken ? p->present.plain - p->taken : 0;
}

int posting_write(struct posting *p, struct client *c,
                  const struct posting_mail *m)
{
    size_t taken;
    struct span most = posting_most(p, m);
    int err = posting_lines(p, m) ? client_body(c, most, false, &taken)
                                  : client_base64(c, most, &taken);
    posting_took(p, taken);
    return err;
}

int posting_finish(struct posting *p, struct client *c,
                   const struct posting_mail *m)
{
    char digits[NUMBER_MOST];
    struct buf number = {digits, 0, 0, sizeof digits, sizeof digits, 0};
    size_t taken;
    int err = client_body(c, rest_of(p, m), true, &taken);
    if (err < 0)
        return err;
    buf_add_number(&number, p->present.size);
    posting_note(p, '*', buf_span(&number));
    posting_enter(p, POSTING_FINAL);
    if (p->ready.count && posting_speak(p, c, &p->behind, &p->ready))
        p->next = p->ready;
    return 0;
}

void posting_end(struct posting *p)
{
    p->present = p->next;
    if (p->next.other)
        p->present.count = 0;
    p->next.count = p->ready.count = 0;
    p->heard = p->part = p->taken = p->told = 0;
    p->odd = false;
    buf_clear(&p->said);
    posting_enter(p, p->present.count ? POSTING_HEARING : POSTING_IDLE);
}

bool posting_heard(struct posting *p)
{
    reply_clear(&p->reply);
    return reply_read(&p->reply, &p->said) > 0;
}

void posting_drop(struct posting *p)
{
    p->next.count = 0;
    posting_end(p);
}

struct span posting_record(struct posting *p)
{
    posting_note_said(p);
    return buf_span(&p->record);
}
