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
#include <stdint.h>

#include "../core/survey.h"
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
static int flush(struct client *c, struct conn *conn, bool patient, bool *wrote)
{
    int io = IO_DONE;
    while (io == IO_DONE && client_out(c).n) {
        size_t n;
        io = patient ? conn_push(conn, client_out(c), &n)
                     : conn_write(conn, client_out(c), &n);
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
    int out = flush(&l->machine, t->conn, t->patient, &t->wrote);
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
    struct client *c = &check(L)->machine;
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
    int io = flush(c, conn, patient, &wrote);
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

/* What a message is posted with; kept on the stack by Lua's arguments. */
struct posted {
    struct conn *conn;
    struct span from, body;
    int to, heard; /* lists on the stack */
    size_t recipients, limit;
    bool size, eight_bit; /* SIZE, 8BITMIME are offered */
};

enum {
    POST_MOST = 100,                /* recipients */
    POST_ADDRESS = CLIENT_LINE - 64 /* octets: MAIL's parameters follow */
};

/* An address that may stand in angle brackets as it is, and in a command. */
static bool bare(struct span s)
{
    if (s.n > POST_ADDRESS)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("<>\"\\", s.p[i]))
            return false;
    return true;
}

/* The recipient at i; false: it is not one that can be posted to. */
static bool post_to(lua_State *L, const struct posted *p, size_t i,
                    struct span *to)
{
    bool text = lua_rawgeti(L, p->to, (lua_Integer)i) == LUA_TSTRING;
    if (text)
        to->p = lua_tolstring(L, -1, &to->n); /* the list holds it */
    lua_pop(L, 1);
    return text && to->n && bare(*to);
}

static bool post_fits(lua_State *L, struct posted *p)
{
    struct span to;
    p->recipients = lua_rawlen(L, p->to);
    if (!bare(p->from) || p->body.n > CLIENT_HIGH / 4 || p->recipients == 0 ||
        p->recipients > POST_MOST)
        return false;
    for (size_t i = 1; i <= p->recipients; i++)
        if (!post_to(L, p, i, &to))
            return false;
    return true;
}

static void post_mail(struct lbind_client *l, const struct posted *p,
                      const struct survey *s)
{
    buf_add_text(&l->asked, "MAIL FROM:<");
    buf_add_span(&l->asked, p->from);
    buf_add_text(&l->asked,
                 p->eight_bit && s->eight_bit ? "> BODY=8BITMIME" : ">");
    if (p->size) {
        buf_add_text(&l->asked, " SIZE=");
        buf_add_number(&l->asked, s->size);
    }
    buf_add_char(&l->asked, '\n');
}

/* Writes the commands of a message; false: it is not for this way. */
static bool post_say(lua_State *L, struct lbind_client *l, struct posted *p)
{
    struct survey s = survey_of(*lbind_kernel(L), p->body);
    struct span to = {NULL, 0};
    if (p->limit && s.size > p->limit)
        return false;
    buf_clear(&l->asked);
    post_mail(l, p, &s);
    for (size_t i = 1; i <= p->recipients && post_to(L, p, i, &to); i++) {
        buf_add_text(&l->asked, "RCPT TO:<");
        buf_add_span(&l->asked, to);
        buf_add_text(&l->asked, ">\n");
    }
    if (buf_add_text(&l->asked, "DATA\n") < 0)
        return false;
    struct span rest = buf_span(&l->asked);
    size_t count = p->recipients + 2;
    if (!client_holds(&l->machine, count, rest.n + 2 * count))
        return false;
    while (rest.n) {
        struct span line = span_cut(&rest, '\n'), verb = span_cut(&line, ' ');
        if (client_command(&l->machine, verb, line) < 0)
            return false; /* at the first, if at any */
    }
    return true;
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
static int post_body(struct lbind_client *l, const struct posted *p)
{
    size_t taken;
    int result = look(l, p->conn);
    if (result != CLIENT_MORE)
        return result;
    result = client_body(&l->machine, p->body, true, &taken);
    return result < 0 ? result : CLIENT_MORE;
}

/* What post does next, without waiting: CLIENT_MORE, or what ends it. */
static int post_next(lua_State *L, struct lbind_client *l,
                     const struct posted *p)
{
    size_t count = p->recipients + 2;
    int result;
    do {
        result = client_next(&l->machine);
        if (result != CLIENT_REPLY || l->stage == POST_FINAL)
            return result;
        collect_reply(L, l, p->heard);
    } while (!collected(L, l, p->heard, count));
    if (lua_rawlen(L, p->heard) < count || !welcomed(L, p->heard, count))
        return CLIENT_REPLY;
    result = post_body(l, p);
    if (result == CLIENT_MORE)
        l->stage = POST_FINAL;
    return result;
}

/* The results of a message that has come to an end. */
static int post_end(lua_State *L, struct lbind_client *l,
                    const struct posted *p, int result)
{
    bool final = l->stage == POST_FINAL;
    l->stage = POST_NONE;
    if (result == CLIENT_REPLY)
        return word(L, final ? "done" : "replies");
    return result < 0 ? broken(L, &l->machine, p->conn, result)
                      : event(L, &l->machine, result);
}

/* The results of a turn that ends the call: with how many replies came. */
static int post_wait(lua_State *L, struct lbind_client *l,
                     const struct posted *p, const struct turns *t, int result)
{
    if (result < 0)
        return post_end(L, l, p, result);
    (void)turned(L, &l->machine, t, result);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, p->heard) +
                           (l->stage == POST_FINAL));
    return 2;
}

static void post_arguments(lua_State *L, struct posted *p)
{
    memset(p, 0, sizeof *p);
    p->conn = luaL_checkudata(L, 2, LBIND_CONN);
    p->heard = 3;
    p->from = lbind_check(L, 4);
    p->to = 5;
    p->body = lbind_check(L, 6);
    p->size = !lua_isnoneornil(L, 7);
    p->limit = p->size ? lbind_size(L, 7, SIZE_MAX / 2) : 0;
    p->eight_bit = lua_toboolean(L, 8);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 5, LUA_TTABLE);
}

/*
 * post(conn, heard, from, to, body, size, eight_bit, patient) -> event, count
 *
 * A whole message, as most of them go: says MAIL, RCPT of each in the list,
 * DATA; hears the replies as collect does, and where all say yes sends the
 * body, which is short, and hears the reply to its dot: "done". "read",
 * "write": wait, then call again; count: of the replies that came. "no":
 * nothing was said, as the message is not for this way. "replies": something
 * else came; heard tells what, and nothing was said since. "closed", and nil,
 * kind, text as elsewhere. size: SIZE is offered, 0 or the limit.
 */
static int lexchange_post(lua_State *L)
{
    struct lbind_client *l = check(L);
    struct posted p;
    post_arguments(L, &p);
    struct turns t = {p.conn, false, lua_toboolean(L, 9), false, false};
    if (!post_fits(L, &p))
        return word(L, "no");
    if (l->stage == POST_NONE) {
        if (!post_say(L, l, &p))
            return word(L, "no");
        l->stage = POST_HEARING;
    }
    int result;
    do {
        result = post_next(L, l, &p);
        if (result != CLIENT_MORE)
            return post_end(L, l, &p, result);
        result = turn(l, &t);
    } while (result == TURN_AGAIN);
    return post_wait(L, l, &p, &t, result);
}

/* posted() -> what post said and heard, a line each with LF behind it */
static int lexchange_posted(lua_State *L)
{
    struct lbind_client *l = check(L);
    lbind_push(L, buf_span(&l->asked));
    lbind_push(L, buf_span(&l->said));
    buf_clear(&l->said);
    return 2;
}

static const luaL_Reg methods[] = {
    {"step", lexchange_step},
    {"peek", lexchange_peek},
    {"commands", lexchange_commands},
    {"collect", lexchange_collect},
    {"said", lexchange_said},
    {"pour", lexchange_pour},
    {"post", lexchange_post},
    {"posted", lexchange_posted},
    {NULL, NULL},
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
