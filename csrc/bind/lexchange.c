/*
 * lexchange - the client machine over a conn: sending and hearing
 *
 * Each call answers with an event, or with what to wait for before it is made
 * again; the waiting is Lua's. Whole messages are lpost.c's.
 *
 * Owns: nothing. Fails with: raises on misuse and on memory; the peer's
 * failures are nil, kind, text. I/O: see exchange.h.
 */
#include <limits.h>

#include "lbind.h"

enum { SAID_HIGH = 1 << 16 /* from there on somebody has to take it */ };

static struct lbind_client *check(lua_State *L)
{
    return lbind_self(L, LBIND_CLIENT);
}

int lbind_event(lua_State *L, const struct lbind_client *l,
                const struct conn *conn, int event)
{
    static const char *const words[] = {
        [CLIENT_MORE] = "read",         [CLIENT_REPLY] = "reply",
        [CLIENT_CLOSED] = "closed",     [EXCHANGE_SENT] = "done",
        [EXCHANGE_READ] = "read",       [EXCHANGE_WRITE] = "write",
        [EXCHANGE_DONE] = "reply",      [EXCHANGE_NO] = "no",
        [EXCHANGE_UNASKED] = "unasked",
    };
    const struct client *c = &l->over.machine;
    if (event < 0)
        return lbind_fail(L, event, c->err ? c->text : conn->text);
    lua_pushstring(L, words[event]);
    return 1;
}

/* step(conn [, flushing [, patient]]) -> "reply" | "closed" | "read" | "write"
   | "done", with flushing: once all is sent */
static int lexchange_step(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct exchange_call call = {luaL_checkudata(L, 2, LBIND_CONN),
                                 lua_toboolean(L, 3),
                                 lua_toboolean(L, 4),
                                 false,
                                 false,
                                 false};
    return lbind_event(L, l, call.conn, exchange_step(&l->over, &call));
}

/* peek(conn) -> "reply" | "closed" | "read": what has come, nothing is sent */
static int lexchange_peek(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct conn *conn = luaL_checkudata(L, 2, LBIND_CONN);
    return lbind_event(L, l, conn, exchange_look(&l->over, conn));
}

/* The line at a position of a list, which holds it. */
static struct span line_at(lua_State *L, int list, lua_Integer at)
{
    struct span line = {NULL, 0};
    if (lua_rawgeti(L, list, at) != LUA_TSTRING)
        (void)luaL_error(L, "a list of commands is expected");
    line.p = lua_tolstring(L, -1, &line.n);
    lua_pop(L, 1);
    return line;
}

/* 0 when each line of a list can be a command, or ERR_*, and *at says which:
   the first is not written where another cannot follow it. */
static int lines_sound(lua_State *L, struct client *c, int list,
                       lua_Integer *at)
{
    lua_Integer i = 0, count = (lua_Integer)lua_rawlen(L, list);
    int err = 0;
    while (i < count && err == 0)
        err = client_sound(c, line_at(L, list, ++i));
    if (err < 0)
        *at = i;
    return err;
}

/* Writes the lines of a list, from the one at first on, as far as window
   unanswered ones and their octets allow; the position behind them, or
   ERR_*. */
static lua_Integer say_lines(lua_State *L, struct client *c, int list,
                             lua_Integer at, size_t window)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    while (at <= count && c->due < window) {
        struct span line = line_at(L, list, at);
        if (c->due && !client_holds(c, 1, line.n + 3))
            break; /* replies come, and make room */
        struct span verb = span_cut(&line, ' ');
        int err = client_command(c, verb, line);
        if (err < 0)
            return err;
        at++;
    }
    return at;
}

/* commands(lines, at, window) -> the position behind those that were written,
   of which replies are due: no more than window are. From 1 on: where one of
   all the lines cannot be a command, none is written. Failing is nil, kind,
   text, and the position of the line. */
static int lexchange_commands(lua_State *L)
{
    struct client *c = &check(L)->over.machine;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer behind, at = (lua_Integer)lbind_size(L, 3, INT_MAX);
    size_t window = lbind_size(L, 4, CLIENT_QUEUE);
    behind = at == 1 ? lines_sound(L, c, 2, &at) : 0;
    if (behind == 0)
        behind = say_lines(L, c, 2, at, window);
    if (behind >= 0) {
        lua_pushinteger(L, behind);
        return 1;
    }
    (void)lbind_fail(L, (int)behind, c->text);
    lua_pushinteger(L, at); /* nil kind text at */
    return 4;
}

/* Adds the reply that has come to the list: a yes is its code alone. */
static void collect_reply(lua_State *L, struct lbind_client *c, int list)
{
    const struct reply *r = &c->over.machine.reply;
    buf_add_span(&c->said, buf_span(&r->lines));
    lbind_push_heard(L, r);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* True when the last reply ends what can be collected. */
static bool collected(lua_State *L, const struct lbind_client *c, int list,
                      size_t most)
{
    return c->over.machine.reply.code == 421 || lua_rawlen(L, list) >= most ||
           buf_size(&c->said) > SAID_HIGH;
}

/*
 * collect(conn, list, most, patient) -> "replies" | "closed" | "read" | "write"
 *
 * As step, but adds replies to the list until it has most, or 421 came, or
 * said() has to be asked.
 */
static int lexchange_collect(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct exchange_call call = {luaL_checkudata(L, 2, LBIND_CONN),
                                 false,
                                 lua_toboolean(L, 5),
                                 false,
                                 false,
                                 false};
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t most = lbind_size(L, 4, INT_MAX);
    for (;;) {
        int result = client_next(&l->over.machine);
        if (result == CLIENT_REPLY) {
            collect_reply(L, l, 3);
            if (collected(L, l, 3, most)) {
                lua_pushliteral(L, "replies");
                return 1;
            }
            continue;
        }
        if (result == CLIENT_MORE)
            result = exchange_turn(&l->over, &call);
        if (result != CLIENT_MORE)
            return lbind_event(L, l, call.conn, result);
    }
}

/* said() -> what collect heard since, a line each with LF behind it */
static int lexchange_said(lua_State *L)
{
    struct lbind_client *c = check(L);
    lbind_push(L, buf_span(&c->said));
    buf_clear(&c->said);
    return 1;
}

/*
 * pour(chunk, at, plain, conn, patient) -> the position behind what was taken,
 * "done" | "write" | "reply" | "closed"; or nil, kind, text
 *
 * Sends the octets of a long body, up to what is left of the last lines: that
 * is body()'s. plain: how many go out as they are, where that is known.
 */
static int lexchange_pour(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct span chunk = lbind_check(L, 2);
    size_t at = lbind_size(L, 3, chunk.n + 1);
    size_t plain = lbind_size(L, 4, chunk.n);
    struct exchange_call call = {luaL_checkudata(L, 5, LBIND_CONN),
                                 false,
                                 lua_toboolean(L, 6),
                                 false,
                                 false,
                                 false};
    luaL_argcheck(L, at > 0, 3, "out of range");
    struct span in = span_skip(chunk, at - 1);
    int result =
        exchange_pour(&l->over, &call, &in, plain < at ? 0 : plain - at + 1);
    if (result == IO_DONE)
        result = EXCHANGE_SENT;
    else if (result > 0)
        result = exchange_stuck(&l->over, call.conn);
    if (result < 0)
        return lbind_event(L, l, call.conn, result);
    lua_pushinteger(L, (lua_Integer)(chunk.n - in.n + 1));
    return 1 + lbind_event(L, l, call.conn, result);
}

static const luaL_Reg methods[] = {
    {"step", lexchange_step},
    {"peek", lexchange_peek},
    {"commands", lexchange_commands},
    {"collect", lexchange_collect},
    {"said", lexchange_said},
    {"pour", lexchange_pour},
    {NULL, NULL},
};

void lbind_open_exchange(lua_State *L)
{
    lbind_extend(L, LBIND_CLIENT, methods);
}
