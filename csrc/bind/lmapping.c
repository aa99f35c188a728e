/*
 * lmapping - lunapost.core.mapping: files mapped into memory
 *
 * mapping.open(path) -> mapping | nil, text; #mapping. Messages are read from
 * one as from a string. Its memory is given back when nothing refers to it.
 *
 * Owns: the mapping, in a userdata. Fails with: nil, text. I/O: see mapping.h.
 */
#include "../net/mapping.h"
#include "lbind.h"

#define MAPPING "lunapost.mapping"

static int mapping_drop(lua_State *L)
{
    mapping_close(luaL_checkudata(L, 1, MAPPING));
    return 0;
}

static int l_mapping_open(lua_State *L)
{
    struct span path = lbind_check(L, 1);
    char text[SOCK_TEXT] = "";
    luaL_argcheck(L, strlen(path.p) == path.n, 1, "contains a NUL");
    struct mapping *m = lbind_new(L, sizeof *m, MAPPING, 0);
    if (mapping_open(m, path.p, text) < 0) {
        lua_pushnil(L);
        lua_pushstring(L, text);
        return 2;
    }
    return 1;
}

const struct mapping *lbind_mapping(lua_State *L, int arg, struct span *bytes)
{
    const struct mapping *m = luaL_testudata(L, arg, MAPPING);
    if (m)
        *bytes = m->bytes;
    return m;
}

void lbind_mapped(lua_State *L, const struct mapping *m, struct span bytes)
{
    if (bytes.n && !m->bytes.p)
        luaL_error(L, "the mapping is closed");
}

static int mapping_length(lua_State *L)
{
    struct mapping *m = luaL_checkudata(L, 1, MAPPING);
    lua_pushinteger(L, (lua_Integer)m->bytes.n);
    return 1;
}

static const luaL_Reg meta[] = {{"__len", mapping_length}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"open", l_mapping_open}, {NULL, NULL}};

int lbind_open_mapping(lua_State *L)
{
    lbind_type(L, MAPPING, NULL, meta, mapping_drop);
    luaL_newlib(L, functions);
    return 1;
}
