/*
 * ltext - codecs of text in one call: encoded words, parameters, charsets
 *
 * What users call as codec.encoded_word.encode and so on: see lcall.c.
 *
 * Owns: nothing. Fails with: nil, err; raises on misuse and memory.
 * I/O: none (iconv may load tables).
 */
#include "../core/ascii.h"
#include "../core/charset.h"
#include "../core/param.h"
#include "../core/word.h"
#include "lbind.h"

#define PARAMS "lunapost.call.params"

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
    struct span s = lbind_text(L, 1, "is_utf8");
    lua_pushboolean(L, charset_is_utf8_by(*lbind_call(L)->kernel, s));
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
    int err = charset_encode(&call->out, charset, in, call->charsets);
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
    int faults = charset_decode(&call->out, charset, in, call->charsets);
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
    {"language", "string", NULL},
    {NULL, NULL, NULL},
};

static const char *word_problem(int err)
{
    switch (err) {
    case ERR_SYNTAX:
        return "encoded word: the text has line ends or NUL, is no UTF-8, or "
               "has characters that the charset lacks, or the language is none "
               "of RFC 5646";
    case ERR_CHARSET:
        return "encoded word: unknown charset";
    case ERR_LIMIT:
        return "encoded word: charset and language leave no room in a word";
    default:
        return NULL;
    }
}

static int l_word_encode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "encoded_word.encode");
    struct lbind_given given[LBIND_OPTIONS];
    struct lbind_call *call = lbind_call(L);
    struct word_form form = {.charset = SPAN("utf-8")};
    int err;
    lbind_options(L, 2, "encoded_word.encode", word_encoding, given);
    form.store = call->charsets;
    form.place = (enum word_place)given[PLACE].choice;
    form.language = given[LANGUAGE].text;
    if (given[CHARSET].set)
        form.charset = given[CHARSET].text;
    err = word_encode_as(&call->out, in, &form);
    return gathered(L, err, word_problem(err));
}

static int l_word_decode(lua_State *L)
{
    struct span in = lbind_text(L, 1, "encoded_word.decode");
    struct lbind_call *call = lbind_call(L);
    int faults = word_decode(&call->out, in, call->charsets);
    if (gathered(L, faults, NULL) > 1)
        return 2;
    lua_pushnil(L); /* text nil */
    lbind_defect(L, "word", (size_t)faults, 0,
                 "%I fault%s in encoded words or raw text");
    lbind_defects(L); /* text defects */
    return 2;
}

static const struct lbind_option param_encoding[] = {
    {"charset", "string", NULL},
    {"language", "string", NULL},
    {NULL, NULL, NULL},
};

enum { PARAM_LANGUAGE = 1 };

static int l_param_encode(lua_State *L)
{
    struct span name = lbind_text(L, 1, "parameter.encode");
    struct span value = lbind_text(L, 2, "parameter.encode");
    struct lbind_given given[LBIND_OPTIONS];
    struct lbind_call *call = lbind_call(L);
    int err;
    lbind_options(L, 3, "parameter.encode", param_encoding, given);
    err = param_encode_as(&call->out, name, value, given[CHARSET].text,
                          given[PARAM_LANGUAGE].text);
    if (err == 0)
        buf_drop(&call->out, 2); /* "; " */
    return gathered(L, err,
                    err == ERR_SYNTAX
                        ? "parameter: the name must be a token, the value "
                          "UTF-8 without line ends and NUL that fits the "
                          "charset, the language one of RFC 5646"
                        : NULL);
}

static int params_drop(lua_State *L)
{
    param_list_free(luaL_checkudata(L, 1, PARAMS));
    return 0;
}

/* Where the parameters of a field begin: at its first ";", or, where it
   begins with one, at the first name. */
static struct span params_of(struct lbind_call *call, struct span field)
{
    struct span s = span_trim(field);
    size_t name = ascii_run(s, ASCII_TOKEN);
    struct span behind = span_trim(span_skip(s, name));
    if (name == 0 || behind.n == 0 || behind.p[0] != '=')
        return span_skip(field, span_find(field, ';'));
    buf_add_char(&call->out, ';');
    buf_add_span(&call->out, field);
    return buf_span(&call->out);
}

/* values defects -> values defects languages, if there are any */
static int push_languages(lua_State *L, const struct param_list *list)
{
    int results = 2;
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].language_n == 0)
            continue;
        if (results == 2)
            lua_newtable(L);
        results = 3;
        lbind_push(L, param_name(list, i));
        lbind_push(L, param_language(list, i));
        lua_rawset(L, -3);
    }
    return results;
}

/* A list that no call is using, which may be pushed. */
static struct param_list *begin_params(lua_State *L, struct lbind_call *call)
{
    struct param_list *list = &call->params;
    if (call->busy) {
        lbind_type(L, PARAMS, NULL, NULL, params_drop);
        list = lbind_new(L, sizeof *list, PARAMS, 0);
    } else {
        call->busy = true;
    }
    list->store = call->charsets;
    return list;
}

static void end_params(struct lbind_call *call, const struct param_list *list)
{
    if (list == &call->params)
        call->busy = false;
}

static int l_param_decode(lua_State *L)
{
    struct span field = lbind_text(L, 1, "parameter.decode");
    struct lbind_call *call = lbind_call(L);
    struct param_list *list = begin_params(L, call);
    int err, results;
    err = param_parse(list, params_of(call, field));
    if (err < 0) {
        end_params(call, list);
        return gathered(L, err, NULL);
    }
    lua_createtable(L, 0, (int)list->n); /* values */
    for (size_t i = 0; i < list->n; i++) {
        lbind_push(L, param_name(list, i));
        lbind_push(L, param_value(list, i));
        lua_rawset(L, -3);
    }
    lua_pushnil(L);
    lbind_defect(L, "parameter", list->faults, 0, "%I fault%s in parameters");
    lbind_defects(L); /* values defects */
    results = push_languages(L, list);
    end_params(call, list);
    lbind_rest(L);
    return results;
}

const luaL_Reg lbind_texts[] = {
    {"is_utf8", l_is_utf8},
    {"charset_encode", l_charset_encode},
    {"charset_decode", l_charset_decode},
    {"charset_known", l_charset_known},
    {"word_encode", l_word_encode},
    {"word_decode", l_word_decode},
    {"param_encode", l_param_encode},
    {"param_decode", l_param_decode},
    {NULL, NULL},
};
