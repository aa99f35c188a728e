/*
 * lidn - lunapost.core.idn: domains in any script, in ASCII
 *
 * idn.open(file name) -> library | nil, kind, text
 * library:ascii(domain) -> domain in A-labels | nil, kind, text
 *
 * Owns: the loaded library, in its userdata. Fails with: see idn.h.
 * I/O: the dynamic loader.
 */
#include "../net/idn.h"
#include "lbind.h"

#define LIDN_TYPE "lunapost.idn"

static int lidn_drop(lua_State *L)
{
    idn_close(luaL_checkudata(L, 1, LIDN_TYPE));
    return 0;
}

/* A string without NUL inside. */
static const char *words(lua_State *L, int arg)
{
    struct span s = lbind_check(L, arg);
    luaL_argcheck(L, strlen(s.p) == s.n, arg, "contains a NUL");
    return s.p;
}

static int lidn_open(lua_State *L)
{
    char text[IDN_TEXT];
    const char *name = words(L, 1);
    struct idn *idn = lbind_new(L, sizeof *idn, LIDN_TYPE, 0);
    int err = idn_open(idn, name, text);
    return err < 0 ? lbind_fail(L, err, text) : 1;
}

static int lidn_ascii(lua_State *L)
{
    const struct idn *idn = luaL_checkudata(L, 1, LIDN_TYPE);
    const char *domain = words(L, 2);
    char out[IDN_DOMAIN], text[IDN_TEXT];
    luaL_argcheck(L, idn->library, 1, "is closed");
    int err = idn_ascii(idn, domain, out, text);
    if (err < 0)
        return lbind_fail(L, err, text);
    lua_pushstring(L, out);
    return 1;
}

static const luaL_Reg methods[] = {{"ascii", lidn_ascii}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"open", lidn_open}, {NULL, NULL}};

int lbind_open_idn(lua_State *L)
{
    lbind_type(L, LIDN_TYPE, methods, NULL, lidn_drop);
    luaL_newlib(L, functions);
    return 1;
}
