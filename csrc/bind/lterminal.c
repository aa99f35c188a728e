/*
 * lterminal - lunapost.core.terminal
 *
 * terminal.raw(fd) -> raw, or nil where it is no terminal; raw:restore(), also
 * when it is closed or collected; raw:read() -> octets, nil at the end of
 * input; terminal.columns(fd).
 *
 * Owns: the terminal's settings while it is raw. Fails with: see terminal.h.
 * I/O: see terminal.h.
 */
#include "../net/terminal.h"
#include "lbind.h"

#define TYPE_RAW "lunapost.raw_terminal"

enum { KEYS = 4096 };

static int lterminal_fd(lua_State *L, int arg)
{
    return (int)lbind_size(L, arg, 1 << 20);
}

static int lterminal_raw(lua_State *L)
{
    int fd = lterminal_fd(L, 1);
    struct terminal *t = lbind_new(L, sizeof *t, TYPE_RAW, 0);
    return terminal_raw(t, fd) < 0 ? 0 : 1;
}

static struct terminal *lterminal_check(lua_State *L)
{
    return luaL_checkudata(L, 1, TYPE_RAW);
}

static int lterminal_restore(lua_State *L)
{
    terminal_restore(lterminal_check(L));
    return 0;
}

static int lterminal_read(lua_State *L)
{
    struct terminal *t = lterminal_check(L);
    char keys[KEYS];
    size_t n = 0;
    luaL_argcheck(L, t->raw, 1, "the terminal is restored");
    if (terminal_read(t->fd, keys, sizeof keys, &n) < 0 || n == 0)
        return 0;
    lua_pushlstring(L, keys, n);
    return 1;
}

static int lterminal_columns(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)terminal_columns(lterminal_fd(L, 1)));
    return 1;
}

static const luaL_Reg raw_methods[] = {
    {"restore", lterminal_restore},
    {"read", lterminal_read},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"raw", lterminal_raw},
    {"columns", lterminal_columns},
    {NULL, NULL},
};

int lbind_open_terminal(lua_State *L)
{
    lbind_type(L, TYPE_RAW, raw_methods, NULL, lterminal_restore);
    luaL_newlib(L, functions);
    return 1;
}
