/*
 * settle - what answers do to a session; see server.h
 *
 * A command takes effect when it is answered, and as its answer has it.
 */
#include "check.h"
#include "reply.h"
#include "server.h"
#include "server_parts.h"

void server_enter(struct server *s, enum server_state state)
{
    s->state = state;
}

int server_fail(struct server *s, int err)
{
    if (s->err == 0)
        s->err = err;
    server_enter(s, SERVER_AT_END);
    return s->err;
}

void server_body_begin(struct server *s)
{
    memset(&s->dot, 0, sizeof s->dot);
    memset(&s->notes, 0, sizeof s->notes);
    memset(&s->mend, 0, sizeof s->mend);
    s->mend.plain = true;
    s->dot.kernel = s->notes.kernel = s->mend.kernel = s->kernel;
    s->ended = s->each = false;
    s->broken = 0;
    s->kept = 0;
    memset(&s->head, 0, sizeof s->head);
}

static void transaction_reset(struct server *s)
{
    s->mail = s->mail_utf8 = s->binary = s->chunking = s->prdr = false;
    s->recipients = s->tried = 0;
}

static void settle_hello(struct server *s)
{
    transaction_reset(s);
    s->hello = s->due_verb == VERB_HELO ? HELLO_HELO : HELLO_EHLO;
}

/* A command answered with 2yz or 3yz takes effect. */
static void settle_command(struct server *s, int code)
{
    switch (s->due_verb) {
    case VERB_HELO:
    case VERB_EHLO:
    case VERB_LHLO:
        settle_hello(s);
        break;
    case VERB_STARTTLS:
        server_enter(s, SERVER_AT_TLS);
        break;
    case VERB_AUTH:
        s->authenticated = code == 235;
        break;
    case VERB_MAIL:
        s->mail = true;
        s->mail_utf8 = s->asked_utf8;
        s->binary = s->asked_binary;
        s->prdr = s->asked_prdr;
        break;
    case VERB_RCPT:
        s->recipients++;
        break;
    case VERB_DATA:
        if (code == 354) {
            server_body_begin(s);
            server_enter(s, SERVER_AT_BODY);
        }
        break;
    default:
        break;
    }
}

/* Has somebody the message now? */
static bool message_kept(const struct server *s, int code)
{
    return s->config->lmtp ? s->kept > 0 : code < 300 && s->kept > s->each;
}

static void count_message(const struct server *s, int code)
{
    struct server_counts *all = s->config->counts;
    if (!all)
        return;
    if (message_kept(s, code)) {
        all->messages++;
        all->octets += server_body(s).size;
    } else {
        all->messages_refused++;
    }
}

static void settle_message(struct server *s, int code)
{
    count_message(s, code);
    transaction_reset(s);
    server_enter(s, SERVER_AT_COMMAND);
    if (code < 300)
        s->errors = 0;
}

/* Commands that are here before their client heard that it may send them in
   groups: RFC 2920 3.1. A hello is always the last of its group. */
static void settle_pace(struct server *s)
{
    bool hello = s->due_verb == VERB_HELO || s->due_verb == VERB_EHLO ||
                 s->due_verb == VERB_LHLO;
    if (s->config->in_step && (hello || s->hello != HELLO_EHLO) &&
        !server_in_body(s) && buf_size(&s->in) > s->taken)
        s->early = true;
}

/* What an answer does whatever its code: nobody can refuse QUIT or RSET. */
static void settle(struct server *s, int code)
{
    if (s->state == SERVER_AT_GREETING || s->state == SERVER_AT_LINE)
        server_enter(s, SERVER_AT_COMMAND);
    if (s->state == SERVER_AT_BODY) {
        settle_message(s, code);
    } else if (s->due_kind == SERVER_CHUNK) {
        if (code >= 400 && !s->broken)
            s->broken = REFUSED_BROKEN;
    } else if (s->due_kind != SERVER_REFUSED) {
        if (s->due_verb == VERB_RSET)
            transaction_reset(s);
        if (s->due_verb == VERB_CONNECT && code >= 400)
            s->turned_away = true;
        if ((s->due_verb == VERB_OTHER || s->due_verb == VERB_AUTH) &&
            code >= 500 && code <= 504) {
            s->errors++;
            s->unknown += s->due_verb == VERB_OTHER;
        }
        if (code < 400)
            settle_command(s, code);
        if (s->due_verb == VERB_QUIT)
            server_enter(s, SERVER_AT_END);
    }
    if (code == 421 || s->hang_up)
        server_enter(s, SERVER_AT_END);
    settle_pace(s);
}

/* Where no enhanced code belongs: the greeting, any answer to EHLO and its
   kin, and 3yz (RFC 2034 4). */
static bool is_plain(const struct server *s, int code)
{
    return code / 100 == 3 || s->due_verb == VERB_CONNECT ||
           s->due_verb == VERB_HELO || s->due_verb == VERB_EHLO ||
           s->due_verb == VERB_LHLO;
}

static void count_reply(struct server *s, int code)
{
    struct server_counts *all = s->config->counts;
    if (s->due_kind == SERVER_MESSAGE && code < 300)
        s->kept++;
    if (!all)
        return;
    all->replies[code / 100]++;
    if (s->due_kind != SERVER_COMMAND || s->due_verb != VERB_RCPT)
        return;
    if (code < 400)
        all->recipients++;
    else
        all->recipients_refused++;
}

int server_reply(struct server *s, int code, struct span enhanced,
                 struct span text)
{
    int r;
    if (s->err)
        return s->err;
    if (s->due == 0)
        return ERR_PROTOCOL;
    if (is_plain(s, code))
        enhanced.n = 0;
    server_speak(s);
    r = reply_write(&s->out, code, enhanced, text);
    if (r < 0)
        return r == ERR_SYNTAX ? r : server_fail(s, r);
    count_reply(s, code);
    if (code != 421 && --s->due > 0)
        return 0;
    s->due = 0;
    settle(s, code);
    return 0;
}

void server_offer(struct server *s, struct span mail, struct span rcpt)
{
    s->mail_parameters = mail;
    s->rcpt_parameters = rcpt;
}

int server_ask(struct server *s, int code, struct span text)
{
    int r;
    if (s->err)
        return s->err;
    if (s->due == 0 || s->due_kind == SERVER_REFUSED ||
        (s->due_verb != VERB_AUTH && s->due_verb != VERB_OTHER))
        return ERR_PROTOCOL;
    if (code < 300 || code > 399)
        return ERR_SYNTAX;
    r = s->due_verb == VERB_AUTH
            ? reply_challenge(&s->out, code, text)
            : reply_write(&s->out, code, span_of(NULL, 0), text);
    if (r < 0)
        return server_fail(s, r);
    s->due = 0;
    server_enter(s, SERVER_AT_LINE);
    return 0;
}

void server_secured(struct server *s)
{
    transaction_reset(s);
    s->hello = HELLO_NONE;
    s->authenticated = false;
    s->secure = true;
    if (s->state == SERVER_AT_TLS)
        server_enter(s, SERVER_AT_COMMAND);
}

void server_restart(struct server *s, bool refused, bool authenticated)
{
    transaction_reset(s);
    s->hello = HELLO_NONE;
    s->turned_away = refused;
    s->authenticated = authenticated;
}

int server_each(struct server *s, struct span text)
{
    int r;
    if (s->err)
        return s->err;
    if (s->due != 1 || s->due_kind != SERVER_MESSAGE || !s->prdr)
        return ERR_PROTOCOL;
    r = reply_write(&s->out, 353, span_of(NULL, 0), text);
    if (r < 0)
        return server_fail(s, r);
    s->due += s->recipients;
    s->each = true;
    return 0;
}

int server_close(struct server *s, int code, struct span enhanced,
                 struct span text)
{
    int r;
    if (s->err)
        return s->err;
    s->due = 0;
    r = reply_write(&s->out, code, enhanced, text);
    server_enter(s, SERVER_AT_END);
    return r;
}
