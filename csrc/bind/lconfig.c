/*
 * lconfig - settings of the server's machine, and what machines count
 *
 * config{...} -> config, for machines (lserver.c); its counts, which may be
 * left out, are those of all machines that have them. counts() -> counts;
 * counts:take(table) adds what was counted since to the table's fields.
 *
 * Owns: the memory that machines at rest left; the config's strings and
 * counts are its user values. Fails with: raises on misuse. I/O: none.
 */
#include <stddef.h>

#include "../core/server.h"
#include "lbind.h"

#define COUNTS "lunapost.server_counts"

struct config {
    struct server_config settings; /* first: machines are given this alone */
    struct server_spare spare;
};

/* User values of a config: what its options need not keep. */
enum { ITS_HOSTNAME = 1, ITS_MAIL_PARAMETERS, ITS_RCPT_PARAMETERS, ITS_COUNTS };

/* A string of the options at 1, from now on also a user value of the config
   at 2. */
static struct span config_string(lua_State *L, const char *name, int place)
{
    struct span s = {NULL, 0};
    if (lua_getfield(L, 1, name) == LUA_TSTRING)
        s.p = lua_tolstring(L, -1, &s.n);
    else if (!lua_isnil(L, -1))
        (void)luaL_error(L, "option '%s' must be a string", name);
    lua_setiuservalue(L, 2, place);
    return s;
}

static struct server_counts *config_counts(lua_State *L)
{
    struct server_counts *counts = NULL;
    if (lua_getfield(L, 1, "counts") != LUA_TNIL)
        counts = luaL_checkudata(L, -1, COUNTS);
    lua_setiuservalue(L, 2, ITS_COUNTS);
    return counts;
}

static int config_drop(lua_State *L)
{
    struct config *c = luaL_checkudata(L, 1, LBIND_CONFIG);
    c->settings.spare = NULL; /* machines that are finalized later */
    buf_free(&c->spare.in);
    buf_free(&c->spare.out);
    return 0;
}

static int config_new(lua_State *L)
{
    struct config *all;
    struct server_config *c;
    size_t policy;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    all = lbind_new(L, sizeof *all, LBIND_CONFIG, ITS_COUNTS);
    c = &all->settings; /* options config */
    c->spare = &all->spare;
    c->counts = config_counts(L);
    c->hostname = config_string(L, "hostname", ITS_HOSTNAME);
    c->mail_parameters =
        config_string(L, "mail_parameters", ITS_MAIL_PARAMETERS);
    c->rcpt_parameters =
        config_string(L, "rcpt_parameters", ITS_RCPT_PARAMETERS);
    c->line_limit = lbind_field_size(L, 1, "line_limit", 4096);
    c->body_line_limit = lbind_field_size(L, 1, "body_line_limit", 1 << 20);
    c->size_limit = lbind_field_size(L, 1, "size_limit", 64 << 20);
    c->recipient_limit = lbind_field_size(L, 1, "recipient_limit", 1000);
    c->header_limit = lbind_field_size(L, 1, "header_limit", SIZE_MAX / 2);
    c->unknown_limit = lbind_field_size(L, 1, "unknown_limit", SIZE_MAX / 2);
    c->command_limit = lbind_field_size(L, 1, "command_limit", SIZE_MAX / 2);
    c->mail_limit = lbind_field_size(L, 1, "mail_limit", SIZE_MAX / 2);
    c->in_step = lbind_field_bool(L, 1, "in_step", false);
    c->error_limit = lbind_field_size(L, 1, "error_limit", 20);
    policy = lbind_field_size(L, 1, "bare", DOT_REJECT);
    luaL_argcheck(L, policy <= DOT_KEEP, 1, "bare is out of range");
    luaL_argcheck(L, c->line_limit <= 1 << 24, 1, "line_limit is too big");
    c->bare = (enum dot_policy)policy;
    c->lmtp = lbind_field_bool(L, 1, "lmtp", false);
    c->tls = lbind_field_bool(L, 1, "tls", false);
    c->auth = lbind_field_bool(L, 1, "auth", false);
    c->auth_required = lbind_field_bool(L, 1, "auth_required", false);
    c->auth_cleartext = lbind_field_bool(L, 1, "auth_cleartext", false);
    return 1;
}

static const struct count {
    const char *name; /* as in smtp/counters.lua */
    size_t offset;
} counts[] = {
    {"replies_2", offsetof(struct server_counts, replies[2])},
    {"replies_3", offsetof(struct server_counts, replies[3])},
    {"replies_4", offsetof(struct server_counts, replies[4])},
    {"replies_5", offsetof(struct server_counts, replies[5])},
    {"recipients", offsetof(struct server_counts, recipients)},
    {"recipients_refused", offsetof(struct server_counts, recipients_refused)},
    {"messages", offsetof(struct server_counts, messages)},
    {"messages_refused", offsetof(struct server_counts, messages_refused)},
    {"octets", offsetof(struct server_counts, octets)},
};

static uint64_t *count_of(struct server_counts *c, const struct count *one)
{
    return (uint64_t *)(void *)((char *)c + one->offset);
}

static int counts_new(lua_State *L)
{
    (void)lbind_new(L, sizeof(struct server_counts), COUNTS, 0);
    return 1;
}

/* take(table): adds what was counted since the last time to its fields */
static int counts_take(lua_State *L)
{
    struct server_counts *c = luaL_checkudata(L, 1, COUNTS);
    luaL_checktype(L, 2, LUA_TTABLE);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t *n = count_of(c, &counts[i]);
        (void)lua_getfield(L, 2, counts[i].name);
        lua_pushinteger(L, luaL_optinteger(L, -1, 0) + (lua_Integer)*n);
        lua_setfield(L, 2, counts[i].name);
        lua_pop(L, 1);
        *n = 0;
    }
    return 0;
}

static const luaL_Reg counts_methods[] = {
    {"take", counts_take},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"counts", counts_new},
    {"config", config_new},
    {NULL, NULL},
};

void lbind_open_config(lua_State *L)
{
    lbind_type(L, COUNTS, counts_methods, NULL, NULL);
    lbind_type(L, LBIND_CONFIG, NULL, NULL, config_drop);
    luaL_setfuncs(L, functions, 0);
}
