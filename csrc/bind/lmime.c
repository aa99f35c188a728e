/*
 * lmime - lunapost.core.mime: values of header fields, and text
 *
 * Owns: nothing of its own; each userdata owns its machine.
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

#define ADDRESSES "lunapost.mime.addresses"
#define CONTENT   "lunapost.mime.content"

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

/* text(raw) -> unfolded, encoded words decoded, UTF-8; faults */
static int mime_text(lua_State *L)
{
    struct span raw = lbind_check(L, 1);
    struct buf *flat = scratch(L), *text = scratch(L);
    int faults = header_unfold(flat, raw);
    if (faults == 0)
        faults = word_decode(text, buf_span(flat));
    if (faults < 0)
        return lbind_fail(L, faults, NULL);
    push_scratch(L, text, 0);
    lua_pushinteger(L, faults);
    buf_free(flat);
    return 2;
}

/* Addresses */

struct addresses {
    struct addr_reader reader;
    struct buf name;
    lua_Integer faults;
};

static int addresses_drop(lua_State *L)
{
    struct addresses *a = luaL_checkudata(L, 1, ADDRESSES);
    addr_free(&a->reader);
    buf_free(&a->name);
    return 0;
}

static void set_field(lua_State *L, const char *name, struct span s)
{
    lbind_push(L, s);
    lua_setfield(L, -2, name);
}

static int set_decoded(lua_State *L, const char *name, struct span s,
                       struct addresses *all)
{
    int faults;
    buf_clear(&all->name);
    faults = word_decode(&all->name, s);
    if (faults < 0)
        return faults;
    all->faults += faults;
    set_field(L, name, buf_span(&all->name));
    return 0;
}

static int push_address(lua_State *L, const struct addr *a,
                        struct addresses *all)
{
    lua_createtable(L, 0, 3); /* item */
    int err = set_decoded(L, "name", a->name, all);
    set_field(L, "address", a->address);
    if (err == 0 && a->grouped)
        err = set_decoded(L, "group", a->group, all);
    return err;
}

/* addresses(raw, [most]) -> { { name =, address =, group = }, ... }, faults,
   whether more than `most` are there */
static int mime_addresses(lua_State *L)
{
    struct span value = lbind_check(L, 1);
    size_t most =
        lua_isnoneornil(L, 2) ? ADDR_MOST : lbind_size(L, 2, SIZE_MAX / 2);
    struct addresses *all = lbind_new(L, sizeof *all, ADDRESSES, 0);
    struct addr a;
    int more;
    addr_init(&all->reader, value, most);
    buf_init(&all->name, SCRATCH_MOST);
    lua_newtable(L); /* all list */
    for (lua_Integer i = 1; (more = addr_next(&all->reader, &a)) > 0; i++) {
        int err = push_address(L, &a, all); /* all list item */
        if (err < 0)
            return lbind_fail(L, err, NULL);
        lua_rawseti(L, -2, i); /* all list */
    }
    if (more < 0)
        return lbind_fail(L, more, NULL);
    lua_pushinteger(L, (lua_Integer)all->reader.faults + all->faults);
    lua_pushboolean(L, all->reader.left == 0);
    addr_free(&all->reader);
    buf_free(&all->name);
    return 3;
}

/* Content-* values */

struct content {
    struct param_list list;
    struct buf flat;
};

static int content_drop(lua_State *L)
{
    struct content *c = luaL_checkudata(L, 1, CONTENT);
    param_list_free(&c->list);
    buf_free(&c->flat);
    return 0;
}

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

/* content(raw) -> "type/subtype" or nil, parameters, faults
   content(raw, true) -> first word or nil, parameters, faults */
static int mime_content(lua_State *L)
{
    struct span raw = lbind_check(L, 1), word, rest;
    bool wordy = lua_toboolean(L, 2);
    struct content *c = lbind_new(L, sizeof *c, CONTENT, 0);
    struct media m;
    int err;
    buf_init(&c->flat, SCRATCH_MOST);
    err = header_unfold(&c->flat, raw);
    word = media_word(buf_span(&c->flat), &rest);
    media_split(buf_span(&c->flat), &m);
    if (err == 0)
        err = param_parse(&c->list, wordy ? rest : m.rest);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    if (wordy ? word.n == 0 : m.type.n == 0)
        lua_pushnil(L);
    else if (wordy)
        push_lower(L, word);
    else
        push_media(L, &m);
    push_params(L, &c->list);
    lua_pushinteger(L, (lua_Integer)c->list.faults);
    param_list_free(&c->list);
    buf_free(&c->flat);
    return 3;
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
    struct buf *b = scratch(L);
    int faults;
    if (charset.n == 0 && !charset_is_utf8(bytes))
        faults = decode_ascii(b, bytes);
    else
        faults = charset_decode(b, charset.n ? charset : SPAN("utf-8"), bytes);
    if (faults < 0)
        return lbind_fail(L, faults, NULL);
    push_scratch(L, b, 0);
    lua_pushinteger(L, faults);
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
    struct buf *b = scratch(L);
    return push_scratch(L, b, date_format(b, &d));
}

static const luaL_Reg functions[] = {
    {"fields", mime_fields},       {"fold", mime_fold},
    {"unfold", mime_unfold},       {"text", mime_text},
    {"addresses", mime_addresses}, {"content", mime_content},
    {"date", mime_date},           {"format_date", mime_format_date},
    {"utf8", mime_utf8},           {NULL, NULL},
};

int lbind_open_mime(lua_State *L)
{
    lbind_type(L, SCRATCH, NULL, NULL, scratch_drop);
    lbind_type(L, ADDRESSES, NULL, NULL, addresses_drop);
    lbind_type(L, CONTENT, NULL, NULL, content_drop);
    luaL_newlib(L, functions);
    return 1;
}
