/*
 * lclient - lunapost.core.client: the client machine, without a conn
 *
 * new() gives a machine. Its calls that the peer or the machine can refuse
 * return nil, kind, text. Those that send and receive are in lexchange.c and
 * lpost.c.
 *
 * Owns: struct client in its userdata. Fails with: raises on misuse and on
 * memory. I/O: none.
 */
#include "../core/ascii.h"
#include "../core/esmtp.h"
#include "../core/survey.h"
#include "lbind.h"

enum { SAID_MOST = 1 << 20 }; /* no reply is longer */

static struct client *check(lua_State *L)
{
    return lbind_self(L, LBIND_CLIENT);
}

static int lclient_new(lua_State *L)
{
    struct lbind_client *c = lbind_new(L, sizeof *c, LBIND_CLIENT, 0);
    client_init(&c->over.machine);
    buf_init(&c->said, SAID_MOST);
    posting_init(&c->posting);
    c->over.machine.kernel = *lbind_kernel(L);
    return 1;
}

static int lclient_drop(lua_State *L)
{
    struct lbind_client *c = luaL_checkudata(L, 1, LBIND_CLIENT);
    client_free(&c->over.machine);
    buf_free(&c->said);
    posting_free(&c->posting);
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

/* base64(octets, at) -> the position behind what was taken */
static int lclient_base64(lua_State *L)
{
    struct client *c = check(L);
    struct span in = lbind_check(L, 2);
    size_t at = lbind_size(L, 3, in.n + 1), taken;
    luaL_argcheck(L, at > 0, 3, "out of range");
    int result = client_base64(c, span_skip(in, at - 1), &taken);
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

/* reply() -> { code=, enhanced=, text=, lines=, raw= }: lines without their
   codes, raw as they came */
static int lclient_reply(lua_State *L)
{
    lbind_push_reply(L, &check(L)->reply);
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

/* rest() -> the lines of a reply that has not ended, LF behind each; octets
   behind them that are no line yet, or none that can be taken */
static int lclient_rest(lua_State *L)
{
    enum { MOST = REPLY_LINE_MOST + 1 };
    const struct client *c = check(L);
    struct span lines = buf_span(&c->reply.lines), octets = buf_span(&c->in);
    size_t n = c->reply.whole ? 0 : lines.n;
    lbind_push(L, span_of(lines.p, n < MOST ? n : MOST));
    lbind_push(L, span_of(octets.p, octets.n < MOST ? octets.n : MOST));
    return 2;
}

/* survey(octets) -> their size with CRLF as line ends, whether any is 8-bit,
   how many at their head go out as they are */
static int lclient_survey(lua_State *L)
{
    struct survey s = lbind_survey(L, 1);
    lua_pushinteger(L, (lua_Integer)s.size);
    lua_pushboolean(L, s.eight_bit);
    lua_pushinteger(L, (lua_Integer)s.plain);
    return 3;
}

/* says_binary(octets) -> whether a message says of itself that it is binary */
static int lclient_says_binary(lua_State *L)
{
    lua_pushboolean(L, survey_binary(lbind_check(L, 1)));
    return 1;
}

/* bare(address) -> whether it may stand in angle brackets as it is */
static int lclient_bare(lua_State *L)
{
    lua_pushboolean(L, posting_bare(lbind_check(L, 1)));
    return 1;
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
    {"base64", lclient_base64},
    {"chunk", lclient_chunk},
    {"finals", lclient_finals},
    {"starttls", lclient_starttls},
    {"next", lclient_next},
    {"feed", lclient_feed},
    {"finish", lclient_finish},
    {"output", lclient_output},
    {"reply", lclient_reply},
    {"offers", lclient_offers},
    {"doubt", lclient_doubt},
    {"due", lclient_due},
    {"failed", lclient_failed},
    {"rest", lclient_rest},
    {NULL, NULL},
};
/* clang-format on */

static const luaL_Reg functions[] = {
    {"new", lclient_new},
    {"survey", lclient_survey},
    {"says_binary", lclient_says_binary},
    {"bare", lclient_bare},
    {"parameter", lclient_parameter},
    {"write_reply", lbind_write_reply},
    {NULL, NULL},
};

int lbind_open_client(lua_State *L)
{
    lbind_type(L, LBIND_CLIENT, methods, NULL, lclient_drop);
    lbind_open_exchange(L);
    lbind_open_post(L);
    luaL_newlib(L, functions);
    lbind_open_reply(L);
    return 1;
}
