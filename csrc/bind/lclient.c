/*
 * lclient - lunapost.core.client: the client machine, over a conn or without
 *
 * new() gives a machine. Its calls that the peer or the machine can refuse
 * return nil, kind, text. step() answers with an event or with what to wait
 * for; the waiting is Lua's.
 *
 * Owns: struct client in its userdata. Fails with: raises on misuse and on
 * memory. I/O: conn_read and conn_write of a conn that is given.
 */
#include <limits.h>

#include "../core/ascii.h"
#include "../core/client.h"
#include "../core/esmtp.h"
#include "../net/conn.h"
#include "../net/poller.h"
#include "lbind.h"

struct lclient {
    struct client machine; /* first: what check gives */
    struct buf said;       /* replies that collect took, for the transcript */
    double heard;          /* when octets came last */
};

enum {
    SAID_MOST = 1 << 20, /* no reply is longer */
    SAID_HIGH = 1 << 16, /* from there on somebody has to take it */
    POUR_LEAST = 1 << 14 /* fewer octets are as well copied */
};

/* What has come within so many seconds of the last octets came with them: a
   look at the socket would cost more than it finds. */
static const double FRESH = 0.0002;

#define LCLIENT "lunapost.client"

static struct client *check(lua_State *L)
{
    return luaL_checkudata(L, 1, LCLIENT);
}

static int lclient_new(lua_State *L)
{
    struct lclient *c = lbind_new(L, sizeof *c, LCLIENT, 0);
    client_init(&c->machine);
    buf_init(&c->said, SAID_MOST);
    c->machine.kernel = *lbind_kernel(L);
    return 1;
}

static int lclient_drop(lua_State *L)
{
    struct lclient *c = luaL_checkudata(L, 1, LCLIENT);
    client_free(&c->machine);
    buf_free(&c->said);
    return 0;
}

static int done(lua_State *L, const struct client *c, int result)
{
    if (result < 0)
        return lbind_fail(L, result, c->text);
    lua_pushboolean(L, 1);
    return 1;
}

static int word(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    return 1;
}

/* command(verb [, argument]); "" as verb: the argument alone */
static int lclient_command(lua_State *L)
{
    struct client *c = check(L);
    struct span verb = lbind_check(L, 2), argument = lbind_optional(L, 3);
    return done(L, c, client_command(c, verb, argument));
}

static int lclient_raw(lua_State *L)
{
    struct client *c = check(L);
    return done(L, c, client_raw(c, lbind_check(L, 2)));
}

/* body(chunk, at, done) -> the position behind what was taken */
static int lclient_body(lua_State *L)
{
    struct client *c = check(L);
    struct span chunk = lbind_check(L, 2);
    size_t at = lbind_size(L, 3, chunk.n + 1), taken;
    luaL_argcheck(L, at > 0, 3, "out of range");
    int result =
        client_body(c, span_skip(chunk, at - 1), lua_toboolean(L, 4), &taken);
    if (result < 0)
        return lbind_fail(L, result, c->text);
    lua_pushinteger(L, (lua_Integer)(at + taken));
    return 1;
}

/* chunk(octets, binary, last) */
static int lclient_chunk(lua_State *L)
{
    struct client *c = check(L);
    struct span in = lbind_check(L, 2);
    return done(L, c,
                client_chunk(c, in, lua_toboolean(L, 3), lua_toboolean(L, 4)));
}

static int lclient_starttls(lua_State *L)
{
    struct client *c = check(L);
    return done(L, c, client_starttls(c));
}

static int event(lua_State *L, const struct client *c, int result)
{
    if (result < 0)
        return lbind_fail(L, result, c->text);
    return word(L, result == CLIENT_REPLY    ? "reply"
                   : result == CLIENT_CLOSED ? "closed"
                                             : "more");
}

static int lclient_next(lua_State *L)
{
    struct client *c = check(L);
    return event(L, c, client_next(c));
}

/* feed(bytes) -> how many were taken: fewer when next() has to be called */
static int lclient_feed(lua_State *L)
{
    struct client *c = check(L);
    struct span s = lbind_check(L, 2);
    size_t room;
    char *p = client_space(c, &room);
    if (!p)
        return lbind_fail(L, c->err, c->text);
    if (s.n < room)
        room = s.n;
    if (room)
        memcpy(p, s.p, room);
    client_filled(c, room);
    lua_pushinteger(L, (lua_Integer)room);
    return 1;
}

static int lclient_finish(lua_State *L)
{
    client_end(check(L));
    return 0;
}

/* output() -> the bytes for the peer, which count as sent */
static int lclient_output(lua_State *L)
{
    struct client *c = check(L);
    struct span s = client_out(c);
    lbind_push(L, s);
    client_sent(c, s.n);
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

static int fill(struct client *c, struct conn *conn, bool patient)
{
    size_t room, n;
    char *p = client_space(c, &room);
    if (!p)
        return c->err;
    int io =
        patient ? conn_await(conn, p, room, &n) : conn_read(conn, p, room, &n);
    if (io == IO_DONE) {
        client_filled(c, n);
        ((struct lclient *)c)->heard = poller_now();
    } else if (io == IO_EOF)
        client_end(c);
    return io;
}

static int broken(lua_State *L, const struct client *c, const struct conn *conn,
                  int err)
{
    return lbind_fail(L, err, c->err ? c->text : conn->text);
}

/*
 * step(conn [, flushing [, patient]]) -> "reply" | "closed" | "read" | "write"
 * | "done"
 *
 * Sends what waits, then reads: after a write only when bytes are known to
 * be here, so that each wait is followed by one read. With flushing it ends
 * with "done" once all is sent. While sending is blocked it reads too, for
 * the reply that refuses a body before its end. Patient, it blocks for a while
 * instead of "read", and answers that when no reply is whole by then.
 */
static int lclient_step(lua_State *L)
{
    struct client *c = check(L);
    struct conn *conn = luaL_checkudata(L, 2, LBIND_CONN);
    bool flushing = lua_toboolean(L, 3), patient = lua_toboolean(L, 4);
    bool wrote = false, asked = false;
    for (;;) {
        int result = client_next(c);
        if (result != CLIENT_MORE)
            return event(L, c, result);
        int out = flush(c, conn, &wrote);
        if (out < 0)
            return broken(L, c, conn, out);
        if (out == IO_DONE && flushing)
            return word(L, "done");
        bool wait = out == IO_DONE && !conn_pending(conn);
        if (wait && (asked || (wrote && !patient)))
            return word(L, "read");
        int in = fill(c, conn, wait && patient);
        if (in < 0)
            return broken(L, c, conn, in);
        if (in == IO_WANT_READ || in == IO_WANT_WRITE) {
            bool write = out == IO_WANT_WRITE || in == IO_WANT_WRITE;
            return word(L, write ? "write" : "read");
        }
        asked = true;
    }
}

/* peek(conn) -> "reply" | "closed" | "read": what has come, nothing is sent.
   Before a body what was read is acknowledged: a peer whose next segment
   waits for that (Nagle) sends it now, not behind our dot. */
static int lclient_peek(lua_State *L)
{
    struct client *c = check(L);
    struct conn *conn = luaL_checkudata(L, 2, LBIND_CONN);
    int result = client_next(c);
    double age = poller_now() - ((struct lclient *)c)->heard;
    bool body = c->state == CLIENT_BODY;
    if (result == CLIENT_MORE && (body || age > FRESH || conn_pending(conn))) {
        if (body)
            conn_quickack(conn);
        int in = fill(c, conn, false);
        if (in < 0)
            return broken(L, c, conn, in);
        result = client_next(c);
    }
    return result == CLIENT_MORE ? word(L, "read") : event(L, c, result);
}

/* reply() -> { code=, enhanced=, text=, lines=, raw= }: lines without their
   codes, raw as they came */
static int lclient_reply(lua_State *L)
{
    lbind_push_reply(L, &check(L)->reply);
    return 1;
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
static int lclient_commands(lua_State *L)
{
    struct client *c = check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer at = (lua_Integer)lbind_size(L, 3, INT_MAX);
    lua_Integer behind = say_lines(L, c, 2, at, lbind_size(L, 4, CLIENT_QUEUE));
    if (behind < 0)
        return lbind_fail(L, (int)behind, c->text);
    lua_pushinteger(L, behind);
    return 1;
}

/* Adds the reply that has come to the list: a yes is its code alone. */
static void collect_reply(lua_State *L, struct lclient *c, int list)
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
static bool collected(lua_State *L, const struct lclient *c, size_t most)
{
    return c->machine.reply.code == 421 || lua_rawlen(L, 3) >= most ||
           buf_size(&c->said) > SAID_HIGH;
}

/*
 * collect(conn, list, most, patient) -> "replies" | "closed" | "read" | "write"
 *
 * As step, but adds replies to the list until it has most, or 421 came, or
 * said() has to be asked.
 */
static int lclient_collect(lua_State *L)
{
    struct client *c = check(L);
    struct conn *conn = luaL_checkudata(L, 2, LBIND_CONN);
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t most = lbind_size(L, 4, INT_MAX);
    bool patient = lua_toboolean(L, 5), wrote = false, asked = false;
    for (;;) {
        int result = client_next(c);
        if (result == CLIENT_REPLY) {
            collect_reply(L, (struct lclient *)c, 3);
            if (collected(L, (struct lclient *)c, most))
                return word(L, "replies");
            continue;
        }
        if (result != CLIENT_MORE)
            return event(L, c, result);
        int out = flush(c, conn, &wrote);
        if (out < 0)
            return broken(L, c, conn, out);
        bool wait = out == IO_DONE && !conn_pending(conn);
        if (wait && (asked || (wrote && !patient)))
            return word(L, "read");
        int in = fill(c, conn, wait && patient);
        if (in < 0)
            return broken(L, c, conn, in);
        if (in == IO_WANT_READ || in == IO_WANT_WRITE) {
            bool write = out == IO_WANT_WRITE || in == IO_WANT_WRITE;
            return word(L, write ? "write" : "read");
        }
        asked = true;
    }
}

/* said() -> what collect heard since, a line each with LF behind it */
static int lclient_said(lua_State *L)
{
    struct lclient *c = luaL_checkudata(L, 1, LCLIENT);
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
static int lclient_pour(lua_State *L)
{
    struct client *c = check(L);
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
    int read = fill(c, conn, false); /* for the reply that refuses the body */
    int result = read < 0 ? read : client_next(c);
    if (result < 0)
        return broken(L, c, conn, result);
    (void)(result == CLIENT_MORE ? word(L, "write") : event(L, c, result));
    return 2;
}

/* Adds the words of s to the list on the top of the stack. */
static void add_words(lua_State *L, struct span s)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    while (s.n) {
        struct span one = span_cut(&s, ' ');
        if (one.n) {
            lbind_push(L, one);
            lua_rawseti(L, -2, ++n);
        }
    }
}

/* offers() -> { KEYWORD = { word, ... } }: what the last EHLO was answered */
static int lclient_offers(lua_State *L)
{
    const struct client *c = check(L);
    struct span keyword, words;
    size_t at = 0;
    lua_newtable(L);
    while (client_offer(c, &at, &keyword, &words)) {
        luaL_Buffer name;
        luaL_buffinit(L, &name);
        for (size_t i = 0; i < keyword.n; i++)
            luaL_addchar(&name, ascii_upper(keyword.p[i]));
        luaL_pushresult(&name); /* offers name */
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) { /* offers name list|nil */
            lua_pop(L, 1);
            lua_newtable(L);
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, -5); /* offers name list */
        }
        add_words(L, words);
        lua_pop(L, 2);
    }
    return 1;
}

static int lclient_doubt(lua_State *L)
{
    lua_pushboolean(L, client_doubt(check(L)));
    return 1;
}

/* failed() -> whether the peer broke the protocol: nothing works any more;
   whether it did so with a whole reply, which reply() tells */
static int lclient_failed(lua_State *L)
{
    const struct client *c = check(L);
    lua_pushboolean(L, c->err < 0);
    lua_pushboolean(L, c->err < 0 && c->taken);
    return 2;
}

/* survey(octets) -> their size with CRLF as line ends, whether any is 8-bit,
   how many at their head go out as they are */
static int lclient_survey(lua_State *L)
{
    struct client_survey s = client_survey(*lbind_kernel(L), lbind_check(L, 1));
    lua_pushinteger(L, (lua_Integer)s.size);
    lua_pushboolean(L, s.eight_bit);
    lua_pushinteger(L, (lua_Integer)s.plain);
    return 3;
}

/* parameter(keyword, value) -> whether its RFC allows this value; "": none */
static int lclient_parameter(lua_State *L)
{
    lua_pushboolean(L, esmtp_value(lbind_check(L, 1), lbind_check(L, 2)));
    return 1;
}

/* due() -> how many replies are due, whether a body may be written */
static int lclient_due(lua_State *L)
{
    const struct client *c = check(L);
    size_t more = c->finals ? c->finals - 1 : 0; /* LMTP */
    lua_pushinteger(L, (lua_Integer)(c->due + more));
    lua_pushboolean(L, c->state == CLIENT_BODY);
    return 2;
}

/* finals() -> how many replies are due for the body as a whole */
static int lclient_finals(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->finals);
    return 1;
}

/* clang-format off */
static const luaL_Reg methods[] = {
    {"command", lclient_command},
    {"raw", lclient_raw},
    {"body", lclient_body},
    {"chunk", lclient_chunk},
    {"finals", lclient_finals},
    {"starttls", lclient_starttls},
    {"next", lclient_next},
    {"feed", lclient_feed},
    {"finish", lclient_finish},
    {"output", lclient_output},
    {"step", lclient_step},
    {"peek", lclient_peek},
    {"commands", lclient_commands},
    {"collect", lclient_collect},
    {"said", lclient_said},
    {"pour", lclient_pour},
    {"reply", lclient_reply},
    {"offers", lclient_offers},
    {"doubt", lclient_doubt},
    {"due", lclient_due},
    {"failed", lclient_failed},
    {NULL, NULL},
};
/* clang-format on */

static const luaL_Reg functions[] = {
    {"new", lclient_new},
    {"survey", lclient_survey},
    {"parameter", lclient_parameter},
    {"write_reply", lbind_write_reply},
    {NULL, NULL},
};

int lbind_open_client(lua_State *L)
{
    lbind_type(L, LCLIENT, methods, NULL, lclient_drop);
    lbind_open_reply(L);
    luaL_newlib(L, functions);
    return 1;
}
