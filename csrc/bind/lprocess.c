/*
 * lprocess - lunapost.core.process
 *
 * process.fork() -> pid, or 0 in the child; process.reap([pid]) -> pid, code
 * of a child that has ended, or nil; process.parent() -> pid;
 * process.tell(pid, "end"|"hurry"|"reload"|"kill") -> true. Failing is nil,
 * text.
 * process.shared(count) -> shared, seen alike by those forked later:
 * shared:get(i), shared:set(i, n), from 1; shared:lock(i, who, milliseconds)
 * -> whether it was had, shared:unlock(i, who).
 *
 * process.start(words[, errors]) -> conn, child: a program, words[1], and the
 * connection that is its standard input and output, with errors its standard
 * error, too. Failing is nil, kind, text. child:ended() -> code or nil;
 * child:terminate([force]); child:pid().
 *
 * Owns: children and shared memory, in userdata. Fails with: see process.h,
 * child.h. I/O: see process.h, child.h, shared.h.
 */
#include "../net/child.h"
#include "../net/conn.h"
#include "../net/process.h"
#include "../net/shared.h"
#include "lbind.h"

#define TYPE_CHILD  "lunapost.child"
#define TYPE_SHARED "lunapost.shared"

enum { SHARED_MOST = 1 << 22 };

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
    lua_Integer child = luaL_optinteger(L, 1, 0);
    luaL_argcheck(L, child >= 0 && child <= 1 << 30, 1, "not a child");
    long pid = process_reap((long)child, &code);
    if (pid == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)pid);
    lua_pushinteger(L, code);
    return 2;
}

static int lprocess_tell(lua_State *L)
{
    static const char *const words[] = {"end", "hurry", "reload", "kill", NULL};
    char text[SOCK_TEXT] = "";
    lua_Integer pid = luaL_checkinteger(L, 1);
    int word = luaL_checkoption(L, 2, NULL, words);
    luaL_argcheck(L, pid > 1 && pid <= 1 << 30, 1, "not a child");
    if (process_tell((long)pid, (enum process_word)word, text) < 0)
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

static int lprocess_parent(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)process_parent());
    return 1;
}

static struct shared *lprocess_shared_of(lua_State *L)
{
    return luaL_checkudata(L, 1, TYPE_SHARED);
}

static int lprocess_shared(lua_State *L)
{
    size_t count = lbind_size(L, 1, SHARED_MOST);
    luaL_argcheck(L, count > 0, 1, "out of range");
    struct shared *s = lbind_new(L, sizeof *s, TYPE_SHARED, 0);
    int err = shared_open(s, count);
    return err < 0 ? lbind_fail(L, err, NULL) : 1;
}

static int lshared_drop(lua_State *L)
{
    shared_close(lprocess_shared_of(L));
    return 0;
}

static size_t lshared_index(lua_State *L, const struct shared *s)
{
    size_t i = lbind_size(L, 2, s->count);
    luaL_argcheck(L, i > 0, 2, "out of range");
    return i - 1;
}

static int lshared_get(lua_State *L)
{
    const struct shared *s = lprocess_shared_of(L);
    lua_pushinteger(L, (lua_Integer)shared_get(s, lshared_index(L, s)));
    return 1;
}

static int lshared_set(lua_State *L)
{
    struct shared *s = lprocess_shared_of(L);
    shared_set(s, lshared_index(L, s), luaL_checkinteger(L, 3));
    return 0;
}

static int lshared_lock(lua_State *L)
{
    struct shared *s = lprocess_shared_of(L);
    size_t i = lshared_index(L, s);
    lua_Integer who = luaL_checkinteger(L, 3);
    luaL_argcheck(L, who > 0, 3, "out of range");
    unsigned patience = (unsigned)lbind_size(L, 4, 60000);
    lua_pushboolean(L, shared_lock(s, i, who, patience));
    return 1;
}

static int lshared_unlock(lua_State *L)
{
    struct shared *s = lprocess_shared_of(L);
    shared_unlock(s, lshared_index(L, s), luaL_checkinteger(L, 3));
    return 0;
}

static const luaL_Reg shared_methods[] = {
    {"get", lshared_get},       {"set", lshared_set},    {"lock", lshared_lock},
    {"unlock", lshared_unlock}, {"close", lshared_drop}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"fork", lprocess_fork},
    {"reap", lprocess_reap},
    {"tell", lprocess_tell},
    {"parent", lprocess_parent},
    {"start", lprocess_start},
    {"shared", lprocess_shared},
    {NULL, NULL},
};

int lbind_open_process(lua_State *L)
{
    lbind_type(L, TYPE_CHILD, child_methods, NULL, lchild_drop);
    lbind_type(L, TYPE_SHARED, shared_methods, NULL, lshared_drop);
    luaL_newlib(L, functions);
    return 1;
}
