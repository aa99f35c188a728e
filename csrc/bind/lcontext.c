/*
 * lcontext - lunapost.core.net.tls_context{...} -> context
 *
 * context:pem() -> the certificate as text; context:server() -> boolean. The
 * options are those of tls.h's settings, by their names; the world failing is
 * nil, kind, text.
 *
 * Owns: contexts, in userdata. Fails with: see tls.h. I/O: see tls.h.
 */
#include "lbind.h"

#include "../net/tls.h"

/* pin: one, or an array of them. */
static void lcontext_pins(lua_State *L, struct tls_settings *s)
{
    if (lua_getfield(L, 1, "pin") == LUA_TTABLE) { /* pins */
        lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
        if (n > TLS_PINS)
            luaL_error(L, "option 'pin' has at most %d entries", TLS_PINS);
        for (lua_Integer i = 1; i <= n; i++) {
            if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
                luaL_error(L, "option 'pin' must hold strings");
            struct span *pin = &s->pins[s->npins++];
            pin->p = lua_tolstring(L, -1, &pin->n);
            lua_pop(L, 1);
        }
        if (n == 0)
            luaL_error(L, "option 'pin' must not be empty");
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    struct span one = lbind_field(L, 1, "pin");
    if (one.p)
        s->pins[s->npins++] = one;
}

static unsigned char ltlsa_number(lua_State *L, const char *name)
{
    size_t n = lbind_field_size(L, lua_gettop(L), name, 256);
    if (n > 255)
        luaL_error(L, "option 'tlsa': '%s' must be 0 to 255", name);
    return (unsigned char)n;
}

/* What the record at the top holds itself: what a metamethod made would not
   live until the context is there. */
static struct span ltlsa_data(lua_State *L)
{
    struct span s = {NULL, 0};
    lua_pushliteral(L, "data");
    int type = lua_rawget(L, -2); /* record data */
    if (type != LUA_TNIL && type != LUA_TSTRING)
        luaL_error(L, "option 'data' must be a string");
    if (type == LUA_TSTRING)
        s.p = lua_tolstring(L, -1, &s.n);
    lua_pop(L, 1);
    return s;
}

/* tlsa: records as dns.tlsa gives them; the first so many. */
static void lcontext_tlsa(lua_State *L, struct tls_settings *s)
{
    s->dane = lua_getfield(L, 1, "tlsa") == LUA_TTABLE; /* records */
    lua_Integer n = s->dane ? (lua_Integer)lua_rawlen(L, -1) : 0;
    if (s->dane && n == 0)
        luaL_error(L, "option 'tlsa' must not be empty");
    for (lua_Integer i = 1; i <= n && s->ntlsa < TLS_TLSA; i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TTABLE) /* records record */
            luaL_error(L, "option 'tlsa' must hold tables");
        struct tls_tlsa *one = &s->tlsa[s->ntlsa++];
        one->usage = ltlsa_number(L, "usage");
        one->selector = ltlsa_number(L, "selector");
        one->matching = ltlsa_number(L, "matching");
        one->data = ltlsa_data(L);
        lua_pop(L, 1); /* records */
    }
    lua_pop(L, 1);
}

static int lcontext_new(lua_State *L)
{
    struct tls_settings s = {0};
    char text[SOCK_TEXT] = "";
    luaL_checktype(L, 1, LUA_TTABLE);
    s.server = lbind_field_bool(L, 1, "server", false);
    s.test = lbind_field_bool(L, 1, "test", false);
    s.choose = lbind_field_bool(L, 1, "choose", false);
    s.insecure = lbind_field_bool(L, 1, "insecure", false);
    s.hostname = lbind_field(L, 1, "hostname");
    s.certificate = lbind_field(L, 1, "certificate");
    s.key = lbind_field(L, 1, "key");
    s.ca = lbind_field(L, 1, "ca");
    s.minimum = lbind_field(L, 1, "minimum");
    s.maximum = lbind_field(L, 1, "maximum");
    lcontext_pins(L, &s);
    lcontext_tlsa(L, &s);
    s.domain = lbind_field(L, 1, "tlsa_domain");
    struct lbind_context *c = lbind_new(L, sizeof *c, LBIND_CONTEXT, 0);
    int err = tls_context_new(&c->tls, &s, text);
    return err < 0 ? lbind_fail(L, err, text[0] ? text : NULL) : 1;
}

static struct lbind_context *lcontext_self(lua_State *L)
{
    return lbind_self(L, LBIND_CONTEXT);
}

static int lcontext_drop(lua_State *L)
{
    struct lbind_context *c = lcontext_self(L);
    tls_context_drop(c->tls);
    c->tls = NULL;
    return 0;
}

static int lcontext_pem(lua_State *L)
{
    char pem[8192];
    struct lbind_context *c = lcontext_self(L);
    luaL_argcheck(L, c->tls, 1, "the context is closed");
    size_t n = tls_context_pem(c->tls, pem, sizeof pem);
    if (n == 0)
        return lbind_fail(L, ERR_TLS, "the context has no certificate");
    lua_pushlstring(L, pem, n);
    return 1;
}

static int lcontext_server(lua_State *L)
{
    struct lbind_context *c = lcontext_self(L);
    lua_pushboolean(L, c->tls && tls_context_server(c->tls));
    return 1;
}

static const luaL_Reg context_methods[] = {
    {"pem", lcontext_pem},
    {"server", lcontext_server},
    {"close", lcontext_drop},
    {NULL, NULL},
};

void lbind_open_context(lua_State *L)
{
    lbind_type(L, LBIND_CONTEXT, context_methods, NULL, lcontext_drop);
    lua_pushcfunction(L, lcontext_new);
    lua_setfield(L, -2, "tls_context");
}
