/*
 * lkernel - which kernel the codecs of a Lua state run
 *
 * Who asks first makes the choice: the best that the processor has, or the
 * one that the environment's LUNAPOST_KERNEL pins. The registry keeps it, so
 * that each Lua state has its own.
 *
 * Owns: nothing. Fails with: raises when the pinned one is not here. I/O:
 * reads the environment.
 */
#include <stdlib.h>

#include "../core/kernel.h"
#include "lbind.h"

#define KERNEL "lunapost.kernel"

const struct kernel *lbind_kernel_find(const char *name)
{
    for (const struct kernel *const *k = kernels; *k; k++)
        if ((!name || strcmp(name, (*k)->name) == 0) && kernel_here(*k))
            return *k;
    return NULL;
}

const struct kernel **lbind_kernel(lua_State *L)
{
    const struct kernel **kept;
    if (lua_getfield(L, LUA_REGISTRYINDEX, KERNEL) == LUA_TNIL) { /* nil */
        const char *pinned = getenv("LUNAPOST_KERNEL");
        kept = lua_newuserdatauv(L, sizeof *kept, 0); /* nil kept */
        *kept = lbind_kernel_find(pinned);
        if (!*kept)
            luaL_error(L, "LUNAPOST_KERNEL: no kernel '%s' here", pinned);
        lua_setfield(L, LUA_REGISTRYINDEX, KERNEL); /* nil */
        lua_pop(L, 1);
        return kept;
    }
    kept = lua_touserdata(L, -1); /* kept */
    lua_pop(L, 1);
    return kept;
}
