/*
 * lstream - lunapost.core.stream: the codecs in steps
 *
 * One userdata type for all of them. What differs is a row of a table: how
 * it is opened, how it takes a piece, how it ends, what it has seen.
 *
 * Owns: a stream its bufs and, of a charset, the converter.
 * Fails with: nil, kind, text; raises on misuse and memory.
 * I/O: pull reads from a file of Lua's io library.
 */
#include <stdint.h>

#include "../core/base64.h"
#include "../core/buf.h"
#include "../core/charset.h"
#include "../core/crlf.h"
#include "../core/dot.h"
#include "../core/qp.h"
#include "../core/qp_strict.h"
#include "../core/uu.h"
#include "lbind.h"

#define STREAM "lunapost.codec.stream"

enum { OUTPUT_KEPT = 1 << 20, PULL_MOST = 1 << 20 };

struct undot { /* a decoder, and what goes with it outside a machine */
    struct dot_decoder d;
    bool fix, strict;
    bool cr; /* not taken yet */
};

struct unquote { /* a decoder and, where strict, a judge before it */
    struct qp_decoder d;
    struct qp_strict judge;
    bool strict;
};

struct stream {
    const struct kind *kind;
    struct buf out;
    struct buf in; /* what a file gives */
    bool ended;
    union {
        struct base64_encoder base64_encoder;
        struct base64_decoder base64_decoder;
        struct qp_encoder qp_encoder;
        struct unquote unquote;
        struct uu_encoder uu_encoder;
        struct uu_decoder uu_decoder;
        struct dot_encoder dot;
        struct undot undot;
        struct crlf_decoder crlf;
        struct charset_stream charset;
    } as;
};

struct kind {
    const char *name;
    int (*open)(lua_State *L, struct stream *s, int options);
    int (*update)(struct stream *s, struct span in);
    int (*finish)(struct stream *s);
    void (*notes)(lua_State *L, const struct stream *s); /* fills a table */
};

static void note_count(lua_State *L, const char *name, size_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void note_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void no_notes(lua_State *L, const struct stream *s)
{
    (void)L;
    (void)s;
}

static int base64_encoder_open(lua_State *L, struct stream *s, int options)
{
    struct base64_encoder *e = &s->as.base64_encoder;
    size_t columns = lbind_field_size(L, options, "columns", 0);
    if (columns % 4 != 0 || columns > 1 << 20)
        return luaL_error(L, "option 'columns' must be a multiple of 4");
    base64_encoder_init(e, (unsigned)columns);
    e->kernel = *lbind_kernel(L);
    e->url = lbind_field_bool(L, options, "url", false);
    e->unpadded = lbind_field_bool(L, options, "unpadded", false);
    e->lf = lbind_field_bool(L, options, "lf", false);
    return 0;
}

static int base64_encoder_update(struct stream *s, struct span in)
{
    struct base64_encoder *e = &s->as.base64_encoder;
    char *p = buf_space(&s->out, base64_room(in.n + 2, e->columns));
    if (p)
        buf_filled(&s->out, base64_encode(e, in, p));
    return buf_error(&s->out);
}

static int base64_encoder_finish(struct stream *s)
{
    char *p = buf_space(&s->out, 6);
    if (p)
        buf_filled(&s->out, base64_encode_finish(&s->as.base64_encoder, p));
    return buf_error(&s->out);
}

static int base64_decoder_open(lua_State *L, struct stream *s, int options)
{
    struct base64_decoder *d = &s->as.base64_decoder;
    base64_decoder_init(d, lbind_field_bool(L, options, "strict", false));
    d->kernel = *lbind_kernel(L);
    d->url = lbind_field_bool(L, options, "url", false);
    d->unpadded = lbind_field_bool(L, options, "unpadded", false);
    return 0;
}

static int base64_decoder_update(struct stream *s, struct span in)
{
    size_t n;
    char *p = buf_space(&s->out, in.n + 1);
    int err = p ? base64_decode(&s->as.base64_decoder, in, p, &n)
                : buf_error(&s->out);
    if (err == 0)
        buf_filled(&s->out, n);
    return err;
}

static int base64_decoder_finish(struct stream *s)
{
    size_t n;
    return base64_decode_finish(&s->as.base64_decoder, NULL, &n);
}

static void base64_decoder_notes(lua_State *L, const struct stream *s)
{
    note_count(L, "junk", s->as.base64_decoder.junk);
    note_count(L, "truncated", s->as.base64_decoder.truncated);
    note_count(L, "offset", s->as.base64_decoder.offset);
}

static int qp_encoder_open(lua_State *L, struct stream *s, int options)
{
    bool binary = lbind_field_bool(L, options, "binary", false);
    qp_encoder_init(&s->as.qp_encoder, binary);
    s->as.qp_encoder.kernel = *lbind_kernel(L);
    s->as.qp_encoder.keep = lbind_field_bool(L, options, "keep", false);
    return 0;
}

static int qp_encoder_update(struct stream *s, struct span in)
{
    return qp_encode(&s->as.qp_encoder, in, &s->out);
}

static int qp_encoder_finish(struct stream *s)
{
    return qp_encode_finish(&s->as.qp_encoder, &s->out);
}

static int zeroed_open(lua_State *L, struct stream *s, int options)
{
    (void)L; /* a userdata is made of zeros */
    (void)s;
    (void)options;
    return 0;
}

static int qp_decoder_open(lua_State *L, struct stream *s, int options)
{
    qp_decoder_init(&s->as.unquote.d);
    s->as.unquote.d.kernel = *lbind_kernel(L);
    s->as.unquote.strict = lbind_field_bool(L, options, "strict", false);
    return 0;
}

static int qp_decoder_update(struct stream *s, struct span in)
{
    struct unquote *u = &s->as.unquote;
    int err = u->strict ? qp_strict_check(&u->judge, in) : 0;
    return err < 0 ? err : qp_decode(&u->d, in, &s->out);
}

static int qp_decoder_finish(struct stream *s)
{
    struct unquote *u = &s->as.unquote;
    int err = u->strict ? qp_strict_finish(&u->judge) : 0;
    return err < 0 ? err : qp_decode_finish(&u->d, &s->out);
}

static void qp_decoder_notes(lua_State *L, const struct stream *s)
{
    const struct unquote *u = &s->as.unquote;
    note_count(L, "invalid", u->d.invalid);
    if (u->d.invalid)
        note_count(L, "offset", u->d.invalid_at);
    if (u->judge.wrong)
        note_count(L, "offset", u->judge.wrong_at);
}

static int uu_encoder_open(lua_State *L, struct stream *s, int options)
{
    size_t mode = lbind_field_size(L, options, "mode", 0644);
    struct span name = lbind_field(L, options, "name"); /* last: borrowed */
    return uu_encode_start(&s->as.uu_encoder, name.p ? name : SPAN("data"),
                           mode > 0777 ? 01000 : (unsigned)mode, &s->out);
}

static int uu_encoder_update(struct stream *s, struct span in)
{
    return uu_encode(&s->as.uu_encoder, in, &s->out);
}

static int uu_encoder_finish(struct stream *s)
{
    return uu_encode_finish(&s->as.uu_encoder, &s->out);
}

static int uu_decoder_update(struct stream *s, struct span in)
{
    return uu_decode(&s->as.uu_decoder, in, &s->out);
}

static int uu_decoder_finish(struct stream *s)
{
    return uu_decode_finish(&s->as.uu_decoder, &s->out);
}

static void uu_decoder_notes(lua_State *L, const struct stream *s)
{
    const struct uu_decoder *d = &s->as.uu_decoder;
    note_count(L, "junk", d->junk);
    note_flag(L, "ended", d->at == UU_BEHIND);
    if (d->at == UU_BEFORE)
        return;
    note_count(L, "mode", d->mode);
    lua_pushstring(L, d->name);
    lua_setfield(L, -2, "name");
}

static int dot_encoder_open(lua_State *L, struct stream *s, int options)
{
    s->as.dot.kernel = *lbind_kernel(L);
    s->as.dot.plain = lbind_field_bool(L, options, "plain", false);
    s->as.dot.unmarked = lbind_field_bool(L, options, "unmarked", false);
    return 0;
}

static int dot_encoder_update(struct stream *s, struct span in)
{
    return dot_encode(&s->as.dot, in, &s->out);
}

static int dot_encoder_finish(struct stream *s)
{
    return dot_encode_finish(&s->as.dot, &s->out);
}

static int dot_decoder_open(lua_State *L, struct stream *s, int options)
{
    s->as.undot.d.kernel = *lbind_kernel(L);
    s->as.undot.fix = lbind_field_bool(L, options, "fix", false);
    s->as.undot.strict = lbind_field_bool(L, options, "strict", false);
    return 0;
}

/* Decodes where the input was copied to: behind the output. */
static int undot_in_place(struct stream *s, struct span in)
{
    struct undot *u = &s->as.undot;
    size_t n = 0, used, held = u->cr;
    char *p = buf_space(&s->out, held + in.n);
    if (!p)
        return buf_error(&s->out);
    p[0] = '\r';
    memcpy(p + held, in.p, in.n);
    dot_decode(&u->d, p, held + in.n, &n, &used);
    buf_filled(&s->out, n);
    u->cr = u->d.at != DOT_AT_END && used < held + in.n;
    return 0;
}

static int undot_fix(struct stream *s, struct span in)
{
    struct undot *u = &s->as.undot;
    size_t used;
    if (u->cr) {
        char pair[2] = {'\r', in.p[0]};
        dot_decode_fix(&u->d, span_of(pair, 2), &s->out, &used);
        in = span_skip(in, used - 1);
        u->cr = false;
    }
    if (in.n && u->d.at != DOT_AT_END) {
        dot_decode_fix(&u->d, in, &s->out, &used);
        u->cr = u->d.at != DOT_AT_END && used < in.n;
    }
    return buf_error(&s->out);
}

/* What was seen is no failure but where strict. */
static int undot_judge(const struct undot *u, int err)
{
    bool bare = u->d.bare_cr || u->d.bare_lf;
    return err == 0 && u->strict && bare ? ERR_SYNTAX : err;
}

static int dot_decoder_update(struct stream *s, struct span in)
{
    struct undot *u = &s->as.undot;
    if (in.n == 0 || u->d.at == DOT_AT_END)
        return 0;
    return undot_judge(u, u->fix ? undot_fix(s, in) : undot_in_place(s, in));
}

static int dot_decoder_finish(struct stream *s)
{
    struct undot *u = &s->as.undot;
    if (!u->cr)
        return 0;
    if (!u->d.bare_cr && !u->d.bare_lf)
        u->d.bare_at = u->d.wire;
    u->d.bare_cr = true;
    u->cr = false;
    return undot_judge(u, buf_add(&s->out, "\r\n", u->fix ? 2 : 1));
}

static void dot_decoder_notes(lua_State *L, const struct stream *s)
{
    const struct dot_decoder *d = &s->as.undot.d;
    note_flag(L, "ended", d->at == DOT_AT_END);
    note_flag(L, "bare_cr", d->bare_cr);
    note_flag(L, "bare_lf", d->bare_lf);
    note_flag(L, "nul", d->nul);
    note_flag(L, "eight_bit", d->eight_bit);
    note_count(L, "longest", dot_longest(d));
    note_count(L, "used", d->wire);
    if (d->bare_cr || d->bare_lf)
        note_count(L, "offset", d->bare_at);
}

static int crlf_decoder_update(struct stream *s, struct span in)
{
    return crlf_decode(&s->as.crlf, in, &s->out);
}

static int crlf_decoder_finish(struct stream *s)
{
    return crlf_decode_finish(&s->as.crlf, &s->out);
}

static int charset_reader_open(lua_State *L, struct stream *s, int options)
{
    struct span charset = lbind_field(L, options, "charset");
    return charset_open(&s->as.charset, charset, false, NULL);
}

static int charset_writer_open(lua_State *L, struct stream *s, int options)
{
    struct span charset = lbind_field(L, options, "charset");
    return charset_open(&s->as.charset, charset, true, NULL);
}

static int charset_update(struct stream *s, struct span in)
{
    return charset_step(&s->as.charset, in, &s->out);
}

static int charset_end(struct stream *s)
{
    return charset_finish(&s->as.charset, &s->out);
}

static void charset_notes(lua_State *L, const struct stream *s)
{
    note_count(L, "faults", s->as.charset.faults);
}

/* clang-format off */
static const struct kind kinds[] = {
    {"base64_encoder", base64_encoder_open, base64_encoder_update,
     base64_encoder_finish, no_notes},
    {"base64_decoder", base64_decoder_open, base64_decoder_update,
     base64_decoder_finish, base64_decoder_notes},
    {"qp_encoder", qp_encoder_open, qp_encoder_update, qp_encoder_finish,
     no_notes},
    {"qp_decoder", qp_decoder_open, qp_decoder_update, qp_decoder_finish,
     qp_decoder_notes},
    {"uu_encoder", uu_encoder_open, uu_encoder_update, uu_encoder_finish,
     no_notes},
    {"uu_decoder", zeroed_open, uu_decoder_update, uu_decoder_finish,
     uu_decoder_notes},
    {"dot_encoder", dot_encoder_open, dot_encoder_update, dot_encoder_finish,
     no_notes},
    {"dot_decoder", dot_decoder_open, dot_decoder_update, dot_decoder_finish,
     dot_decoder_notes},
    {"crlf_decoder", zeroed_open, crlf_decoder_update, crlf_decoder_finish,
     no_notes},
    {"charset_encoder", charset_writer_open, charset_update, charset_end,
     no_notes},
    {"charset_decoder", charset_reader_open, charset_update, charset_end,
     charset_notes},
};
/* clang-format on */

static struct stream *check(lua_State *L)
{
    return luaL_checkudata(L, 1, STREAM);
}

static int drop(lua_State *L)
{
    struct stream *s = check(L);
    buf_free(&s->out);
    buf_free(&s->in);
    if (s->kind && (s->kind->update == charset_update))
        charset_free(&s->as.charset);
    return 0;
}

/* kind, options -> stream */
static int l_open(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct kind *kind = NULL;
    struct stream *s;
    int err;
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(name, kinds[i].name) == 0)
            kind = &kinds[i];
    luaL_argcheck(L, kind != NULL, 1, "no such codec");
    s = lbind_new(L, sizeof *s, STREAM, 0); /* name options stream */
    buf_init(&s->out, SIZE_MAX / 2);
    buf_init(&s->in, PULL_MOST);
    s->kind = kind;
    err = kind->open(L, s, 2);
    return err < 0 ? lbind_fail(L, err, NULL) : 1;
}

/* Hands out what has come, or the error. */
static int deliver(lua_State *L, struct stream *s, int err)
{
    if (err < 0) {
        s->ended = true;
        buf_free(&s->out);
        return lbind_fail(L, err, NULL);
    }
    lbind_push(L, buf_span(&s->out));
    buf_clear(&s->out);
    if (s->out.room > OUTPUT_KEPT)
        buf_free(&s->out);
    return 1;
}

/* s, [from], [to] -> string | nil, kind, text; from 1, both ends within: a
   piece of a long string need not be made a string */
static int l_update(lua_State *L)
{
    struct stream *s = check(L);
    struct span in = lbind_check(L, 2);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    lua_Integer to = luaL_optinteger(L, 4, (lua_Integer)in.n);
    luaL_argcheck(L, from >= 1 && (size_t)from <= in.n + 1, 3, "out of range");
    luaL_argcheck(L, to >= from - 1 && (size_t)to <= in.n, 4, "out of range");
    in = span_of(in.p + from - 1, (size_t)(to - from + 1));
    if (s->ended)
        return luaL_error(L, "the codec has ended: it takes no more");
    return deliver(L, s, s->kind->update(s, in));
}

static FILE *file_of(lua_State *L, int arg)
{
    luaL_Stream *file = luaL_checkudata(L, arg, LUA_FILEHANDLE);
    luaL_argcheck(L, file->closef != NULL, arg, "the file is closed");
    return file->f;
}

/* s, file, n -> string, how many octets were read: 0 at the end | nil, why it
   could not be read. What is read need not be made a string. */
static int l_pull(lua_State *L)
{
    struct stream *s = check(L);
    FILE *file = file_of(L, 2);
    size_t n = lbind_size(L, 3, PULL_MOST);
    char *to = buf_space(&s->in, n ? n : 1);
    if (s->ended)
        return luaL_error(L, "the codec has ended: it takes no more");
    if (!to)
        return luaL_error(L, "not enough memory");
    clearerr(file);
    n = fread(to, 1, n, file);
    if (n == 0 && ferror(file))
        return luaL_fileresult(L, 0, NULL);
    if (deliver(L, s, s->kind->update(s, span_of(to, n))) != 1)
        return 3;
    lua_pushinteger(L, (lua_Integer)n);
    return 2;
}

static int l_finish(lua_State *L)
{
    struct stream *s = check(L);
    if (s->ended)
        return luaL_error(L, "the codec has ended: it takes no more");
    s->ended = true;
    return deliver(L, s, s->kind->finish(s));
}

static int l_ended(lua_State *L)
{
    lua_pushboolean(L, check(L)->ended);
    return 1;
}

static int l_notes(lua_State *L)
{
    struct stream *s = check(L);
    lua_newtable(L); /* notes */
    s->kind->notes(L, s);
    return 1;
}

static const luaL_Reg methods[] = {
    {"update", l_update}, {"pull", l_pull},   {"finish", l_finish},
    {"ended", l_ended},   {"notes", l_notes}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"open", l_open},
    {NULL, NULL},
};

int lbind_open_stream(lua_State *L)
{
    lbind_type(L, STREAM, methods, NULL, drop);
    luaL_newlib(L, functions);
    return 1;
}
