/*
 * lreply - replies of SMTP as Lua tables, and as octets
 *
 * Owns: the buf of what is written, in a userdata. Fails with: ERR_SYNTAX,
 * ERR_LIMIT. I/O: none.
 */
#include "../core/reply.h"
#include "lbind.h"

#define LWRITTEN "lunapost.client.written"

void lbind_push_reply(lua_State *L, const struct reply *r)
{
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
    lbind_type(L, LWRITTEN, NULL, NULL, written_drop);
}
