/*
 * lpost - whole messages over a conn, in few calls: see posting.h
 *
 * Methods of lunapost.core.client's machine. The waiting is Lua's, as with
 * lexchange.
 *
 * Owns: nothing. Fails with: raises on misuse and on memory; the peer's
 * failures are nil, kind, text. I/O: see exchange.h.
 */
#include <stdint.h>
#include <string.h>

#include "../net/poller.h"
#include "lbind.h"

enum { MAIL_VALUES = 3 }; /* a sender, recipients and a body */

static struct lbind_client *check(lua_State *L)
{
    return lbind_self(L, LBIND_CLIENT);
}

/* offered(size, eight_bit, binary, most): what the peer offers: SIZE, 0 or its
   limit, else nil; whether 8BITMIME; whether BINARYMIME; recipients of a
   message, where it limits them */
static int lpost_offered(lua_State *L)
{
    struct posting_peer *peer = &check(L)->posting.peer;
    peer->size = !lua_isnoneornil(L, 2);
    peer->limit = peer->size ? lbind_size(L, 2, SIZE_MAX / 2) : 0;
    peer->eight_bit = lua_toboolean(L, 3);
    peer->binary = lua_toboolean(L, 4);
    peer->most = POSTING_MOST;
    if (!lua_isnoneornil(L, 5)) {
        size_t most = lbind_size(L, 5, SIZE_MAX / 2);
        peer->most = most < POSTING_MOST ? most : POSTING_MOST;
    }
    return 0;
}

/* The string at the top of the stack, which something else holds, too. */
static bool string_at_top(lua_State *L, struct span *s)
{
    bool text = lua_type(L, -1) == LUA_TSTRING;
    if (text)
        s->p = lua_tolstring(L, -1, &s->n);
    lua_pop(L, 1);
    return text;
}

/* Fills spans from a list of recipients at an argument. How many; 0: not for
   this way. */
static size_t recipients_at(lua_State *L, int arg, struct span *spans)
{
    size_t n = lua_type(L, arg) == LUA_TTABLE ? lua_rawlen(L, arg) : 0;
    bool fit = n <= POSTING_MOST;
    for (size_t i = 0; i < n && fit; i++) {
        (void)lua_rawgeti(L, arg, (lua_Integer)i + 1);
        fit = string_at_top(L, &spans[i]);
    }
    return fit ? n : 0;
}

/* A message with what it borrows. */
struct mail {
    struct posting_mail mail;
    struct span to[POSTING_MOST];
    struct posting_part parts[POSTING_PARTS];
    struct survey seen;
};

/* Reads the part of a body at the top: a string, or { octets } for base64. */
static bool part_at_top(lua_State *L, struct posting_part *part)
{
    part->base64 = lua_type(L, -1) == LUA_TTABLE;
    if (part->base64) {
        (void)lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    return string_at_top(L, &part->octets);
}

/* Reads a body at an argument: a string, or { size =, eight_bit =, part ... }.
   How many parts; 0: not for this way. */
static size_t body_at(lua_State *L, int arg, struct mail *m)
{
    lua_pushvalue(L, arg);
    m->mail.known = lua_type(L, arg) == LUA_TTABLE;
    if (!m->mail.known)
        return part_at_top(L, m->parts);
    lua_pop(L, 1);
    size_t n = lua_rawlen(L, arg);
    bool fit = n > 0 && n <= POSTING_PARTS;
    m->mail.size = lbind_field_size(L, arg, "size", 0);
    m->mail.eight_bit = lbind_field_bool(L, arg, "eight_bit", false);
    for (size_t i = 0; i < n && fit; i++) {
        (void)lua_rawgeti(L, arg, (lua_Integer)i + 1);
        fit = part_at_top(L, &m->parts[i]);
    }
    return fit ? n : 0;
}

static void mail_begin(struct mail *m)
{
    memset(&m->mail, 0, sizeof m->mail);
    m->mail.to = m->to;
    m->mail.parts = m->parts;
}

/* Reads a message at an argument: what mail() gave, and a body. They hold what
   is borrowed. No recipients: it is none, or not for this way. */
static void message_at(lua_State *L, int arg, struct mail *m)
{
    mail_begin(m);
    lua_pushvalue(L, arg);
    if (!string_at_top(L, &m->mail.from))
        return;
    m->mail.count = body_at(L, arg + 2, m);
    if (m->mail.count)
        m->mail.recipients = recipients_at(L, arg + 1, m->to);
}

/* The same, for who says its commands: a long body may have been seen. */
static void letter_at(lua_State *L, int arg, struct mail *m)
{
    message_at(L, arg, m);
    if (m->mail.recipients && !m->mail.known &&
        m->parts->octets.n >= LBIND_SEEN_LEAST) {
        m->seen = lbind_survey(L, arg + 2);
        m->mail.seen = &m->seen;
    }
}

/* Pushes a list of the recipients at the top: of a list, or of one. False:
   they are not for this way. */
static bool copy_recipients(lua_State *L)
{
    bool one = lua_type(L, -1) == LUA_TSTRING;
    if (!one && lua_type(L, -1) != LUA_TTABLE)
        return false;
    size_t n = one ? 1 : lua_rawlen(L, -1);
    bool fit = n > 0 && n <= POSTING_MOST;
    lua_createtable(L, fit ? (int)n : 0, 0); /* to list */
    for (size_t i = 1; i <= n && fit; i++) {
        if (one)
            lua_pushvalue(L, -2);
        else
            (void)lua_rawgeti(L, -2, (lua_Integer)i);
        fit = lua_type(L, -1) == LUA_TSTRING;
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    return fit;
}

/* Moves from and to of an envelope { from =, to = } to these two places of the
   stack. False: it is another. */
static bool read_envelope(lua_State *L, int arg, int from)
{
    if (lua_type(L, arg) != LUA_TTABLE || lua_getmetatable(L, arg))
        return false;
    for (lua_pushnil(L); lua_next(L, arg);) { /* key value */
        struct span key = {NULL, 0};
        if (lua_type(L, -2) == LUA_TSTRING)
            key.p = lua_tolstring(L, -2, &key.n);
        if (span_eq(key, SPAN("from")))
            lua_replace(L, from);
        else if (span_eq(key, SPAN("to")))
            lua_replace(L, from + 1);
        else
            return false;
    }
    return lua_type(L, from) == LUA_TSTRING;
}

/* mail(envelope [, body]) -> from, { recipient ... } | nothing: it is not
   plain, or a message of the two is not for this way. What is posted, from its
   first command to the reply: whoever gave the envelope may change it while
   something is awaited. */
static int lpost_mail(lua_State *L)
{
    enum { ENVELOPE = 2, BODY, FROM, TO };
    const struct posting *p = &check(L)->posting;
    struct mail m;
    lua_settop(L, BODY);
    lua_settop(L, TO);
    if (!read_envelope(L, ENVELOPE, FROM) || !copy_recipients(L)) /* list */
        return 0;
    lua_replace(L, TO);
    if (lua_isnil(L, BODY))
        return 2;
    lua_pushvalue(L, BODY); /* from list body */
    message_at(L, FROM, &m);
    lua_pop(L, 1);
    return posting_fits(p, &m.mail) ? 2 : 0;
}

/* Makes ready the lines of a list, which another way has to send. */
static bool lines_behind(lua_State *L, struct lbind_client *l, int list)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    luaL_Buffer lines;
    luaL_buffinit(L, &lines);
    for (lua_Integer i = 1; i <= count; i++) {
        (void)lua_rawgeti(L, list, i);
        luaL_addvalue(&lines);
        luaL_addlstring(&lines, "\r\n", 2);
    }
    luaL_pushresult(&lines);
    return posting_behind_lines(&l->posting, &l->over.machine,
                                lbind_check(L, -1), (size_t)count);
}

/* Makes ready the commands of a message at an argument; whether it can go this
   way. */
static bool put_behind(lua_State *L, struct lbind_client *l, int arg)
{
    struct mail m;
    letter_at(L, arg, &m);
    return posting_behind(&l->posting, &l->over.machine, &m.mail);
}

/* behind(begun, from, to, body) -> whether it can go this way: its commands are
   said, then, behind the body of the one that is posted next or, begun, now;
   what comes of that tells whether they were. behind(begun, lines): commands of
   one that goes another way: whether they can be said so */
static int lpost_behind(lua_State *L)
{
    enum { MAIL = 3 };
    struct lbind_client *l = check(L);
    struct posting *p = &l->posting;
    bool fits = (p->stage != POSTING_IDLE) == lua_toboolean(L, 2);
    lua_settop(L, MAIL + MAIL_VALUES - 1);
    if (fits && lua_istable(L, MAIL))
        fits = lines_behind(L, l, MAIL);
    else if (fits)
        fits = put_behind(L, l, MAIL);
    lua_pushboolean(L, fits);
    return 1;
}

/* say(from, to, body) -> whether its commands were written: behind a body that
   another way is to be heard of. Once it was, go_on() does. */
static int lpost_say(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct posting *p = &l->posting;
    struct mail m;
    lua_settop(L, 1 + MAIL_VALUES);
    letter_at(L, 2, &m);
    p->now = poller_now();
    bool said =
        p->stage == POSTING_IDLE && posting_say(p, &l->over.machine, &m.mail);
    if (said)
        p->since = 0; /* they are not awaited yet */
    lua_pushboolean(L, said);
    return 1;
}

/* The results of a message whose reply has come. */
static int post_done(lua_State *L, struct lbind_client *l)
{
    bool next = l->posting.next.count > 0;
    posting_end(&l->posting);
    lua_pushliteral(L, "reply");
    lbind_push_brief_reply(L, &l->over.machine.reply);
    lua_pushboolean(L, next);
    return 3;
}

/* What a call answers, whose event this is; told: see exchange_post. */
static int answer(lua_State *L, struct lbind_client *l, struct conn *conn,
                  int event, int told)
{
    switch (event) {
    case EXCHANGE_DONE:
        return post_done(L, l);
    case EXCHANGE_UNASKED:
        return lbind_event(L, l, conn, event) + lbind_event(L, l, conn, told);
    case CLIENT_REPLY:
        lua_pushliteral(L, "odd");
        return 1;
    default:
        return lbind_event(L, l, conn, event);
    }
}

/* Goes on with a message that was begun, or begins it, as conn, patient and
   flushing say, the arguments from CALL on. */
static int advance(lua_State *L, struct lbind_client *l, const struct mail *m,
                   bool begun)
{
    enum { CALL = 2, PATIENT, FLUSHING };
    struct exchange_call call = {luaL_checkudata(L, CALL, LBIND_CONN),
                                 lua_toboolean(L, FLUSHING),
                                 lua_toboolean(L, PATIENT),
                                 false,
                                 false,
                                 lua_type(L, PATIENT) == LUA_TSTRING};
    int told = 0, event = EXCHANGE_NO;
    if ((l->posting.stage != POSTING_IDLE) == begun)
        event = exchange_post(&l->over, &call, &l->posting, &m->mail, &told);
    return answer(L, l, call.conn, event, told);
}

/*
 * post(conn, patient, flushing, from, to, body)
 *
 * from, to: what mail() gave; body: a string, or what was built: { size =,
 * eight_bit =, part ... }, a part being a string, or { octets } that become
 * base64.
 *
 * A whole message: says MAIL, RCPT of each recipient, DATA; where all say yes
 * sends the body, and behind it the commands of the one that behind() told.
 * patient: true, or "hearing": where it sends it does not wait by itself.
 * Answers:
 *   "reply", reply, next     to the dot; whether the next is under way
 *   "done"                   flushing: the body was sent
 *   "read", "write"          wait, then go_on()
 *   "no"                     nothing was said: not for this way
 *   "unasked", event | nil, kind, text   nothing was said: as peek has it
 *   "odd"                    something else was answered: see unpost
 *   "closed"; nil, kind, text
 */
static int lpost_post(lua_State *L)
{
    enum { MAIL = 5 };
    struct lbind_client *l = check(L);
    struct mail m;
    lua_settop(L, MAIL + MAIL_VALUES - 1);
    letter_at(L, MAIL, &m);
    return advance(L, l, &m, false);
}

/* go_on(conn, patient, flushing, body [, from, to, body]): the same, for a
   message whose commands were said; body as it was then; and what is to be said
   behind it, as by behind(true, ...) */
static int lpost_go_on(lua_State *L)
{
    enum { BODY = 5, BEHIND };
    struct lbind_client *l = check(L);
    struct mail m;
    bool more = lua_gettop(L) > BODY && l->posting.stage != POSTING_IDLE;
    lua_settop(L, BODY + MAIL_VALUES);
    if (more)
        (void)put_behind(L, l, BEHIND);
    mail_begin(&m);
    m.mail.count = body_at(L, BODY, &m);
    luaL_argcheck(L, l->posting.part < m.mail.count, BODY,
                  "the body of the message that was begun");
    return advance(L, l, &m, true);
}

/* under_way() -> what is waited for: a phase of the session; since when (the
   loop's clock); whether the next message is under way, too */
static int lpost_under_way(lua_State *L)
{
    static const char *const phases[] = {"MAIL", "data_block",
                                         "data_termination"};
    const struct posting *p = &check(L)->posting;
    size_t last = p->present.count ? p->present.count - 1 : 0;
    if (p->stage == POSTING_HEARING && p->heard)
        lua_pushstring(L, p->heard >= last ? "DATA" : "RCPT");
    else
        lua_pushstring(
            L, phases[p->stage > POSTING_HEARING ? p->stage - POSTING_HEARING
                                                 : 0]);
    lua_pushnumber(L, p->since);
    lua_pushboolean(L, p->next.count > 0);
    return 3;
}

/* unpost() -> a list of what was heard to the present message's commands; what
   was posted is left to others */
static int lpost_unpost(lua_State *L)
{
    struct posting *p = &check(L)->posting;
    lua_newtable(L);
    for (lua_Integer i = 1; posting_heard(p); i++) {
        lbind_push_heard(L, &p->reply);
        lua_rawseti(L, -2, i);
    }
    posting_drop(p);
    return 1;
}

/* posted() -> what was said and heard since: see posting.h */
static int lpost_posted(lua_State *L)
{
    struct posting *p = &check(L)->posting;
    lbind_push(L, posting_record(p));
    posting_noted(p);
    return 1;
}

/* clang-format off */
static const luaL_Reg methods[] = {
    {"offered", lpost_offered},
    {"mail", lpost_mail},
    {"say", lpost_say},
    {"behind", lpost_behind},
    {"post", lpost_post},
    {"go_on", lpost_go_on},
    {"under_way", lpost_under_way},
    {"unpost", lpost_unpost},
    {"posted", lpost_posted},
    {NULL, NULL},
};
/* clang-format on */

void lbind_open_post(lua_State *L)
{
    lbind_extend(L, LBIND_CLIENT, methods);
}
