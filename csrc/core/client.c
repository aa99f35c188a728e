/*
 * client - the client's side of SMTP and LMTP; see client.h
 *
 * The queue holds, for each reply that is due, what it answers. client_take
 * is the only place where a reply changes the state.
 */
#include "client_parts.h"

#include <stdint.h>

#include "ascii.h"

static const struct {
    const char *verb;
    enum client_topic topic;
} topics[] = {
    {"EHLO", TOPIC_EHLO}, {"LHLO", TOPIC_LHLO},         {"HELO", TOPIC_HELO},
    {"MAIL", TOPIC_MAIL}, {"RCPT", TOPIC_RCPT},         {"RSET", TOPIC_RSET},
    {"DATA", TOPIC_DATA}, {"STARTTLS", TOPIC_STARTTLS}, {"QUIT", TOPIC_QUIT},
};

static enum client_topic topic_of(struct span verb)
{
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        if (span_ieq(verb, span_from(topics[i].verb)))
            return topics[i].topic;
    return TOPIC_OTHER;
}

/* What was written up to this octet is to be answered. */
static void client_due_at(struct client *c, enum client_topic topic,
                          uint64_t end)
{
    size_t at = (c->first + c->due) % CLIENT_QUEUE;
    c->queue[at] = (unsigned char)topic;
    c->ends[at] = end;
    c->due++;
}

void client_due(struct client *c, enum client_topic topic)
{
    client_due_at(c, topic, c->sent + buf_size(&c->out));
}

static enum client_topic client_due_pop(struct client *c)
{
    enum client_topic topic = (enum client_topic)c->queue[c->first];
    c->first = (c->first + 1) % CLIENT_QUEUE;
    c->due--;
    return topic;
}

void client_enter(struct client *c, enum client_state state)
{
    c->state = state;
}

int client_fail(struct client *c, int err, const char *text)
{
    c->err = err;
    c->text = text ? text : err_text(err);
    return err;
}

int client_refuse(struct client *c, int err, const char *text)
{
    c->text = text;
    return err;
}

void client_init(struct client *c)
{
    memset(c, 0, sizeof *c);
    buf_init(&c->in, REPLY_MOST);
    buf_init(&c->out, CLIENT_OUT);
    buf_init(&c->offers, REPLY_MOST);
    buf_init(&c->chunk, 3 * CLIENT_CHUNK);
    reply_init(&c->reply);
    client_due(c, TOPIC_GREETING);
}

void client_free(struct client *c)
{
    buf_free(&c->in);
    buf_free(&c->out);
    buf_free(&c->offers);
    buf_free(&c->chunk);
    reply_free(&c->reply);
}

char *client_space(struct client *c, size_t *room)
{
    char *p = buf_space(&c->in, CLIENT_ROOM);
    if (!p)
        client_fail(c, buf_error(&c->in), NULL);
    *room = p ? c->in.room - c->in.tail : 0;
    return p;
}

void client_filled(struct client *c, size_t n)
{
    buf_filled(&c->in, n);
}

void client_end(struct client *c)
{
    c->ended = true;
}

struct span client_out(const struct client *c)
{
    return buf_span(&c->out);
}

void client_sent(struct client *c, size_t n)
{
    buf_drop(&c->out, n);
    c->sent += n;
}

/* What the peer said that has not been handed out. */
static struct span client_unread(const struct client *c)
{
    if (!c->taken && buf_size(&c->reply.lines))
        return buf_span(&c->reply.lines);
    return buf_span(&c->in);
}

/* Whether s can still become a reply with this code or class. */
static bool begins_like(struct span s, const char *code)
{
    for (size_t i = 0; i < s.n && code[i]; i++)
        if (s.p[i] != code[i])
            return false;
    return true;
}

/* Whether the reply that is due next is one to what has not left whole. */
static bool client_hasty(const struct client *c)
{
    return c->due && c->ends[c->first] > c->sent && !c->loose;
}

/* Whether octets of a body are still to be written or sent. */
static bool client_in_body(const struct client *c)
{
    unsigned char topic = c->queue[c->first];
    if (c->due == 0)
        return c->state == CLIENT_BODY;
    return client_hasty(c) && (topic == TOPIC_FINAL || topic == TOPIC_CHUNK);
}

/* Judges unread bytes that can answer nothing, before a line is whole. A peer
   may say 421 at any time, and refuse a body before its end. */
static int client_unasked(struct client *c)
{
    struct span s = client_unread(c);
    if (s.n == 0 || (c->due && !client_hasty(c)))
        return 0;
    if (c->state == CLIENT_TLS)
        return client_fail(c, ERR_PROTOCOL,
                           "plaintext came after the reply to STARTTLS");
    if (c->loose || begins_like(s, "421"))
        return 0;
    if (client_in_body(c) && (begins_like(s, "4") || begins_like(s, "5")))
        return 0;
    return client_fail(c, ERR_PROTOCOL,
                       c->due ? "a reply came before what it answers was sent"
                              : "a reply came that nobody asked for");
}

static void client_offered(struct client *c)
{
    struct span line;
    size_t at = 0, n = 0;
    buf_clear(&c->offers);
    while (reply_line(&c->reply, &at, &line)) {
        if (n++ == 0)
            continue;
        buf_add_span(&c->offers, span_skip(line, 4));
        buf_add_char(&c->offers, '\n');
    }
    if (buf_error(&c->offers))
        client_fail(c, buf_error(&c->offers), NULL);
}

static void client_greeted(struct client *c, bool extended, bool lmtp)
{
    c->recipients = 0;
    c->lmtp = lmtp;
    buf_clear(&c->offers);
    if (extended)
        client_offered(c);
}

/* Whether a reply can be one to its command: one that cannot is likely that
   to another, and all behind it are, too. */
static bool client_fits(const struct client *c, enum client_topic topic)
{
    int code = c->reply.code;

    if (code >= 400 || c->loose)
        return true;
    switch (topic) {
    case TOPIC_GREETING:
        return code == 220;
    case TOPIC_DATA:
        return code == 354;
    case TOPIC_OTHER:
        return true;
    default:
        return code < 300;
    }
}

/* Fails with a text that has the reply's code. */
static int client_misfit(struct client *c)
{
    static const char text[] = "no reply to it has the code 000";
    size_t at = sizeof text - 1;

    memcpy(c->note, text, sizeof text);
    for (int code = c->reply.code, i = 0; i < 3; i++, code /= 10)
        c->note[--at] = (char)('0' + code % 10);
    return client_fail(c, ERR_PROTOCOL, c->note);
}

/* What a reply changes. The topic's reply has been taken off the queue. */
static void client_take(struct client *c, enum client_topic topic)
{
    int class = c->reply.code / 100;

    switch (topic) {
    case TOPIC_EHLO:
    case TOPIC_LHLO:
    case TOPIC_HELO:
        if (class == 2)
            client_greeted(c, topic != TOPIC_HELO, topic == TOPIC_LHLO);
        break;
    case TOPIC_MAIL:
    case TOPIC_RSET:
        c->chunking = false;
        if (class == 2)
            c->recipients = 0;
        break;
    case TOPIC_RCPT:
        if (class == 2)
            c->recipients++;
        break;
    case TOPIC_DATA:
        memset(&c->dot, 0, sizeof c->dot);
        c->dot.kernel = c->kernel;
        client_enter(c, class == 3 ? CLIENT_BODY : CLIENT_COMMAND);
        break;
    case TOPIC_STARTTLS:
        client_enter(c, class == 2 ? CLIENT_TLS : CLIENT_COMMAND);
        break;
    case TOPIC_QUIT:
        client_enter(c, CLIENT_OVER);
        break;
    case TOPIC_OTHER:
    case TOPIC_GREETING:
    case TOPIC_CHUNK:
    case TOPIC_FINAL:
        break;
    }
}

/* Gives the whole reply to what it answers. */
static int client_answer(struct client *c)
{
    bool early = client_in_body(c) && !c->dot.plain;
    c->taken = true;
    if (c->due && !client_fits(c, (enum client_topic)c->queue[c->first]))
        return client_misfit(c);
    if (c->due && c->queue[c->first] == TOPIC_FINAL && c->finals > 1)
        c->finals--;
    else if (c->due) {
        enum client_topic topic = client_due_pop(c);
        if (topic == TOPIC_FINAL)
            c->finals = c->recipients = 0;
        client_take(c, topic);
    }
    if (c->reply.code == 421 || early) {
        c->due = 0;
        client_enter(c, CLIENT_OVER);
    }
    return c->err ? c->err : CLIENT_REPLY;
}

int client_next(struct client *c)
{
    if (c->err)
        return c->err;
    if (c->state == CLIENT_OVER && c->taken)
        return CLIENT_CLOSED;
    if (c->taken) {
        reply_clear(&c->reply);
        c->taken = false;
    }
    if (client_unasked(c) < 0)
        return c->err;
    int result = reply_read(&c->reply, &c->in);
    if (result < 0)
        return client_fail(c, result, c->reply.text);
    if (result > 0)
        return client_answer(c);
    return c->ended ? CLIENT_CLOSED : CLIENT_MORE;
}

int client_ready(struct client *c, enum client_state state)
{
    if (c->err)
        return c->err;
    if (c->state == CLIENT_OVER)
        return client_refuse(c, ERR_CLOSED, "the session is over");
    if (client_unasked(c) < 0)
        return c->err;
    if (c->state != state)
        return client_refuse(c, ERR_PROTOCOL,
                             "not allowed at this point of the session");
    return 0;
}

int client_write(struct client *c, struct span s, const char *end)
{
    buf_add_span(&c->out, s);
    buf_add_text(&c->out, end);
    if (buf_error(&c->out))
        return client_fail(c, buf_error(&c->out), NULL);
    return 0;
}

int client_sound(struct client *c, struct span line)
{
    if (ascii_breaks(line))
        return client_refuse(c, ERR_SYNTAX,
                             "a command must not hold CR, LF or NUL");
    if (line.n > CLIENT_LINE - 3)
        return client_refuse(c, ERR_LIMIT, "the command is too long");
    return 0;
}

bool client_holds(const struct client *c, size_t count, size_t octets)
{
    return count <= CLIENT_QUEUE - c->due &&
           octets <= CLIENT_OUT - buf_size(&c->out);
}

int client_command_fits(struct client *c, struct span verb,
                        struct span argument)
{
    size_t n = verb.n + argument.n + 3;
    int err = client_sound(c, verb);
    if (err == 0)
        err = client_sound(c, argument);
    if (err < 0)
        return err;
    if (n > CLIENT_LINE)
        return client_refuse(c, ERR_LIMIT, "the command is too long");
    if (!client_holds(c, 1, n))
        return client_refuse(c, ERR_LIMIT, "too many commands are unanswered");
    return 0;
}

int client_command(struct client *c, struct span verb, struct span argument)
{
    enum client_topic topic = topic_of(verb);
    int err = client_ready(c, CLIENT_COMMAND);
    if (err == 0)
        err = client_command_fits(c, verb, argument);
    if (err < 0)
        return err;
    err = client_write(c, verb, verb.n && argument.n ? " " : "");
    if (err == 0)
        err = client_write(c, argument, "\r\n");
    if (err < 0)
        return err;
    client_due(c, topic);
    if (topic == TOPIC_DATA || topic == TOPIC_STARTTLS)
        client_enter(c, CLIENT_AHEAD);
    return 0;
}

/* How many lines there are, if there is nothing but whole ones, else 0. */
static size_t lines_count(struct span lines)
{
    size_t n = 0;
    for (; lines.n; n++) {
        size_t end = span_find(lines, '\n');
        if (end == lines.n)
            return 0;
        lines = span_skip(lines, end + 1);
    }
    return n;
}

static int client_envelope_fits(struct client *c, struct span lines,
                                size_t count)
{
    int err = client_ready(c, CLIENT_COMMAND);
    if (err < 0)
        return err;
    if (!client_holds(c, count, lines.n))
        return client_refuse(c, ERR_LIMIT, "too many commands are unanswered");
    if (count < 2 || lines_count(lines) != count)
        return client_refuse(c, ERR_SYNTAX,
                             "a command must not hold CR, LF or NUL");
    return 0;
}

int client_envelope(struct client *c, struct span lines, size_t count)
{
    uint64_t end = c->sent + buf_size(&c->out);
    int err = client_envelope_fits(c, lines, count);
    if (err == 0)
        err = client_write(c, lines, "");
    for (size_t i = 0; i < count && err == 0; i++) {
        struct span line = span_cut(&lines, '\n');
        end += line.n + 1;
        client_due_at(c,
                      i == 0          ? TOPIC_MAIL
                      : i < count - 1 ? TOPIC_RCPT
                                      : TOPIC_DATA,
                      end);
    }
    if (err == 0)
        client_enter(c, CLIENT_AHEAD);
    return err;
}

int client_raw(struct client *c, struct span bytes)
{
    if (c->err)
        return c->err;
    if (buf_size(&c->out) + bytes.n > CLIENT_OUT)
        return client_refuse(c, ERR_LIMIT, "too many bytes are unsent");
    c->loose = true;
    if (c->state == CLIENT_BODY)
        client_enter(c, CLIENT_COMMAND);
    return client_write(c, bytes, "");
}

int client_starttls(struct client *c)
{
    int err = client_ready(c, CLIENT_TLS);
    if (err < 0)
        return err;
    client_greeted(c, false, false);
    c->loose = false;
    client_enter(c, CLIENT_COMMAND);
    return 0;
}

bool client_doubt(const struct client *c)
{
    for (size_t i = 0; i < c->due; i++) {
        size_t at = (c->first + i) % CLIENT_QUEUE;
        if (c->queue[at] == TOPIC_FINAL && c->ends[at] <= c->sent)
            return true;
    }
    return false;
}

bool client_offer(const struct client *c, size_t *at, struct span *keyword,
                  struct span *words)
{
    struct span rest = span_skip(buf_span(&c->offers), *at);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        *at = buf_size(&c->offers) - rest.n;
        line = span_trim(line);
        if (line.n == 0)
            continue;
        *keyword = span_cut(&line, ' ');
        *words = line;
        if (span_istarts(*keyword, SPAN("AUTH="))) { /* an old habit */
            *words = span_of(keyword->p + 5,
                             keyword->n - 5 + (line.n ? line.n + 1 : 0));
            keyword->n = 4;
        }
        return true;
    }
    return false;
}
