/*
 * lparts - lunapost.core.parts: messages taken apart
 *
 * Numbers of parts count from 1, offsets from 0.
 *
 * Owns: nothing of its own; each userdata owns its tree or machine, and its
 * user value keeps alive what that borrows.
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
#define READER  "lunapost.parts.reader"
#define TREE    "lunapost.parts.tree"
#define MACHINE "lunapost.parts.machine"

/* Buffers of one call. They live in a userdata, so that a raising Lua call
   leaks nothing. */

enum {
    SCRATCH_MOST = 1 << 30,
    READER_KEPT = 1 << 20,
    WHOLE_MOST = 512 /* bytes of a message that is read at once */
};

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

static const struct {
    const char *name;
    int (*decode)(const struct kernel *kernel, struct buf *out, struct span in,
                  size_t *faults);
    int number; /* of the defect that a fault is */
} decodings[] = {
    {"base64", decode_base64, 302}, {"quoted-printable", decode_quoted, 303},
    {"x-uuencode", decode_uu, 306}, {"uuencode", decode_uu, 306},
    {"x-uue", decode_uu, 306},
};

int lbind_encoding(struct span name)
{
    for (size_t i = 0; i < sizeof decodings / sizeof decodings[0]; i++)
        if (span_ieq(name, span_from(decodings[i].name)))
            return decodings[i].number;
    return span_ieq(name, SPAN("7bit")) || span_ieq(name, SPAN("8bit")) ||
                   span_ieq(name, SPAN("binary"))
               ? 0
               : -1;
}

bool lbind_decode(lua_State *L, struct span encoding, struct span in,
                  struct buf *out, size_t *faults)
{
    *faults = 0;
    for (size_t i = 0; i < sizeof decodings / sizeof decodings[0]; i++) {
        if (!span_ieq(encoding, span_from(decodings[i].name)))
            continue;
        if (decodings[i].decode(*lbind_kernel(L), out, in, faults) < 0)
            luaL_error(L, "a body is too large to be decoded");
        return true;
    }
    return false;
}

/* Pushes bytes decoded, and the number of faults; as they are where the
   encoding is none that changes them. */
static int push_decoded(lua_State *L, const char *encoding, struct span in)
{
    size_t faults;
    struct buf *b = scratch(L);
    if (!lbind_decode(L, span_from(encoding), in, b, &faults)) {
        lbind_push(L, in);
        lua_pushinteger(L, 0);
        return 2;
    }
    lbind_push(L, buf_span(b));
    buf_free(b);
    lua_pushinteger(L, (lua_Integer)faults);
    return 2;
}

static void push_field(lua_State *L, const struct header_field *f)
{
    lua_createtable(L, 2, 0); /* pair */
    lbind_push(L, f->name);
    lua_rawseti(L, -2, 1);
    lbind_push(L, f->value);
    lua_rawseti(L, -2, 2);
}

/* Trees */

static const char *const kinds[] = {"leaf", "multipart", "message"};

static void check_limits(lua_State *L, int arg, struct mime_limits *limits)
{
    mime_limits_default(limits);
    if (lua_isnoneornil(L, arg))
        return;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_pushnil(L);
    if (!lua_next(L, arg))
        return;
    lua_pop(L, 2);
    limits->depth = lbind_field_size(L, arg, "depth", limits->depth);
    limits->parts = lbind_field_size(L, arg, "parts", limits->parts);
    limits->header = lbind_field_size(L, arg, "header", limits->header);
    limits->fields = lbind_field_size(L, arg, "fields", limits->fields);
}

/* What messages are read in, kept in the registry. */
static const char reader_key;

static int reader_drop(lua_State *L)
{
    mime_tree_free(luaL_checkudata(L, 1, READER));
    return 0;
}

static void make_reader(lua_State *L)
{
    lbind_type(L, READER, NULL, NULL, reader_drop);
    struct mime_tree *t = lbind_new(L, sizeof *t, READER, 0);
    mime_tree_init(t);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reader_key);
}

static struct mime_tree *read_message(lua_State *L, struct span bytes,
                                      const struct mime_limits *limits,
                                      bool head)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reader_key); /* reader */
    struct mime_tree *t = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (t->nodes.room + t->fields.room + t->machine.params.text.room >
        READER_KEPT) {
        mime_tree_free(t);
        mime_tree_init(t);
    }
    int err = mime_tree_parse(t, bytes, limits, head);
    if (err < 0)
        luaL_error(L, "not enough memory");
    return t;
}

/* To ask for a type by its name takes as long as most answers. */
static const char tree_mark;

/* A message in two steps: most of the large ones are looked at for their
   header only. User values: 1 the bytes, 2 the map of the whole. */
struct tree {
    const void *mark; /* tree_mark: this is one */
    struct span message;
    struct mime_limits limits;
    bool whole;
    const struct mime_map *map;
    struct mime_map head[]; /* where the map is at first */
};

const struct mime_map *lbind_map(lua_State *L, int tree, bool whole)
{
    struct tree *t = lua_touserdata(L, tree);
    if (!t || lua_rawlen(L, tree) < sizeof *t || t->mark != &tree_mark)
        luaL_typeerror(L, tree, TREE);
    if (whole && !t->whole) {
        struct mime_tree *read = read_message(L, t->message, &t->limits, false);
        tree = lua_absindex(L, tree);
        void *memory = lua_newuserdatauv(L, mime_map_size(read), 0);
        mime_map_put(read, t->message, memory);
        lua_setiuservalue(L, tree, 2);
        t->map = memory;
        t->whole = true;
    }
    return t->map;
}

void lbind_push_tree(lua_State *L, int message, int limits)
{
    struct span bytes = lbind_check(L, message);
    struct mime_limits most;
    message = lua_absindex(L, message);
    check_limits(L, limits, &most);
    struct mime_tree *read =
        read_message(L, bytes, &most, bytes.n > WHOLE_MOST);
    struct tree *t =
        lua_newuserdatauv(L, sizeof *t + mime_map_size(read), 2); /* tree */
    t->mark = &tree_mark;
    t->message = bytes;
    t->limits = most;
    t->whole = read->whole;
    mime_map_put(read, bytes, t->head);
    t->map = t->head;
    luaL_setmetatable(L, TREE);
    lua_pushvalue(L, message);
    lua_setiuservalue(L, -2, 1);
}

/* tree(bytes, [limits]) -> tree */
static int parts_tree(lua_State *L)
{
    lbind_push_tree(L, 1, 2);
    return 1;
}

static const struct mime_map *check_tree(lua_State *L)
{
    return lbind_map(L, 1, true);
}

/* The part whose number, from 1 on, is the second argument. */
static const struct mime_node *check_node(lua_State *L)
{
    const struct mime_map *map = check_tree(L);
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 1 && (lua_Unsigned)i <= map->n, 2, "no such part");
    return &map->nodes[i - 1];
}

static int tree_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_tree(L)->n);
    return 1;
}

/* kind(i) -> "leaf" | "multipart" | "message" */
static int tree_kind(lua_State *L)
{
    lua_pushstring(L, kinds[check_node(L)->kind]);
    return 1;
}

/* parent(i) -> j | nil */
static int tree_parent(lua_State *L)
{
    const struct mime_node *node = check_node(L);
    if (node->parent == MIME_NONE)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)node->parent + 1);
    return 1;
}

/* children(i) -> { j, ... } */
static int tree_children(lua_State *L)
{
    const struct mime_node *node = check_node(L);
    const struct mime_map *map = check_tree(L);
    ptrdiff_t child = node->first_child;
    lua_newtable(L); /* list */
    for (lua_Integer n = 1; child != MIME_NONE; n++) {
        lua_pushinteger(L, (lua_Integer)child + 1);
        lua_rawseti(L, -2, n);
        child = map->nodes[child].next;
    }
    return 1;
}

/* offsets(i) -> of the part, its header, its body, the end; from 0 on */
static int tree_offsets(lua_State *L)
{
    const struct mime_node *node = check_node(L);
    lua_pushinteger(L, (lua_Integer)node->at);
    lua_pushinteger(L, (lua_Integer)node->header_at);
    lua_pushinteger(L, (lua_Integer)node->body_at);
    lua_pushinteger(L, (lua_Integer)node->body_end);
    return 4;
}

/* fields(i) -> { { name, raw value }, ... } */
static int tree_fields(lua_State *L)
{
    const struct mime_node *node = check_node(L);
    const struct mime_map *map = check_tree(L);
    struct header_field f;
    lua_createtable(L, (int)node->field_n, 0); /* list */
    for (size_t i = 0; i < node->field_n; i++) {
        mime_map_field(map, node->field + i, &f);
        push_field(L, &f);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void push_defect(lua_State *L, int number, uint64_t at)
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

/* defects() -> { defect, ... }, how many there are in all */
static int tree_defects(lua_State *L)
{
    const struct mime_map *map = check_tree(L);
    size_t kept =
        map->defect_n < MIME_DEFECTS_MOST ? map->defect_n : MIME_DEFECTS_MOST;
    lua_newtable(L); /* list */
    for (size_t i = 0; i < kept; i++) {
        const struct defect *d = &map->defects[i];
        push_defect(L, d->number, d->at);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)map->defect_n);
    return 2;
}

/* defect(number, offset) -> defect */
static int parts_defect(lua_State *L)
{
    size_t at = lbind_size(L, 2, SIZE_MAX / 2);
    push_defect(L, (int)lbind_size(L, 1, INT_MAX), at);
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
    check_limits(L, 1, &limits);
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
        push_defect(L, e->number, e->at);
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
    return push_decoded(L, luaL_checkstring(L, 1), lbind_check(L, 2));
}

static const luaL_Reg tree_methods[] = {
    {"count", tree_count},     {"kind", tree_kind},
    {"parent", tree_parent},   {"children", tree_children},
    {"offsets", tree_offsets}, {"fields", tree_fields},
    {"defects", tree_defects}, {NULL, NULL},
};

static const luaL_Reg machine_methods[] = {
    {"push", machine_push},
    {"pull", machine_pull},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"tree", parts_tree},
    {"machine", parts_machine},
    {"decode", parts_decode},
    {"defect", parts_defect},
    {NULL, NULL},
};

int lbind_open_parts(lua_State *L)
{
    lbind_type(L, SCRATCH, NULL, NULL, scratch_drop);
    lbind_type(L, TREE, tree_methods, NULL, NULL);
    make_reader(L);
    lbind_type(L, MACHINE, machine_methods, NULL, machine_drop);
    luaL_newlib(L, functions);
    return 1;
}
