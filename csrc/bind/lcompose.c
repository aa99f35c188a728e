/*
 * lcompose - lunapost.core.compose: whole header fields, looks at bodies
 *
 * text, bare, words, addresses and typed give "Name: value" CRLF and whether
 * the field holds raw UTF-8, or nil, kind, text. One writer and its output
 * serve all calls (an upvalue): a call leaves nothing in it that the next
 * one reads, also when it raises half-way.
 *
 * Owns: the writer, as a userdata. Fails with: syntax, limit.
 * I/O: none.
 */
#include "../core/buf.h"
#include "../core/compose.h"
#include "../core/date.h"
#include "../core/scan.h"
#include "lbind.h"

#define LCOMPOSE_WRITER "lunapost.composer"
#define LCOMPOSE_SCAN   "lunapost.scan"

enum { LCOMPOSE_FIELD = 1 << 24 }; /* most bytes of one field */

struct writer {
    struct compose compose;
    struct buf out;
};

static int writer_drop(lua_State *L)
{
    struct writer *w = luaL_checkudata(L, 1, LCOMPOSE_WRITER);
    compose_free(&w->compose);
    buf_free(&w->out);
    return 0;
}

/* Begins the field named by the first argument. */
static struct compose *begin(lua_State *L)
{
    struct span name = lbind_check(L, 1);
    struct writer *w = lua_touserdata(L, lua_upvalueindex(1));
    buf_clear(&w->out);
    compose_begin(&w->compose, &w->out, name);
    return &w->compose;
}

static int end(lua_State *L)
{
    struct writer *w = lua_touserdata(L, lua_upvalueindex(1));
    int err = compose_end(&w->compose);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(&w->out));
    lua_pushboolean(L, w->compose.utf8);
    return 2;
}

/* The string t[key] of the table on top, or an empty span; it lives as long
   as the table holds it.                                                  */
static struct span member(lua_State *L, const char *key)
{
    struct span s = {NULL, 0};
    lua_pushstring(L, key);
    if (lua_rawget(L, -2) == LUA_TSTRING) /* t value */
        s.p = lua_tolstring(L, -1, &s.n);
    lua_pop(L, 1); /* t */
    return s;
}

/* text(name, value) */
static int text(lua_State *L)
{
    struct span value = lbind_check(L, 2);
    compose_text(begin(L), value);
    return end(L);
}

/* bare(name, value) */
static int bare(lua_State *L)
{
    struct span value = lbind_check(L, 2);
    compose_bare(begin(L), value);
    return end(L);
}

/* words(name, { word, ... }) */
static int words(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    struct compose *c = begin(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 2, i); /* word */
        compose_word(c, lbind_check(L, -1));
        lua_pop(L, 1);
    }
    return end(L);
}

/* Mailboxes { name=, address= } of the table on top. */
static void mailboxes(lua_State *L, struct compose *c)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i); /* list mailbox */
        luaL_checktype(L, -1, LUA_TTABLE);
        compose_mailbox(c, member(L, "name"), member(L, "address"));
        lua_pop(L, 1); /* list */
    }
}

/* addresses(name, { mailbox or { group=, members= }, ... }) */
static int addresses(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    struct compose *c = begin(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 2, i); /* item */
        luaL_checktype(L, -1, LUA_TTABLE);
        struct span group = member(L, "group");
        if (group.p) {
            compose_group(c, group);
            lua_pushliteral(L, "members");
            lua_rawget(L, -2); /* item members */
            luaL_checktype(L, -1, LUA_TTABLE);
            mailboxes(L, c);
            lua_pop(L, 1); /* item */
            compose_group_end(c);
        } else
            compose_mailbox(c, member(L, "name"), member(L, "address"));
        lua_pop(L, 1);
    }
    return end(L);
}

/* typed(name, token, { { name, value, words }, ... }) */
static int typed(lua_State *L)
{
    struct span token = lbind_check(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    struct compose *c = begin(L);
    compose_token(c, token);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 3);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 3, i); /* param */
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_rawgeti(L, -1, 1); /* param name */
        lua_rawgeti(L, -2, 2); /* param name value */
        lua_rawgeti(L, -3, 3); /* param name value words */
        struct span name = lbind_check(L, -3), value = lbind_check(L, -2);
        if (lua_toboolean(L, -1))
            compose_parameter_words(c, name, value);
        else
            compose_parameter(c, name, value);
        lua_pop(L, 4);
    }
    return end(L);
}

/* address(text) -> "ascii" or "utf8", nil when it is no address */
static int address(lua_State *L)
{
    int form = compose_address(lbind_check(L, 1));
    if (form < 0)
        lua_pushnil(L);
    else
        lua_pushstring(L, form ? "utf8" : "ascii");
    return 1;
}

/* date(epoch) -> "Thu, 01 Jan 1970 00:00:00 +0000" */
static int date(lua_State *L)
{
    struct writer *w = lua_touserdata(L, lua_upvalueindex(1));
    struct date d = {luaL_checkinteger(L, 1), 0, true};
    buf_clear(&w->out);
    int err = date_format(&w->out, &d);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(&w->out));
    return 1;
}

/* scan:update(bytes) */
static int scan_update(lua_State *L)
{
    struct scan *s = luaL_checkudata(L, 1, LCOMPOSE_SCAN);
    scan_step(s, lbind_check(L, 2));
    return 0;
}

static void push_count(lua_State *L, const char *name, size_t n)
{
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, name);
}

static void push_flag(lua_State *L, const char *name, bool flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, name);
}

/* scan:finish() -> { size=, eight_bit=, longest=, nul=, utf8=, canonical= };
   canonical: every line end is CRLF */
static int scan_end(lua_State *L)
{
    struct scan *s = luaL_checkudata(L, 1, LCOMPOSE_SCAN);
    scan_finish(s);
    lua_createtable(L, 0, 6); /* result */
    push_count(L, "size", s->size);
    push_count(L, "eight_bit", s->eight_bit);
    push_count(L, "longest", s->longest);
    push_flag(L, "nul", s->nul);
    push_flag(L, "utf8", !s->not_utf8);
    push_flag(L, "canonical", s->bare_cr + s->bare_lf == 0);
    return 1;
}

/* scan() -> a scan of nothing yet */
static int scan(lua_State *L)
{
    struct scan *s = lbind_new(L, sizeof *s, LCOMPOSE_SCAN, 0);
    s->kernel = *lbind_kernel(L);
    return 1;
}

static const luaL_Reg scan_methods[] = {
    {"update", scan_update},
    {"finish", scan_end},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"date", date},   {"scan", scan},       {"text", text},
    {"bare", bare},   {"words", words},     {"addresses", addresses},
    {"typed", typed}, {"address", address}, {NULL, NULL},
};

int lbind_open_compose(lua_State *L)
{
    lbind_type(L, LCOMPOSE_SCAN, scan_methods, NULL, NULL);
    lbind_type(L, LCOMPOSE_WRITER, NULL, NULL, writer_drop);
    luaL_newlibtable(L, functions);
    struct writer *w = lbind_new(L, sizeof *w, LCOMPOSE_WRITER, 0);
    buf_init(&w->out, LCOMPOSE_FIELD); /* functions writer */
    luaL_setfuncs(L, functions, 1);
    return 1;
}
