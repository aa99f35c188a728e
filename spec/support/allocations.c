/*
 * allocations - counts what a process asks malloc and realloc for
 *
 * Preloaded before a Lua; package.loadlib(path, "allocations") gives a
 * function that returns how many times, and how many octets in all.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lua.h>
#include <stddef.h>

static lua_Integer times, octets;

static void count(size_t n)
{
    times++;
    octets += (lua_Integer)n;
}

void *malloc(size_t n)
{
    static void *(*next)(size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    count(n);
    return next(n);
}

void *realloc(void *p, size_t n)
{
    static void *(*next)(void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "realloc");
    count(n);
    return next(p, n);
}

int allocations(lua_State *L)
{
    lua_pushinteger(L, times);
    lua_pushinteger(L, octets);
    return 2;
}
