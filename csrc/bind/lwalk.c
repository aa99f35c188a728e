/*
 * lwalk - what is below a part: the list of parts, paths, walks
 *
 * A walk makes the handles of all its parts at first, so that they keep their
 * place in it, whatever is changed on the way.
 *
 * Owns: nothing. Fails with: raises on misuse and on memory. I/O: none.
 */
#include <limits.h>
#include <stdint.h>

#include "lbind.h"

/* A message in an encoded part is read when it is asked for. */
static void push_nested(lua_State *L)
{
    lua_createtable(L, 1, 0);
    lua_getfield(L, lua_upvalueindex(LBIND_KNOWN), "_nested");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_rawseti(L, -2, 1);
}

void lbind_push_below(lua_State *L, const struct lbind_part *p)
{
    const struct mime_map *map = p->of->map;
    const struct mime_node *node = &map->nodes[p->i];
    int32_t child = node->first_child;
    lua_Integer n = 0;
    if (node->coded) {
        push_nested(L);
        return;
    }
    if (node->last_child != MIME_NONE)
        n = map->nodes[node->last_child].number;
    lua_createtable(L, n < INT_MAX ? (int)n : 0, 0); /* list */
    for (n = 1; child != MIME_NONE; n++) {
        lbind_push_part(L, 1, (size_t)child);
        lua_rawseti(L, -2, n);
        child = map->nodes[child].next;
    }
}

/* Puts the numbers of a part and of those around it, but for the root, into
   out, ".1.2", the innermost at its end. */
static size_t write_path(const struct mime_map *map, size_t i, char *out,
                         size_t room)
{
    size_t at = room;
    for (; i != 0; i = (size_t)map->nodes[i].parent) {
        unsigned number = map->nodes[i].number;
        for (; number && at; number /= 10)
            out[--at] = (char)('0' + number % 10);
        if (at)
            out[--at] = '.';
    }
    return at;
}

void lbind_push_path(lua_State *L, const struct lbind_part *p)
{
    const struct mime_map *map = p->of->map;
    size_t room = ((size_t)map->nodes[p->i].depth + 1) * 11, at;
    char *out = lua_newuserdatauv(L, room, 0);
    at = write_path(map, p->i, out, room);
    lbind_push_state(L, 1);
    lua_getfield(L, -1, "path");
    lua_remove(L, -2);
    lua_pushlstring(L, out + at, room - at);
    lua_concat(L, 2);
}

/* Further upvalues of a walk: the one part; or where the parts stand, see
   lbind_push_all. And how far it went: the next one, the end (of one part 0
   and 1), whether they stand in a table. */
enum { WALK_PARTS = LBIND_UPVALUES + 1, WALK_STATE };

#define WALK_END   32 /* bits */
#define WALK_TABLE ((lua_Integer)1 << 62)

/* Pushes the next part; false: there is none. */
static bool push_next(lua_State *L)
{
    lua_Integer state = lua_tointeger(L, lua_upvalueindex(WALK_STATE));
    lua_Integer i = state & UINT32_MAX;
    if (i >= (state & ~WALK_TABLE) >> WALK_END)
        return false;
    lua_pushinteger(L, state + 1);
    lua_replace(L, lua_upvalueindex(WALK_STATE));
    if (state & WALK_TABLE)
        lua_rawgeti(L, lua_upvalueindex(WALK_PARTS), i + 1);
    else if (i == 0)
        lua_pushvalue(L, lua_upvalueindex(WALK_PARTS));
    else
        lua_getiuservalue(L, lua_upvalueindex(WALK_PARTS),
                          LBIND_OF_MESSAGE + (int)i);
    return true;
}

static int next_part(lua_State *L)
{
    return push_next(L);
}

static int next_body(lua_State *L)
{
    lua_settop(L, 0);
    if (!push_next(L)) /* part */
        return 0;
    lbind_push_held(L); /* part ... body */
    if (lua_gettop(L) > 2) {
        lua_replace(L, 2);
        lua_settop(L, 2); /* part body */
    }
    return 2;
}

/* Does a walk give bodies, too? */
static bool wants_bodies(lua_State *L)
{
    bool bodies = lua_type(L, 2) == LUA_TSTRING &&
                  strcmp(lua_tostring(L, 2), "bodies") == 0;
    if (!bodies && !lua_isnoneornil(L, 2))
        luaL_error(L, "part:walk gives parts, or with \"bodies\" these, too");
    return bodies;
}

/* Messages in encoded parts are read on the way. */
static int descend(lua_State *L)
{
    lua_settop(L, 2);
    lua_getfield(L, lua_upvalueindex(LBIND_KNOWN), "_descend");
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

/* Behind the last part below part i. */
static size_t end_of(const struct mime_map *map, size_t i)
{
    size_t end = i + 1;
    while (end < map->n && map->nodes[end].depth > map->nodes[i].depth)
        end++;
    return end;
}

int lbind_walk(lua_State *L)
{
    struct lbind_part *p = lbind_part(L, 1);
    bool bodies = wants_bodies(L);
    const struct mime_map *map = lbind_map(L, 1, p, true);
    size_t i = p->i, end = end_of(map, i);
    lua_Integer state;
    if (map->coded)
        return descend(L);
    for (int up = 1; up <= LBIND_UPVALUES; up++)
        lua_pushvalue(L, lua_upvalueindex(up));
    if (end > i + 1) {
        lbind_push_all(L, 1, i, end);
    } else {
        lua_pushvalue(L, 1);
        i = 0;
        end = 1;
    }
    state = (lua_Integer)end << WALK_END | (lua_Integer)i;
    if (lua_istable(L, -1))
        state |= WALK_TABLE;
    lua_pushinteger(L, state);
    lua_pushcclosure(L, bodies ? next_body : next_part, WALK_STATE);
    return 1;
}
