/*
 * allocations - counts what a process asks malloc and realloc for
 *
 * Preloaded before a Lua; package.loadlib(path, "allocations") gives a
 * function that returns how many times, and how many octets in all;
 * (path, "fail") one that makes the nth realloc from now on fail, 0: the next.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lua.h>
#include <stddef.h>

static lua_Integer times, octets, left = -1;

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
    if (n && left >= 0 && left-- == 0)
        return NULL;
    return next(p, n);
}

int allocations(lua_State *L)
{
    lua_pushinteger(L, times);
    lua_pushinteger(L, octets);
    return 2;
}

int fail(lua_State *L)
{
    left = lua_tointeger(L, 1);
    return 0;
}
