/*
 * lmain - lunapost.core: the table of the bindings' tables
 *
 * The object is pinned in memory once loaded: OpenSSL keeps pointers into
 * it, and a resolver's thread may outlive lua_close.
 *
 * Owns: nothing. Fails with: raises on memory. I/O: none.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "lbind.h"

static const luaL_Reg parts[] = {
    {"codec", lbind_open_codec},
    {"call", lbind_open_call},
    {"stream", lbind_open_stream},
    {"mime", lbind_open_mime},
    {"parts", lbind_open_parts},
    {"part", lbind_open_part},
    {"compose", lbind_open_compose},
    {"server", lbind_open_server},
    {"client", lbind_open_client},
    {"net", lbind_open_net},
    {"loop", lbind_open_loop},
    {"alarm", lbind_open_alarm},
    {"crypto", lbind_open_crypto},
    {"system", lbind_open_system},
    {"resolver", lbind_open_resolver},
    {"dns", lbind_open_dns},
    {"process", lbind_open_process},
    {"terminal", lbind_open_terminal},
    {"idn", lbind_open_idn},
    {"mapping", lbind_open_mapping},
    {NULL, NULL},
};

static void pin(void)
{
    Dl_info info;
    if (dladdr((const void *)parts, &info) && info.dli_fname)
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

__attribute__((visibility("default"))) int luaopen_lunapost_core(lua_State *L);

int luaopen_lunapost_core(lua_State *L)
{
    pin();
    lua_newtable(L); /* core */
    for (const luaL_Reg *part = parts; part->name; part++) {
        lua_pushcfunction(L, part->func);
        lua_call(L, 0, 1); /* core part */
        lua_setfield(L, -2, part->name);
    }
    return 1;
}
