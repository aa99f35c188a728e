/*
 * lsystem - lunapost.core.system
 */
#include "lbind.h"

static const luaL_Reg functions[] = {
    {NULL, NULL},
};

int lbind_open_system(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
