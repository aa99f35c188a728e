/*
 * lbind - what the bindings share; see lbind.h
 */
#include "lbind.h"

void lbind_type(lua_State *L, const char *type, const luaL_Reg *methods,
                const luaL_Reg *meta, lua_CFunction drop)
{
    luaL_newmetatable(L, type); /* mt */
    if (meta)
        luaL_setfuncs(L, meta, 0);
    if (methods) {
        lua_newtable(L); /* mt index */
        lua_pushvalue(L, -2);
        luaL_setfuncs(L, methods, 1);   /* each knows its type: lbind_self */
        lua_setfield(L, -2, "__index"); /* mt */
    }
    if (drop) {
        lua_pushcfunction(L, drop);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "__gc");
        lua_setfield(L, -2, "__close");
    }
    lua_pop(L, 1);
}

void lbind_extend(lua_State *L, const char *type, const luaL_Reg *methods)
{
    luaL_getmetatable(L, type);
    lua_getfield(L, -1, "__index"); /* mt index */
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, methods, 1); /* each knows its type */
    lua_pop(L, 2);
}

void *lbind_new(lua_State *L, size_t size, const char *type, int uservalues)
{
    void *p = lua_newuserdatauv(L, size, uservalues);
    memset(p, 0, size);
    luaL_setmetatable(L, type);
    return p;
}

void lbind_export(lua_State *L, const char *type, const luaL_Reg *methods)
{
    luaL_getmetatable(L, type); /* table mt */
    luaL_setfuncs(L, methods, 1);
}

void *lbind_self(lua_State *L, const char *type)
{
    if (lua_isuserdata(L, 1) && lua_getmetatable(L, 1)) { /* mt */
        bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
        lua_pop(L, 1);
        if (same)
            return lua_touserdata(L, 1);
    }
    return luaL_checkudata(L, 1, type);
}

void lbind_push(lua_State *L, struct span s)
{
    lua_pushlstring(L, s.p ? s.p : "", s.n);
}

struct span lbind_check(lua_State *L, int arg)
{
    size_t n;
    const char *p = luaL_checklstring(L, arg, &n);
    return span_of(p, n);
}

struct span lbind_optional(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? span_of(NULL, 0) : lbind_check(L, arg);
}

size_t lbind_size(lua_State *L, int arg, size_t max)
{
    lua_Integer n = luaL_checkinteger(L, arg);
    luaL_argcheck(L, n >= 0 && (lua_Unsigned)n <= max, arg, "out of range");
    return (size_t)n;
}

size_t lbind_field_size(lua_State *L, int table, const char *name,
                        size_t fallback)
{
    size_t n = fallback;
    if (lua_getfield(L, table, name) != LUA_TNIL) { /* value */
        int ok;
        lua_Integer v = lua_tointegerx(L, -1, &ok);
        if (!ok || v < 0)
            luaL_error(L, "option '%s' must be an integer of 0 or more", name);
        n = (size_t)v;
    }
    lua_pop(L, 1);
    return n;
}

bool lbind_field_bool(lua_State *L, int table, const char *name, bool fallback)
{
    bool b = fallback;
    if (lua_getfield(L, table, name) != LUA_TNIL) /* value */
        b = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return b;
}

struct span lbind_field(lua_State *L, int table, const char *name)
{
    struct span s = {NULL, 0};
    if (lua_getfield(L, table, name) != LUA_TNIL) { /* value */
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "option '%s' must be a string", name);
        s.p = lua_tolstring(L, -1, &s.n);
    }
    lua_pop(L, 1);
    return s;
}

int lbind_fail(lua_State *L, int err, const char *text)
{
    if (err == ERR_MEMORY)
        return luaL_error(L, "not enough memory");
    lua_pushnil(L);
    lua_pushstring(L, err_kind(err));
    lua_pushstring(L, text ? text : err_text(err));
    return 3;
}
