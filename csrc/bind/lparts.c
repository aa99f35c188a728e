/*
 * lparts - lunapost.core.parts: messages taken apart, and their bodies
 *
 * Owns: nothing of its own; each userdata owns its machine, and its user
 * value keeps alive what that borrows.
 * Fails with: raises on misuse and on memory.
 * I/O: none.
 */
#include <limits.h>
#include <stdint.h>

#include "../core/base64.h"
#include "../core/mime_tree.h"
#include "../core/qp.h"
#include "../core/uu.h"
#include "lbind.h"

#define SCRATCH "lunapost.parts.scratch"
#define MACHINE "lunapost.parts.machine"

/* Buffers of one call. They live in a userdata, so that a raising Lua call
   leaks nothing. */

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

/* Bodies */

static int decode_base64(const struct kernel *kernel, struct buf *out,
                         struct span in, size_t *faults)
{
    struct base64_decoder d;
    size_t n = 0;
    char *p = buf_space(out, in.n / 4 * 3 + 6);
    if (!p)
        return buf_error(out);
    base64_decoder_init(&d, false);
    d.kernel = kernel;
    (void)base64_decode(&d, in, p, &n);
    buf_filled(out, n);
    (void)base64_decode_finish(&d, p + n, &n);
    buf_filled(out, n);
    *faults = d.junk + d.truncated;
    return 0;
}

static int decode_quoted(const struct kernel *kernel, struct buf *out,
                         struct span in, size_t *faults)
{
    struct qp_decoder d;
    qp_decoder_init(&d);
    d.kernel = kernel;
    (void)qp_decode(&d, in, out);
    (void)qp_decode_finish(&d, out);
    *faults = d.invalid;
    return buf_error(out);
}

/* Without a "begin" the bytes stay as they are, which is a fault. */
static int decode_uu(const struct kernel *kernel, struct buf *out,
                     struct span in, size_t *faults)
{
    struct uu_decoder d = {0};
    int err = uu_decode(&d, in, out);
    (void)kernel;
    if (err == 0)
        err = uu_decode_finish(&d, out);
    *faults = d.junk + (d.at != UU_BEHIND);
    if (err == ERR_SYNTAX)
        err = buf_add_span(out, in);
    return err;
}

static int (*const decoders[])(const struct kernel *, struct buf *, struct span,
                               size_t *) = {decode_base64, decode_quoted,
                                            decode_uu, decode_uu, decode_uu};

/* Of the defect that a fault is. */
static const int numbers[] = {DEFECT_BASE64, DEFECT_QUOTED, DEFECT_UUENCODE,
                              DEFECT_UUENCODE, DEFECT_UUENCODE};

int lbind_encoding(enum mime_coding coding)
{
    if (mime_coding_changes(coding))
        return numbers[coding - MIME_CODING_BASE64];
    return coding == MIME_CODING_UNKNOWN ? -1 : 0;
}

void lbind_decode(lua_State *L, const struct kernel *kernel,
                  enum mime_coding coding, struct span in, struct buf *out,
                  size_t *faults)
{
    *faults = 0;
    if (decoders[coding - MIME_CODING_BASE64](kernel, out, in, faults) < 0)
        luaL_error(L, "a body is too large to be decoded");
}

/* Pushes bytes decoded, and the number of faults; as they are where the
   encoding is none that changes them. */
static int push_decoded(lua_State *L, struct span encoding, struct span in)
{
    size_t faults;
    struct buf *b = scratch(L);
    enum mime_coding coding = mime_known_coding(encoding);
    if (!mime_coding_changes(coding)) {
        lbind_push(L, in);
        lua_pushinteger(L, 0);
        return 2;
    }
    lbind_decode(L, *lbind_kernel(L), coding, in, b, &faults);
    lbind_push(L, buf_span(b));
    buf_free(b);
    lua_pushinteger(L, (lua_Integer)faults);
    return 2;
}

void lbind_push_field(lua_State *L, const struct header_field *f)
{
    lua_createtable(L, 2, 0); /* pair */
    lbind_push(L, f->name);
    lua_rawseti(L, -2, 1);
    lbind_push(L, f->value);
    lua_rawseti(L, -2, 2);
}

void lbind_limits(lua_State *L, int arg, struct mime_limits *limits)
{
    mime_limits_default(limits);
    if (lua_isnoneornil(L, arg))
        return;
    luaL_checktype(L, arg, LUA_TTABLE);
    limits->depth = lbind_field_size(L, arg, "depth", limits->depth);
    limits->parts = lbind_field_size(L, arg, "parts", limits->parts);
    limits->header = lbind_field_size(L, arg, "header", limits->header);
    limits->fields = lbind_field_size(L, arg, "fields", limits->fields);
}

void lbind_push_defect(lua_State *L, int number, uint64_t at)
{
    static const char *const severities[] = {"harmless", "interoperability",
                                             "attack"};
    lua_createtable(L, 0, 4); /* defect */
    lua_pushinteger(L, number);
    lua_setfield(L, -2, "number");
    lua_pushstring(L, defect_text(number));
    lua_setfield(L, -2, "text");
    lua_pushstring(L, severities[defect_severity(number)]);
    lua_setfield(L, -2, "severity");
    lua_pushinteger(L, (lua_Integer)at);
    lua_setfield(L, -2, "offset");
}

/* defect(number, offset) -> defect */
static int parts_defect(lua_State *L)
{
    size_t at = lbind_size(L, 2, SIZE_MAX / 2);
    lbind_push_defect(L, (int)lbind_size(L, 1, INT_MAX), at);
    return 1;
}

/* Machines. User value 1 is the chunk that is borrowed. */

static int machine_drop(lua_State *L)
{
    mime_free(luaL_checkudata(L, 1, MACHINE));
    return 0;
}

/* machine([limits]) -> machine */
static int parts_machine(lua_State *L)
{
    struct mime_limits limits;
    lbind_limits(L, 1, &limits);
    mime_init(lbind_new(L, sizeof(struct mime), MACHINE, 1), &limits);
    return 1;
}

/* push(chunk), after "more" or at first; without one: there is no more */
static int machine_push(lua_State *L)
{
    struct mime *m = luaL_checkudata(L, 1, MACHINE);
    luaL_argcheck(L, m->input.n == 0 && !m->finished, 2,
                  "pull until \"more\" before the next chunk");
    if (lua_isnoneornil(L, 2)) {
        mime_finish(m);
        return 0;
    }
    struct span chunk = lbind_check(L, 2);
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, 1);
    mime_push(m, chunk);
    return 0;
}

static int push_event(lua_State *L, const struct mime_event *e)
{
    static const char *const kinds[] = {"leaf", "multipart", "message"};
    static const char *const names[] = {"more", "part", "field", "head",
                                        "body", "end",  "defect"};
    lua_pushstring(L, names[e->event]);
    lua_pushinteger(L, (lua_Integer)e->at);
    lua_pushinteger(L, (lua_Integer)e->depth);
    switch (e->event) {
    case MIME_FIELD:
        lbind_push(L, e->field.name);
        lbind_push(L, e->field.value);
        return 5;
    case MIME_HEAD:
        lua_pushstring(L, kinds[e->kind]);
        return 4;
    case MIME_BODY:
        lbind_push(L, e->bytes);
        return 4;
    case MIME_DEFECT:
        lbind_push_defect(L, e->number, e->at);
        return 4;
    default:
        return 3;
    }
}

/* pull() -> "more"
           | "part", offset, depth
           | "field", offset, depth, name, raw value
           | "head", offset, depth, kind
           | "body", offset, depth, bytes
           | "end", offset, depth
           | "defect", offset, depth, defect
           | nil: nothing more comes */
static int machine_pull(lua_State *L)
{
    struct mime *m = luaL_checkudata(L, 1, MACHINE);
    struct mime_event e = {0};
    int event = mime_next(m, &e);
    if (event < 0)
        return lbind_fail(L, event, NULL);
    if (event == MIME_MORE) {
        lua_pushnil(L);
        lua_setiuservalue(L, 1, 1);
        lua_pushliteral(L, "more");
        return 1;
    }
    if (event == MIME_END) {
        lua_pushnil(L);
        return 1;
    }
    return push_event(L, &e);
}

/* decode(encoding, bytes) -> decoded octets, faults */
static int parts_decode(lua_State *L)
{
    return push_decoded(L, lbind_check(L, 1), lbind_check(L, 2));
}

static const luaL_Reg machine_methods[] = {
    {"push", machine_push},
    {"pull", machine_pull},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"machine", parts_machine},
    {"decode", parts_decode},
    {"defect", parts_defect},
    {NULL, NULL},
};

int lbind_open_parts(lua_State *L)
{
    lbind_type(L, SCRATCH, NULL, NULL, scratch_drop);
    lbind_type(L, MACHINE, machine_methods, NULL, machine_drop);
    luaL_newlib(L, functions);
    return 1;
}
