/*
 * lmime - lunapost.core.mime: values of header fields, and text
 *
 * Owns: nothing of its own.
 * Fails with: raises on misuse and on memory, nil and two words else.
 * I/O: none.
 */
#include "../core/date.h"
#include "../core/header.h"
#include "lbind.h"

#include <stdint.h>

/* Pushes the text that was made, or nil, kind, text. */
static int push_text(lua_State *L, struct lbind_work *w, int err)
{
    if (err == 0)
        lbind_push(L, buf_span(&w->text));
    lbind_work_end(w);
    return err < 0 ? lbind_fail(L, err, NULL) : 1;
}

/* text(raw) -> unfolded, encoded words decoded, UTF-8; faults */
static int mime_text(lua_State *L)
{
    struct span raw = lbind_check(L, 1);
    struct lbind_work *w = lbind_work(L);
    lua_pushinteger(L, lbind_push_value(L, w, raw, mime_text_kind(raw)));
    lbind_work_end(w);
    return 2;
}

/* addresses(raw, [most]) -> { { name =, address =, group = }, ... }, faults,
   whether more than `most` are there */
static int mime_addresses(lua_State *L)
{
    struct span value = lbind_check(L, 1);
    size_t most =
        lua_isnoneornil(L, 2) ? ADDR_MOST : lbind_size(L, 2, SIZE_MAX / 2);
    struct lbind_work *w = lbind_work(L);
    bool more;
    lua_pushinteger(L, lbind_push_addresses(L, w, value, mime_text_kind(value),
                                            most, &more));
    lua_pushboolean(L, more);
    lbind_work_end(w);
    return 3;
}

/* content(raw) -> "type/subtype" or nil, parameters, faults, whether more
   parameters are there than are kept
   content(raw, true) -> first word or nil, and the same */
static int mime_content(lua_State *L)
{
    struct span raw = lbind_check(L, 1), rest;
    bool wordy = lua_toboolean(L, 2);
    struct lbind_work *w = lbind_work(L);
    lbind_push_media(L, w, raw, wordy, &rest);
    int faults = lbind_params(L, w, rest);
    lbind_push_params(L, w);
    lua_pushinteger(L, faults);
    lua_pushboolean(L, w->params.more);
    lbind_work_end(w);
    return 4;
}

/* utf8(charset, bytes) -> text, faults | nil, kind, text: unknown charset.
   Without a charset, text that is not all UTF-8 is not guessed at. */
static int mime_utf8(lua_State *L)
{
    struct span charset = lbind_optional(L, 1), bytes = lbind_check(L, 2);
    struct lbind_work *w = lbind_work(L);
    int faults = lbind_push_utf8(L, w, charset, bytes);
    lbind_work_end(w);
    if (faults < 0)
        return lbind_fail(L, faults, NULL);
    lua_pushinteger(L, faults);
    return 2;
}

/* unfold(raw) -> value */
static int mime_unfold(lua_State *L)
{
    struct span raw = lbind_check(L, 1);
    struct lbind_work *w = lbind_work(L);
    return push_text(L, w, header_unfold(&w->text, raw));
}

static void push_field(lua_State *L, const struct header_field *f)
{
    lua_createtable(L, 2, 0); /* pair */
    if (f->name.n)
        lbind_push(L, f->name);
    else
        lua_pushboolean(L, false);
    lua_rawseti(L, -2, 1);
    lbind_push(L, f->value);
    lua_rawseti(L, -2, 2);
}

/* fields(block) -> { { name, raw value }, ... }, offset behind the last;
   a line that is no field has the name false */
static int mime_block(lua_State *L)
{
    struct span block = lbind_check(L, 1);
    struct header_field f;
    size_t at = 0;
    lua_newtable(L); /* list */
    for (lua_Integer i = 1; header_next(block, &at, &f); i++) {
        push_field(L, &f);
        lua_rawseti(L, -2, i);
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
    struct lbind_work *w = lbind_work(L);
    return push_text(L, w, date_format(&w->text, &d));
}

static const luaL_Reg functions[] = {
    {"fields", mime_block},
    {"unfold", mime_unfold},
    {"text", mime_text},
    {"addresses", mime_addresses},
    {"content", mime_content},
    {"date", mime_date},
    {"format_date", mime_format_date},
    {"utf8", mime_utf8},
    {NULL, NULL},
};

int lbind_open_mime(lua_State *L)
{
    luaL_newlibtable(L, functions); /* mime */
    lbind_new_work(L);              /* mime work */
    luaL_setfuncs(L, functions, 1); /* mime */
    return 1;
}
