/*
 * ldns - lunapost.core.dns: the answers of name servers as tables
 *
 * dns.read(octets) -> { code =, secure =, name =, record, ... }
 *   | nil, kind, text
 * code: 0, or why there is no record (RFC 1035 4.1.1); name: what the chain
 * of aliases ends at; a record has ttl and, by the type that was asked for,
 * address | preference, host | host | text | usage, selector, matching, data
 * | data.
 *
 * Owns: nothing. Fails with: see dns.h. I/O: none.
 */
#include "lbind.h"

#include "../core/dns.h"
#include "../net/query.h"

static void set_number(lua_State *L, const char *name, unsigned value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* The strings of a TXT record, joined. */
static void set_strings(lua_State *L, struct span s)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (s.n > 0) {
        size_t n = (unsigned char)s.p[0];
        luaL_addlstring(&b, s.p + 1, n);
        s = span_skip(s, n + 1);
    }
    luaL_pushresult(&b);
    lua_setfield(L, -2, "text");
}

static void set_address(lua_State *L, struct span octets)
{
    char host[SOCK_HOST];
    query_address(octets, host);
    set_text(L, "address", host);
}

static void set_data(lua_State *L, struct span data)
{
    lbind_push(L, data);
    lua_setfield(L, -2, "data");
}

/* Fills the table at the top. */
static void set_record(lua_State *L, unsigned type, const struct dns_record *r)
{
    set_number(L, "ttl", r->ttl);
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        set_address(L, r->data);
        break;
    case DNS_MX:
        set_number(L, "preference", r->preference);
        set_text(L, "host", r->host);
        break;
    case DNS_CNAME:
    case DNS_PTR:
        set_text(L, "host", r->host);
        break;
    case DNS_TXT:
        set_strings(L, r->data);
        break;
    case DNS_TLSA:
        set_number(L, "usage", r->usage);
        set_number(L, "selector", r->selector);
        set_number(L, "matching", r->matching);
        set_data(L, r->data);
        break;
    default:
        set_data(L, r->data);
    }
}

/* Into the list at the top. */
static int push_records(lua_State *L, struct dns_reader *r)
{
    struct dns_record record;
    int err;
    for (lua_Integer i = 1; (err = dns_next(r, &record)) > 0; i++) {
        lua_createtable(L, 0, 4); /* list record */
        set_record(L, r->type, &record);
        lua_rawseti(L, -2, i); /* list */
    }
    return err;
}

static int ldns_read(lua_State *L)
{
    struct dns_reader r;
    int err = dns_open(&r, lbind_check(L, 1));
    lua_newtable(L); /* list */
    if (err == 0) {
        set_number(L, "code", r.code);
        set_text(L, "name", r.name);
        lua_pushboolean(L, r.secure);
        lua_setfield(L, -2, "secure");
        err = push_records(L, &r);
    }
    if (err < 0)
        return lbind_fail(L, ERR_DNS, "the answer is malformed");
    return 1;
}

static const luaL_Reg functions[] = {
    {"read", ldns_read},
    {NULL, NULL},
};

int lbind_open_dns(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
