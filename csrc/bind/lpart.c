/*
 * lpart - lunapost.core.part: what a part of a message answers itself
 *
 * A part is a table: _state (shared by all parts of a message: its tree, the
 * parts that were made of it, its limits), _index, and what was computed of
 * it so far. What is asked for most is computed here; the rest is left to
 * functions in Lua. Each function has as upvalues the buffers it works with,
 * what computes a field (a number: here; or a function), the methods, and
 * the metatable of parts.
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
#include "lbind.h"

/* Upvalues; the first is what lbind_work gives. The last are names. */
enum { KNOWN = 2, METHODS, META, STATE, INDEX, TREE, MADE, UPVALUES = MADE };

struct part {
    lua_State *L;
    int state; /* stack index of its state */
    int tree;  /* and of the tree */
    size_t i;
    const struct mime_map *map;
    const struct mime_node *node;
    struct lbind_work *w;
};

/* Pushes the value of a name that is an upvalue. */
static int raw_field(lua_State *L, int table, int name)
{
    lua_pushvalue(L, lua_upvalueindex(name));
    return lua_rawget(L, table);
}

static void set_raw(lua_State *L, int table, int name)
{
    table = lua_absindex(L, table);
    lua_pushvalue(L, lua_upvalueindex(name));
    lua_insert(L, -2);
    lua_rawset(L, table);
}

/* Fetches the part that is the first argument; pushes its state and tree. */
static struct part part_of(lua_State *L, bool whole)
{
    struct part p = {.L = L, .w = lbind_work(L)};
    lua_Integer i;
    luaL_checktype(L, 1, LUA_TTABLE);
    raw_field(L, 1, INDEX);
    i = lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_argcheck(L, raw_field(L, 1, STATE) == LUA_TTABLE, 1, "no part");
    p.state = lua_gettop(L);
    raw_field(L, p.state, TREE);
    p.tree = p.state + 1;
    p.map = lbind_map(L, p.tree, whole || i > 1);
    luaL_argcheck(L, i >= 1 && (lua_Unsigned)i <= p.map->n, 1, "no part");
    p.i = (size_t)i - 1;
    p.node = &p.map->nodes[p.i];
    return p;
}

static bool find(const struct part *p, const char *name, struct header_field *f)
{
    return mime_map_find(p->map, p->i, span_from(name), 0, f);
}

/* Tells the part of a defect. */
static void note(const struct part *p, int number, size_t at)
{
    lua_State *L = p->L;
    lua_getfield(L, lua_upvalueindex(METHODS), "_note");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, number);
    lua_pushinteger(L, (lua_Integer)at);
    lua_call(L, 3, 0);
}

/* The same, of something in its body (lunapost.mime.locate): only when all
   that is in p->w was pushed. */
static void note_within(const struct part *p, int number, const char *what)
{
    lua_State *L = p->L;
    lua_getfield(L, lua_upvalueindex(METHODS), "_misread");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, number);
    lua_pushstring(L, what);
    lua_call(L, 3, 0);
}

/* A raw value in UTF-8, which most are as they stand; before p->w is used. */
static struct span legible(const struct part *p, struct span raw)
{
    lua_State *L = p->L;
    if (charset_ascii_run(raw) == raw.n && span_find(raw, '\033') == raw.n)
        return raw;
    lua_getfield(L, lua_upvalueindex(METHODS), "_legible");
    lua_pushvalue(L, 1);
    lbind_push(L, raw);
    lua_call(L, 2, 1);
    return lbind_check(L, -1); /* which stays there */
}

/* Fields of a part. Each pushes one value. */

typedef void field_reader(struct part *p, const char *name);

static void read_text(struct part *p, const char *name)
{
    struct header_field f;
    if (!find(p, name, &f))
        lua_pushnil(p->L);
    else if (lbind_push_value(p->L, p->w, legible(p, f.value)) > 0)
        note(p, DEFECT_WORD, f.at);
}

static size_t most_addresses(const struct part *p)
{
    lua_Integer most = ADDR_MOST;
    lua_getfield(p->L, p->state, "limits");
    if (lua_istable(p->L, -1)) {
        if (lua_getfield(p->L, -1, "addresses") != LUA_TNIL)
            most = lua_tointeger(p->L, -1);
        lua_pop(p->L, 1);
    }
    lua_pop(p->L, 1);
    return most < 0 ? 0 : (size_t)most;
}

static void read_addresses(struct part *p, const char *name)
{
    struct header_field f;
    struct span value;
    bool more;
    if (!find(p, name, &f)) {
        lua_newtable(p->L);
        return;
    }
    value = legible(p, f.value);
    if (lbind_push_addresses(p->L, p->w, value, most_addresses(p), &more))
        note(p, DEFECT_ADDRESS, f.at);
    if (more)
        note(p, DEFECT_LIMIT_ADDRESSES, f.at);
}

static void read_date(struct part *p, const char *name)
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

/* Pushes the media type that the header of a part tells, or nil. */
static void push_told(struct part *p, size_t i)
{
    struct header_field f;
    struct span rest;
    if (mime_map_find(p->map, i, SPAN("Content-Type"), 0, &f))
        lbind_push_media(p->L, p->w, f.value, false, &rest);
    else
        lua_pushnil(p->L);
}

/* RFC 2045 5.2, RFC 2046 5.1.5 */
static void push_default(struct part *p)
{
    bool digest = false;
    if (p->node->parent != MIME_NONE) {
        push_told(p, (size_t)p->node->parent);
        digest = !lua_isnil(p->L, -1) &&
                 strcmp(lua_tostring(p->L, -1), "multipart/digest") == 0;
        lua_pop(p->L, 1);
    }
    lua_pushstring(p->L, digest ? "message/rfc822" : "text/plain");
}

static void read_type(struct part *p, const char *name)
{
    (void)name;
    push_told(p, p->i);
    if (!lua_isnil(p->L, -1))
        return;
    lua_pop(p->L, 1);
    push_default(p);
}

/* Reads the parameters of a field into p->w. */
static bool parameters(struct part *p, const char *name, bool wordy)
{
    struct header_field f;
    struct span value, rest;
    struct media m;
    p->w->params.n = 0;
    if (!find(p, name, &f))
        return false;
    value = wordy ? legible(p, f.value) : f.value;
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

static void read_parameters(struct part *p, const char *name)
{
    parameters(p, name, false);
    lbind_push_params(p->L, p->w);
}

static void read_word(struct part *p, const char *name)
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
static void read_disposition(struct part *p, const char *name)
{
    (void)parameters(p, name, true);
    read_word(p, name);
}

static void read_encoding(struct part *p, const char *name)
{
    read_word(p, name);
    if (lua_isnil(p->L, -1)) {
        lua_pop(p->L, 1);
        lua_pushliteral(p->L, "7bit");
    }
}

/* The word of Content-Transfer-Encoding, until the next use of p->w. */
static struct span encoding_of(struct part *p)
{
    struct header_field f;
    struct span word = {NULL, 0}, rest;
    if (find(p, "Content-Transfer-Encoding", &f)) {
        if (lbind_flat(p->w, f.value, &word) < 0)
            luaL_error(p->L, "not enough memory");
        word = media_word(word, &rest);
    }
    return word.n ? word : SPAN("7bit");
}

/* A file name there, or, where there is none, a name here; one that is
   empty is none. */
static void read_filename(struct part *p, const char *name)
{
    struct span value = {NULL, 0};
    if (parameters(p, name, true))
        value = parameter(p, SPAN("filename"));
    if (!value.p && parameters(p, "Content-Type", false))
        value = parameter(p, SPAN("name"));
    if (value.n)
        lbind_push(p->L, value);
    else
        lua_pushnil(p->L);
}

/* Parts below */

/* Pushes a new part, whose state is at an index, and puts it into the table
   `made` at the top. room: for what will be known of it. */
static void new_part(lua_State *L, int state, size_t i, int room)
{
    lua_createtable(L, 0, room); /* made part */
    lua_pushvalue(L, state);
    set_raw(L, -2, STATE);
    lua_pushinteger(L, (lua_Integer)i + 1);
    set_raw(L, -2, INDEX);
    lua_pushvalue(L, lua_upvalueindex(META));
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)i + 1);
}

static void push_part(struct part *p, size_t i)
{
    lua_State *L = p->L;
    raw_field(L, p->state, MADE); /* made */
    if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TNIL) {
        lua_pop(L, 1);
        new_part(L, p->state, i, 4);
    }
    lua_remove(L, -2); /* part */
}

/* A message in an encoded part is read when it is asked for. */
static void push_nested(struct part *p)
{
    lua_State *L = p->L;
    lua_createtable(L, 1, 0);
    lua_getfield(L, lua_upvalueindex(METHODS), "_nested");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_rawseti(L, -2, 1);
}

static bool is_coded_message(struct part *p)
{
    if (!p->node->coded)
        return false;
    read_type(p, NULL);
    const char *type = lua_tostring(p->L, -1);
    bool yes = strcmp(type, "message/rfc822") == 0 ||
               strcmp(type, "message/global") == 0;
    yes = yes && lbind_encoding(encoding_of(p)) > 0;
    lua_settop(p->L, p->tree);
    return yes;
}

static void read_parts(struct part *p, const char *name)
{
    ptrdiff_t child = p->node->first_child;
    lua_Integer n = 0;
    (void)name;
    if (p->node->kind == MIME_LEAF) {
        if (is_coded_message(p))
            push_nested(p);
        else
            lua_pushnil(p->L);
        return;
    }
    if (p->node->last_child != MIME_NONE)
        n = p->map->nodes[p->node->last_child].number;
    lua_createtable(p->L, n < INT_MAX ? (int)n : 0, 0); /* list */
    for (n = 1; child != MIME_NONE; n++) {
        push_part(p, (size_t)child);
        lua_rawseti(p->L, -2, n);
        child = p->map->nodes[child].next;
    }
}

/* Puts the numbers of a part and of those around it, but for the root, into
   out, ".1.2", the innermost at its end. */
static size_t write_path(const struct part *p, char *out, size_t room)
{
    size_t at = room;
    for (size_t i = p->i; i != 0; i = (size_t)p->map->nodes[i].parent) {
        unsigned number = p->map->nodes[i].number;
        for (; number && at; number /= 10)
            out[--at] = (char)('0' + number % 10);
        if (at)
            out[--at] = '.';
    }
    return at;
}

static void read_path(struct part *p, const char *name)
{
    size_t room = ((size_t)p->node->depth + 1) * 11, at;
    char *out = lua_newuserdatauv(p->L, room, 0);
    (void)name;
    at = write_path(p, out, room);
    lua_getfield(p->L, p->state, "path");
    lua_pushlstring(p->L, out + at, room - at);
    lua_concat(p->L, 2);
}

static const struct {
    const char *name;
    field_reader *read;
    const char *field;
    bool whole; /* it needs more than the first header */
} fields[] = {
    {"type", read_type, NULL, false},
    {"parameters", read_parameters, "Content-Type", false},
    {"encoding", read_encoding, "Content-Transfer-Encoding", false},
    {"disposition", read_disposition, "Content-Disposition", false},
    {"filename", read_filename, "Content-Disposition", false},
    {"parts", read_parts, NULL, true},
    {"path", read_path, NULL, false},
    {"subject", read_text, "Subject", false},
    {"description", read_text, "Content-Description", false},
    {"from", read_addresses, "From", false},
    {"to", read_addresses, "To", false},
    {"cc", read_addresses, "Cc", false},
    {"bcc", read_addresses, "Bcc", false},
    {"reply_to", read_addresses, "Reply-To", false},
    {"sender", read_addresses, "Sender", false},
    {"date", read_date, "Date", false},
};

/* __index(part, name): computes a field, and keeps it; or a method */
static int part_index(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    switch (lua_rawget(L, lua_upvalueindex(KNOWN))) {
    case LUA_TNIL:
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(METHODS));
        return 1;
    case LUA_TNUMBER: {
        lua_Integer i = lua_tointeger(L, -1);
        struct part p = part_of(L, fields[i].whole);
        fields[i].read(&p, fields[i].field);
        lbind_work_end(p.w);
        break;
    }
    default:
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
    }
    if (!lua_isnil(L, -1)) {
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 1);
    }
    return 1;
}

/* Methods */

/* The first field of a name: unfolded, encoded words decoded, UTF-8. */
static int part_header(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "the name of a header field is a string, not %s",
                          luaL_typename(L, 2));
    struct part p = part_of(L, false);
    read_text(&p, lua_tostring(L, 2));
    lbind_work_end(p.w);
    return 1;
}

/* _field(name, [nth]) -> raw value, offset | nil */
static int part_field(lua_State *L)
{
    struct span name = lbind_check(L, 2);
    lua_Integer nth = luaL_optinteger(L, 3, 1);
    struct part p = part_of(L, false);
    struct header_field f;
    luaL_argcheck(L, nth >= 1, 3, "out of range");
    if (!mime_map_find(p.map, p.i, name, (size_t)nth - 1, &f)) {
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
    struct span word = encoding_of(p);
    int number = lbind_encoding(word);
    size_t faults = 0;
    if (number < 0)
        note(p, DEFECT_ENCODING, p->node->body_at);
    if (lbind_decode(p->L, word, body, &p->w->text, &faults))
        body = buf_span(&p->w->text);
    if (number > 0 && faults) {
        lbind_push(p->L, body);
        body = lbind_check(p->L, -1);
        note_within(p, number, "octet");
    }
    return body;
}

/* Pushes the body in UTF-8. */
static void push_utf8(struct part *p, struct span body)
{
    struct span charset = {NULL, 0};
    bool known = true;
    int faults;
    if (parameters(p, "Content-Type", false))
        charset = parameter(p, SPAN("charset"));
    faults = lbind_push_utf8(p->L, p->w, charset, body);
    if (faults == ERR_CHARSET) {
        known = false;
        faults = lbind_push_utf8(p->L, p->w, span_of(NULL, 0), body);
    }
    if (faults < 0)
        luaL_error(p->L, "a text cannot be decoded: %s", err_text(faults));
    if (!known)
        note_within(p, DEFECT_CHARSET, "charset");
    if (faults > 0)
        note_within(p, DEFECT_TEXT, "character");
}

/* The body, its transfer encoding undone; "utf-8": from its charset, too. */
static int part_body(lua_State *L)
{
    lua_settop(L, 2);
    struct part p = part_of(L, true);
    struct span body = octets(&p);
    if (lua_isnil(L, 2)) {
        lbind_push(L, body);
    } else if (lua_type(L, 2) == LUA_TSTRING &&
               span_ieq(lbind_check(L, 2), SPAN("utf-8"))) {
        push_utf8(&p, body);
    } else {
        return luaL_error(L, "part:body gives octets, or \"utf-8\"");
    }
    lbind_work_end(p.w);
    return 1;
}

static const luaL_Reg methods[] = {
    {"header", part_header},
    {"body", part_body},
    {"_field", part_field},
    {NULL, NULL},
};

/* message(bytes, limits, path, origin) -> its root part */
static int part_message(lua_State *L)
{
    static const char *const names[] = {"bytes", "limits", "path", "origin"};
    lua_settop(L, 4);
    lua_createtable(L, 0, 8); /* state */
    for (int i = 1; i <= 4; i++) {
        lua_pushvalue(L, i);
        lua_setfield(L, 5, names[i - 1]);
    }
    lbind_push_tree(L, 1, 2);
    set_raw(L, 5, TREE);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -1);
    set_raw(L, 5, MADE); /* state made */
    new_part(L, 5, 0, 8);
    return 1;
}

/* bind(meta, computed, methods) -> message: makes tables those of parts */
static int part_bind(lua_State *L)
{
    static const char *const names[] = {"_state", "_index", "tree", "made"};
    for (int i = 1; i <= 3; i++)
        luaL_checktype(L, i, LUA_TTABLE);
    lua_settop(L, 3); /* meta known methods */
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_setfield(L, 2, fields[i].name);
    }
    lbind_new_work(L);
    lua_insert(L, 2);
    lua_pushvalue(L, 1); /* meta work known methods meta */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        lua_pushstring(L, names[i]);
    lua_pushvalue(L, 4);
    for (int i = 2; i <= UPVALUES + 1; i++)
        lua_pushvalue(L, i);
    luaL_setfuncs(L, methods, UPVALUES);
    lua_pop(L, 1);
    for (int i = 2; i <= UPVALUES + 1; i++)
        lua_pushvalue(L, i);
    lua_pushcclosure(L, part_index, UPVALUES);
    lua_setfield(L, 1, "__index");
    lua_pushcclosure(L, part_message, UPVALUES);
    return 1;
}

int lbind_open_part(lua_State *L)
{
    lua_newtable(L); /* part */
    lua_pushcfunction(L, part_bind);
    lua_setfield(L, -2, "bind");
    return 1;
}
