/*
 * lalarm - lunapost.core.alarm: a descriptor that is readable in time
 *
 * alarm.new() -> alarm | nil, kind, text
 * alarm:fd()   alarm:set(seconds | nil)  nil: never   alarm:close()
 *
 * Owns: the descriptor, in userdata. Fails with: see alarm.h. I/O: see
 * alarm.h.
 */
#include <math.h>

#include "lbind.h"

#include "../net/alarm.h"

#define TYPE "lunapost.alarm"

static int lalarm_new(lua_State *L)
{
    struct alarm *a = lbind_new(L, sizeof *a, TYPE, 0);
    alarm_init(a);
    if (alarm_open(a) < 0)
        return lbind_fail(L, ERR_SYSTEM, "no timer as a descriptor here");
    return 1;
}

static int lalarm_drop(lua_State *L)
{
    struct alarm *a = luaL_checkudata(L, 1, TYPE);
    if (a->fd >= 0)
        lbind_forget(L, a->fd);
    alarm_close(a);
    return 0;
}

static int lalarm_fd(lua_State *L)
{
    struct alarm *a = luaL_checkudata(L, 1, TYPE);
    lua_pushinteger(L, a->fd);
    return 1;
}

static int lalarm_set(lua_State *L)
{
    struct alarm *a = luaL_checkudata(L, 1, TYPE);
    double seconds = luaL_optnumber(L, 2, HUGE_VAL);
    luaL_argcheck(L, seconds == seconds, 2, "not a number of seconds");
    luaL_argcheck(L, a->fd >= 0, 1, "the alarm is closed");
    if (alarm_set(a, seconds) < 0)
        return luaL_error(L, "the alarm cannot be set");
    return 0;
}

static const luaL_Reg methods[] = {
    {"fd", lalarm_fd},
    {"set", lalarm_set},
    {"close", lalarm_drop},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", lalarm_new},
    {NULL, NULL},
};

int lbind_open_alarm(lua_State *L)
{
    lbind_type(L, TYPE, methods, NULL, lalarm_drop);
    luaL_newlib(L, functions);
    return 1;
}
