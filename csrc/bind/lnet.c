/*
 * lnet - lunapost.core.net
 */
#include "lbind.h"

static const luaL_Reg functions[] = {
    {NULL, NULL},
};

int lbind_open_net(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
