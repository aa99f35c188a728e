/*
 * lresolver - lunapost.core.resolver: names to addresses and back, and what
 * else is slow
 *
 * resolver.new([threads]) -> pool
 * pool:lookup(host[, service]) -> lookup   pool:reverse(address) -> lookup
 *   | nil, kind, text
 * pool:query(name, type, seconds, trust[, address, port]...) -> lookup
 *   seconds 0: as the system has it; the addresses: other name servers
 * pool:flush(path) -> lookup
 *   a file's bytes, or a folder's names, to the disk
 * lookup:fd()  readable when it is answered
 * lookup:result() -> { name =, { address =, port = }, ... } | name
 *   | the octets of the answer, for core.dns.read | true of a flush
 *   | nil, "read" | nil, kind, text, transient
 * lookup:close()  gives it up
 *
 * Owns: the pool and the lookups, in userdata. Fails with: see resolve.h.
 * I/O: see resolve.h.
 */
#include "lbind.h"

#include "../net/resolve.h"

#define TYPE_POOL   "lunapost.resolver"
#define TYPE_LOOKUP "lunapost.lookup"

enum { THREADS = 4 };

struct pool {
    struct resolver *resolver;
    size_t threads;
};

struct ticket {
    struct lookup *lookup;
    enum resolve_kind kind;
};

static int lresolver_new(lua_State *L)
{
    size_t threads = lua_isnoneornil(L, 1) ? THREADS : lbind_size(L, 1, 64);
    struct pool *p = lbind_new(L, sizeof *p, TYPE_POOL, 0);
    p->threads = threads;
    int err = resolver_new(&p->resolver, threads);
    return err < 0 ? lbind_fail(L, err, NULL) : 1;
}

static int lpool_drop(lua_State *L)
{
    struct pool *p = luaL_checkudata(L, 1, TYPE_POOL);
    resolver_drop(p->resolver);
    p->resolver = NULL;
    return 0;
}

/* A forked child parts from its parent's threads. */
static int pool_own(struct pool *p)
{
    if (!resolver_foreign(p->resolver))
        return 0;
    return resolver_new(&p->resolver, p->threads);
}

static struct pool *pool_check(lua_State *L)
{
    struct pool *p = luaL_checkudata(L, 1, TYPE_POOL);
    luaL_argcheck(L, p->resolver, 1, "the resolver is closed");
    return p;
}

static int lpool_start(lua_State *L, enum resolve_kind kind)
{
    struct pool *p = pool_check(L);
    struct span name = lbind_check(L, 2);
    const char *service = luaL_optstring(L, 3, NULL);
    char text[SOCK_TEXT] = "";
    if (strlen(name.p) != name.n)
        return lbind_fail(L, ERR_DNS, "a host name contains no NUL");
    struct ticket *t = lbind_new(L, sizeof *t, TYPE_LOOKUP, 0);
    t->kind = kind;
    int err = pool_own(p);
    if (err == 0)
        err =
            lookup_start(&t->lookup, p->resolver, kind, name.p, service, text);
    return err < 0 ? lbind_fail(L, err, text[0] ? text : NULL) : 1;
}

static void query_read(lua_State *L, struct query *q)
{
    memset(q, 0, sizeof *q);
    q->type = (unsigned)lbind_size(L, 3, 0xffff);
    q->seconds = luaL_checknumber(L, 4);
    q->trust = lua_toboolean(L, 5);
    for (int arg = 6; !lua_isnoneornil(L, arg); arg += 2) {
        luaL_argcheck(L, q->count < QUERY_SERVERS, arg,
                      "too many name servers");
        struct sock_name *server = &q->servers[q->count++];
        struct span host = lbind_check(L, arg);
        luaL_argcheck(L, host.n < SOCK_HOST, arg, "not an address");
        memcpy(server->host, host.p, host.n); /* zeroed behind it */
        server->port = (unsigned)lbind_size(L, arg + 1, 0xffff);
    }
}

static int lpool_query(lua_State *L)
{
    struct pool *p = pool_check(L);
    struct span name = lbind_check(L, 2);
    struct query q;
    char text[SOCK_TEXT] = "";
    query_read(L, &q);
    if (strlen(name.p) != name.n)
        return lbind_fail(L, ERR_DNS, "a host name contains no NUL");
    struct ticket *t = lbind_new(L, sizeof *t, TYPE_LOOKUP, 0);
    t->kind = RESOLVE_RECORDS;
    int err = pool_own(p);
    if (err == 0)
        err = lookup_query(&t->lookup, p->resolver, name.p, &q, text);
    return err < 0 ? lbind_fail(L, err, text[0] ? text : NULL) : 1;
}

static int lpool_flush(lua_State *L)
{
    struct pool *p = pool_check(L);
    struct span path = lbind_check(L, 2);
    char text[SOCK_TEXT] = "";
    luaL_argcheck(L, strlen(path.p) == path.n, 2, "contains a NUL");
    struct ticket *t = lbind_new(L, sizeof *t, TYPE_LOOKUP, 0);
    t->kind = RESOLVE_FLUSH;
    int err = pool_own(p);
    if (err == 0)
        err = lookup_flush(&t->lookup, p->resolver, path.p, text);
    return err < 0 ? lbind_fail(L, err, text[0] ? text : NULL) : 1;
}

static int lpool_lookup(lua_State *L)
{
    return lpool_start(L, RESOLVE_FORWARD);
}

static int lpool_reverse(lua_State *L)
{
    return lpool_start(L, RESOLVE_REVERSE);
}

static struct ticket *lookup_check(lua_State *L)
{
    struct ticket *t = luaL_checkudata(L, 1, TYPE_LOOKUP);
    luaL_argcheck(L, t->lookup, 1, "the lookup is closed");
    return t;
}

static int llookup_fd(lua_State *L)
{
    lua_pushinteger(L, lookup_fd(lookup_check(L)->lookup));
    return 1;
}

static int llookup_drop(lua_State *L)
{
    struct ticket *t = luaL_checkudata(L, 1, TYPE_LOOKUP);
    if (t->lookup)
        lbind_forget(L, lookup_fd(t->lookup));
    lookup_drop(t->lookup);
    t->lookup = NULL;
    return 0;
}

static void push_addresses(lua_State *L, const struct lookup_answer *answer)
{
    lua_createtable(L, (int)answer->count, 1); /* list */
    lua_pushstring(L, answer->name);
    lua_setfield(L, -2, "name");
    for (size_t i = 0; i < answer->count; i++) {
        lua_createtable(L, 0, 2); /* list address */
        lua_pushstring(L, answer->addresses[i].host);
        lua_setfield(L, -2, "address");
        lua_pushinteger(L, answer->addresses[i].port);
        lua_setfield(L, -2, "port");
        lua_rawseti(L, -2, (lua_Integer)i + 1); /* list */
    }
}

static int llookup_result(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    const struct lookup_answer *answer;
    struct ticket *t = lookup_check(L);
    int r = lookup_result(t->lookup, &answer, text);
    if (r == IO_WANT_READ) {
        lua_pushnil(L);
        lua_pushliteral(L, "read");
        return 2;
    }
    if (r < 0) {
        int n = lbind_fail(L, r, text);
        lua_pushboolean(L, answer->transient);
        return n + 1;
    }
    switch (t->kind) {
    case RESOLVE_RECORDS:
        lbind_push(L, span_of(answer->octets, answer->size));
        return 1;
    case RESOLVE_REVERSE:
        lua_pushstring(L, answer->name);
        return 1;
    case RESOLVE_FLUSH:
        lua_pushboolean(L, 1);
        return 1;
    default:
        push_addresses(L, answer);
        return 1;
    }
}

static const luaL_Reg pool_methods[] = {
    {"lookup", lpool_lookup}, {"reverse", lpool_reverse},
    {"query", lpool_query},   {"flush", lpool_flush},
    {"close", lpool_drop},    {NULL, NULL},
};

static const luaL_Reg lookup_methods[] = {
    {"fd", llookup_fd},
    {"result", llookup_result},
    {"close", llookup_drop},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", lresolver_new},
    {NULL, NULL},
};

int lbind_open_resolver(lua_State *L)
{
    lbind_type(L, TYPE_POOL, pool_methods, NULL, lpool_drop);
    lbind_type(L, TYPE_LOOKUP, lookup_methods, NULL, llookup_drop);
    luaL_newlib(L, functions);
    return 1;
}
