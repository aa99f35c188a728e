/*
 * lreply - replies of SMTP as Lua tables, and as octets
 *
 * Owns: the buf of what is written, in a userdata. Fails with: ERR_SYNTAX,
 * ERR_LIMIT. I/O: none.
 */
#include "../core/reply.h"
#include "lbind.h"

#define LREPLY   "lunapost.reply"
#define LWRITTEN "lunapost.client.written"

/* Pushes the words of all lines, LF between them. */
static void push_text(lua_State *L, const struct reply *r)
{
    struct span line;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (size_t at = 0; reply_line(r, &at, &line);) {
        struct span words = reply_words(r, line);
        if (words.n)
            luaL_addlstring(&text, words.p, words.n);
        if (at < buf_size(&r->lines))
            luaL_addchar(&text, '\n');
    }
    luaL_pushresult(&text);
}

/* The last of the reply at the top. */
static void finish_reply(lua_State *L, const struct reply *r)
{
    lua_pushinteger(L, r->code);
    lua_setfield(L, -2, "code");
    if (r->enhanced[0]) {
        lua_pushstring(L, r->enhanced);
        lua_setfield(L, -2, "enhanced");
    }
    luaL_setmetatable(L, LREPLY);
}

void lbind_push_reply(lua_State *L, const struct reply *r)
{
    struct span line;
    size_t at = 0, n = 0;
    lua_createtable(L, 0, r->enhanced[0] ? 5 : 4);
    lua_createtable(L, 1, 0);
    lua_createtable(L, 1, 0); /* reply lines raw */
    while (reply_line(r, &at, &line)) {
        n++;
        lbind_push(L, line);
        lua_rawseti(L, -2, (lua_Integer)n);
        lbind_push(L, reply_words(r, line));
        lua_rawseti(L, -3, (lua_Integer)n);
    }
    lua_setfield(L, -3, "raw"); /* reply lines */
    if (n == 1)
        lua_rawgeti(L, -1, 1);
    else
        push_text(L, r);
    lua_setfield(L, -3, "text");
    lua_setfield(L, -2, "lines"); /* reply */
    finish_reply(L, r);
}

void lbind_push_brief_reply(lua_State *L, const struct reply *r)
{
    struct span line;
    size_t at = 0;
    if (!reply_line(r, &at, &line) || at < buf_size(&r->lines)) {
        lbind_push_reply(L, r);
        return;
    }
    lua_createtable(L, 0, 4); /* reply */
    lbind_push(L, line);
    lua_setfield(L, -2, "said");
    lbind_push(L, reply_words(r, line));
    lua_setfield(L, -2, "text");
    finish_reply(L, r);
}

void lbind_push_heard(lua_State *L, const struct reply *r)
{
    if (r->code < 300 || r->code == 354)
        lua_pushinteger(L, r->code);
    else
        lbind_push_reply(L, r);
}

static int written_drop(lua_State *L)
{
    buf_free(luaL_checkudata(L, 1, LWRITTEN));
    return 0;
}

/* write_reply(code, enhanced, text) -> octets, as a server sends them */
int lbind_write_reply(lua_State *L)
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

void lbind_open_reply(lua_State *L)
{
    luaL_newmetatable(L, LREPLY);
    lua_setfield(L, -2, "reply_meta");
    lbind_type(L, LWRITTEN, NULL, NULL, written_drop);
}
