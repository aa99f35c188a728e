/*
 * lsystem - lunapost.core.system
 *
 * system.pid() system.hostname() system.is_terminal(fd) system.time()
 * system.zone([time]) -> seconds east of UTC
 * system.raise_descriptors() -> the limit then
 * system.signals() -> signals: signals:fd() signals:next() -> "term" | "int"
 *   | "hup" | nil, signals:close()
 * Files: system.sync(path) system.make_folder(path[, mode])
 *   system.rename(from, to) system.link(from, to) system.remove(path)
 *   -> true | nil, text; system.stat(path) -> { type, size, modified };
 *   system.list(path) -> { name, ... }, sorted by nobody
 *
 * Owns: signals and the folder being read, in userdata. Fails with: see
 * system.h, as nil, text like Lua's io. I/O: see system.h, signals.h.
 */
#include "lbind.h"

#include "../net/signals.h"
#include "../net/system.h"

#define TYPE_SIGNALS "lunapost.signals"
#define TYPE_FOLDER  "lunapost.folder"

struct folder {
    void *handle;
};

static const char *lsystem_path(lua_State *L, int arg)
{
    struct span s = lbind_check(L, arg);
    luaL_argcheck(L, strlen(s.p) == s.n, arg, "contains a NUL");
    return s.p;
}

static int lsystem_fail(lua_State *L, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

static int lsystem_done(lua_State *L, int err, const char *text)
{
    if (err < 0)
        return lsystem_fail(L, text);
    lua_pushboolean(L, 1);
    return 1;
}

static int lsystem_pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)system_pid());
    return 1;
}

static int lsystem_hostname(lua_State *L)
{
    char name[256];
    if (system_hostname(name, sizeof name) < 0)
        return lsystem_fail(L, "the host has no name");
    lua_pushstring(L, name);
    return 1;
}

static int lsystem_is_terminal(lua_State *L)
{
    lua_pushboolean(L, system_is_terminal((int)lbind_size(L, 1, 1 << 20)));
    return 1;
}

static int lsystem_time(lua_State *L)
{
    lua_pushnumber(L, system_time());
    return 1;
}

static int lsystem_zone(lua_State *L)
{
    double t = luaL_optnumber(L, 1, system_time());
    luaL_argcheck(L, t > -1e15 && t < 1e15, 1, "out of range");
    lua_pushinteger(L, (lua_Integer)system_zone(t));
    return 1;
}

static int lsystem_raise_descriptors(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)system_raise_descriptors());
    return 1;
}

static int lsystem_sync(lua_State *L)
{
    char text[SOCK_TEXT];
    return lsystem_done(L, system_sync(lsystem_path(L, 1), text), text);
}

static int lsystem_make_folder(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *path = lsystem_path(L, 1);
    unsigned mode =
        lua_isnoneornil(L, 2) ? 0700u : (unsigned)lbind_size(L, 2, 07777);
    return lsystem_done(L, system_make_folder(path, mode, text), text);
}

static int lsystem_rename(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *from = lsystem_path(L, 1);
    return lsystem_done(L, system_rename(from, lsystem_path(L, 2), text), text);
}

static int lsystem_link(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *from = lsystem_path(L, 1);
    return lsystem_done(L, system_link(from, lsystem_path(L, 2), text), text);
}

static int lsystem_remove(lua_State *L)
{
    char text[SOCK_TEXT];
    return lsystem_done(L, system_remove(lsystem_path(L, 1), text), text);
}

static int lsystem_stat(lua_State *L)
{
    char text[SOCK_TEXT];
    struct system_stat s;
    if (system_stat(lsystem_path(L, 1), &s, text) < 0)
        return lsystem_fail(L, text);
    lua_createtable(L, 0, 3); /* stat */
    lua_pushstring(L, s.type);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)s.size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, s.modified);
    lua_setfield(L, -2, "modified");
    return 1;
}

static int lfolder_drop(lua_State *L)
{
    struct folder *f = luaL_checkudata(L, 1, TYPE_FOLDER);
    system_list_close(&f->handle);
    return 0;
}

static int lsystem_list(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *path = lsystem_path(L, 1), *name;
    struct folder *f = lbind_new(L, sizeof *f, TYPE_FOLDER, 0);
    if (system_list_open(&f->handle, path, text) < 0)
        return lsystem_fail(L, text);
    lua_newtable(L); /* path folder list */
    for (lua_Integer i = 1; (name = system_list_next(f->handle)); i++) {
        lua_pushstring(L, name);
        lua_rawseti(L, -2, i);
    }
    system_list_close(&f->handle);
    return 1;
}

static int lsystem_signals(lua_State *L)
{
    struct signals *s = lbind_new(L, sizeof *s, TYPE_SIGNALS, 0);
    signals_init(s);
    if (signals_open(s) < 0)
        return lsystem_fail(L, "signals cannot be watched");
    return 1;
}

static int lsignals_drop(lua_State *L)
{
    struct signals *s = luaL_checkudata(L, 1, TYPE_SIGNALS);
    if (s->fd >= 0)
        lbind_forget(L, s->fd);
    signals_close(s);
    return 0;
}

static int lsignals_fd(lua_State *L)
{
    struct signals *s = luaL_checkudata(L, 1, TYPE_SIGNALS);
    lua_pushinteger(L, s->fd);
    return 1;
}

static int lsignals_next(lua_State *L)
{
    lua_pushstring(L, signals_next(luaL_checkudata(L, 1, TYPE_SIGNALS)));
    return 1;
}

static const luaL_Reg signals_methods[] = {
    {"fd", lsignals_fd},
    {"next", lsignals_next},
    {"close", lsignals_drop},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"pid", lsystem_pid},
    {"hostname", lsystem_hostname},
    {"is_terminal", lsystem_is_terminal},
    {"time", lsystem_time},
    {"zone", lsystem_zone},
    {"raise_descriptors", lsystem_raise_descriptors},
    {"sync", lsystem_sync},
    {"make_folder", lsystem_make_folder},
    {"rename", lsystem_rename},
    {"link", lsystem_link},
    {"remove", lsystem_remove},
    {"stat", lsystem_stat},
    {"list", lsystem_list},
    {"signals", lsystem_signals},
    {NULL, NULL},
};

int lbind_open_system(lua_State *L)
{
    lbind_type(L, TYPE_SIGNALS, signals_methods, NULL, lsignals_drop);
    lbind_type(L, TYPE_FOLDER, NULL, NULL, lfolder_drop);
    luaL_newlib(L, functions);
    return 1;
}
