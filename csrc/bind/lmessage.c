/*
 * lmessage - messages that were read, and handles of their parts
 *
 * A message is one userdata: the handle of its root part, and, behind that,
 * its map (core/mime_tree.h), made in one piece. It points into the bytes, a
 * Lua string or a mapped file, which a user value keeps alive. The first
 * header is read at first, since many messages are looked at for that only;
 * the rest when it is asked for. Handles of other parts are made when they
 * are asked for, and each one once. What Lua knows of a message is in a table
 * that few messages need.
 *
 * Numbers of parts count from 1 in Lua, offsets from 0.
 *
 * Owns: nothing of its own.
 * Fails with: raises on misuse and on memory.
 * I/O: none.
 */
#include <limits.h>
#include <stdint.h>

#include "lbind.h"

enum {
    AHEAD_MOST = 1 << 14, /* bytes of a message that is read at once */
    MADE_MOST = 1000      /* parts that room is made for at once */
};

const char lbind_part_mark;

int lbind_no_part(lua_State *L, int arg)
{
    return luaL_typeerror(L, arg, "lunapost.mime.part");
}

/* Pushes the userdata of the message of the part at an index, which is one. */
static struct lbind_message *push_owner(lua_State *L, int arg)
{
    struct lbind_part *p = lua_touserdata(L, arg);
    if (p == &p->of->root)
        lua_pushvalue(L, arg);
    else
        lua_getiuservalue(L, arg, LBIND_OWNER);
    return p->of;
}

void lbind_ask(lua_State *L, int arg)
{
    struct lbind_message *m = push_owner(L, arg); /* message */
    struct lbind_reading k = {
        .bytes = m->map->message, .limits = &m->limits, .map = m->map};
    void *map = lbind_read_map(L, m->work->reader, &k, 0, 0); /* message map */
    if (!m->whole) { /* nor by a finalizer */
        lua_setiuservalue(L, -2, LBIND_WHOLE);
        m->map = map;
        m->whole = true;
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 2);
}

/* State */

static void new_state(lua_State *L, int limits, int path, int origin)
{
    static const char *const names[] = {"limits", "path", "origin"};
    const int places[] = {limits, path, origin};
    lua_createtable(L, 0, 6); /* state */
    for (int i = 0; i < 3; i++) {
        if (!places[i])
            continue;
        lua_pushvalue(L, places[i]);
        lua_setfield(L, -2, names[i]);
    }
    if (!limits || lua_isnil(L, limits)) {
        lua_newtable(L);
        lua_setfield(L, -2, "limits");
    }
    if (!path || lua_isnil(L, path)) {
        lua_pushliteral(L, "1");
        lua_setfield(L, -2, "path");
    }
}

void lbind_push_state(lua_State *L, int arg)
{
    push_owner(L, arg); /* message */
    if (lua_getiuservalue(L, -1, LBIND_STATE) == LUA_TNIL) {
        lua_pop(L, 1);
        new_state(L, 0, 0, 0); /* message state */
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, LBIND_STATE);
    }
    lua_remove(L, -2); /* state */
}

/* Has nobody asked for defects, nor is this a message within another's? The
   message is at the top. */
static bool is_quiet(lua_State *L)
{
    bool quiet = true;
    if (lua_getiuservalue(L, -1, LBIND_STATE) == LUA_TTABLE) {
        quiet = lua_getfield(L, -1, "defects") == LUA_TNIL &&
                lua_getfield(L, -2, "origin") == LUA_TNIL;
    }
    return quiet;
}

bool lbind_defer(lua_State *L, int arg, int number)
{
    int top = lua_gettop(L);
    lua_Integer n;
    push_owner(L, arg); /* value message */
    if (!is_quiet(L)) {
        lua_settop(L, top);
        return false;
    }
    lua_settop(L, top + 1);
    if (lua_getiuservalue(L, -1, LBIND_NOTED) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 3, 0);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, LBIND_NOTED);
    } /* value message noted */
    n = (lua_Integer)lua_rawlen(L, -1);
    if (n < 3 * MIME_DEFECTS_MOST) {
        lua_pushvalue(L, arg);
        lua_rawseti(L, -2, n + 1);
        lua_pushinteger(L, number);
        lua_rawseti(L, -2, n + 2);
        lua_pushvalue(L, top);
        lua_rawseti(L, -2, n + 3);
    }
    lua_settop(L, top - 1);
    return true;
}

/* Values that are kept */

/* Has the part that user value? */
static bool has_slot(const struct lbind_part *p, int slot)
{
    return slot && (p->message || slot <= LBIND_OF_PART);
}

bool lbind_push_kept(lua_State *L, const struct lbind_part *p, int arg,
                     int slot, int name)
{
    if (has_slot(p, slot)) {
        if (lua_getiuservalue(L, arg, slot) != LUA_TNIL)
            return true;
    } else if (lua_getiuservalue(L, arg, LBIND_KEPT) == LUA_TTABLE) {
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) != LUA_TNIL) {
            lua_remove(L, -2);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return false;
}

void lbind_keep(lua_State *L, const struct lbind_part *p, int arg, int slot,
                int name)
{
    if (has_slot(p, slot)) {
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, arg, slot);
        return;
    }
    if (lua_getiuservalue(L, arg, LBIND_KEPT) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2); /* value kept */
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, arg, LBIND_KEPT);
    }
    lua_pushvalue(L, name); /* value kept name */
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1); /* value */
}

static void forget_kept(lua_State *L, int arg)
{
    static const int slots[] = {LBIND_KEPT, LBIND_PARTS, LBIND_FROM, LBIND_TO};
    const struct lbind_part *p = lua_touserdata(L, arg);
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        if (!has_slot(p, slots[i]))
            continue;
        lua_pushnil(L);
        lua_setiuservalue(L, arg, slots[i]);
    }
}

/* Handles */

/* New handles stand in user values of their message where it has one for each
   part; else, and from the first change of the message on, in a table. */

/* Pushes that table. The message's userdata is at the top. */
static void push_made(lua_State *L, struct lbind_message *m)
{
    size_t n = m->map->n;
    if (lua_getiuservalue(L, -1, LBIND_MADE) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, (int)(n < MADE_MOST ? n : MADE_MOST), 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, LBIND_MADE); /* message made */
    for (size_t i = 1; i < m->slots; i++) {
        lua_getiuservalue(L, -2, LBIND_OF_MESSAGE + (int)i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    m->slots = 0;
    if (m->root.of != m)
        return;
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 1);
}

/* Pushes a new handle; the message is at an index. */
static void push_handle(lua_State *L, int message, struct lbind_message *m,
                        size_t i)
{
    struct lbind_part *p = lua_newuserdatauv(L, sizeof *p, LBIND_OF_PART);
    p->mark = &lbind_part_mark;
    p->of = m;
    p->i = i;
    p->message = false;
    lua_pushvalue(L, message - 1);
    lua_setiuservalue(L, -2, LBIND_OWNER);
    lbind_push_shared(L, LBIND_META);
    lua_setmetatable(L, -2);
}

static void push_slot(lua_State *L, struct lbind_message *m, size_t i)
{
    int slot = LBIND_OF_MESSAGE + (int)i;
    if (lua_getiuservalue(L, -1, slot) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    push_handle(L, -1, m, i); /* message part */
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, slot);
}

/* Pushes a part; its message is at the top. */
static void push_from(lua_State *L, struct lbind_message *m, size_t i)
{
    if (m->slots && i == 0) {
        lua_pushvalue(L, -1);
    } else if (i < m->slots) {
        push_slot(L, m, i);
    } else {
        push_made(L, m); /* message made */
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TNIL) {
            lua_pop(L, 1);
            push_handle(L, -2, m, i); /* message made part */
            lua_pushvalue(L, -1);
            lua_rawseti(L, -3, (lua_Integer)i + 1);
        }
        lua_remove(L, -2); /* message part */
    }
}

void lbind_push_part(lua_State *L, int arg, size_t i)
{
    struct lbind_message *m = push_owner(L, arg); /* message */
    push_from(L, m, i);                           /* message part */
    lua_remove(L, -2);                            /* part */
}

void lbind_push_all(lua_State *L, int arg, size_t from, size_t end)
{
    struct lbind_message *m = push_owner(L, arg); /* message */
    for (size_t i = m->slots && from == 0 ? 1 : from; i < end; i++) {
        push_from(L, m, i);
        lua_pop(L, 1);
    }
    if (m->slots)
        return;
    push_made(L, m); /* message made */
    lua_remove(L, -2);
}

static struct lbind_message *new_message(lua_State *L, struct lbind_work *w,
                                         struct lbind_reading *k)
{
    struct lbind_message *m =
        lbind_read_map(L, w->reader, k, sizeof *m, LBIND_OF_MESSAGE);
    m->slots = (uint16_t)k->slots;
    m->work = w;
    m->root.mark = &lbind_part_mark;
    m->root.of = m;
    m->root.message = true;
    m->limits = *k->limits;
    m->addresses = ADDR_MOST;
    m->whole = k->whole;
    m->map = m->head;
    return m;
}

/* Will more than the header be asked for? Then reading all of it at once is
   less work. What was done with the last message tells. */
static bool foresee(struct lbind_work *w, struct span bytes)
{
    bool whole = w->asked && bytes.n <= AHEAD_MOST;
    w->asked = false;
    return whole;
}

int lbind_read_message(lua_State *L)
{
    struct mime_limits limits;
    struct lbind_reading k = {.limits = &limits, .parts = true};
    const struct mapping *mapping = NULL;
    struct lbind_work *w = lua_touserdata(L, lua_upvalueindex(LBIND_WORK));
    struct lbind_message *m;
    if (lua_type(L, 1) == LUA_TSTRING)
        k.bytes.p = lua_tolstring(L, 1, &k.bytes.n);
    else if (!(mapping = lbind_mapping(L, 1, &k.bytes)))
        return luaL_error(L, "mime.parse needs a string, not %s",
                          luaL_typename(L, 1));
    int at = lua_gettop(L) > 1 ? 5 : 2; /* of the message */
    if (at > 2)
        lua_settop(L, 4);
    lbind_limits(L, 2, &limits);
    k.head = !foresee(w, k.bytes);
    m = new_message(L, w, &k); /* message */
    m->mapping = mapping;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, at, LBIND_BYTES);
    lbind_push_shared(L, LBIND_META);
    lua_setmetatable(L, at);
    if (at > 2) {
        if (lua_istable(L, 2))
            m->addresses = lbind_field_size(L, 2, "addresses", ADDR_MOST);
        new_state(L, 2, 3, 4);
        lua_setiuservalue(L, 5, LBIND_STATE);
    }
    return 1;
}

/* Methods */

static const struct mime_node *node_of(lua_State *L, bool whole)
{
    const struct lbind_part *p = lbind_part(L, 1);
    return &lbind_map(L, 1, p, whole)->nodes[p->i];
}

/* _offsets() -> of the part, its header, its body, the end */
static int part_offsets(lua_State *L)
{
    const struct mime_node *node = node_of(L, true);
    lua_pushinteger(L, (lua_Integer)node->at);
    lua_pushinteger(L, (lua_Integer)(node->at + node->header_at));
    lua_pushinteger(L, (lua_Integer)node->body_at);
    lua_pushinteger(L, (lua_Integer)node->body_end);
    return 4;
}

/* _slice([from, to]) -> those bytes of its message, offsets from 0 on; all */
static int part_slice(lua_State *L)
{
    struct lbind_part *p = lbind_part(L, 1);
    struct span all = lbind_map(L, 1, p, false)->message;
    size_t from = lua_isnoneornil(L, 2) ? 0 : lbind_size(L, 2, SIZE_MAX / 2);
    size_t to = lua_isnoneornil(L, 3) ? all.n : lbind_size(L, 3, SIZE_MAX / 2);
    if (to > all.n)
        to = all.n;
    if (from == 0 && to == all.n) {
        push_owner(L, 1);
        if (lua_getiuservalue(L, -1, LBIND_BYTES) == LUA_TSTRING)
            return 1;
    }
    lbind_push(L,
               from < to ? span_of(all.p + from, to - from) : span_of(NULL, 0));
    return 1;
}

/* _kind() -> "leaf" | "multipart" | "message" */
static int part_kind(lua_State *L)
{
    static const char *const kinds[] = {"leaf", "multipart", "message"};
    lua_pushstring(L, kinds[node_of(L, true)->kind]);
    return 1;
}

/* _up() -> the part around this one | nil */
static int part_up(lua_State *L)
{
    const struct mime_node *node = node_of(L, true);
    if (node->parent == MIME_NONE)
        lua_pushnil(L);
    else
        lbind_push_part(L, 1, (size_t)node->parent);
    return 1;
}

/* _count() -> parts of its message */
static int part_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lbind_map(L, 1, lbind_part(L, 1), true)->n);
    return 1;
}

/* _place(i) -> offset, depth: where that part of its message is */
static int part_place(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2);
    const struct mime_map *map = lbind_map(L, 1, lbind_part(L, 1), true);
    luaL_argcheck(L, i >= 1 && (lua_Unsigned)i <= map->n, 2, "no such part");
    lua_pushinteger(L, (lua_Integer)map->nodes[i - 1].at);
    lua_pushinteger(L, (lua_Integer)map->nodes[i - 1].depth);
    return 2;
}

/* _at(i) -> that part of its message */
static int part_at(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2);
    size_t n = lbind_map(L, 1, lbind_part(L, 1), true)->n;
    luaL_argcheck(L, i >= 1 && (lua_Unsigned)i <= n, 2, "no such part");
    lbind_push_part(L, 1, (size_t)i - 1);
    return 1;
}

/* _fields() -> { { name, raw value }, ... } */
static int part_fields(lua_State *L)
{
    const struct mime_node *node = node_of(L, false);
    const struct mime_map *map = lbind_map(L, 1, lbind_part(L, 1), false);
    size_t part = lbind_part(L, 1)->i;
    struct header_field f;
    lua_createtable(L, (int)node->field_n, 0); /* list */
    for (size_t i = 0; i < node->field_n; i++) {
        mime_map_field(map, part, node->field + i, &f);
        lbind_push_field(L, &f);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* _found() -> { defect, ... }: those of reading its message; how many there
   are in all */
static int part_found(lua_State *L)
{
    const struct mime_map *map = lbind_map(L, 1, lbind_part(L, 1), true);
    size_t kept =
        map->defect_n < MIME_DEFECTS_MOST ? map->defect_n : MIME_DEFECTS_MOST;
    lua_newtable(L); /* list */
    for (size_t i = 0; i < kept; i++) {
        const struct defect *d = &map->defects[i];
        lbind_push_defect(L, d->number, d->at);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)map->defect_n);
    return 2;
}

/* _noted() -> { part, number, offset or what it is of, ... } | nil: what was
   put off, which is told once */
static int part_noted(lua_State *L)
{
    (void)lbind_part(L, 1);
    push_owner(L, 1); /* message */
    lua_getiuservalue(L, -1, LBIND_NOTED);
    lua_pushnil(L);
    lua_setiuservalue(L, -3, LBIND_NOTED);
    return 1;
}

/* _made([parts]) -> the parts of its message that were handed out, by index;
   others take their place */
static int part_made(lua_State *L)
{
    lua_settop(L, 2);
    (void)lbind_part(L, 1);
    push_made(L, push_owner(L, 1)); /* message made */
    if (lua_istable(L, 2)) {
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -3, LBIND_MADE);
    }
    return 1;
}

/* _turn(other, i): is the part i of another's message from now on */
static int part_turn(lua_State *L)
{
    struct lbind_part *p = lbind_part(L, 1), *other = lbind_part(L, 2);
    lua_Integer i = luaL_checkinteger(L, 3);
    size_t n = lbind_map(L, 2, other, true)->n;
    luaL_argcheck(L, i >= 1 && (lua_Unsigned)i <= n, 3, "no such part");
    push_owner(L, 2);
    lua_setiuservalue(L, 1, LBIND_OWNER);
    p->of = other->of;
    p->i = (size_t)i - 1;
    forget_kept(L, 1);
    return 0;
}

/* _keep(name, value): what that field is from now on */
static int part_keep(lua_State *L)
{
    lua_settop(L, 3);
    int slot = strcmp(luaL_checkstring(L, 2), "parts") == 0 ? LBIND_PARTS : 0;
    lbind_keep(L, lbind_part(L, 1), 1, slot, 2);
    return 0;
}

const luaL_Reg lbind_message_methods[] = {
    {"walk", lbind_walk},
    {"_offsets", part_offsets},
    {"_kind", part_kind},
    {"_up", part_up},
    {"_slice", part_slice},
    {"_count", part_count},
    {"_at", part_at},
    {"_place", part_place},
    {"_fields", part_fields},
    {"_found", part_found},
    {"_noted", part_noted},
    {"_made", part_made},
    {"_turn", part_turn},
    {"_keep", part_keep},
    {NULL, NULL},
};
