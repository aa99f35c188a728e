/*
 * lloop - lunapost.core.loop: the readiness poller
 *
 * loop.new([backend]) -> poller   loop.now() -> seconds, monotonic
 * loop.block(fd, mode, seconds|nil) -> "r"|"w"|"rw" | nil, "timeout"
 *   | nil, "interrupted"     fd -1: a pause
 * poller:wait(fd, mode, seconds|nil[, limit]) -> when it is due at the latest:
 *   registers, never blocks; limit: a time on the clock of now()
 * poller:waits(fd) -> boolean         poller:timer(seconds) -> id
 * poller:cancel(fd or id)             poller:forget(fd)
 * poller:turn(seconds|nil)            blocks at most that long
 * poller:next() -> fd or id, "r"|"w"|"rw"|"timeout"|"closed" | nil
 * poller:fd() -> what another loop may watch, or nil
 * poller:due() -> the earliest deadline, or nil
 * poller:waiting() -> count  poller:name()  poller:reopen()  poller:close()
 *
 * For lunapost.loop, as functions, with which each wait looks nothing up:
 * loop.wait(poller, ...) is the method; turn and next are others than the
 * methods of their names, which adapters of other loops use:
 * loop.turn(poller, at_once, alone) blocks as long as nothing happens, unless
 *   it is to end at once, and gives the first event as loop.next does
 * loop.next(poller[, turn[, fd, seconds|nil, limit]]) -> id, ready, why, more,
 *   due | nothing: what a wait gives, whether more events may be there, and
 *   when the wait was due; where no event is left and turn is true, it blocks
 *   for the next one. fd: reading there is waited for first
 * Where turn or alone is true, whoever gets the only event is alone, until
 * something else is waited for, or loop.busy(poller) is called: a machine may
 * wait for its next event by itself then (lbind_again).
 *
 * All pollers of a Lua state stand in one list, so that a descriptor that is
 * closed elsewhere is forgotten by each (lbind_forget).
 *
 * Owns: the poller. Fails with: see poller.h; they raise, except for a bad
 * descriptor. I/O: see poller.h.
 */
#include <limits.h>
#include <math.h>

#include "lbind.h"

#include "../net/poller.h"

#define TYPE "lunapost.poller"

struct pollers {
    struct poller *first;
};

static const char pollers_key = 'p', poller_mark = 'm';

static const char *const modes[] = {"r", "w", "rw", NULL};

static const char *mode_name(int mode)
{
    if (mode & POLLER_TIMEOUT)
        return "timeout";
    if (mode & POLLER_CLOSED)
        return "closed";
    return modes[(mode & 3) - 1];
}

/* Allocates nothing and raises nothing: it serves finalizers. */
static struct pollers *lloop_list(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pollers_key);
    struct pollers *list = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return list;
}

void lbind_forget(lua_State *L, int fd)
{
    struct pollers *list = lloop_list(L);
    for (struct poller *p = list ? list->first : NULL; p; p = p->next)
        poller_forget(p, fd);
}

bool lbind_again(lua_State *L, int arg, int fd, bool *fresh, double *due)
{
    struct poller *p = lua_touserdata(L, arg);
    if (*fresh && lua_type(L, arg + 1) == LUA_TNUMBER) {
        double limit = lua_tonumber(L, arg + 1);
        *due = poller_now() + luaL_checknumber(L, arg + 2);
        if (limit < *due)
            *due = limit;
        *fresh = false;
    }
    return p && lua_rawlen(L, arg) == sizeof *p && p->mark == &poller_mark &&
           poller_again(p, fd, *due);
}

static struct poller *lloop_check(lua_State *L)
{
    struct poller *p = lbind_marked(L, &poller_mark, sizeof *p, TYPE);
    luaL_argcheck(L, p->backend, 1, "the poller is closed");
    return p;
}

static int lloop_fd(lua_State *L, int arg)
{
    lua_Integer fd = luaL_checkinteger(L, arg);
    luaL_argcheck(L, fd >= 0 && fd < INT_MAX / 2, arg, "not a descriptor");
    return (int)fd;
}

static int lloop_mode(lua_State *L, int arg)
{
    const char *mode = lua_tostring(L, arg);
    if (mode && mode[0] == 'r' && mode[1] == '\0')
        return POLLER_READ; /* most of all */
    return luaL_checkoption(L, arg, NULL, modes) + 1;
}

/* nil is for ever. */
static double lloop_seconds(lua_State *L, int arg)
{
    double seconds = luaL_optnumber(L, arg, HUGE_VAL);
    luaL_argcheck(L, seconds == seconds, arg, "not a number of seconds");
    return seconds;
}

static int lloop_new(lua_State *L)
{
    const char *backend = luaL_optstring(L, 1, NULL);
    struct pollers *list = lloop_list(L);
    struct poller *p = lbind_new(L, sizeof *p, TYPE, 0);
    int err = poller_init(p, backend);
    luaL_argcheck(L, err != ERR_SYNTAX, 1, "no such backend here");
    if (err < 0)
        return luaL_error(L, "no poller: %s", err_text(err));
    p->mark = &poller_mark;
    p->next = list->first;
    list->first = p;
    return 1;
}

static int lloop_close(lua_State *L)
{
    struct poller *p = lbind_self(L, TYPE);
    struct pollers *list = lloop_list(L);
    struct poller **link = list ? &list->first : NULL;
    while (link && *link && *link != p)
        link = &(*link)->next;
    if (link && *link)
        *link = p->next;
    poller_free(p);
    return 0;
}

/* Seconds and limit stand at arg. When it is due. */
static double lloop_wait_for(lua_State *L, struct poller *p, int fd, int mode,
                             int arg)
{
    double seconds = lloop_seconds(L, arg), limit = lloop_seconds(L, arg + 1);
    double due = seconds == HUGE_VAL ? seconds : poller_now() + seconds;
    if (limit < due)
        due = limit;
    int err = poller_wait(p, fd, mode, due);
    if (err < 0)
        (void)luaL_error(L, "cannot wait for descriptor %d: %s", fd,
                         err_text(err));
    return due;
}

static int lloop_wait(lua_State *L)
{
    struct poller *p = lloop_check(L);
    int fd = lloop_fd(L, 2), mode = lloop_mode(L, 3);
    p->alone = false;
    lua_pushnumber(L, lloop_wait_for(L, p, fd, mode, 4));
    return 1;
}

static int lloop_waits(lua_State *L)
{
    struct poller *p = lloop_check(L);
    lua_pushboolean(L, poller_waits(p, lloop_fd(L, 2)));
    return 1;
}

static int lloop_timer(lua_State *L)
{
    struct poller *p = lloop_check(L);
    int id;
    p->alone = false;
    int err = poller_timer(p, poller_now() + lloop_seconds(L, 2), &id);
    if (err < 0)
        return luaL_error(L, "no timer: %s", err_text(err));
    lua_pushinteger(L, id);
    return 1;
}

static int lloop_cancel(lua_State *L)
{
    struct poller *p = lloop_check(L);
    lua_Integer id = luaL_checkinteger(L, 2);
    luaL_argcheck(L, id > INT_MIN / 2 && id < INT_MAX / 2, 2, "out of range");
    poller_cancel(p, (int)id);
    return 0;
}

/* A loop that is over has nothing to forget. */
static int lloop_forget(lua_State *L)
{
    struct poller *p = lbind_self(L, TYPE);
    poller_forget(p, lloop_fd(L, 2));
    return 0;
}

static void lloop_go(lua_State *L, struct poller *p, double seconds)
{
    int err = poller_turn(p, seconds);
    if (err < 0)
        (void)luaL_error(L, "the poller failed: %s", err_text(err));
}

static int lloop_turn(lua_State *L)
{
    lloop_go(L, lloop_check(L), lloop_seconds(L, 2));
    return 0;
}

static int lloop_next(lua_State *L)
{
    struct poller_event event;
    if (!poller_next(lloop_check(L), &event))
        return 0;
    lua_pushinteger(L, event.id);
    lua_pushstring(L, mode_name(event.mode));
    return 2;
}

/* id, ready, why, more, due; nothing where no event is. */
static int lloop_give(lua_State *L, struct poller *p, bool alone)
{
    struct poller_event event;
    p->alone = false;
    if (!poller_next(p, &event))
        return 0;
    bool more = poller_more(p);
    p->alone = alone && !more;
    lua_pushinteger(L, event.id);
    if (event.mode & (POLLER_TIMEOUT | POLLER_CLOSED)) {
        lua_pushnil(L);
        lua_pushstring(L, mode_name(event.mode));
    } else {
        lua_pushboolean(L, 1);
        lua_pushnil(L);
    }
    lua_pushboolean(L, more);
    lua_pushnumber(L, event.due);
    return 5;
}

static int lloop_given(lua_State *L)
{
    struct poller *p = lloop_check(L);
    if (!lua_isnoneornil(L, 3))
        (void)lloop_wait_for(L, p, lloop_fd(L, 3), POLLER_READ, 4);
    bool turn = lua_toboolean(L, 2);
    if (turn && !poller_more(p))
        lloop_go(L, p, HUGE_VAL);
    return lloop_give(L, p, turn);
}

/* busy(poller): more is to be done than its events tell. */
static int lloop_busy(lua_State *L)
{
    lloop_check(L)->alone = false;
    return 0;
}

/* turn(poller, at_once, alone): a turn, which blocks unless it is to end at
   once, and its first event. */
static int lloop_first(lua_State *L)
{
    struct poller *p = lloop_check(L);
    lloop_go(L, p, lua_toboolean(L, 2) ? 0 : HUGE_VAL);
    return lloop_give(L, p, lua_toboolean(L, 3));
}

static int lloop_waiting(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lloop_check(L)->waiting);
    return 1;
}

static int lloop_kernel(lua_State *L)
{
    int fd = poller_kernel(lloop_check(L));
    if (fd < 0)
        return 0;
    lua_pushinteger(L, fd);
    return 1;
}

static int lloop_due(lua_State *L)
{
    double due = poller_due(lloop_check(L));
    if (due == HUGE_VAL)
        return 0;
    lua_pushnumber(L, due);
    return 1;
}

static int lloop_name(lua_State *L)
{
    lua_pushstring(L, poller_name(lbind_self(L, TYPE)));
    return 1;
}

static int lloop_reopen(lua_State *L)
{
    int err = poller_reopen(lloop_check(L));
    if (err < 0)
        return luaL_error(L, "no poller: %s", err_text(err));
    return 0;
}

static int lloop_now(lua_State *L)
{
    lua_pushnumber(L, poller_now());
    return 1;
}

static int lloop_block(lua_State *L)
{
    bool interrupted;
    lua_Integer fd = luaL_checkinteger(L, 1);
    luaL_argcheck(L, fd >= -1 && fd < INT_MAX, 1, "not a descriptor");
    int mode = poller_block((int)fd, lloop_mode(L, 2), lloop_seconds(L, 3),
                            &interrupted);
    if (mode < 0)
        return luaL_error(L, "cannot wait for descriptor %d", (int)fd);
    if (mode) {
        lua_pushstring(L, mode_name(mode));
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, interrupted ? "interrupted" : "timeout");
    return 2;
}

static const luaL_Reg methods[] = {
    {"wait", lloop_wait},     {"waits", lloop_waits},
    {"timer", lloop_timer},   {"cancel", lloop_cancel},
    {"forget", lloop_forget}, {"turn", lloop_turn},
    {"next", lloop_next},     {"waiting", lloop_waiting},
    {"name", lloop_name},     {"reopen", lloop_reopen},
    {"fd", lloop_kernel},     {"due", lloop_due},
    {"close", lloop_close},   {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", lloop_new},
    {"now", lloop_now},
    {"block", lloop_block},
    {NULL, NULL},
};

/* What each wait needs. */
static const luaL_Reg exported[] = {
    {"wait", lloop_wait}, {"turn", lloop_first}, {"next", lloop_given},
    {"busy", lloop_busy}, {NULL, NULL},
};

int lbind_open_loop(lua_State *L)
{
    lbind_type(L, TYPE, methods, NULL, lloop_close);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pollers_key) == LUA_TNIL) {
        struct pollers *list = lua_newuserdatauv(L, sizeof *list, 0);
        list->first = NULL;
        lua_rawsetp(L, LUA_REGISTRYINDEX, &pollers_key);
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lbind_export(L, TYPE, exported);
    return 1;
}
