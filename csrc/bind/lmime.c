/*
 * lmime - lunapost.core.mime
 *
 * Owns: nothing of its own; each userdata owns its machine.
 * Fails with: raises on misuse and on memory, nil and two words else.
 * I/O: none.
 */
#include "../core/addr.h"
#include "../core/date.h"
#include "../core/header.h"
#include "lbind.h"

/* Buffers of one call. They live in a userdata, so that a raising Lua call
   leaks nothing. */
#define SCRATCH "lunapost.mime.scratch"

enum { SCRATCH_MOST = 1 << 30 };

static int scratch_drop(lua_State *L)
{
    buf_free(luaL_checkudata(L, 1, SCRATCH));
    return 0;
}

static struct buf *scratch(lua_State *L)
{
    struct buf *b = lbind_new(L, sizeof *b, SCRATCH, 0);
    buf_init(b, SCRATCH_MOST);
    return b;
}

/* Pushes what a scratch buffer holds, or nil, kind, text. */
static int push_scratch(lua_State *L, struct buf *b, int err)
{
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(b));
    buf_free(b);
    return 1;
}

#define READER "lunapost.mime.addresses"

static int reader_drop(lua_State *L)
{
    addr_free(luaL_checkudata(L, 1, READER));
    return 0;
}

static void set_field(lua_State *L, const char *name, struct span s)
{
    lbind_push(L, s);
    lua_setfield(L, -2, name);
}

/* addresses(value, [most]) -> { { name =, address =, group = }, ... },
   faults; the names are raw, the value is a header's, raw or unfolded */
static int mime_addresses(lua_State *L)
{
    struct span value = lbind_check(L, 1);
    size_t most =
        lua_isnoneornil(L, 2) ? ADDR_MOST : lbind_size(L, 2, SIZE_MAX / 2);
    struct addr_reader *r = lbind_new(L, sizeof *r, READER, 0);
    struct addr a;
    int more;
    addr_init(r, value, most);
    lua_newtable(L); /* reader list */
    for (lua_Integer i = 1; (more = addr_next(r, &a)) > 0; i++) {
        lua_createtable(L, 0, 3); /* reader list item */
        set_field(L, "name", a.name);
        set_field(L, "address", a.address);
        if (a.grouped)
            set_field(L, "group", a.group);
        lua_rawseti(L, -2, i); /* reader list */
    }
    addr_free(r);
    if (more < 0)
        return lbind_fail(L, more, NULL);
    lua_pushinteger(L, (lua_Integer)r->faults);
    return 2;
}

/* fold(name, value) -> "Name: value" CRLF | nil, kind, text */
static int mime_fold(lua_State *L)
{
    struct span name = lbind_check(L, 1), value = lbind_check(L, 2);
    struct buf *b = scratch(L);
    return push_scratch(L, b, header_fold(b, name, value));
}

/* unfold(raw) -> value */
static int mime_unfold(lua_State *L)
{
    struct span raw = lbind_check(L, 1);
    struct buf *b = scratch(L);
    return push_scratch(L, b, header_unfold(b, raw));
}

/* fields(block) -> { { name, raw value }, ... }, offset behind the last;
   a line that is no field has the name false */
static int mime_fields(lua_State *L)
{
    struct span block = lbind_check(L, 1);
    struct header_field f;
    size_t at = 0;
    lua_newtable(L); /* list */
    for (lua_Integer i = 1; header_next(block, &at, &f); i++) {
        lua_createtable(L, 2, 0); /* list pair */
        if (f.name.n)
            lbind_push(L, f.name);
        else
            lua_pushboolean(L, false);
        lua_rawseti(L, -2, 1);
        lbind_push(L, f.value);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i); /* list */
    }
    lua_pushinteger(L, (lua_Integer)at);
    return 2;
}

/* date(value) -> epoch, zone in seconds or nil | nil */
static int mime_date(lua_State *L)
{
    struct date d;
    if (date_parse(lbind_check(L, 1), &d) < 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)d.epoch);
    if (d.zoned)
        lua_pushinteger(L, d.zone);
    else
        lua_pushnil(L);
    return 2;
}

/* format_date(epoch, [zone]) -> text | nil, kind, text */
static int mime_format_date(lua_State *L)
{
    lua_Integer zone = luaL_optinteger(L, 2, 0);
    struct date d = {luaL_checkinteger(L, 1), 0, true};
    luaL_argcheck(L, zone > -86400 && zone < 86400, 2, "out of range");
    d.zone = (int)zone;
    struct buf *b = scratch(L);
    return push_scratch(L, b, date_format(b, &d));
}

static const luaL_Reg functions[] = {
    {"addresses", mime_addresses},
    {"fold", mime_fold},
    {"unfold", mime_unfold},
    {"fields", mime_fields},
    {"date", mime_date},
    {"format_date", mime_format_date},
    {NULL, NULL},
};

int lbind_open_mime(lua_State *L)
{
    lbind_type(L, SCRATCH, NULL, NULL, scratch_drop);
    lbind_type(L, READER, NULL, NULL, reader_drop);
    luaL_newlib(L, functions);
    return 1;
}
