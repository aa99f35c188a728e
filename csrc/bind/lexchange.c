/*
 * lexchange - the client machine over a conn: sending, hearing, whole messages
 *
 * Each call answers with an event, or with what to wait for before it is made
 * again; the waiting is Lua's. Patient, a call blocks for a while instead
 * (conn_await), where no loop has anything else to do.
 *
 * Owns: nothing. Fails with: raises on misuse and on memory; the peer's
 * failures are nil, kind, text. I/O: conn_read and conn_write.
 */
#include <limits.h>

#include "../net/conn.h"
#include "../net/poller.h"
#include "lbind.h"

enum {
    SAID_HIGH = 1 << 16, /* from there on somebody has to take it */
    POUR_LEAST = 1 << 14 /* fewer octets are as well copied */
};

/* What has come within so many seconds of the last octets came with them: a
   look at the socket would cost more than it finds. */
static const double FRESH = 0.0002;

static struct lbind_client *check(lua_State *L)
{
    return lbind_self(L, LBIND_CLIENT);
}

static int word(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    return 1;
}

/* IO_DONE when all is sent; *wrote tells that something was. */
static int flush(struct client *c, struct conn *conn, bool *wrote)
{
    int io = IO_DONE;
    while (io == IO_DONE && client_out(c).n) {
        size_t n;
        io = conn_write(conn, client_out(c), &n);
        if (io == IO_DONE) {
            client_sent(c, n);
            *wrote = true;
        }
    }
    return io;
}

static int fill(struct lbind_client *l, struct conn *conn, bool patient)
{
    struct client *c = &l->machine;
    size_t room, n;
    char *p = client_space(c, &room);
    if (!p)
        return c->err;
    int io =
        patient ? conn_await(conn, p, room, &n) : conn_read(conn, p, room, &n);
    if (io == IO_DONE) {
        client_filled(c, n);
        l->heard = poller_now();
    } else if (io == IO_EOF)
        client_end(c);
    return io;
}

/* The results of a call that failed. */
static int broken(lua_State *L, const struct client *c, const struct conn *conn,
                  int err)
{
    return lbind_fail(L, err, c->err ? c->text : conn->text);
}

/* What a turn came to; less than 0: ERR_*. */
enum turn { TURN_AGAIN, TURN_SENT, TURN_READ, TURN_WRITE };

struct turns {
    struct conn *conn;
    bool flushing, patient;
    bool wrote, asked; /* in this call */
};

/*
 * Sends what waits, then reads: after a write only when octets are known to be
 * here, so that each wait is followed by one read. Flushing, all that was sent
 * is enough. While sending is blocked it reads too, for the reply that refuses
 * a body before its end. TURN_AGAIN: octets came, or the end. Patient, it
 * reads once at most, so that Lua may look at the clock.
 */
static int turn(struct lbind_client *l, struct turns *t)
{
    int out = flush(&l->machine, t->conn, &t->wrote);
    if (out < 0)
        return out;
    if (out == IO_DONE && t->flushing)
        return TURN_SENT;
    bool wait = out == IO_DONE && !conn_pending(t->conn);
    if (wait && (t->asked || (t->wrote && !t->patient)))
        return TURN_READ;
    int in = fill(l, t->conn, wait && t->patient);
    if (in < 0)
        return in;
    if (in == IO_WANT_READ || in == IO_WANT_WRITE)
        return out == IO_WANT_WRITE || in == IO_WANT_WRITE ? TURN_WRITE
                                                           : TURN_READ;
    t->asked = true;
    return TURN_AGAIN;
}

/* The results of a turn that was not TURN_AGAIN. */
static int turned(lua_State *L, const struct client *c, const struct turns *t,
                  int result)
{
    static const char *const words[] = {"", "done", "read", "write"};
    return result < 0 ? broken(L, c, t->conn, result) : word(L, words[result]);
}

/* The results of an event that was not CLIENT_MORE. */
static int event(lua_State *L, const struct client *c, int result)
{
    if (result < 0)
        return lbind_fail(L, result, c->text);
    return word(L, result == CLIENT_REPLY ? "reply" : "closed");
}

/* step(conn [, flushing [, patient]]) -> "reply" | "closed" | "read" | "write"
   | "done", with flushing: once all is sent */
static int lexchange_step(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct turns t = {luaL_checkudata(L, 2, LBIND_CONN), lua_toboolean(L, 3),
                      lua_toboolean(L, 4), false, false};
    for (;;) {
        int result = client_next(&l->machine);
        if (result != CLIENT_MORE)
            return event(L, &l->machine, result);
        result = turn(l, &t);
        if (result != TURN_AGAIN)
            return turned(L, &l->machine, &t, result);
    }
}

/* Looks whether anything has come; an event. Before a body what was read is
   acknowledged: a peer whose next segment waits for that (Nagle) sends it
   now, not behind our dot. */
static int look(struct lbind_client *l, struct conn *conn)
{
    struct client *c = &l->machine;
    int result = client_next(c);
    bool body = c->state == CLIENT_BODY;
    if (result != CLIENT_MORE)
        return result;
    if (body)
        conn_quickack(conn);
    else if (poller_now() - l->heard < FRESH && !conn_pending(conn))
        return result;
    int in = fill(l, conn, false);
    return in < 0 ? in : client_next(c);
}

/* peek(conn) -> "reply" | "closed" | "read": what has come, nothing is sent */
static int lexchange_peek(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct conn *conn = luaL_checkudata(L, 2, LBIND_CONN);
    int result = look(l, conn);
    if (result < 0)
        return broken(L, &l->machine, conn, result);
    return result == CLIENT_MORE ? word(L, "read")
                                 : event(L, &l->machine, result);
}

/* Writes the lines of a list, from the one at first on, as far as window
   unanswered ones allow; the position behind them, or ERR_*. */
static lua_Integer say_lines(lua_State *L, struct client *c, int list,
                             lua_Integer at, size_t window)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    while (at <= count && c->due < window) {
        struct span line;
        if (lua_rawgeti(L, list, at) != LUA_TSTRING)
            return luaL_error(L, "a list of commands is expected");
        line.p = lua_tolstring(L, -1, &line.n);
        struct span verb = span_cut(&line, ' ');
        int err = client_command(c, verb, line);
        lua_pop(L, 1);
        if (err < 0)
            return err;
        at++;
    }
    return at;
}

/* commands(lines, at, window) -> the position behind those that were written,
   of which replies are due: no more than window are */
static int lexchange_commands(lua_State *L)
{
    struct client *c = &check(L)->machine;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer at = (lua_Integer)lbind_size(L, 3, INT_MAX);
    lua_Integer behind = say_lines(L, c, 2, at, lbind_size(L, 4, CLIENT_QUEUE));
    if (behind < 0)
        return lbind_fail(L, (int)behind, c->text);
    lua_pushinteger(L, behind);
    return 1;
}

/* Adds the reply that has come to the list: a yes is its code alone. */
static void collect_reply(lua_State *L, struct lbind_client *c, int list)
{
    const struct reply *r = &c->machine.reply;
    buf_add_span(&c->said, buf_span(&r->lines));
    if (r->code < 300 || r->code == 354)
        lua_pushinteger(L, r->code);
    else
        lbind_push_reply(L, r);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* True when the last reply ends what can be collected. */
static bool collected(lua_State *L, const struct lbind_client *c, int list,
                      size_t most)
{
    return c->machine.reply.code == 421 || lua_rawlen(L, list) >= most ||
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
    struct turns t = {luaL_checkudata(L, 2, LBIND_CONN), false,
                      lua_toboolean(L, 5), false, false};
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t most = lbind_size(L, 4, INT_MAX);
    for (;;) {
        int result = client_next(&l->machine);
        if (result == CLIENT_REPLY) {
            collect_reply(L, l, 3);
            if (collected(L, l, 3, most))
                return word(L, "replies");
            continue;
        }
        if (result != CLIENT_MORE)
            return event(L, &l->machine, result);
        result = turn(l, &t);
        if (result != TURN_AGAIN)
            return turned(L, &l->machine, &t, result);
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

/* Writes what goes out as it is past the machine, which keeps no copy; other
   octets it writes to the machine. */
static int pour(struct client *c, struct conn *conn, struct span *in,
                size_t plain, bool patient)
{
    bool wrote = false;
    int io = flush(c, conn, &wrote);
    while (io == IO_DONE && in->n >= POUR_LEAST) {
        struct span head = span_of(in->p, plain ? plain : client_plain(c, *in));
        size_t n = 0;
        if (head.n < POUR_LEAST)
            break;
        io = patient ? conn_push(conn, head, &n) : conn_write(conn, head, &n);
        client_passed(c, span_of(head.p, n));
        *in = span_skip(*in, n);
        plain = head.n - n;
    }
    return io;
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
    struct client *c = &l->machine;
    struct span chunk = lbind_check(L, 2);
    size_t at = lbind_size(L, 3, chunk.n + 1);
    size_t plain = lbind_size(L, 4, chunk.n);
    struct conn *conn = luaL_checkudata(L, 5, LBIND_CONN);
    luaL_argcheck(L, at > 0, 3, "out of range");
    struct span in = span_skip(chunk, at - 1);
    int io = pour(c, conn, &in, plain < at ? 0 : plain - at + 1,
                  lua_toboolean(L, 6));
    if (io < 0)
        return broken(L, c, conn, io);
    lua_pushinteger(L, (lua_Integer)(chunk.n - in.n + 1));
    if (io == IO_DONE) {
        (void)word(L, "done");
        return 2;
    }
    int read = fill(l, conn, false); /* for the reply that refuses the body */
    int result = read < 0 ? read : client_next(c);
    if (result < 0)
        return broken(L, c, conn, result);
    (void)(result == CLIENT_MORE ? word(L, "write") : event(L, c, result));
    return 2;
}

/* Whether a list of replies is one of codes alone, the last one 354. */
static bool welcomed(lua_State *L, int list, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i);
        lua_Integer code = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        lua_pop(L, 1);
        if (code == 0 || (code == 354) != (i == count))
            return false;
    }
    return true;
}

/* Writes a whole body where nothing has come before it. */
static int post_body(struct lbind_client *l, struct conn *conn, struct span s)
{
    size_t taken;
    int result = look(l, conn);
    if (result != CLIENT_MORE)
        return result;
    result = client_body(&l->machine, s, true, &taken);
    return result < 0 ? result : CLIENT_MORE;
}

/* What post does next, without waiting: CLIENT_MORE, or what ends it. */
static int post_next(lua_State *L, struct lbind_client *l, struct conn *conn)
{
    size_t count = lua_rawlen(L, 3);
    int result;
    do {
        result = client_next(&l->machine);
        if (result != CLIENT_REPLY || l->stage == POST_FINAL)
            return result;
        collect_reply(L, l, 4);
    } while (!collected(L, l, 4, count));
    if (lua_rawlen(L, 4) < count || !welcomed(L, 4, count))
        return CLIENT_REPLY;
    result = post_body(l, conn, lbind_check(L, 5));
    if (result == CLIENT_MORE)
        l->stage = POST_FINAL;
    return result;
}

/*
 * post(conn, lines, heard, body, patient) -> event, how many replies came
 *
 * A whole message, as most of them go: says the lines (MAIL, RCPT ..., DATA),
 * hears the replies as collect does, and where all say yes sends the body,
 * which is short, and hears the reply to its dot: "done". "read", "write":
 * wait, then call again. "replies": something else came; heard tells what,
 * and nothing was said since. "closed", and nil, kind, text as elsewhere.
 */
static int lexchange_post(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct turns t = {luaL_checkudata(L, 2, LBIND_CONN), false,
                      lua_toboolean(L, 6), false, false};
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    luaL_argcheck(L, lbind_check(L, 5).n <= CLIENT_HIGH, 5, "too long");
    if (l->stage == POST_NONE) {
        lua_Integer said = say_lines(L, &l->machine, 3, 1, CLIENT_QUEUE);
        if (said < 0)
            return lbind_fail(L, (int)said, l->machine.text);
        l->stage = POST_HEARING;
    }
    int result;
    do {
        result = post_next(L, l, t.conn);
        if (result != CLIENT_MORE) {
            bool final = l->stage == POST_FINAL;
            l->stage = POST_NONE;
            if (result == CLIENT_REPLY)
                return word(L, final ? "done" : "replies");
            return result < 0 ? broken(L, &l->machine, t.conn, result)
                              : event(L, &l->machine, result);
        }
        result = turn(l, &t);
    } while (result == TURN_AGAIN);
    if (result < 0)
        l->stage = POST_NONE;
    int n = turned(L, &l->machine, &t, result);
    if (n == 1) {
        lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 4) +
                               (l->stage == POST_FINAL));
        n++;
    }
    return n;
}

static const luaL_Reg methods[] = {
    {"step", lexchange_step},         {"peek", lexchange_peek},
    {"commands", lexchange_commands}, {"collect", lexchange_collect},
    {"said", lexchange_said},         {"pour", lexchange_pour},
    {"post", lexchange_post},         {NULL, NULL},
};

/* Adds to the methods of a machine. */
void lbind_open_exchange(lua_State *L)
{
    luaL_getmetatable(L, LBIND_CLIENT);
    lua_getfield(L, -1, "__index"); /* meta methods */
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, methods, 1); /* each knows its type */
    lua_pop(L, 2);
}
