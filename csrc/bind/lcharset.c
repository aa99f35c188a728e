/*
 * lcharset - the descriptors of iconv that a Lua state keeps open
 *
 * Owns: the store, in a userdata of the registry. Fails with: raises on
 * memory. I/O: none.
 */
#include "../core/charset.h"
#include "lbind.h"

#define STORE "lunapost.charsets"
#define KEPT  "lunapost.charsets.kept"

static int store_drop(lua_State *L)
{
    charset_store_free(luaL_checkudata(L, 1, STORE));
    return 0;
}

struct charset_store *lbind_charsets(lua_State *L)
{
    struct charset_store *store;
    if (lua_getfield(L, LUA_REGISTRYINDEX, KEPT) == LUA_TNIL) { /* nil */
        lbind_type(L, STORE, NULL, NULL, store_drop);
        lua_pop(L, 1);
        lbind_new(L, sizeof *store, STORE, 0); /* kept */
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, KEPT);
    }
    store = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return store;
}
