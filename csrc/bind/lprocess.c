/*
 * lprocess - lunapost.core.process
 *
 * process.fork() -> pid, or 0 in the child; process.reap() -> pid, code of a
 * child that has ended, or nil; process.terminate(pid[, force]) -> true.
 * Failing is nil, text.
 *
 * Owns: nothing. Fails with: see process.h. I/O: see process.h.
 */
#include "../net/process.h"
#include "lbind.h"

static int lprocess_fail(lua_State *L, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

static int lprocess_fork(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    long pid = process_fork(text);
    if (pid < 0)
        return lprocess_fail(L, text);
    lua_pushinteger(L, (lua_Integer)pid);
    return 1;
}

static int lprocess_reap(lua_State *L)
{
    int code = 0;
    long pid = process_reap(&code);
    if (pid == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)pid);
    lua_pushinteger(L, code);
    return 2;
}

static int lprocess_terminate(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    lua_Integer pid = luaL_checkinteger(L, 1);
    luaL_argcheck(L, pid > 1 && pid <= 1 << 30, 1, "not a child");
    if (process_end((long)pid, lua_toboolean(L, 2), text) < 0)
        return lprocess_fail(L, text);
    lua_pushboolean(L, 1);
    return 1;
}

static const luaL_Reg functions[] = {
    {"fork", lprocess_fork},
    {"reap", lprocess_reap},
    {"terminate", lprocess_terminate},
    {NULL, NULL},
};

int lbind_open_process(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
