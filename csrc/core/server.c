/*
 * server - the server's side of a dialogue; see server.h
 *
 * next_* give events, check_* have no effect but the answer they propose,
 * settle.c alone lets an answered command take effect.
 */
#include "server.h"

#include "check.h"
#include "server_parts.h"

enum {
    OUT_MOST = 1 << 20,
    LEAST_READ = 4096, /* what is read at once grows while it is filled */
    MOST_READ = 1 << 18,
    FIX_STEP = 1 << 16,
    SPARE_MOST = 1 << 14,  /* of the memory that a session leaves to others */
    AUTH_LINE_MOST = 12288 /* RFC 4954 4: lines of at least this length */
};

/* What follows a command that nobody objects to. */
/* clang-format off */
static const struct answer defaults[] = {
    [VERB_CONNECT]  = {220, "", "ESMTP", true},
    [VERB_HELO]     = {250, "", "", true},
    [VERB_EHLO]     = {250, "", "", true},
    [VERB_LHLO]     = {250, "", "", true},
    [VERB_STARTTLS] = {220, "2.0.0", "ready to start TLS", false},
    [VERB_AUTH]     = {504, "5.5.4", "mechanism not offered", false},
    [VERB_MAIL]     = {250, "2.1.0", "sender ok", false},
    [VERB_RCPT]     = {250, "2.1.5", "recipient ok", false},
    [VERB_DATA]     = {354, "", "end with a line that holds one dot", false},
    [VERB_RSET]     = {250, "2.0.0", "forgotten", false},
    [VERB_NOOP]     = {250, "2.0.0", "ok", false},
    [VERB_VRFY]     = {252, "2.0.0", "not verified; send and see", false},
    [VERB_EXPN]     = {252, "2.0.0", "not expanded; send and see", false},
    [VERB_HELP]     = {214, "2.0.0", "no help on that", false},
    [VERB_QUIT]     = {221, "2.0.0", "closes the connection", true},
    [VERB_OTHER]    = {502, "5.5.1", "command not implemented", false},
};

/* clang-format on */

void server_init(struct server *s, const struct server_config *config)
{
    memset(s, 0, sizeof *s);
    s->config = config;
    server_offer(s, config->mail_parameters, config->rcpt_parameters);
    buf_init(&s->in, config->line_limit + AUTH_LINE_MOST + 2 * MOST_READ);
    buf_init(&s->out, OUT_MOST);
    buf_init(&s->scratch, 4 * MOST_READ);
}

void server_free(struct server *s)
{
    buf_free(&s->in);
    buf_free(&s->out);
    buf_free(&s->scratch);
}

static void drop_taken(struct server *s)
{
    buf_drop(&s->in, s->taken);
    s->taken = 0;
}

/* Which of the spare memory is for a buf of this session. */
static struct buf *spare_of(struct server *s, const struct buf *b)
{
    struct server_spare *spare = s->config->spare;
    if (!spare)
        return NULL;
    return b == &s->in ? &spare->in : &spare->out;
}

static void lend(struct server *s, struct buf *b)
{
    buf_lend(b, spare_of(s, b), SPARE_MOST);
}

char *server_space(struct server *s, size_t *n)
{
    char *p;
    drop_taken(s);
    buf_borrow(&s->in, spare_of(s, &s->in));
    if (!server_in_body(s) || s->reading < LEAST_READ)
        s->reading = LEAST_READ;
    p = buf_space(&s->in, s->reading);
    if (p)
        *n = s->in.room - s->in.tail;
    else
        server_fail(s, buf_error(&s->in));
    s->offered = p ? *n : 0;
    return p;
}

void server_filled(struct server *s, size_t n)
{
    if (n == 0)
        s->end_of_input = true;
    if (n == s->offered && s->reading < MOST_READ)
        s->reading *= 4;
    buf_filled(&s->in, n);
}

void server_sent(struct server *s, size_t n)
{
    buf_drop(&s->out, n);
    lend(s, &s->out);
}

void server_speak(struct server *s)
{
    buf_borrow(&s->out, spare_of(s, &s->out));
}

/* Gives an event that needs answers. The text is built in scratch where it is
   more than a constant: nothing else uses that between body chunks. */
static int give(struct server *s, struct server_event *ev,
                enum server_kind kind, const struct answer *a, const char *more)
{
    buf_clear(&s->scratch);
    ev->kind = s->due_kind = kind;
    ev->code = a->code;
    ev->enhanced = span_from(a->enhanced);
    ev->text = span_from(a->text);
    s->due = 1;
    s->due_verb = ev->cmd.verb;
    if (!a->named && !*more)
        return 0;
    if (a->named)
        buf_add_span(&s->scratch, s->config->hostname);
    if (a->named && *a->text)
        buf_add_char(&s->scratch, ' ');
    buf_add_text(&s->scratch, a->text);
    buf_add_text(&s->scratch, more);
    ev->text = buf_span(&s->scratch);
    return buf_error(&s->scratch) ? server_fail(s, buf_error(&s->scratch)) : 0;
}

static int refuse(struct server *s, struct server_event *ev, enum refusal why)
{
    const struct verb_row *row = verb_row(ev->cmd.verb);
    bool syntax = why == REFUSED_SYNTAX || why == REFUSED_SENDER ||
                  why == REFUSED_RECIPIENT || why == REFUSED_CHUNK;
    s->hang_up =
        why == REFUSED_AFTER_TLS || why == REFUSED_CHUNK || why == REFUSED_HTTP;
    if (why == REFUSED_VERB && ++s->unknown >= s->config->unknown_limit)
        why = REFUSED_UNKNOWN;
    if (why != REFUSED_MANY && ++s->errors >= s->config->error_limit)
        why = REFUSED_ERRORS;
    return give(s, ev, SERVER_REFUSED, check_answer(why),
                syntax && why != REFUSED_ERRORS ? row->syntax : "");
}

/* MORE, or CLOSED when no more can come; an idle session keeps no memory. */
static int give_more(struct server *s, struct server_event *ev)
{
    drop_taken(s);
    ev->kind = s->end_of_input ? SERVER_CLOSED : SERVER_MORE;
    s->early = false;
    if (!server_in_body(s)) {
        lend(s, &s->in);
        buf_free(&s->scratch);
    }
    return 0;
}

static int next_line(struct server *s, struct server_event *ev)
{
    struct span line = {NULL, 0};
    size_t limit = s->config->line_limit > AUTH_LINE_MOST
                       ? s->config->line_limit
                       : AUTH_LINE_MOST;
    enum line_result r =
        line_next(&s->line, buf_span(&s->in), limit,
                  s->config->bare == DOT_REJECT, &line, &s->taken);
    enum refusal why;
    if (r == LINE_MORE)
        return give_more(s, ev);
    ev->cmd.verb = s->due_verb;
    why = check_line(s, r, line);
    if (why)
        return refuse(s, ev, why == REFUSED_LONG ? REFUSED_AUTH_LINE : why);
    ev->kind = s->due_kind = SERVER_LINE;
    ev->bytes = line;
    s->due = 1;
    return 0;
}

static int give_end(struct server *s, struct server_event *ev)
{
    static const struct answer kept = {250, "2.0.0", "message accepted", false};
    int r;
    ev->cmd.verb = s->chunking ? VERB_BDAT : VERB_DATA;
    r = give(s, ev, SERVER_MESSAGE,
             s->broken ? check_answer((enum refusal)s->broken) : &kept, "");
    s->due = s->config->lmtp ? s->recipients : 1;
    return r;
}

static int give_broken(struct server *s, struct server_event *ev,
                       enum refusal why)
{
    const struct answer *a = check_answer(why);
    s->broken = (int)why;
    ev->kind = SERVER_BROKEN;
    ev->code = a->code;
    ev->enhanced = span_from(a->enhanced);
    ev->text = span_from(a->text);
    return 0;
}

/* Decodes what is there, in place unless line ends are to be mended. 1 at
   the end of the body, 0 before it. */
static int decode(struct server *s, struct span *out)
{
    struct span in = buf_span(&s->in);
    int r;
    if (s->config->bare == DOT_FIX) {
        buf_clear(&s->scratch);
        r = dot_decode_fix(&s->dot,
                           span_of(in.p, in.n < FIX_STEP ? in.n : FIX_STEP),
                           &s->scratch, &s->taken);
        *out = buf_span(&s->scratch);
        return r;
    }
    *out = span_of(in.p, 0);
    if (in.n == 0)
        return 0;
    return dot_decode(&s->dot, s->in.base + s->in.head, in.n, &out->n,
                      &s->taken);
}

static int next_body(struct server *s, struct server_event *ev)
{
    while (!s->ended) {
        struct span out;
        enum refusal why;
        int r = decode(s, &out);
        if (r < 0)
            return server_fail(s, r);
        s->ended = r == 1;
        head_note(&s->head, out);
        why = s->broken ? REFUSED_NOT : check_body(s);
        if (why)
            return give_broken(s, ev, why);
        if (out.n && !s->broken) {
            ev->kind = SERVER_BODY;
            ev->bytes = out;
            return 0;
        }
        if (!s->ended && s->taken == 0)
            return give_more(s, ev);
        drop_taken(s);
    }
    return give_end(s, ev);
}

/* Takes octets of the chunk, mends their line ends where they are to be. */
static int chunk_take(struct server *s, struct span *out)
{
    struct span in = buf_span(&s->in);
    if (in.n > s->chunk_left)
        in.n = (size_t)s->chunk_left;
    if (s->config->bare == DOT_FIX && in.n > FIX_STEP)
        in.n = FIX_STEP;
    s->taken = in.n;
    s->chunk_left -= in.n;
    *out = in;
    if (s->chunk_refused || s->broken)
        return 0;
    scan_step(&s->notes, in);
    if (s->chunk_left == 0 && s->chunk_last)
        scan_finish(&s->notes);
    if (s->config->bare != DOT_FIX || s->binary)
        return 0;
    buf_clear(&s->scratch);
    dot_encode(&s->mend, in, &s->scratch);
    if (s->chunk_left == 0 && s->chunk_last)
        dot_encode_finish(&s->mend, &s->scratch);
    *out = buf_span(&s->scratch);
    return buf_error(&s->scratch);
}

/* What is said when the octets of a chunk are here. */
static int end_chunk(struct server *s, struct server_event *ev)
{
    static const struct answer kept = {250, "2.0.0", "go on", false};
    ev->cmd.verb = VERB_BDAT;
    if (s->chunk_refused) {
        server_enter(s, SERVER_AT_COMMAND);
        return refuse(s, ev, (enum refusal)s->chunk_refused);
    }
    if (s->chunk_last) {
        server_enter(s, SERVER_AT_BODY);
        s->ended = true;
        return give_end(s, ev);
    }
    server_enter(s, SERVER_AT_COMMAND);
    return give(s, ev, SERVER_CHUNK,
                s->broken ? check_answer((enum refusal)s->broken) : &kept, "");
}

/* Of a chunk that is longer than a message may be, nobody waits for the
   octets, which may never come: its refusal is said ahead of them. */
static void refuse_ahead(struct server *s)
{
    if (s->chunk_left <= s->config->size_limit)
        return;
    s->skip = s->chunk_left;
    s->chunk_left = 0;
}

/* Drops what comes of such a chunk; true when all of it has come. */
static bool skip_chunk(struct server *s)
{
    size_t n = buf_size(&s->in);
    s->taken = n < s->skip ? n : (size_t)s->skip;
    s->skip -= s->taken;
    drop_taken(s);
    return s->skip == 0;
}

static int next_chunk(struct server *s, struct server_event *ev)
{
    for (;;) {
        struct span out;
        bool dropped = s->chunk_refused || s->broken, done;
        enum refusal why = dropped ? REFUSED_NOT : check_body(s);
        if (dropped)
            refuse_ahead(s);
        if (!why) {
            int r = chunk_take(s, &out);
            if (r < 0)
                return server_fail(s, r);
            head_note(&s->head, out);
            why = dropped ? REFUSED_NOT : check_body(s);
        }
        if (why)
            return give_broken(s, ev, why);
        if (out.n && !dropped) {
            ev->kind = SERVER_BODY;
            ev->bytes = out;
            return 0;
        }
        done = s->chunk_left == 0;
        if (!done && s->taken == 0)
            return give_more(s, ev);
        drop_taken(s);
        if (done)
            return end_chunk(s, ev);
    }
}

/* Whatever is said to BDAT is said behind its octets; the first one of a body
   begins it. */
static int begin_chunk(struct server *s, struct server_event *ev)
{
    enum refusal why = check_chunk(s, &ev->cmd);
    bool first = !s->chunking;
    if (why == REFUSED_CHUNK)
        return refuse(s, ev, why);
    s->chunk_refused = (int)why;
    server_enter(s, SERVER_AT_CHUNK);
    drop_taken(s);
    if (why || !first)
        return next_chunk(s, ev);
    server_body_begin(s);
    s->chunking = true;
    ev->kind = SERVER_COMMAND;
    return 0;
}

static int next_command(struct server *s, struct server_event *ev)
{
    struct span line = {NULL, 0};
    enum line_result r = LINE_MORE;
    enum refusal why;
    if (s->skip == 0 || skip_chunk(s))
        r = line_next(&s->line, buf_span(&s->in), s->config->line_limit,
                      s->config->bare == DOT_REJECT, &line, &s->taken);
    if (r == LINE_MORE)
        return give_more(s, ev);
    ev->cmd.verb = VERB_OTHER;
    why = check_line(s, r, line);
    if (++s->commands > s->config->command_limit)
        return refuse(s, ev, REFUSED_COMMANDS);
    if (!why && cmd_parse(&ev->cmd, line) < 0) {
        ev->cmd.verb = VERB_OTHER;
        why = REFUSED_VERB;
    }
    if (!why && ev->cmd.verb == VERB_BDAT)
        return begin_chunk(s, ev);
    if (!why)
        why = check_command(s, &ev->cmd);
    if (why)
        return refuse(s, ev, why);
    if (s->errors >= s->config->error_limit)
        return refuse(s, ev, REFUSED_ERRORS);
    if (s->unknown >= s->config->unknown_limit)
        return refuse(s, ev, REFUSED_UNKNOWN);
    if (ev->cmd.verb == VERB_MAIL)
        s->mails++;
    s->asked_utf8 = ev->cmd.utf8;
    s->asked_binary = ev->cmd.binary;
    s->asked_prdr = ev->cmd.prdr;
    if (ev->cmd.verb == VERB_RCPT)
        s->tried++;
    return give(s, ev, SERVER_COMMAND, &defaults[ev->cmd.verb], "");
}

struct server_body server_body(const struct server *s)
{
    struct server_body b = {s->dot.size, s->dot.eight_bit, s->dot.nul};
    if (s->chunking) {
        b.size = s->notes.size;
        b.eight_bit = s->notes.eight_bit > 0;
        b.nul = s->notes.nul;
    }
    return b;
}

int server_next(struct server *s, struct server_event *ev)
{
    if (s->err)
        return s->err;
    if (s->due)
        return ERR_PROTOCOL;
    memset(ev, 0, sizeof *ev);
    drop_taken(s);
    switch (s->state) {
    case SERVER_AT_GREETING:
        ev->cmd.verb = VERB_CONNECT;
        return give(s, ev, SERVER_COMMAND, &defaults[VERB_CONNECT], "");
    case SERVER_AT_COMMAND:
        return next_command(s, ev);
    case SERVER_AT_LINE:
        return next_line(s, ev);
    case SERVER_AT_BODY:
        return next_body(s, ev);
    case SERVER_AT_CHUNK:
        return next_chunk(s, ev);
    case SERVER_AT_TLS:
        ev->kind = SERVER_TLS;
        return 0;
    case SERVER_AT_END:
        break;
    }
    ev->kind = SERVER_CLOSED;
    return 0;
}
