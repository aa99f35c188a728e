/*
 * lcrypto - lunapost.core.crypto
 *
 * crypto.digest(name, bytes)  crypto.hmac(name, key, bytes)
 * crypto.pbkdf2(name, password, salt, rounds, n)  crypto.random(n)
 * crypto.equal(a, b), in constant time; crypto.library(), its name. Results
 * are raw bytes. An unknown name raises; the world failing gives nil, kind,
 * text.
 *
 * Owns: nothing. Fails with: see digest.h. I/O: none.
 */
#include "lbind.h"

#include "../net/digest.h"

/* Most rounds: some seconds. A peer's wish, so it needs a ceiling. */
#define ROUNDS_MAX 10000000
#define BYTES_MAX  65536

static int lcrypto_fail(lua_State *L, int err)
{
    luaL_argcheck(L, err != ERR_SYNTAX, 1, "unknown digest");
    return lbind_fail(L, err, NULL);
}

static int lcrypto_result(lua_State *L, int err, const struct digest *d)
{
    if (err < 0)
        return lcrypto_fail(L, err);
    lua_pushlstring(L, (const char *)d->bytes, d->n);
    return 1;
}

static int lcrypto_digest(lua_State *L)
{
    struct digest d;
    const char *name = luaL_checkstring(L, 1);
    return lcrypto_result(L, digest_of(name, lbind_check(L, 2), &d), &d);
}

static int lcrypto_hmac(lua_State *L)
{
    struct digest d;
    const char *name = luaL_checkstring(L, 1);
    struct span key = lbind_check(L, 2);
    struct span bytes = lbind_check(L, 3);
    return lcrypto_result(L, digest_hmac(name, key, bytes, &d), &d);
}

static int lcrypto_pbkdf2(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    struct span password = lbind_check(L, 2);
    struct span salt = lbind_check(L, 3);
    size_t rounds = lbind_size(L, 4, ROUNDS_MAX);
    size_t n = lbind_size(L, 5, BYTES_MAX);
    luaL_Buffer b;
    luaL_argcheck(L, rounds >= 1, 4, "out of range");
    luaL_argcheck(L, n >= 1, 5, "out of range");
    char *out = luaL_buffinitsize(L, &b, n);
    int err = digest_pbkdf2(name, password, salt, (int)rounds, out, n);
    if (err < 0)
        return lcrypto_fail(L, err);
    luaL_pushresultsize(&b, n);
    return 1;
}

static int lcrypto_random(lua_State *L)
{
    size_t n = lbind_size(L, 1, BYTES_MAX);
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, n);
    int err = digest_random(out, n);
    if (err < 0)
        return lbind_fail(L, err, "no random bytes");
    luaL_pushresultsize(&b, n);
    return 1;
}

static int lcrypto_equal(lua_State *L)
{
    lua_pushboolean(L, digest_equal(lbind_check(L, 1), lbind_check(L, 2)));
    return 1;
}

static int lcrypto_library(lua_State *L)
{
    lua_pushstring(L, digest_library());
    return 1;
}

static const luaL_Reg functions[] = {
    {"digest", lcrypto_digest},
    {"hmac", lcrypto_hmac},
    {"pbkdf2", lcrypto_pbkdf2},
    {"random", lcrypto_random},
    {"equal", lcrypto_equal},
    {"library", lcrypto_library},
    {NULL, NULL},
};

int lbind_open_crypto(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
