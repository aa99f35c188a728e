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

#include "lbind.h"

enum { MAIL_VALUES = 2 }; /* an envelope and a body */

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

/* Fills spans from the recipients at the top: a list, or one. How many; 0: not
   for this way. */
static size_t recipients_at_top(lua_State *L, struct span *spans)
{
    if (lua_type(L, -1) == LUA_TSTRING)
        return string_at_top(L, spans);
    size_t n = lua_type(L, -1) == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    bool fit = n <= POSTING_MOST;
    for (size_t i = 0; i < n && fit; i++) {
        (void)lua_rawgeti(L, -1, (lua_Integer)i + 1);
        fit = string_at_top(L, &spans[i]);
    }
    lua_pop(L, 1);
    return fit ? n : 0;
}

/* Whether a table has so many fields. */
static bool has_fields(lua_State *L, int table, int count)
{
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        if (count-- == 0) {
            lua_pop(L, 2);
            return false;
        }
    return count == 0;
}

/* An envelope { from =, to = } and no more. */
static bool is_plain(lua_State *L, int arg)
{
    return lua_type(L, arg) == LUA_TTABLE && !lua_getmetatable(L, arg) &&
           has_fields(L, arg, 2);
}

/* A message with what it borrows. */
struct mail {
    struct posting_mail mail;
    struct span to[POSTING_MOST];
    struct posting_part parts[POSTING_PARTS];
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

/* Reads a message at an argument: a plain envelope, and a body. No recipients:
   it is none, or not for this way. The table holds what is borrowed of it.
   again: it was read before. */
static void message_at(lua_State *L, int arg, bool again, struct mail *m)
{
    memset(&m->mail, 0, sizeof m->mail);
    m->mail.to = m->to;
    m->mail.parts = m->parts;
    if (!again && !is_plain(L, arg))
        return;
    lua_pushliteral(L, "from");
    (void)lua_rawget(L, arg);
    if (!string_at_top(L, &m->mail.from))
        return;
    m->mail.count = body_at(L, arg + 1, m);
    if (m->mail.count == 0)
        return;
    lua_pushliteral(L, "to");
    (void)lua_rawget(L, arg);
    m->mail.recipients = recipients_at_top(L, m->to);
}

/* fits(envelope, message) -> whether it can go this way */
static int lpost_fits(lua_State *L)
{
    const struct posting *p = &check(L)->posting;
    struct mail m;
    message_at(L, 2, false, &m);
    lua_pushboolean(L, posting_fits(p, &m.mail));
    return 1;
}

/* Pushes a list of the recipients. */
static void push_recipients(lua_State *L, const struct posting_mail *m)
{
    lua_createtable(L, (int)m->recipients, 0);
    for (size_t i = 0; i < m->recipients; i++) {
        lbind_push(L, m->to[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* The results of a message whose reply has come. */
static int post_done(lua_State *L, struct lbind_client *l,
                     const struct posting_mail *m)
{
    posting_end(&l->posting);
    lua_pushliteral(L, "reply");
    lbind_push_reply(L, &l->over.machine.reply);
    lua_pushboolean(L, l->posting.stage != POSTING_IDLE);
    push_recipients(L, m);
    return 4;
}

/*
 * post(conn, begun, patient, flushing, envelope, body [, envelope, body])
 *
 * body: a string, or what was built: { size =, eight_bit =, part ... }, a part
 * being a string, or { octets } that become base64.
 *
 * A whole message: says MAIL, RCPT of each recipient, DATA; where all say yes
 * sends the body, and behind it the commands of the next message, if one is
 * given. begun: it goes on with one whose commands were said. Answers:
 *   "reply", reply, next, recipients   to the dot; whether the next is under
 *                                      way; a list
 *   "done"                   flushing: the body was sent
 *   "read", "write"          wait, then call again: begun
 *   "no"                     nothing was said: not for this way
 *   "unasked", event | nil, kind, text   nothing was said: as peek has it
 *   "odd"                    something else was answered: see unpost
 *   "closed"; nil, kind, text
 */
static int lpost_post(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct posting *p = &l->posting;
    struct exchange_call call = {luaL_checkudata(L, 2, LBIND_CONN),
                                 lua_toboolean(L, 5), lua_toboolean(L, 4),
                                 false, false};
    struct mail one, next;
    int told = 0, event = EXCHANGE_NO;
    bool begun = lua_toboolean(L, 3);
    luaL_argcheck(L, !begun || lua_istable(L, 6), 6, "an envelope");
    message_at(L, 6, begun, &one);
    message_at(L, 6 + MAIL_VALUES, false, &next);
    if ((p->stage != POSTING_IDLE) == begun)
        event = exchange_post(&l->over, &call, p, &one.mail, &next.mail, &told);
    switch (event) {
    case EXCHANGE_DONE:
        return post_done(L, l, &one.mail);
    case EXCHANGE_UNASKED:
        return lbind_event(L, l, call.conn, event) +
               lbind_event(L, l, call.conn, told);
    case CLIENT_REPLY:
        lua_pushliteral(L, "odd");
        return 1;
    default:
        return lbind_event(L, l, call.conn, event);
    }
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
    int err = buf_error(&p->record);
    if (err < 0)
        return luaL_error(L, "%s", err_text(err));
    lbind_push(L, buf_span(&p->record));
    posting_noted(p);
    return 1;
}

static const luaL_Reg methods[] = {
    {"offered", lpost_offered},
    {"fits", lpost_fits},
    {"post", lpost_post},
    {"under_way", lpost_under_way},
    {"unpost", lpost_unpost},
    {"posted", lpost_posted},
    {NULL, NULL},
};

void lbind_open_post(lua_State *L)
{
    lbind_extend(L, LBIND_CLIENT, methods);
}
