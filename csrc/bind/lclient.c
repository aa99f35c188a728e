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
#include "../core/ascii.h"
#include "../core/client.h"
#include "../net/conn.h"
#include "lbind.h"

#define LCLIENT  "lunapost.client"
#define LWRITTEN "lunapost.client.written"

static struct client *check(lua_State *L)
{
    return luaL_checkudata(L, 1, LCLIENT);
}

static int lclient_new(lua_State *L)
{
    struct client *c = lbind_new(L, sizeof *c, LCLIENT, 0);
    client_init(c);
    c->kernel = *lbind_kernel(L);
    return 1;
}

static int lclient_drop(lua_State *L)
{
    client_free(check(L));
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

static int fill(struct client *c, struct conn *conn)
{
    size_t room, n;
    char *p = client_space(c, &room);
    if (!p)
        return c->err;
    int io = conn_read(conn, p, room, &n);
    if (io == IO_DONE)
        client_filled(c, n);
    else if (io == IO_EOF)
        client_end(c);
    return io;
}

static int broken(lua_State *L, const struct client *c, const struct conn *conn,
                  int err)
{
    return lbind_fail(L, err, c->err ? c->text : conn->text);
}

/*
 * step(conn [, flushing]) -> "reply" | "closed" | "read" | "write" | "done"
 *
 * Sends what waits, then reads: after a write only when bytes are known to
 * be here, so that each wait is followed by one read. With flushing it ends
 * with "done" once all is sent. While sending is blocked it reads too, for
 * the reply that refuses a body before its end.
 */
static int lclient_step(lua_State *L)
{
    struct client *c = check(L);
    struct conn *conn = luaL_checkudata(L, 2, LBIND_CONN);
    bool flushing = lua_toboolean(L, 3);
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
        if (out == IO_DONE && (wrote || asked) && !conn_pending(conn))
            return word(L, "read");
        int in = fill(c, conn);
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
    if (result == CLIENT_MORE) {
        if (c->state == CLIENT_BODY)
            conn_quickack(conn);
        int in = fill(c, conn);
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
    const struct reply *r = &check(L)->reply;
    struct span line;
    size_t at = 0;
    luaL_Buffer text;
    lua_createtable(L, 0, 5);
    lua_newtable(L);
    lua_newtable(L); /* reply lines raw */
    for (lua_Integer i = 1; reply_line(r, &at, &line); i++) {
        lbind_push(L, line);
        lua_rawseti(L, -2, i);
        lbind_push(L, reply_words(r, line));
        lua_rawseti(L, -3, i);
    }
    lua_setfield(L, -3, "raw");   /* reply lines */
    lua_setfield(L, -2, "lines"); /* reply */
    luaL_buffinit(L, &text);
    for (at = 0; reply_line(r, &at, &line);) {
        struct span words = reply_words(r, line);
        if (words.n)
            luaL_addlstring(&text, words.p, words.n);
        if (at < buf_size(&r->lines))
            luaL_addchar(&text, '\n');
    }
    luaL_pushresult(&text);
    lua_setfield(L, -2, "text");
    lua_pushinteger(L, r->code);
    lua_setfield(L, -2, "code");
    if (r->enhanced[0]) {
        lua_pushstring(L, r->enhanced);
        lua_setfield(L, -2, "enhanced");
    }
    return 1;
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

/* survey(octets) -> their size with CRLF as line ends, whether any is 8-bit */
static int lclient_survey(lua_State *L)
{
    bool eight_bit;
    size_t n = client_survey(*lbind_kernel(L), lbind_check(L, 1), &eight_bit);
    lua_pushinteger(L, (lua_Integer)n);
    lua_pushboolean(L, eight_bit);
    return 2;
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

static int written_drop(lua_State *L)
{
    buf_free(luaL_checkudata(L, 1, LWRITTEN));
    return 0;
}

/* write_reply(code, enhanced, text) -> octets, as a server sends them */
static int lclient_write_reply(lua_State *L)
{
    struct span enhanced = lbind_check(L, 2), text = lbind_check(L, 3);
    int code = (int)lbind_size(L, 1, 999);
    struct buf *b = lbind_new(L, sizeof *b, LWRITTEN, 0);
    buf_init(b, REPLY_MOST);
    int err = reply_write(b, code, enhanced, text);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(b));
    buf_free(b);
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
    {"write_reply", lclient_write_reply},
    {NULL, NULL},
};

int lbind_open_client(lua_State *L)
{
    lbind_type(L, LCLIENT, methods, NULL, lclient_drop);
    lbind_type(L, LWRITTEN, NULL, NULL, written_drop);
    luaL_newlib(L, functions);
    return 1;
}
