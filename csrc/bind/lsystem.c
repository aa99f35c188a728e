/*
 * lsystem - lunapost.core.system
 *
 * Owns: nothing. Fails with: see system.h. I/O: see system.h.
 */
#include "lbind.h"

#include "../net/system.h"

static int lsystem_pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)system_pid());
    return 1;
}

static const luaL_Reg functions[] = {
    {"pid", lsystem_pid},
    {NULL, NULL},
};

int lbind_open_system(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
