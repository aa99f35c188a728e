/*
 * lprocess - lunapost.core.process
 *
 * process.fork() -> pid, or 0 in the child; process.reap() -> pid, code of a
 * child that has ended, or nil; process.terminate(pid[, force]) -> true.
 * Failing is nil, text.
 *
 * process.start(words[, errors]) -> conn, child: a program, words[1], and the
 * connection that is its standard input and output, with errors its standard
 * error, too. Failing is nil, kind, text. child:ended() -> code or nil;
 * child:terminate([force]); child:pid().
 *
 * Owns: children, in userdata. Fails with: see process.h, child.h. I/O: see
 * process.h, child.h.
 */
#include "../net/child.h"
#include "../net/conn.h"
#include "../net/process.h"
#include "lbind.h"

#define TYPE_CHILD "lunapost.child"

static int lprocess_fail(lua_State *L, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

static int lprocess_fork(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    long pid = process_fork(text);
    if (pid < 0)
        return lprocess_fail(L, text);
    lua_pushinteger(L, (lua_Integer)pid);
    return 1;
}

static int lprocess_reap(lua_State *L)
{
    int code = 0;
    long pid = process_reap(&code);
    if (pid == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)pid);
    lua_pushinteger(L, code);
    return 2;
}

static int lprocess_terminate(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    lua_Integer pid = luaL_checkinteger(L, 1);
    luaL_argcheck(L, pid > 1 && pid <= 1 << 30, 1, "not a child");
    if (process_end((long)pid, lua_toboolean(L, 2), text) < 0)
        return lprocess_fail(L, text);
    lua_pushboolean(L, 1);
    return 1;
}

enum { WORDS = 4096 };

/* The words of a command as a vector in a userdata, at the top of the stack.
   They are borrowed from the table. */
static char **lprocess_words(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    size_t n = (size_t)lua_rawlen(L, arg);
    luaL_argcheck(L, n >= 1 && n <= WORDS, arg, "1 to 4096 words are expected");
    char **words = lua_newuserdatauv(L, (n + 1) * sizeof *words, 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, arg, (lua_Integer)i + 1); /* ... words word */
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, arg,
                      "each word must be a string");
        size_t size;
        const char *word = lua_tolstring(L, -1, &size);
        luaL_argcheck(L, strlen(word) == size, arg, "contains a NUL");
        memcpy(&words[i], &word, sizeof word); /* posix_spawn wants no const */
        lua_pop(L, 1);
    }
    words[n] = NULL;
    return words;
}

static int lprocess_start(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    bool errors = lua_toboolean(L, 2);
    char **words = lprocess_words(L, 1); /* ... words */
    struct conn *conn = lbind_new(L, sizeof *conn, LBIND_CONN, 0);
    conn_init(conn, -1);
    struct child *child = lbind_new(L, sizeof *child, TYPE_CHILD, 0);
    int err = child_start(child, words, errors, &conn->fd, text);
    return err < 0 ? lbind_fail(L, err, text) : 2;
}

static struct child *lprocess_child(lua_State *L)
{
    return luaL_checkudata(L, 1, TYPE_CHILD);
}

static int lchild_ended(lua_State *L)
{
    struct child *c = lprocess_child(L);
    if (!child_ended(c))
        return 0;
    lua_pushinteger(L, c->code);
    return 1;
}

static int lchild_terminate(lua_State *L)
{
    child_signal(lprocess_child(L), lua_toboolean(L, 2));
    return 0;
}

static int lchild_pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lprocess_child(L)->pid);
    return 1;
}

static int lchild_drop(lua_State *L)
{
    child_drop(lprocess_child(L));
    return 0;
}

static const luaL_Reg child_methods[] = {
    {"ended", lchild_ended},
    {"terminate", lchild_terminate},
    {"pid", lchild_pid},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"fork", lprocess_fork},
    {"reap", lprocess_reap},
    {"terminate", lprocess_terminate},
    {"start", lprocess_start},
    {NULL, NULL},
};

int lbind_open_process(lua_State *L)
{
    lbind_type(L, TYPE_CHILD, child_methods, NULL, lchild_drop);
    luaL_newlib(L, functions);
    return 1;
}
