/*
 * lpart - lunapost.core.part: what a part of a message answers itself
 *
 * A part is a userdata (lmessage.c). What is asked for most is computed here,
 * from the message's map, each time; lists are kept. The rest is left to
 * functions in Lua. Each function has as upvalues what it works with, what
 * names stand for (a field of here: light userdata; one of Lua: a table; a
 * method: a function), the metatable of parts, and words.
 *
 * Owns: nothing of its own.
 * Fails with: raises on misuse and on memory.
 * I/O: none.
 */
#include <limits.h>
#include <stdint.h>

#include "../core/charset.h"
#include "../core/date.h"
#include "../core/media.h"
#include "../core/mime_param.h"
#include "lbind.h"

enum { NOTES_MOST = 2 }; /* defects that reading one value may find */

/* The part that is the first argument. */
struct part {
    lua_State *L;
    struct lbind_part *handle;
    const struct mime_map *map;
    const struct mime_node *node;
    struct lbind_work *w;
    int note_n, numbers[NOTES_MOST];
    size_t places[NOTES_MOST];
};

static inline void part_of(lua_State *L, struct lbind_part *handle, bool whole,
                           struct part *p)
{
    p->L = L;
    p->handle = handle;
    p->map = lbind_map(L, 1, handle, whole);
    p->node = &p->map->nodes[handle->i];
    p->w = NULL;
    p->note_n = 0;
}

static bool find(const struct part *p, struct span name, struct header_field *f)
{
    return mime_map_find(p->map, p->handle->i, name, 0, f);
}

/* Pushes one of the words that need no reading. */
static void push_word(const struct part *p, unsigned i)
{
    lbind_push_shared(p->L, LBIND_WORDS);
    lua_rawgeti(p->L, -1, (lua_Integer)i + 1);
}

/* Notes a defect of the part; where it is is at the top. */
static void note_value(const struct part *p, const char *method, int number)
{
    lua_State *L = p->L;
    if (lbind_defer(L, 1, number))
        return;
    lua_getfield(L, lua_upvalueindex(LBIND_KNOWN), method);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, number);
    lua_rotate(L, -4, 3); /* method part number value */
    lua_call(L, 3, 0);
}

/* Notes a defect when the value that is read was pushed. */
static void note(struct part *p, int number, size_t at)
{
    if (p->note_n == NOTES_MOST)
        return;
    p->numbers[p->note_n] = number;
    p->places[p->note_n++] = at;
}

/* Tells what was noted. That may run functions in Lua, which read parts, too:
   only when all that is in p->w was pushed. */
static void tell(struct part *p)
{
    for (int i = 0; i < p->note_n; i++) {
        lua_pushinteger(p->L, (lua_Integer)p->places[i]);
        note_value(p, "_note", p->numbers[i]);
    }
    p->note_n = 0;
}

/* Tells at once of something in its body (lunapost.mime.locate): only then,
   too. */
static void note_within(const struct part *p, int number, const char *what)
{
    lua_pushstring(p->L, what);
    note_value(p, "_misread", number);
}

/* A raw value in UTF-8, which most are as they stand, and what it holds;
   before p->w is used. */
static struct span legible(const struct part *p, struct span raw,
                           enum mime_text *kind)
{
    lua_State *L = p->L;
    *kind = mime_text_kind(raw);
    if (*kind != MIME_TEXT_OTHER ||
        (charset_ascii_run(raw) == raw.n && span_find(raw, '\033') == raw.n))
        return raw;
    lua_getfield(L, lua_upvalueindex(LBIND_KNOWN), "_legible");
    lua_pushvalue(L, 1);
    lbind_push(L, raw);
    lua_call(L, 2, 1);
    return lbind_check(L, -1); /* which stays there */
}

/* Fields of a part. Each pushes one value. */

typedef void field_reader(struct part *p, struct span name);

static void read_text(struct part *p, struct span name)
{
    struct header_field f;
    struct span value;
    enum mime_text kind;
    if (!find(p, name, &f)) {
        lua_pushnil(p->L);
        return;
    }
    value = legible(p, span_trim(f.value), &kind);
    if (lbind_push_value(p->L, p->w, value, kind) > 0)
        note(p, DEFECT_WORD, f.at);
}

static void read_addresses(struct part *p, struct span name)
{
    struct header_field f;
    struct span value;
    enum mime_text kind;
    bool more;
    if (!find(p, name, &f)) {
        lua_newtable(p->L);
        return;
    }
    value = legible(p, f.value, &kind);
    if (lbind_push_addresses(p->L, p->w, value, kind, p->handle->of->addresses,
                             &more))
        note(p, DEFECT_ADDRESS, f.at);
    if (more)
        note(p, DEFECT_LIMIT_ADDRESSES, f.at);
}

static void read_date(struct part *p, struct span name)
{
    struct header_field f;
    struct date d;
    bool found = find(p, name, &f);
    if (found && date_parse(f.value, &d) == 0) {
        lua_pushinteger(p->L, (lua_Integer)d.epoch);
        return;
    }
    if (found)
        note(p, DEFECT_DATE, f.at);
    lua_pushnil(p->L);
}

static void read_type(struct part *p, struct span name)
{
    struct header_field f;
    struct span rest;
    if (p->node->type != MIME_TYPE_OTHER) {
        push_word(p, p->node->type);
        return;
    }
    p->w = lbind_work_by(p->L, p->handle->of->work);
    if (find(p, name, &f))
        lbind_push_media(p->L, p->w, f.value, false, &rest);
    else
        lua_pushnil(p->L); /* never: what is another was read */
}

/* Reads the parameters of a field into p->w. */
static bool parameters(struct part *p, struct span name, bool wordy)
{
    struct header_field f;
    struct span value, rest;
    enum mime_text kind;
    struct media m;
    p->w->params.n = 0;
    if (!find(p, name, &f))
        return false;
    value = wordy ? legible(p, f.value, &kind) : f.value;
    if (lbind_flat(p->w, value, &value) < 0)
        luaL_error(p->L, "not enough memory");
    if (wordy) {
        media_word(value, &rest);
    } else {
        media_split(value, &m);
        rest = m.rest;
    }
    if (lbind_params(p->L, p->w, rest))
        note(p, p->w->params.more ? DEFECT_LIMIT_PARAMS : DEFECT_PARAM, f.at);
    return true;
}

static struct span parameter(const struct part *p, struct span name)
{
    for (size_t i = 0; i < p->w->params.n; i++)
        if (span_eq(param_name(&p->w->params, i), name))
            return param_value(&p->w->params, i);
    return span_of(NULL, 0);
}

static void read_parameters(struct part *p, struct span name)
{
    parameters(p, name, false);
    lbind_push_params(p->L, p->w);
}

static void read_word(struct part *p, struct span name)
{
    struct header_field f;
    struct span rest;
    if (find(p, name, &f))
        lbind_push_media(p->L, p->w, f.value, true, &rest);
    else
        lua_pushnil(p->L);
}

/* What is wrong with its parameters is told at once: of a disposition few
   look at anything else. */
static void read_disposition(struct part *p, struct span name)
{
    (void)parameters(p, name, true);
    read_word(p, name);
}

static void read_encoding(struct part *p, struct span name)
{
    if (p->node->coding != MIME_CODING_UNKNOWN) {
        push_word(p, MIME_TYPES + p->node->coding);
        return;
    }
    p->w = lbind_work_by(p->L, p->handle->of->work);
    read_word(p, name);
}

/* A file name there, or, where there is none, a name here; one that is
   empty is none. */
static void read_filename(struct part *p, struct span name)
{
    struct span value = {NULL, 0};
    if (parameters(p, name, true))
        value = parameter(p, SPAN("filename"));
    if (!value.n && parameters(p, SPAN("Content-Type"), false))
        value = parameter(p, SPAN("name"));
    if (value.n)
        lbind_push(p->L, value);
    else
        lua_pushnil(p->L);
}

/* Where it is */

static void read_parts(struct part *p, struct span name)
{
    (void)name;
    lbind_push_below(p->L, p->handle);
}

static void read_path(struct part *p, struct span name)
{
    (void)name;
    lbind_push_path(p->L, p->handle);
}

static void read_state(struct part *p, struct span name)
{
    (void)name;
    lbind_push_state(p->L, 1);
}

static void read_index(struct part *p, struct span name)
{
    (void)name;
    lua_pushinteger(p->L, (lua_Integer)p->handle->i + 1);
}

#define NAME(literal)                                                          \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }

static const struct field {
    const char *name;
    field_reader *read;
    struct span field;
    bool works; /* it needs p->w */
    bool kept;  /* a list, which stays the same one; or worth it */
    int slot;   /* the user value where it is kept; 0: by its name */
} fields[] = {
    {"type", read_type, NAME("Content-Type"), false, false, 0},
    {"parameters", read_parameters, NAME("Content-Type"), true, true, 0},
    {"encoding", read_encoding, NAME("Content-Transfer-Encoding"), false, false,
     0},
    {"disposition", read_disposition, NAME("Content-Disposition"), true, false,
     0},
    {"filename", read_filename, NAME("Content-Disposition"), true, true, 0},
    {"parts", read_parts, {NULL, 0}, false, true, LBIND_PARTS},
    {"path", read_path, {NULL, 0}, false, false, 0},
    {"subject", read_text, NAME("Subject"), true, false, 0},
    {"description", read_text, NAME("Content-Description"), true, false, 0},
    {"from", read_addresses, NAME("From"), true, true, LBIND_FROM},
    {"to", read_addresses, NAME("To"), true, true, LBIND_TO},
    {"cc", read_addresses, NAME("Cc"), true, true, 0},
    {"bcc", read_addresses, NAME("Bcc"), true, true, 0},
    {"reply_to", read_addresses, NAME("Reply-To"), true, true, 0},
    {"sender", read_addresses, NAME("Sender"), true, true, 0},
    {"date", read_date, NAME("Date"), false, false, 0},
    {"_state", read_state, {NULL, 0}, false, false, 0},
    {"_index", read_index, {NULL, 0}, false, false, 0},
};

/* Pushes the parts, of which a leaf has none, without a look at what was
   kept; false: that must be looked at. */
static bool push_no_parts(lua_State *L, struct lbind_part *handle)
{
    struct part p;
    part_of(L, handle, true, &p);
    bool leaf = p.node->kind == MIME_LEAF && !p.node->coded;
    if (leaf)
        lua_pushnil(L);
    return leaf;
}

static void push_new(lua_State *L, struct lbind_part *handle,
                     const struct field *field)
{
    struct part p;
    part_of(L, handle, false, &p);
    if (field->works)
        p.w = lbind_work_by(L, p.handle->of->work);
    field->read(&p, field->field);
    if (p.w)
        lbind_work_end(p.w);
    tell(&p);
}

/* Pushes the value of a field of here. Its name is at 3 where it is needed. */
static void push_own(lua_State *L, const struct field *field)
{
    struct lbind_part *handle = lbind_part(L, 1);
    if (field->slot == LBIND_PARTS && push_no_parts(L, handle))
        return;
    if (field->kept && !field->slot)
        lua_pushstring(L, field->name);
    if (field->kept && lbind_push_kept(L, handle, 1, field->slot, 3))
        return;
    push_new(L, handle, field);
    if (field->kept && !lua_isnil(L, -1))
        lbind_keep(L, handle, 1, field->slot, 3);
}

/* Pushes the value of a field of Lua, whose { function, name, [not kept] } is
   at 2. */
static void push_computed(lua_State *L)
{
    struct lbind_part *handle = lbind_part(L, 1);
    lua_rawgeti(L, 2, 2); /* part what name */
    bool kept = lua_rawgeti(L, 2, 3) == LUA_TNIL;
    lua_pop(L, 1);
    if (kept && lbind_push_kept(L, handle, 1, 0, 3))
        return;
    lua_rawgeti(L, 2, 1);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (kept && !lua_isnil(L, -1))
        lbind_keep(L, handle, 1, 0, 3);
}

/* __index(part, name): a method, or what is computed */
static int part_index(lua_State *L)
{
    if (lua_gettop(L) != 2)
        return luaL_error(L, "a part is indexed by one name");
    switch (lua_rawget(L, lua_upvalueindex(LBIND_KNOWN))) { /* part what */
    case LUA_TLIGHTUSERDATA:
        push_own(L, lua_touserdata(L, 2));
        return 1;
    case LUA_TTABLE:
        push_computed(L);
        return 1;
    default:
        return 1;
    }
}

/* Methods */

/* The first field of a name: unfolded, encoded words decoded, UTF-8. */
static int part_header(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "the name of a header field is a string, not %s",
                          luaL_typename(L, 2));
    struct part p;
    part_of(L, lbind_part(L, 1), false, &p);
    p.w = lbind_work_by(L, p.handle->of->work);
    read_text(&p, lbind_check(L, 2));
    lbind_work_end(p.w);
    tell(&p);
    return 1;
}

/* _field(name, [nth]) -> raw value, offset | nil */
static int part_field(lua_State *L)
{
    struct span name = lbind_check(L, 2);
    lua_Integer nth = luaL_optinteger(L, 3, 1);
    struct part p;
    part_of(L, lbind_part(L, 1), false, &p);
    struct header_field f;
    luaL_argcheck(L, nth >= 1, 3, "out of range");
    if (!mime_map_find(p.map, p.handle->i, name, (size_t)nth - 1, &f)) {
        lua_pushnil(L);
        return 1;
    }
    lbind_push(L, f.value);
    lua_pushinteger(L, (lua_Integer)f.at);
    return 2;
}

/* What the body's transfer encoding leaves: bytes of the message, of p->w,
   or, where something is noted, of a string that stays on the stack. */
static struct span octets(struct part *p)
{
    struct span body = span_of(p->map->message.p + p->node->body_at,
                               p->node->body_end - p->node->body_at);
    int number = lbind_encoding(p->node->coding);
    size_t faults = 0;
    if (number < 0)
        note(p, DEFECT_ENCODING, p->node->body_at);
    if (number <= 0)
        return body;
    lbind_decode(p->L, *p->w->kernel, p->node->coding, body, &p->w->text,
                 &faults);
    body = buf_span(&p->w->text);
    if (faults) {
        lbind_push(p->L, body);
        body = lbind_check(p->L, -1);
        note_within(p, number, "octet");
    }
    return body;
}

static struct span charset_of(struct part *p)
{
    struct span rest =
        span_of(p->map->message.p + p->node->at + p->node->params_at,
                p->node->params_n);
    struct span charset = {NULL, 0};
    if (mime_param(rest, SPAN("charset"), &charset))
        return charset;
    if (parameters(p, SPAN("Content-Type"), false))
        charset = parameter(p, SPAN("charset"));
    return charset;
}

/* Pushes the body in UTF-8. */
static void push_utf8(struct part *p, struct span body)
{
    struct span charset = charset_of(p);
    bool known = true;
    int faults = lbind_push_utf8(p->L, p->w, charset, body);
    if (faults == ERR_CHARSET) {
        known = false;
        faults = lbind_push_utf8(p->L, p->w, span_of(NULL, 0), body);
    }
    if (faults < 0)
        luaL_error(p->L, "a text cannot be decoded: %s", err_text(faults));
    tell(p);
    if (!known)
        note_within(p, DEFECT_CHARSET, "charset");
    if (faults > 0)
        note_within(p, DEFECT_TEXT, "character");
}

static void push_body(struct part *p, bool utf8)
{
    struct span body;
    p->w = lbind_work_by(p->L, p->handle->of->work);
    body = octets(p);
    if (utf8)
        push_utf8(p, body);
    else
        lbind_push(p->L, body);
    lbind_work_end(p->w);
    tell(p);
}

/* The body, its transfer encoding undone; "utf-8": from its charset, too. */
static int part_body(lua_State *L)
{
    lua_settop(L, 2);
    struct part p;
    part_of(L, lbind_part(L, 1), true, &p);
    bool utf8 = lua_type(L, 2) == LUA_TSTRING &&
                span_ieq(lbind_check(L, 2), SPAN("utf-8"));
    if (!utf8 && !lua_isnil(L, 2))
        return luaL_error(L, "part:body gives octets, or \"utf-8\"");
    push_body(&p, utf8);
    return 1;
}

void lbind_push_held(lua_State *L)
{
    struct part p;
    part_of(L, lbind_part(L, 1), true, &p);
    if (p.node->kind == MIME_LEAF && !p.node->coded)
        push_body(&p, p.node->text);
    else
        lua_pushnil(L);
}

static const luaL_Reg methods[] = {
    {"header", part_header},
    {"body", part_body},
    {"_field", part_field},
    {NULL, NULL},
};

static void push_words(lua_State *L)
{
    lua_createtable(L, MIME_TYPES + MIME_CODING_UNKNOWN, 0); /* words */
    for (unsigned i = 0; i < MIME_TYPES; i++) {
        lua_pushstring(L, mime_type_name(i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    for (unsigned i = 0; i < MIME_CODING_UNKNOWN; i++) {
        lua_pushstring(L, mime_coding_name(i));
        lua_rawseti(L, -2, MIME_TYPES + (lua_Integer)i + 1);
    }
}

/* Puts functions into the table at 2; the upvalues are those behind it. */
static void put_functions(lua_State *L, const luaL_Reg *functions)
{
    lua_pushvalue(L, 2);
    for (int i = 1; i <= LBIND_UPVALUES; i++)
        lua_pushvalue(L, 2 + i);
    luaL_setfuncs(L, functions, LBIND_UPVALUES);
    lua_pop(L, 1);
}

/* bind(meta, known) -> message: makes tables those of parts. known: methods,
   and { function, name, [not kept] } for fields, by name */
static int part_bind(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2); /* meta known */
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        union {
            const struct field *from;
            void *to;
        } field = {&fields[i]};
        lua_pushlightuserdata(L, field.to);
        lua_setfield(L, 2, fields[i].name);
    }
    struct lbind_work *w = lbind_new_work(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 3, LBIND_META);
    push_words(L);
    lua_setiuservalue(L, 3, LBIND_WORDS);
    w->reader = lbind_new_reader(L);
    lua_setiuservalue(L, 3, LBIND_READER);
    lua_pushvalue(L, 2); /* meta known; work known */
    put_functions(L, methods);
    put_functions(L, lbind_message_methods);
    for (int i = 1; i <= LBIND_UPVALUES; i++)
        lua_pushvalue(L, 2 + i);
    lua_pushcclosure(L, part_index, LBIND_UPVALUES);
    lua_setfield(L, 1, "__index");
    lua_pushcclosure(L, lbind_read_message, LBIND_UPVALUES);
    return 1;
}

int lbind_open_part(lua_State *L)
{
    lua_newtable(L); /* part */
    lua_pushcfunction(L, part_bind);
    lua_setfield(L, -2, "bind");
    return 1;
}
