/*
 * lsystem - lunapost.core.system
 *
 * system.pid() system.hostname() system.is_terminal(fd) system.time()
 * system.zone([time]) -> seconds east of UTC
 * system.raise_descriptors() -> the limit then
 * system.trim(): free memory goes back to the system
 * system.signals() -> signals: signals:fd() signals:next() -> "term" | "int"
 *   | "hup" | "quit" | "child" | nil, signals:reopen(), signals:close()
 * system.identity() -> { user, group, groups = { ... } }, numbers
 * system.become(user[, group]) system.tell(path, words) -> true | nil, text
 * system.sockets() -> how many were passed to this process, from 3 on
 * Files: system.create(path[, fresh]) -> file, as io.open gives it, for its
 *   owner alone where it is new, as it must be with fresh;
 *   system.temporary("/tmp/x-XXXXXX") -> file without a name;
 *   nil, text where it cannot be;
 *   system.sync(path) system.make_folder(path[, mode])
 *   system.rename(from, to) system.link(from, to) system.remove(path)
 *   system.remove_folder(path) -> true | nil, text;
 *   system.temporary_folder("/tmp/x-XXXXXX") -> path | nil, text;
 *   system.stat(path) -> { type, size, modified };
 *   system.list(path) -> { name, ... }, sorted by nobody
 *
 * Owns: signals and the folder being read, in userdata. Fails with: see
 * system.h, as nil, text like Lua's io. I/O: see system.h, signals.h.
 */
#include "lbind.h"

#include "../net/privileges.h"
#include "../net/service.h"
#include "../net/signals.h"
#include "../net/system.h"

#define TYPE_SIGNALS "lunapost.signals"
#define TYPE_FOLDER  "lunapost.folder"

enum { LSYSTEM_PATH = 1024 }; /* room for the path of a temporary */

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

static int lsystem_trim(lua_State *L)
{
    (void)L;
    system_trim();
    return 0;
}

static int lsystem_sync(lua_State *L)
{
    char text[SOCK_TEXT];
    return lsystem_done(L, system_sync(lsystem_path(L, 1), text), text);
}

static int lfile_close(lua_State *L)
{
    luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(s->f) == 0, NULL);
}

/* A file of Lua's, closed as yet. */
static luaL_Stream *lfile_new(lua_State *L)
{
    luaL_Stream *s = lua_newuserdatauv(L, sizeof *s, 0);
    s->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    return s;
}

static int lfile_opened(lua_State *L, luaL_Stream *s, const char *text)
{
    if (!s->f)
        return lsystem_fail(L, text);
    s->closef = lfile_close;
    return 1;
}

static int lsystem_create(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *path = lsystem_path(L, 1);
    bool fresh = lua_toboolean(L, 2);
    luaL_Stream *s = lfile_new(L); /* ... file */
    s->f = system_create(path, fresh, text);
    return lfile_opened(L, s, text);
}

/* Copies the pattern of a temporary name; its X's are replaced in place. */
static void lsystem_pattern(lua_State *L, char path[LSYSTEM_PATH])
{
    const char *pattern = lsystem_path(L, 1);
    size_t n = strlen(pattern);
    luaL_argcheck(L, n < LSYSTEM_PATH, 1, "too long");
    memcpy(path, pattern, n + 1);
}

static int lsystem_temporary(lua_State *L)
{
    char text[SOCK_TEXT], path[LSYSTEM_PATH];
    lsystem_pattern(L, path);
    luaL_Stream *s = lfile_new(L); /* ... file */
    s->f = system_temporary(path, text);
    return lfile_opened(L, s, text);
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

static int lsystem_remove_folder(lua_State *L)
{
    char text[SOCK_TEXT];
    int err = system_remove_folder(lsystem_path(L, 1), text);
    return lsystem_done(L, err, text);
}

static int lsystem_temporary_folder(lua_State *L)
{
    char text[SOCK_TEXT], path[LSYSTEM_PATH];
    lsystem_pattern(L, path);
    if (system_temporary_folder(path, text) < 0)
        return lsystem_fail(L, text);
    lua_pushstring(L, path);
    return 1;
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

static int lsystem_identity(lua_State *L)
{
    char text[SOCK_TEXT];
    struct privileges p;
    if (privileges_now(&p, text) < 0)
        return lsystem_fail(L, text);
    lua_createtable(L, 0, 3); /* identity */
    lua_pushinteger(L, p.user);
    lua_setfield(L, -2, "user");
    lua_pushinteger(L, p.group);
    lua_setfield(L, -2, "group");
    lua_createtable(L, (int)p.ngroups, 0); /* identity groups */
    for (size_t i = 0; i < p.ngroups; i++) {
        lua_pushinteger(L, p.groups[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "groups"); /* identity */
    return 1;
}

static int lsystem_become(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *user = lsystem_path(L, 1);
    const char *group = lua_isnoneornil(L, 2) ? NULL : lsystem_path(L, 2);
    return lsystem_done(L, privileges_become(user, group, text), text);
}

static int lsystem_tell(lua_State *L)
{
    char text[SOCK_TEXT];
    const char *path = lsystem_path(L, 1);
    return lsystem_done(L, service_tell(path, lbind_check(L, 2), text), text);
}

static int lsystem_sockets(lua_State *L)
{
    lua_pushinteger(L, service_sockets());
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

static int lsignals_reopen(lua_State *L)
{
    struct signals *s = luaL_checkudata(L, 1, TYPE_SIGNALS);
    luaL_argcheck(L, s->fd >= 0, 1, "closed");
    if (signals_reopen(s) < 0)
        return lsystem_fail(L, "signals cannot be watched");
    lua_pushboolean(L, 1);
    return 1;
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
    {"reopen", lsignals_reopen},
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
    {"trim", lsystem_trim},
    {"create", lsystem_create},
    {"temporary", lsystem_temporary},
    {"sync", lsystem_sync},
    {"make_folder", lsystem_make_folder},
    {"rename", lsystem_rename},
    {"link", lsystem_link},
    {"remove", lsystem_remove},
    {"remove_folder", lsystem_remove_folder},
    {"temporary_folder", lsystem_temporary_folder},
    {"stat", lsystem_stat},
    {"list", lsystem_list},
    {"identity", lsystem_identity},
    {"become", lsystem_become},
    {"tell", lsystem_tell},
    {"sockets", lsystem_sockets},
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
