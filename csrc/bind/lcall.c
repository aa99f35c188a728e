/*
 * lcall - what the codecs' one-shot functions share
 *
 * These functions are what users call, with no Lua between: a call of a few
 * octets would spend most of its time there. Results are gathered in
 * buffers that all functions share and that keep their memory, up to a
 * ceiling, from call to call: a call costs the result string and one copy
 * into it. What Lua decides, the metatables of errors and of defects, and
 * the words of a complaint about options, is handed over once, as user
 * values of the shared userdata.
 *
 * Owns: the buffers, in a userdata. Fails with: raises on misuse and memory.
 * I/O: none.
 */
#include <stdint.h>

#include "lbind.h"

#define CALL "lunapost.codec.call"

/* More than one attachment in many is; beyond it the system's pages for the
   result alone cost more than those for the buffer. */
enum { KEPT = 4 << 20 };

enum {
    ERR_META = 1,
    DEFECT_META,
    NO_DEFECTS,
    COMPLAIN,
    USER_VALUES = COMPLAIN
};

static int call_drop(lua_State *L)
{
    struct lbind_call *call = luaL_checkudata(L, 1, CALL);
    buf_free(&call->out);
    param_list_free(&call->params);
    return 0;
}

/* err_meta, defect_meta, no_defects, complain -> the functions by name */
static int l_open(lua_State *L)
{
    struct lbind_call *call;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    lbind_type(L, CALL, NULL, NULL, call_drop);
    call = lbind_new(L, sizeof *call, CALL, USER_VALUES); /* call */
    buf_init(&call->out, SIZE_MAX / 2);
    call->kernel = lbind_kernel(L);
    call->charsets = lbind_charsets(L);
    for (int i = 1; i <= USER_VALUES; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    lua_newtable(L); /* call functions */
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, lbind_wholes, 1);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, lbind_texts, 1);
    return 1;
}

struct lbind_call *lbind_call(lua_State *L)
{
    struct lbind_call *call = lua_touserdata(L, lua_upvalueindex(1));
    buf_clear(&call->out);
    return call;
}

static void push_value(lua_State *L, int which)
{
    lua_getiuservalue(L, lua_upvalueindex(1), which);
}

struct span lbind_text(lua_State *L, int arg, const char *what)
{
    struct span s = {NULL, 0};
    if (lua_type(L, arg) != LUA_TSTRING)
        luaL_error(L, "codec.%s takes a string, not %s", what,
                   lua_isnone(L, arg) ? "nothing" : luaL_typename(L, arg));
    s.p = lua_tolstring(L, arg, &s.n);
    return s;
}

/* Pushes { name = name, ... } */
static void push_choices(lua_State *L, const char *const *choices)
{
    lua_newtable(L);
    for (; *choices; choices++) {
        lua_pushstring(L, *choices);
        lua_setfield(L, -2, *choices);
    }
}

/* lunapost.options says what is wrong with the options: it raises. */
static int complain(lua_State *L, int arg, const char *what,
                    const struct lbind_option *known)
{
    push_value(L, COMPLAIN);
    lua_pushstring(L, what);
    lua_pushvalue(L, arg);
    lua_newtable(L);
    lua_newtable(L); /* complain what options known choices */
    for (; known->name; known++) {
        lua_pushstring(L, known->type);
        lua_setfield(L, -3, known->name);
        if (!known->choices)
            continue;
        push_choices(L, known->choices);
        lua_setfield(L, -2, known->name);
    }
    lua_call(L, 4, 0);
    return luaL_error(L, "codec.%s: the options are wrong", what);
}

static bool take_string(lua_State *L, const char *const *choices,
                        struct lbind_given *given)
{
    given->text.p = lua_tolstring(L, -1, &given->text.n);
    if (!choices)
        return true;
    for (int i = 0; choices[i]; i++) {
        given->choice = i;
        if (span_eq(given->text, span_from(choices[i])))
            return true;
    }
    return false;
}

/* The value at the top of the stack, if it is of that kind. */
static bool take_value(lua_State *L, const struct lbind_option *option,
                       struct lbind_given *given)
{
    char type = option->type[0];
    given->set = true;
    if (type == 's' && lua_type(L, -1) == LUA_TSTRING)
        return take_string(L, option->choices, given);
    if (type == 'b' && lua_isboolean(L, -1)) {
        given->flag = lua_toboolean(L, -1);
        return true;
    }
    given->number = lua_tointeger(L, -1);
    return type == 'i' && lua_isinteger(L, -1);
}

void lbind_options(lua_State *L, int arg, const char *what,
                   const struct lbind_option *known, struct lbind_given *given)
{
    memset(given, 0, LBIND_OPTIONS * sizeof *given);
    if (lua_isnoneornil(L, arg))
        return;
    if (lua_type(L, arg) != LUA_TTABLE)
        complain(L, arg, what, known);
    for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) { /* key value */
        struct span key = {NULL, 0};
        size_t i = 0;
        if (lua_type(L, -2) == LUA_TSTRING)
            key.p = lua_tolstring(L, -2, &key.n);
        while (known[i].name && !span_eq(key, span_from(known[i].name)))
            i++;
        if (!known[i].name || !take_value(L, &known[i], &given[i]))
            complain(L, arg, what, known);
    }
}

static void rest(struct buf *b)
{
    buf_clear(b);
    if (b->room > KEPT)
        buf_free(b);
}

void lbind_rest(lua_State *L)
{
    struct lbind_call *call = lua_touserdata(L, lua_upvalueindex(1));
    rest(&call->out);
    if (call->busy)
        return;
    rest(&call->params.text);
    rest(&call->params.joined);
}

void lbind_gathered(lua_State *L)
{
    struct lbind_call *call = lua_touserdata(L, lua_upvalueindex(1));
    lbind_push(L, buf_span(&call->out));
    lbind_rest(L);
}

void lbind_defect(lua_State *L, const char *kind, size_t count, size_t offset,
                  const char *format)
{
    if (count == 0)
        return;
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_createtable(L, 0, 4); /* list defect */
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, "count");
    if (offset) {
        lua_pushinteger(L, (lua_Integer)offset);
        lua_setfield(L, -2, "offset");
    }
    lua_pushfstring(L, format, (lua_Integer)count, count == 1 ? "" : "s");
    lua_setfield(L, -2, "text");
    push_value(L, DEFECT_META);
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1); /* list */
}

void lbind_defects(lua_State *L)
{
    if (!lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    push_value(L, NO_DEFECTS);
}

int lbind_problem(lua_State *L, int err, size_t where)
{
    lbind_rest(L);
    if (err == ERR_MEMORY)
        return luaL_error(L, "not enough memory");
    lua_pushnil(L);
    lua_createtable(L, 0, 3); /* text nil err */
    lua_pushstring(L, err_kind(err));
    lua_setfield(L, -2, "kind");
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "text");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "transient");
    push_value(L, ERR_META);
    lua_setmetatable(L, -2);
    if (where == 0)
        return 2;
    lua_pushinteger(L, (lua_Integer)where);
    return 3;
}

static const luaL_Reg functions[] = {
    {"open", l_open},
    {NULL, NULL},
};

int lbind_open_call(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
