/*
 * lwhole - codecs of octets in one call: base64, quoted-printable, dots,
 * line ends, uuencode, scan
 *
 * What users call as codec.base64.encode and so on: see lcall.c.
 *
 * Owns: nothing. Fails with: nil, err, position; raises on misuse and
 * memory. I/O: none.
 */
#include "../core/base64.h"
#include "../core/crlf.h"
#include "../core/dot.h"
#include "../core/qp.h"
#include "../core/qp_strict.h"
#include "../core/scan.h"
#include "../core/uu.h"
#include "lbind.h"

/* Room for n bytes in what is gathered, or raises. */
static char *room(lua_State *L, struct lbind_call *call, size_t n)
{
    char *p = buf_space(&call->out, n ? n : 1);
    if (!p)
        luaL_error(L, "not enough memory");
    return p;
}

/* Pushes the result, or says what was wrong: for codecs that fail with
   nothing but want of memory. */
static int gathered(lua_State *L, int err)
{
    if (err < 0) {
        lua_pushstring(L, err_text(err));
        return lbind_problem(L, err, 0);
    }
    lbind_gathered(L);
    return 1;
}

enum { COLUMNS, URL, UNPADDED, LF };

static const struct lbind_option base64_encoding[] = {
    {"columns", "integer", NULL},
    {"url", "boolean", NULL},
    {"unpadded", "boolean", NULL},
    {"lf", "boolean", NULL},
    {NULL, NULL, NULL},
};

static int l_base64_encode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "base64.encode");
    struct lbind_call *call = lbind_call(L);
    struct lbind_given given[LBIND_OPTIONS];
    struct base64_encoder e;
    lua_Integer columns;
    char *p;
    size_t n;
    lbind_options(L, 2, "base64.encode", base64_encoding, given);
    columns = given[COLUMNS].number;
    if (columns < 0 || columns % 4 != 0 || columns > 1 << 20)
        return luaL_error(L, "option 'columns' of codec.base64 must be a "
                             "multiple of 4");
    base64_encoder_init(&e, (unsigned)columns);
    e.kernel = *call->kernel;
    e.url = given[URL].flag;
    e.unpadded = given[UNPADDED].flag;
    e.lf = given[LF].flag;
    p = room(L, call, base64_room(in.n + 2, e.columns) + 6);
    n = base64_encode(&e, in, p);
    n += base64_encode_finish(&e, p + n);
    buf_filled(&call->out, n);
    lbind_gathered(L);
    return 1;
}

enum { STRICT };

static const struct lbind_option base64_decoding[] = {
    {"strict", "boolean", NULL},
    {"url", "boolean", NULL},
    {"unpadded", "boolean", NULL},
    {NULL, NULL, NULL},
};

static int l_base64_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "base64.decode");
    struct lbind_call *call = lbind_call(L);
    struct lbind_given given[LBIND_OPTIONS];
    struct base64_decoder d;
    char *p;
    size_t n, more = 0;
    int err;
    lbind_options(L, 2, "base64.decode", base64_decoding, given);
    base64_decoder_init(&d, given[STRICT].flag);
    d.kernel = *call->kernel;
    d.url = given[URL].flag;
    d.unpadded = given[UNPADDED].flag;
    p = room(L, call, in.n);
    err = base64_decode(&d, in, p, &n);
    if (err == 0)
        err = base64_decode_finish(&d, p + n, &more);
    if (err < 0) {
        lua_pushfstring(L, "base64: malformed at octet %I",
                        (lua_Integer)d.offset + 1);
        return lbind_problem(L, err, d.offset + 1);
    }
    buf_filled(&call->out, n + more);
    lbind_gathered(L); /* octets */
    lua_pushnil(L);
    lbind_defect(L, "junk", d.junk, 0, "%I octet%s of no base64 skipped");
    lbind_defect(L, "truncated", d.truncated, 0,
                 "the last group is incomplete");
    lbind_defects(L); /* octets defects */
    return 2;
}

enum { BINARY, KEEP };

static const struct lbind_option qp_encoding[] = {
    {"binary", "boolean", NULL},
    {"keep", "boolean", NULL},
    {NULL, NULL, NULL},
};

static int l_qp_encode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "quoted_printable.encode");
    struct lbind_call *call = lbind_call(L);
    struct lbind_given given[LBIND_OPTIONS];
    struct qp_encoder e;
    lbind_options(L, 2, "quoted_printable.encode", qp_encoding, given);
    qp_encoder_init(&e, given[BINARY].flag);
    e.kernel = *call->kernel;
    e.keep = given[KEEP].flag;
    qp_encode(&e, in, &call->out);
    return gathered(L, qp_encode_finish(&e, &call->out));
}

static const struct lbind_option strictness[] = {
    {"strict", "boolean", NULL},
    {NULL, NULL, NULL},
};

static int l_qp_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "quoted_printable.decode");
    struct lbind_call *call = lbind_call(L);
    struct lbind_given given[LBIND_OPTIONS];
    struct qp_decoder d;
    struct qp_strict judge = {0};
    lbind_options(L, 2, "quoted_printable.decode", strictness, given);
    if (given[STRICT].flag &&
        (qp_strict_check(&judge, in) < 0 || qp_strict_finish(&judge) < 0)) {
        lua_pushfstring(L, "quoted-printable: malformed at octet %I",
                        (lua_Integer)judge.wrong_at + 1);
        return lbind_problem(L, ERR_SYNTAX, judge.wrong_at + 1);
    }
    qp_decoder_init(&d);
    d.kernel = *call->kernel;
    qp_decode(&d, in, &call->out);
    if (gathered(L, qp_decode_finish(&d, &call->out)) > 1)
        return 2;
    lua_pushnil(L); /* octets nil */
    lbind_defect(L, "invalid", d.invalid, d.invalid_at + 1,
                 "%I '=' of no meaning kept");
    lbind_defects(L); /* octets defects */
    return 2;
}

static int stuffed(lua_State *L, const char *what, struct dot_encoder e)
{
    struct span in = lbind_text(L, 1, what);
    struct lbind_call *call = lbind_call(L);
    e.kernel = *call->kernel;
    dot_encode(&e, in, &call->out);
    return gathered(L, dot_encode_finish(&e, &call->out));
}

static const struct lbind_option dot_encoding[] = {
    {"mark", "boolean", NULL},
    {NULL, NULL, NULL},
};

static int l_dot_encode(lua_State *L)
{
    struct dot_encoder e = {0};
    struct lbind_given given[LBIND_OPTIONS];
    lbind_options(L, 2, "dot.encode", dot_encoding, given);
    e.unmarked = given[0].set && !given[0].flag;
    return stuffed(L, "dot.encode", e);
}

static int l_dot_stuff(lua_State *L)
{
    struct dot_encoder e = {.unmarked = true};
    return stuffed(L, "dot.stuff", e);
}

static int l_crlf_encode(lua_State *L)
{
    struct dot_encoder e = {.plain = true};
    return stuffed(L, "crlf.encode", e);
}

static int l_crlf_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "crlf.decode");
    struct lbind_call *call = lbind_call(L);
    struct crlf_decoder d = {0};
    crlf_decode(&d, in, &call->out);
    return gathered(L, crlf_decode_finish(&d, &call->out));
}

enum { FIX = 1 };

static const struct lbind_option dot_decoding[] = {
    {"strict", "boolean", NULL},
    {"fix", "boolean", NULL},
    {NULL, NULL, NULL},
};

/* All of in; a CR that nothing follows is a bare one. */
static int undot(struct dot_decoder *d, struct span in, bool fix,
                 struct buf *out)
{
    size_t n = 0, used = 0;
    if (fix) {
        dot_decode_fix(d, in, out, &used);
    } else {
        char *p = buf_space(out, in.n + 1);
        if (!p)
            return buf_error(out);
        if (in.n)
            memcpy(p, in.p, in.n);
        dot_decode(d, p, in.n, &n, &used);
        buf_filled(out, n);
    }
    if (used == in.n || d->at == DOT_AT_END)
        return buf_error(out);
    if (!d->bare_cr && !d->bare_lf)
        d->bare_at = d->wire;
    d->bare_cr = true;
    return buf_add(out, "\r\n", fix ? 2 : 1);
}

static const char *bare_text(const struct dot_decoder *d)
{
    if (d->bare_cr && d->bare_lf)
        return "bare CR and LF";
    return d->bare_cr ? "bare CR" : "bare LF";
}

static int unstuffed(lua_State *L, const char *what, bool marked)
{
    struct span in = lbind_text(L, 1, what);
    struct lbind_call *call = lbind_call(L);
    struct lbind_given given[LBIND_OPTIONS];
    struct dot_decoder d = {.kernel = *call->kernel};
    bool bare, ended;
    int err;
    lbind_options(L, 2, what, dot_decoding, given);
    err = undot(&d, in, given[FIX].flag, &call->out);
    bare = d.bare_cr || d.bare_lf;
    ended = d.at == DOT_AT_END;
    if (err == 0 && bare && given[STRICT].flag) {
        lua_pushfstring(L, "%s at octet %I", bare_text(&d),
                        (lua_Integer)d.bare_at + 1);
        return lbind_problem(L, ERR_SYNTAX, d.bare_at + 1);
    }
    if (gathered(L, err) > 1)
        return 2;
    lua_pushnil(L); /* body nil */
    lbind_defect(L, "bare", bare, d.bare_at + 1, bare_text(&d));
    lbind_defect(L, "nul", d.nul, 0, "NUL in the body");
    lbind_defect(L, "unended", marked && !ended, 0, "there is no end mark");
    lbind_defects(L); /* body defects */
    if (ended)
        lua_pushinteger(L, (lua_Integer)d.wire + 1);
    else
        lua_pushnil(L);
    return 3;
}

static int l_dot_decode(lua_State *L)
{
    return unstuffed(L, "dot.decode", true);
}

static int l_dot_unstuff(lua_State *L)
{
    return unstuffed(L, "dot.unstuff", false);
}

enum { NAME, MODE };

static const struct lbind_option uu_encoding[] = {
    {"name", "string", NULL},
    {"mode", "integer", NULL},
    {NULL, NULL, NULL},
};

static int l_uu_encode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "uu.encode");
    struct lbind_call *call = lbind_call(L);
    struct lbind_given given[LBIND_OPTIONS];
    struct uu_encoder e;
    lua_Integer mode;
    int err;
    lbind_options(L, 2, "uu.encode", uu_encoding, given);
    mode = given[MODE].set ? given[MODE].number : 0644;
    err = uu_encode_start(&e, given[NAME].set ? given[NAME].text : SPAN("data"),
                          mode < 0 || mode > 0777 ? 01000 : (unsigned)mode,
                          &call->out);
    if (err == ERR_SYNTAX) {
        lua_pushliteral(L, "uuencode: the name must be of 1 to 255 octets "
                           "without line ends and NUL, the mode of three "
                           "octal digits");
        return lbind_problem(L, err, 0);
    }
    uu_encode(&e, in, &call->out);
    return gathered(L, uu_encode_finish(&e, &call->out));
}

static int l_uu_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "uu.decode");
    struct lbind_call *call = lbind_call(L);
    struct uu_decoder d;
    int err;
    memset(&d, 0, offsetof(struct uu_decoder, name));
    d.held_n = 0;
    d.junk = 0;
    uu_decode(&d, in, &call->out);
    err = uu_decode_finish(&d, &call->out);
    if (err == ERR_SYNTAX) {
        lua_pushliteral(L, "uuencode: there is no 'begin'");
        return lbind_problem(L, err, 0);
    }
    if (gathered(L, err) > 1)
        return 2;
    lua_pushnil(L); /* octets nil */
    lbind_defect(L, "junk", d.junk, 0, "%I line%s of no data skipped");
    lbind_defect(L, "truncated", d.at != UU_BEHIND, 0, "there is no 'end'");
    lbind_defects(L);         /* octets defects */
    lua_createtable(L, 0, 2); /* octets defects file */
    lua_pushstring(L, d.name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, (lua_Integer)d.mode);
    lua_setfield(L, -2, "mode");
    return 3;
}

static void put_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void put_count(lua_State *L, const char *name, size_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static int l_scan(lua_State *L)
{
    struct scan s = {.kernel = *lbind_call(L)->kernel};
    scan_step(&s, lbind_text(L, 1, "scan"));
    scan_finish(&s);
    lua_createtable(L, 0, 11); /* table */
    put_count(L, "size", s.size);
    put_count(L, "lines", s.lines);
    put_count(L, "longest", s.longest);
    put_count(L, "eight_bit", s.eight_bit);
    put_count(L, "bare_cr", s.bare_cr);
    put_count(L, "bare_lf", s.bare_lf);
    put_flag(L, "nul", s.nul);
    put_flag(L, "trailing_blank", s.trailing_blank);
    put_flag(L, "utf8", !s.not_utf8);
    lua_pushstring(L, scan_name(scan_choose(&s, true, false)));
    lua_setfield(L, -2, "text_encoding");
    lua_pushstring(L, scan_name(scan_choose(&s, false, false)));
    lua_setfield(L, -2, "encoding");
    return 1;
}

const luaL_Reg lbind_wholes[] = {
    {"base64_encode", l_base64_encode},
    {"base64_decode", l_base64_decode},
    {"qp_encode", l_qp_encode},
    {"qp_decode", l_qp_decode},
    {"dot_encode", l_dot_encode},
    {"dot_stuff", l_dot_stuff},
    {"dot_decode", l_dot_decode},
    {"dot_unstuff", l_dot_unstuff},
    {"crlf_encode", l_crlf_encode},
    {"crlf_decode", l_crlf_decode},
    {"uu_encode", l_uu_encode},
    {"uu_decode", l_uu_decode},
    {"scan", l_scan},
    {NULL, NULL},
};
