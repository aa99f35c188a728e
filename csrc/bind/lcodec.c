/*
 * lcodec - lunapost.core.codec
 */
#include "lbind.h"

static const luaL_Reg functions[] = {
    {NULL, NULL},
};

int lbind_open_codec(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
