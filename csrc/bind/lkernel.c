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
    const struct kernel *best_first[2];
    size_t n = 0;
#if KERNEL_AVX2
    if (__builtin_cpu_supports("avx2"))
        best_first[n++] = &kernel_avx2;
#endif
    best_first[n++] = &kernel_scalar;
    for (size_t i = 0; i < n; i++)
        if (!name || strcmp(name, best_first[i]->name) == 0)
            return best_first[i];
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
