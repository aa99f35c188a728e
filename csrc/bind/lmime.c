/*
 * lmime - lunapost.core.mime: values of header fields, and text
 *
 * Owns: what calls work with, in one userdata.
 * Fails with: raises on misuse and on memory, nil and two words else.
 * I/O: none.
 */
#include "../core/addr.h"
#include "../core/ascii.h"
#include "../core/charset.h"
#include "../core/date.h"
#include "../core/header.h"
#include "../core/media.h"
#include "../core/param.h"
#include "../core/word.h"
#include "lbind.h"

#include <limits.h>
#include <stdint.h>

#define WORK "lunapost.mime.work"

/* What calls work with. One userdata, upvalue of all functions, holds it:
   its memory is used again, and a raising Lua call leaks nothing. */
struct work {
    struct buf flat; /* an unfolded value */
    struct buf text; /* what is made of it */
    struct param_list params;
    struct addr_reader addresses;
    lua_Integer faults;
};

enum { WORK_MOST = 1 << 30, WORK_KEPT = 1 << 16 };

static int work_drop(lua_State *L)
{
    struct work *w = luaL_checkudata(L, 1, WORK);
    buf_free(&w->flat);
    buf_free(&w->text);
    param_list_free(&w->params);
    addr_free(&w->addresses);
    return 0;
}

static struct work *begin(lua_State *L)
{
    struct work *w = lua_touserdata(L, lua_upvalueindex(1));
    buf_clear(&w->flat);
    buf_clear(&w->text);
    w->faults = 0;
    return w;
}

/* Gives back what only a large value needed. */
static void end(struct work *w)
{
    buf_clear(&w->flat);
    buf_clear(&w->text);
    if (w->flat.room > WORK_KEPT)
        buf_rest(&w->flat);
    if (w->text.room > WORK_KEPT)
        buf_rest(&w->text);
}

/* Pushes the text that was made, or nil, kind, text. */
static int push_text(lua_State *L, struct work *w, int err)
{
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(&w->text));
    end(w);
    return 1;
}

/* text(raw) -> unfolded, encoded words decoded, UTF-8; faults */
static int mime_text(lua_State *L)
{
    struct span raw = lbind_check(L, 1);
    struct work *w = begin(L);
    int faults = header_unfold(&w->flat, raw);
    if (faults == 0)
        faults = word_decode(&w->text, buf_span(&w->flat));
    if (faults < 0)
        return lbind_fail(L, faults, NULL);
    push_text(L, w, 0);
    lua_pushinteger(L, faults);
    return 2;
}

/* Addresses */

static void set_field(lua_State *L, const char *name, struct span s)
{
    lbind_push(L, s);
    lua_setfield(L, -2, name);
}

static int set_decoded(lua_State *L, const char *name, struct span s,
                       struct work *w)
{
    int faults;
    buf_clear(&w->text);
    faults = word_decode(&w->text, s);
    if (faults < 0)
        return faults;
    w->faults += faults;
    set_field(L, name, buf_span(&w->text));
    return 0;
}

static int push_address(lua_State *L, const struct addr *a, struct work *w)
{
    lua_createtable(L, 0, 3); /* item */
    int err = set_decoded(L, "name", a->name, w);
    set_field(L, "address", a->address);
    if (err == 0 && a->grouped)
        err = set_decoded(L, "group", a->group, w);
    return err;
}

/* addresses(raw, [most]) -> { { name =, address =, group = }, ... }, faults,
   whether more than `most` are there */
static int mime_addresses(lua_State *L)
{
    struct span value = lbind_check(L, 1);
    size_t most =
        lua_isnoneornil(L, 2) ? ADDR_MOST : lbind_size(L, 2, SIZE_MAX / 2);
    struct work *w = begin(L);
    struct addr a;
    int more;
    addr_free(&w->addresses); /* an earlier call may have been cut short */
    addr_init(&w->addresses, value, most + 1);
    lua_newtable(L); /* list */
    for (lua_Integer i = 1; (more = addr_next(&w->addresses, &a)) > 0; i++) {
        if (w->addresses.left == 0)
            break;
        int err = push_address(L, &a, w); /* list item */
        if (err < 0)
            return lbind_fail(L, err, NULL);
        lua_rawseti(L, -2, i); /* list */
    }
    if (more < 0)
        return lbind_fail(L, more, NULL);
    lua_pushinteger(L, (lua_Integer)w->addresses.faults + w->faults);
    lua_pushboolean(L, w->addresses.left == 0);
    addr_free(&w->addresses);
    end(w);
    return 3;
}

/* Content-* values */

static void push_lower(lua_State *L, struct span s)
{
    luaL_Buffer b;
    char *p = luaL_buffinitsize(L, &b, s.n);
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    luaL_pushresultsize(&b, s.n);
}

static void push_media(lua_State *L, const struct media *m)
{
    push_lower(L, m->type);
    lua_pushliteral(L, "/");
    push_lower(L, m->subtype);
    lua_concat(L, 3);
}

static void push_params(lua_State *L, const struct param_list *list)
{
    lua_createtable(L, 0, (int)list->n); /* params */
    for (size_t i = list->n; i-- > 0;) {
        lbind_push(L, param_name(list, i));
        lbind_push(L, param_value(list, i));
        lua_rawset(L, -3);
    }
}

/* content(raw) -> "type/subtype" or nil, parameters, faults, whether more
   parameters are there than are kept
   content(raw, true) -> first word or nil, and the same */
static int mime_content(lua_State *L)
{
    struct span raw = lbind_check(L, 1), word, rest;
    bool wordy = lua_toboolean(L, 2);
    struct work *w = begin(L);
    struct media m;
    int err = header_unfold(&w->flat, raw);
    word = media_word(buf_span(&w->flat), &rest);
    media_split(buf_span(&w->flat), &m);
    if (err == 0)
        err = param_parse(&w->params, wordy ? rest : m.rest);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    if (wordy ? word.n == 0 : m.type.n == 0)
        lua_pushnil(L);
    else if (wordy)
        push_lower(L, word);
    else
        push_media(L, &m);
    push_params(L, &w->params);
    lua_pushinteger(L, (lua_Integer)w->params.faults);
    lua_pushboolean(L, w->params.more);
    end(w);
    return 4;
}

/* Text in no charset: ASCII, each other byte U+FFFD. */
static int decode_ascii(struct buf *out, struct span bytes)
{
    int faults = 0;
    while (bytes.n && !buf_error(out)) {
        size_t n = 0;
        while (n < bytes.n && !ascii_is(bytes.p[n], ASCII_8BIT))
            n++;
        buf_add(out, bytes.p, n);
        if (n < bytes.n) {
            buf_add_text(out, "\xef\xbf\xbd");
            faults += faults < INT_MAX;
            n++;
        }
        bytes = span_skip(bytes, n);
    }
    return buf_error(out) ? buf_error(out) : faults;
}

/* utf8(charset, bytes) -> text, faults | nil, kind, text: unknown charset.
   Without a charset, text that is not all UTF-8 is not guessed at. */
static int mime_utf8(lua_State *L)
{
    struct span charset = lbind_optional(L, 1), bytes = lbind_check(L, 2);
    struct work *w = begin(L);
    int faults;
    if (charset.n == 0 && !charset_is_utf8(bytes))
        faults = decode_ascii(&w->text, bytes);
    else
        faults = charset_decode(&w->text, charset.n ? charset : SPAN("utf-8"),
                                bytes);
    if (faults < 0)
        return lbind_fail(L, faults, NULL);
    push_text(L, w, 0);
    lua_pushinteger(L, faults);
    return 2;
}

/* unfold(raw) -> value */
static int mime_unfold(lua_State *L)
{
    struct span raw = lbind_check(L, 1);
    struct work *w = begin(L);
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
static int mime_fields(lua_State *L)
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
    struct work *w = begin(L);
    return push_text(L, w, date_format(&w->text, &d));
}

static const luaL_Reg functions[] = {
    {"fields", mime_fields},
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
    lbind_type(L, WORK, NULL, NULL, work_drop);
    luaL_newlibtable(L, functions);                    /* mime */
    struct work *w = lbind_new(L, sizeof *w, WORK, 0); /* mime work */
    buf_init(&w->flat, WORK_MOST);
    buf_init(&w->text, WORK_MOST);
    luaL_setfuncs(L, functions, 1); /* mime */
    return 1;
}
