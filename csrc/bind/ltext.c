/*
 * ltext - codecs of text in one call: encoded words, parameters, charsets
 *
 * What users call as codec.encoded_word.encode and so on: see lcall.c.
 *
 * Owns: nothing. Fails with: nil, err; raises on misuse and memory.
 * I/O: none (iconv may load tables).
 */
#include "../core/charset.h"
#include "../core/param.h"
#include "../core/word.h"
#include "lbind.h"

/* The result, or nil and an error with that text, or core's where NULL. */
static int gathered(lua_State *L, int err, const char *text)
{
    if (err < 0) {
        if (!text)
            text = err_text(err);
        lua_pushstring(L, text);
        return lbind_problem(L, err, 0);
    }
    lbind_gathered(L);
    return 1;
}

static int l_is_utf8(lua_State *L)
{
    lua_pushboolean(L, charset_is_utf8(lbind_text(L, 1, "is_utf8")));
    return 1;
}

static const struct lbind_option charset_options[] = {
    {"charset", "string", NULL},
    {NULL, NULL, NULL},
};

/* The second argument: a name, or { charset = name }. */
static struct span charset_of(lua_State *L, const char *what)
{
    struct lbind_given given[LBIND_OPTIONS];
    if (lua_type(L, 2) == LUA_TSTRING)
        return lbind_check(L, 2);
    lbind_options(L, 2, what, charset_options, given);
    if (!given[0].set)
        luaL_error(L, "codec.%s needs the name of a charset", what);
    return given[0].text;
}

static int charset_problem(lua_State *L, struct span charset, int err)
{
    lua_pushliteral(L, "charset ");
    lbind_push(L, charset);
    lua_pushfstring(L, ": %s",
                    err == ERR_SYNTAX ? "the text does not fit it"
                                      : err_text(err));
    lua_concat(L, 3);
    return lbind_problem(L, err, 0);
}

static int l_charset_encode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "charset.encode");
    struct span charset = charset_of(L, "charset.encode");
    struct lbind_call *call = lbind_call(L);
    int err = charset_encode(&call->out, charset, in);
    if (err < 0)
        return charset_problem(L, charset, err);
    lbind_gathered(L);
    return 1;
}

static int l_charset_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "charset.decode");
    struct span charset = charset_of(L, "charset.decode");
    struct lbind_call *call = lbind_call(L);
    int faults = charset_decode(&call->out, charset, in);
    if (faults < 0)
        return charset_problem(L, charset, faults);
    lbind_gathered(L);
    lua_pushnil(L); /* text nil */
    lbind_defect(L, "charset", (size_t)faults, 0,
                 "%I fault%s replaced by U+FFFD");
    lbind_defects(L); /* text defects */
    return 2;
}

static int l_charset_known(lua_State *L)
{
    lua_pushboolean(L, charset_known(lbind_text(L, 1, "charset.known")));
    return 1;
}

enum { CHARSET, PLACE, LANGUAGE };

static const char *const word_places[] = {"text", "phrase", "comment", NULL};

static const struct lbind_option word_encoding[] = {
    {"charset", "string", NULL},
    {"place", "string", word_places},
    {NULL, NULL, NULL},
};

static const char *word_problem(int err)
{
    switch (err) {
    case ERR_SYNTAX:
        return "encoded word: the text has line ends or NUL, is no UTF-8, or "
               "has characters that the charset lacks";
    case ERR_CHARSET:
        return "encoded word: unknown charset";
    default:
        return NULL;
    }
}

static int l_word_encode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "encoded_word.encode");
    struct lbind_given given[LBIND_OPTIONS];
    struct lbind_call *call = lbind_call(L);
    int err;
    lbind_options(L, 2, "encoded_word.encode", word_encoding, given);
    err = word_encode(&call->out, in,
                      given[CHARSET].set ? given[CHARSET].text : SPAN("utf-8"),
                      (enum word_place)given[PLACE].choice);
    return gathered(L, err, word_problem(err));
}

static int l_word_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "encoded_word.decode");
    struct lbind_call *call = lbind_call(L);
    int faults = word_decode(&call->out, in);
    if (gathered(L, faults, NULL) > 1)
        return 2;
    lua_pushnil(L); /* text nil */
    lbind_defect(L, "word", (size_t)faults, 0,
                 "%I fault%s in encoded words or raw text");
    lbind_defects(L); /* text defects */
    return 2;
}

const luaL_Reg lbind_texts[] = {
    {"is_utf8", l_is_utf8},
    {"charset_encode", l_charset_encode},
    {"charset_decode", l_charset_decode},
    {"charset_known", l_charset_known},
    {"word_encode", l_word_encode},
    {"word_decode", l_word_decode},
    {NULL, NULL},
};
