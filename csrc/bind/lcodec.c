/*
 * lcodec - lunapost.core.codec: one call, one result, for the modules of
 * lunapost itself (for users: lcall.c)
 *
 * Results are gathered in one buf that all functions share as an upvalue
 * and that keeps its memory, up to a ceiling, from call to call: a call
 * costs the result string and one copy into it. A second upvalue is where
 * the state keeps its kernel.
 *
 * Owns: the scratch buf, in a userdata. Fails with: nil, kind, text; raises
 * on misuse and memory. I/O: none.
 */
#include <stdint.h>

#include "../core/base64.h"
#include "../core/buf.h"
#include "../core/charset.h"
#include "../core/dot.h"
#include "../core/param.h"
#include "../core/qp.h"
#include "../core/word.h"
#include "lbind.h"

#define SCRATCH    "lunapost.codec.scratch"
#define PARAM_LIST "lunapost.codec.param_list"

enum { SCRATCH_KEPT = 4 << 20 };

static int scratch_drop(lua_State *L)
{
    buf_free(luaL_checkudata(L, 1, SCRATCH));
    return 0;
}

static void scratch_push(lua_State *L)
{
    struct buf *b;
    lbind_type(L, SCRATCH, NULL, NULL, scratch_drop);
    b = lbind_new(L, sizeof *b, SCRATCH, 0); /* scratch */
    buf_init(b, SIZE_MAX / 2);
}

static struct buf *scratch(lua_State *L)
{
    struct buf *b = lua_touserdata(L, lua_upvalueindex(1));
    buf_clear(b);
    if (b->room > SCRATCH_KEPT)
        buf_free(b);
    return b;
}

static const struct kernel **kernel(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(2));
}

/* The scratch with room for n bytes, or raises. */
static char *scratch_room(lua_State *L, struct buf *b, size_t n)
{
    char *p = buf_space(b, n ? n : 1);
    if (!p)
        luaL_error(L, "not enough memory");
    return p;
}

/* s, columns, url, unpadded, lf -> string */
static int l_base64_encode(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct base64_encoder e;
    struct buf *b = scratch(L);
    char *p;
    size_t n;
    base64_encoder_init(&e, (unsigned)lbind_size(L, 2, 1 << 20));
    luaL_argcheck(L, e.columns % 4 == 0, 2, "columns: a multiple of 4");
    e.kernel = *kernel(L);
    e.url = lua_toboolean(L, 3);
    e.unpadded = lua_toboolean(L, 4);
    e.lf = lua_toboolean(L, 5);
    p = scratch_room(L, b, base64_room(in.n + 2, e.columns) + 6);
    n = base64_encode(&e, in, p);
    n += base64_encode_finish(&e, p + n);
    lua_pushlstring(L, p, n); /* result */
    return 1;
}

/* s, strict, url, unpadded -> string, junk, truncated
   | nil, kind, text, position */
static int l_base64_decode(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct base64_decoder d;
    struct buf *b = scratch(L);
    char *p = scratch_room(L, b, in.n);
    size_t n, more = 0;
    int err;
    base64_decoder_init(&d, lua_toboolean(L, 2));
    d.kernel = *kernel(L);
    d.url = lua_toboolean(L, 3);
    d.unpadded = lua_toboolean(L, 4);
    err = base64_decode(&d, in, p, &n);
    if (err == 0)
        err = base64_decode_finish(&d, p + n, &more);
    if (err < 0) {
        lbind_fail(L, err, NULL); /* nil kind text */
        lua_pushinteger(L, (lua_Integer)d.offset + 1);
        return 4;
    }
    lua_pushlstring(L, p, n + more); /* result */
    lua_pushinteger(L, (lua_Integer)d.junk);
    lua_pushinteger(L, (lua_Integer)d.truncated);
    return 3;
}

static int push_converted(lua_State *L, struct buf *b, int faults)
{
    if (faults < 0)
        return lbind_fail(L, faults, NULL);
    lbind_push(L, buf_span(b)); /* result */
    lua_pushinteger(L, faults);
    return 2;
}

static int l_charset_decode(lua_State *L)
{
    struct span charset = lbind_check(L, 1), in = lbind_check(L, 2);
    struct buf *b = scratch(L);
    return push_converted(L, b, charset_decode(b, charset, in, NULL));
}

static int l_charset_encode(lua_State *L)
{
    struct span charset = lbind_check(L, 1), in = lbind_check(L, 2);
    struct buf *b = scratch(L);
    return push_converted(L, b, charset_encode(b, charset, in, NULL));
}

static int l_charset_known(lua_State *L)
{
    lua_pushboolean(L, charset_known(lbind_check(L, 1)));
    return 1;
}

static int l_is_utf8(lua_State *L)
{
    lua_pushboolean(L, charset_is_utf8_by(*kernel(L), lbind_check(L, 1)));
    return 1;
}

/* s, plain, unmarked -> string */
static int l_dot_encode(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct dot_encoder e = {0};
    struct buf *b = scratch(L);
    e.kernel = *kernel(L);
    e.plain = lua_toboolean(L, 2);
    e.unmarked = lua_toboolean(L, 3);
    dot_encode(&e, in, b);
    if (dot_encode_finish(&e, b) < 0)
        return lbind_fail(L, buf_error(b), NULL);
    lbind_push(L, buf_span(b));
    return 1;
}

/* s, binary, keep -> string */
static int l_qp_encode(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct qp_encoder e;
    struct buf *b = scratch(L);
    qp_encoder_init(&e, lua_toboolean(L, 2));
    e.kernel = *kernel(L);
    e.keep = lua_toboolean(L, 3);
    qp_encode(&e, in, b);
    if (qp_encode_finish(&e, b) < 0)
        return lbind_fail(L, buf_error(b), NULL);
    lbind_push(L, buf_span(b));
    return 1;
}

/* s -> string, how many are invalid, where the first is */
static int l_qp_decode(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct qp_decoder d;
    struct buf *b = scratch(L);
    qp_decoder_init(&d);
    d.kernel = *kernel(L);
    qp_decode(&d, in, b);
    if (qp_decode_finish(&d, b) < 0)
        return lbind_fail(L, buf_error(b), NULL);
    lbind_push(L, buf_span(b));
    lua_pushinteger(L, (lua_Integer)d.invalid);
    lua_pushinteger(L, (lua_Integer)d.invalid_at + 1);
    return 3;
}

/* value -> text, faults */
static int l_word_decode(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct buf *b = scratch(L);
    return push_converted(L, b, word_decode(b, in, NULL));
}

/* text, charset, place -> string */
static int l_word_encode(lua_State *L)
{
    static const char *const places[] = {"text", "phrase", "comment", NULL};
    struct span in = lbind_check(L, 1), charset = lbind_optional(L, 2);
    int place = luaL_checkoption(L, 3, "text", places);
    struct buf *b = scratch(L);
    int err = word_encode(b, in, charset.p ? charset : SPAN("utf-8"),
                          (enum word_place)place);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(b));
    return 1;
}

static int param_list_drop(lua_State *L)
{
    param_list_free(luaL_checkudata(L, 1, PARAM_LIST));
    return 0;
}

/* value from its first ";" on -> { { name, value }, ... }, faults */
static int l_param_parse(lua_State *L)
{
    struct span in = lbind_check(L, 1);
    struct param_list *list = lbind_new(L, sizeof *list, PARAM_LIST, 0);
    int err = param_parse(list, in); /* list */
    if (err < 0) {
        param_list_free(list);
        return lbind_fail(L, err, NULL);
    }
    lua_createtable(L, (int)list->n, 0); /* list params */
    for (size_t i = 0; i < list->n; i++) {
        lua_createtable(L, 2, 0); /* list params pair */
        lbind_push(L, param_name(list, i));
        lua_rawseti(L, -2, 1);
        lbind_push(L, param_value(list, i));
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1); /* list params */
    }
    lua_pushinteger(L, (lua_Integer)list->faults);
    param_list_free(list);
    return 2;
}

/* name, value -> "; name=value" */
static int l_param_encode(lua_State *L)
{
    struct span name = lbind_check(L, 1), value = lbind_check(L, 2);
    struct buf *b = scratch(L);
    int err = param_encode(b, name, value);
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lbind_push(L, buf_span(b));
    return 1;
}

/* name to run from now on, or none -> name of the kernel that runs | nil */
static int l_kernel(lua_State *L)
{
    const char *name = luaL_optstring(L, 1, NULL);
    const struct kernel *wanted = name ? lbind_kernel_find(name) : *kernel(L);
    if (wanted)
        *kernel(L) = wanted;
    lua_pushstring(L, wanted ? wanted->name : NULL);
    return 1;
}

static const luaL_Reg functions[] = {
    {"base64_encode", l_base64_encode},
    {"base64_decode", l_base64_decode},
    {"charset_decode", l_charset_decode},
    {"charset_encode", l_charset_encode},
    {"charset_known", l_charset_known},
    {"is_utf8", l_is_utf8},
    {"dot_encode", l_dot_encode},
    {"qp_encode", l_qp_encode},
    {"qp_decode", l_qp_decode},
    {"word_decode", l_word_decode},
    {"word_encode", l_word_encode},
    {"param_parse", l_param_parse},
    {"param_encode", l_param_encode},
    {"kernel", l_kernel},
    {NULL, NULL},
};

int lbind_open_codec(lua_State *L)
{
    lbind_type(L, PARAM_LIST, NULL, NULL, param_list_drop);
    luaL_newlibtable(L, functions);            /* codec */
    scratch_push(L);                           /* codec scratch */
    lua_pushlightuserdata(L, lbind_kernel(L)); /* codec scratch kernel */
    luaL_setfuncs(L, functions, 2);            /* codec */
    return 1;
}
