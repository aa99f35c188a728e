/*
 * lvalue - what values of header fields, and bodies, are in Lua; see lbind.h
 *
 * Most values need no work: plain ASCII in one line goes to Lua as it
 * stands, and so does text that is UTF-8 already.
 *
 * Owns: what it works with, in one userdata.
 * Fails with: raises on memory.
 * I/O: none.
 */
#include "../core/ascii.h"
#include "../core/charset.h"
#include "../core/header.h"
#include "../core/media.h"
#include "../core/word.h"
#include "lbind.h"

#include <limits.h>
#include <stdint.h>

#define WORK "lunapost.value.work"

enum {
    WORK_MOST = 1 << 30,
    WORK_KEPT = 1 << 20,
    MEDIA_MOST = 256,
    GUESS_MOST = 16
};

static int work_drop(lua_State *L)
{
    struct lbind_work *w = luaL_checkudata(L, 1, WORK);
    buf_free(&w->flat);
    buf_free(&w->text);
    buf_free(&w->more);
    param_list_free(&w->params);
    addr_free(&w->addresses);
    return 0;
}

static struct lbind_work *new_work(lua_State *L, int values)
{
    struct lbind_work *w = lbind_new(L, sizeof *w, WORK, values);
    buf_init(&w->flat, WORK_MOST);
    buf_init(&w->text, WORK_MOST);
    buf_init(&w->more, WORK_MOST);
    w->charsets = w->params.store = lbind_charsets(L);
    w->kernel = lbind_kernel(L);
    return w;
}

struct lbind_work *lbind_new_work(lua_State *L)
{
    lbind_type(L, WORK, NULL, NULL, work_drop);
    return new_work(L, LBIND_WORK_VALUES);
}

struct lbind_work *lbind_work(lua_State *L)
{
    return lbind_work_by(L, lua_touserdata(L, lua_upvalueindex(1)));
}

struct lbind_work *lbind_work_by(lua_State *L, struct lbind_work *w)
{
    if (w->busy)
        w = new_work(L, 0);
    w->busy = true;
    buf_clear(&w->flat);
    buf_clear(&w->text);
    buf_clear(&w->more);
    return w;
}

static void give_back(struct buf *b)
{
    buf_clear(b);
    if (b->room > WORK_KEPT)
        buf_rest(b);
}

void lbind_work_end(struct lbind_work *w)
{
    w->busy = false;
    if ((w->params.text.room | w->flat.room | w->text.room | w->more.room) <=
        WORK_KEPT)
        return;
    if (w->params.text.room > WORK_KEPT)
        param_list_free(&w->params);
    give_back(&w->flat);
    give_back(&w->text);
    give_back(&w->more);
}

static void check(lua_State *L, int err)
{
    if (err < 0)
        luaL_error(L, "%s",
                   err == ERR_MEMORY ? "not enough memory" : err_text(err));
}

int lbind_flat(struct lbind_work *w, struct span raw, struct span *value)
{
    int err;
    *value = span_trim(raw);
    if (!ascii_breaks(*value))
        return 0;
    buf_clear(&w->flat);
    err = header_unfold(&w->flat, raw);
    *value = buf_span(&w->flat);
    return err;
}

static int push_decoded(lua_State *L, struct lbind_work *w, struct span s,
                        enum mime_text kind)
{
    int faults = 0;
    if (kind == MIME_TEXT_PLAIN) {
        lbind_push(L, s);
        return 0;
    }
    buf_clear(&w->text);
    if (kind != MIME_TEXT_WORDS || !mime_words(&w->text, s))
        faults = word_decode(&w->text, s, w->charsets);
    check(L, faults);
    lbind_push(L, buf_span(&w->text));
    return faults;
}

int lbind_push_value(lua_State *L, struct lbind_work *w, struct span raw,
                     enum mime_text kind)
{
    struct span value = span_trim(raw);
    if (kind == MIME_TEXT_OTHER) {
        check(L, lbind_flat(w, raw, &value));
        kind = mime_text_kind(value);
    }
    return push_decoded(L, w, value, kind);
}

/* Addresses */

/* kind: of all of the value. What has nothing special has no such pieces. */
static int push_piece(lua_State *L, struct lbind_work *w, struct span s,
                      enum mime_text kind)
{
    if (kind == MIME_TEXT_OTHER)
        kind = mime_text_kind(s);
    else if (kind == MIME_TEXT_WORDS && span_find_pair(s, 0, "=?") == s.n)
        kind = MIME_TEXT_PLAIN;
    return push_decoded(L, w, s, kind);
}

static int push_address(lua_State *L, const struct addr *a,
                        struct lbind_work *w, enum mime_text kind)
{
    int faults;
    lua_createtable(L, 0, a->grouped ? 3 : 2); /* item */
    faults = push_piece(L, w, a->name, kind);
    lua_setfield(L, -2, "name");
    lbind_push(L, a->address);
    lua_setfield(L, -2, "address");
    if (a->grouped) {
        faults += push_piece(L, w, a->group, kind);
        lua_setfield(L, -2, "group");
    }
    return faults;
}

/* Room for so many addresses, or for a few: more make their own. */
static int guess(struct span raw)
{
    int n = 1;
    size_t i = 0;
    while (n < GUESS_MOST && (i += span_find(span_skip(raw, i), ',')) < raw.n) {
        n++;
        i++;
    }
    return n;
}

int lbind_push_addresses(lua_State *L, struct lbind_work *w, struct span raw,
                         enum mime_text kind, size_t most, bool *more)
{
    struct addr a;
    int found, faults = 0;
    addr_again(&w->addresses, raw, most < SIZE_MAX ? most + 1 : most);
    if (kind == MIME_TEXT_PLAIN && span_find(raw, '=') < raw.n)
        kind = MIME_TEXT_WORDS; /* pieces that are joined may begin one */
    lua_createtable(L, guess(raw), 0); /* list */
    for (lua_Integer i = 1; (found = addr_next(&w->addresses, &a)) > 0; i++) {
        if (w->addresses.left == 0)
            break;
        int worse = push_address(L, &a, w, kind); /* list item */
        faults += worse < INT_MAX - faults ? worse : 0;
        lua_rawseti(L, -2, i); /* list */
    }
    check(L, found);
    *more = w->addresses.left == 0;
    if (w->addresses.faults < (size_t)(INT_MAX - faults))
        faults += (int)w->addresses.faults;
    if (raw.n > WORK_KEPT)
        addr_free(&w->addresses);
    return faults;
}

/* Content-* values */

static void lower(char *to, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        to[i] = ascii_lower(s.p[i]);
}

static void push_lower(lua_State *L, struct span type, struct span subtype)
{
    size_t n = type.n + (subtype.n ? subtype.n + 1 : 0);
    char few[MEDIA_MOST];
    char *p = n <= sizeof few ? few : lua_newuserdatauv(L, n, 0);
    lower(p, type);
    if (subtype.n) {
        p[type.n] = '/';
        lower(p + type.n + 1, subtype);
    }
    lua_pushlstring(L, p, n);
    if (p != few)
        lua_remove(L, -2);
}

void lbind_push_media(lua_State *L, struct lbind_work *w, struct span raw,
                      bool wordy, struct span *rest)
{
    struct span value;
    struct media m = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    check(L, lbind_flat(w, raw, &value));
    if (wordy) {
        m.type = media_word(value, rest);
    } else {
        media_split(value, &m);
        *rest = m.rest;
    }
    if (m.type.n)
        push_lower(L, m.type, m.subtype);
    else
        lua_pushnil(L);
}

int lbind_params(lua_State *L, struct lbind_work *w, struct span rest)
{
    check(L, param_parse(&w->params, rest));
    return w->params.faults < INT_MAX ? (int)w->params.faults : INT_MAX;
}

void lbind_push_params(lua_State *L, const struct lbind_work *w)
{
    const struct param_list *list = &w->params;
    lua_createtable(L, 0, (int)list->n); /* params */
    for (size_t i = list->n; i-- > 0;) {
        lbind_push(L, param_name(list, i));
        lbind_push(L, param_value(list, i));
        lua_rawset(L, -3);
    }
}

/* Text */

/* Text in no charset: ASCII, each other byte U+FFFD. */
static int decode_ascii(struct buf *out, struct span bytes)
{
    int faults = 0;
    while (bytes.n && !buf_error(out)) {
        size_t n = charset_ascii_run(bytes);
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

/* In these ASCII is ASCII, whatever stands before it. */
static bool is_superset(struct span charset)
{
    static const char *const names[] = {
        "us-ascii",     "iso-8859-1",   "iso-8859-2",   "iso-8859-3",
        "iso-8859-4",   "iso-8859-5",   "iso-8859-6",   "iso-8859-7",
        "iso-8859-8",   "iso-8859-9",   "iso-8859-10",  "iso-8859-13",
        "iso-8859-14",  "iso-8859-15",  "iso-8859-16",  "koi8-r",
        "koi8-u",       "windows-1250", "windows-1251", "windows-1252",
        "windows-1253", "windows-1254", "windows-1255", "windows-1256",
        "windows-1257", "windows-1258", "gb2312",       "gbk",
        "gb18030",      "big5",         "euc-kr",       "euc-jp",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_ieq(charset, span_from(names[i])))
            return true;
    return false;
}

/* Is the text UTF-8 already, and labelled as what is? */
static bool stays(const struct kernel *kernel, struct span charset,
                  struct span bytes)
{
    if (charset.n == 0 || span_ieq(charset, SPAN("utf-8")))
        return charset_is_utf8_by(kernel, bytes);
    return is_superset(charset) && charset_ascii_run(bytes) == bytes.n;
}

int lbind_push_utf8(lua_State *L, struct lbind_work *w, struct span charset,
                    struct span bytes)
{
    int faults;
    if (stays(*w->kernel, charset, bytes)) {
        lbind_push(L, bytes);
        return 0;
    }
    buf_clear(&w->more);
    faults = charset.n ? charset_decode(&w->more, charset, bytes, w->charsets)
                       : decode_ascii(&w->more, bytes);
    if (faults >= 0)
        lbind_push(L, buf_span(&w->more));
    return faults;
}
