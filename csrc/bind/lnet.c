/*
 * lnet - lunapost.core.net: listeners and connections; TLS contexts: lcontext
 *
 * net.connect(address, port) and net.connect_unix(path) -> conn;
 * net.adopt(fd) -> conn, a duplicate of somebody else's socket;
 * net.listen(address, port[, backlog]) and net.listen_unix(path[, backlog
 * [, permissions]])
 * -> listener; net.take(descriptor) -> listener, for one that was passed to
 * this process; net.numeric(host) -> boolean.
 *
 * "Not yet" is nil, "read" or nil, "write": wait for conn:fd(), then call
 * again. conn:handshake() may also give nil, "choice": conn:asked() is the
 * name that the client wants, conn:choose([context]) answers. The world
 * failing is nil, kind, text. conn:read at the end of the stream gives nil,
 * "eof".
 *
 * Owns: descriptors, in userdata. Fails with: see conn.h. I/O:
 * see sock.h, tls.h.
 */
#include "lbind.h"

#include "../net/conn.h"
#include "../net/listener.h"
#include "../net/tls.h"

#define TYPE_LISTENER "lunapost.listener"

enum { READ_MAX = 1 << 24, BACKLOG = 1024, PORT_MAX = 65535 };

static int lnet_not_yet(lua_State *L, int io)
{
    lua_pushnil(L);
    switch (io) {
    case IO_WANT_READ:
        lua_pushliteral(L, "read");
        return 2;
    case IO_WANT_WRITE:
        lua_pushliteral(L, "write");
        return 2;
    case IO_WANT_CHOICE:
        lua_pushliteral(L, "choice");
        return 2;
    default:
        lua_pushliteral(L, "eof");
        return 2;
    }
}

/* true, or why not. */
static int lnet_result(lua_State *L, struct conn *c, int result)
{
    if (result < 0)
        return lbind_fail(L, result, c->err ? c->text : NULL);
    if (result != IO_DONE)
        return lnet_not_yet(L, result);
    lua_pushboolean(L, 1);
    return 1;
}

static struct conn *lnet_conn(lua_State *L)
{
    return lbind_self(L, LBIND_CONN);
}

static struct conn *lnet_new_conn(lua_State *L)
{
    struct conn *c = lbind_new(L, sizeof *c, LBIND_CONN, 0);
    conn_init(c, -1);
    return c;
}

/* An address or path: no NUL within. */
static const char *lnet_host(lua_State *L, int arg)
{
    struct span s = lbind_check(L, arg);
    luaL_argcheck(L, strlen(s.p) == s.n, arg, "contains a NUL");
    return s.p;
}

static int lnet_connect_to(lua_State *L, int port)
{
    const char *host = lnet_host(L, 1);
    struct conn *c = lnet_new_conn(L);
    int err = sock_connect(&c->fd, host, port, c->text);
    return err < 0 ? lbind_fail(L, err, c->text) : 1;
}

static int lnet_connect(lua_State *L)
{
    return lnet_connect_to(L, (int)lbind_size(L, 2, PORT_MAX));
}

static int lnet_connect_unix(lua_State *L)
{
    return lnet_connect_to(L, SOCK_PATH);
}

static int lnet_adopt(lua_State *L)
{
    int from = (int)lbind_size(L, 1, 1 << 20);
    struct conn *c = lnet_new_conn(L);
    int err = sock_adopt(&c->fd, from, c->text);
    return err < 0 ? lbind_fail(L, err, c->text) : 1;
}

/* What is about to be closed. */
static struct conn *lnet_leaving(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    if (c->fd >= 0)
        lbind_forget(L, c->fd);
    return c;
}

static int lconn_drop(lua_State *L)
{
    conn_drop(lnet_leaving(L));
    return 0;
}

static int lconn_reset(lua_State *L)
{
    conn_reset(lnet_leaving(L));
    return 0;
}

static int lconn_connected(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    int r = c->err ? c->err : sock_connected(c->fd, c->text);
    if (r < 0)
        c->err = r;
    return lnet_result(L, c, r);
}

static int lconn_fd(lua_State *L)
{
    lua_pushinteger(L, lnet_conn(L)->fd);
    return 1;
}

static int lconn_read(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    size_t room = lbind_size(L, 2, READ_MAX), n;
    luaL_Buffer b;
    luaL_argcheck(L, room >= 1, 2, "out of range");
    char *p = luaL_buffinitsize(L, &b, room);
    int r = conn_read(c, p, room, &n);
    if (r != IO_DONE)
        return lnet_result(L, c, r);
    luaL_pushresultsize(&b, n);
    return 1;
}

static int lconn_write(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    struct span bytes = lbind_check(L, 2);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    size_t n;
    luaL_argcheck(L, from >= 1 && (lua_Unsigned)from <= bytes.n + 1, 3,
                  "out of range");
    int r = conn_write(c, span_skip(bytes, (size_t)from - 1), &n);
    if (r != IO_DONE)
        return lnet_result(L, c, r);
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

static int lconn_pending(lua_State *L)
{
    lua_pushboolean(L, conn_pending(lnet_conn(L)));
    return 1;
}

static int lconn_quickack(lua_State *L)
{
    conn_quickack(lnet_conn(L));
    return 0;
}

static int lconn_starttls(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    struct lbind_context *context = luaL_checkudata(L, 2, LBIND_CONTEXT);
    bool server = lua_toboolean(L, 3);
    const char *host = lua_isnoneornil(L, 4) ? NULL : lnet_host(L, 4);
    luaL_argcheck(L, context->tls, 2, "the context is closed");
    luaL_argcheck(L, tls_context_server(context->tls) == server, 2,
                  "a context of the other side");
    luaL_argcheck(L, !c->tls, 1, "TLS is on already");
    return lnet_result(L, c, conn_starttls(c, context->tls, server, host));
}

static int lconn_handshake(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    return lnet_result(L, c, conn_handshake(c));
}

static int lconn_asked(lua_State *L)
{
    lua_pushstring(L, conn_asked(lnet_conn(L)));
    return 1;
}

static int lconn_choose(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    struct lbind_context *context =
        lua_isnoneornil(L, 2) ? NULL : luaL_checkudata(L, 2, LBIND_CONTEXT);
    luaL_argcheck(
        L, !context || (context->tls && tls_context_server(context->tls)), 2,
        "not a server's open context");
    return lnet_result(L, c, conn_choose(c, context ? context->tls : NULL));
}

static int lconn_shutdown(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    return lnet_result(L, c, conn_shutdown(c));
}

static void lnet_set(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static int lconn_tls(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    struct tls_info info;
    if (!c->tls)
        return 0;
    tls_inform(c->tls, &info);
    lua_createtable(L, 0, 4); /* tls */
    lnet_set(L, "version", info.version);
    lnet_set(L, "cipher", info.cipher);
    lua_pushboolean(L, info.resumed);
    lua_setfield(L, -2, "resumed");
    if (!info.certificate)
        return 1;
    lnet_set(L, "fingerprint", info.fingerprint);
    lua_createtable(L, 0, 5); /* tls certificate */
    lnet_set(L, "subject", info.subject);
    lnet_set(L, "issuer", info.issuer);
    lnet_set(L, "fingerprint", info.fingerprint);
    lnet_set(L, "pin", info.pin);
    lua_pushboolean(L, info.verified);
    lua_setfield(L, -2, "verified");
    lua_setfield(L, -2, "certificate"); /* tls */
    return 1;
}

/* seen() -> the fingerprint of the certificate that the peer showed, even where
   it was refused, or nil */
static int lconn_seen(lua_State *L)
{
    const struct conn *c = lnet_conn(L);
    char print[TLS_PRINT];
    if (!c->tls || !tls_seen(c->tls, print))
        return 0;
    lua_pushstring(L, print);
    return 1;
}

static int lconn_binding(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    unsigned char bytes[64];
    int n = c->tls ? tls_binding(c->tls, luaL_checkstring(L, 2), bytes)
                   : ERR_PROTOCOL;
    luaL_argcheck(L, n != ERR_SYNTAX, 2, "unknown channel binding");
    if (n < 0)
        return lbind_fail(L, n, "no such channel binding here");
    lua_pushlstring(L, (const char *)bytes, (size_t)n);
    return 1;
}

/* address, port; path, nil for a Unix socket. */
static int lnet_name(lua_State *L, int err, const struct sock_name *name)
{
    if (err < 0)
        return lbind_fail(L, err, NULL);
    lua_pushstring(L, name->host);
    if (name->local)
        lua_pushnil(L);
    else
        lua_pushinteger(L, name->port);
    return 2;
}

static int lconn_peer(lua_State *L)
{
    struct sock_name name;
    const struct conn *c = lnet_conn(L);
    int err = c->fd >= 0 && c->from.n ? sock_origin(&c->from, &name)
                                      : sock_peer(c->fd, &name);
    return lnet_name(L, err, &name);
}

static int lconn_local(lua_State *L)
{
    struct sock_name name;
    int err = sock_local(lnet_conn(L)->fd, &name);
    return lnet_name(L, err, &name);
}

static int lconn_text(lua_State *L)
{
    struct conn *c = lnet_conn(L);
    lua_pushfstring(L, "connection (%s%s)",
                    c->fd < 0 ? "closed"
                    : c->err  ? "failed"
                              : "open",
                    c->tls ? ", TLS" : "");
    return 1;
}

static struct listener *lnet_listener(lua_State *L)
{
    return lbind_self(L, TYPE_LISTENER);
}

static int lnet_listen_at(lua_State *L, int port, int backlog_arg)
{
    char text[SOCK_TEXT] = "";
    const char *host = lnet_host(L, 1);
    size_t backlog = lua_isnoneornil(L, backlog_arg)
                         ? BACKLOG
                         : lbind_size(L, backlog_arg, 1 << 20);
    size_t permissions = lua_isnoneornil(L, backlog_arg + 1)
                             ? 0
                             : lbind_size(L, backlog_arg + 1, 0777);
    struct listener *l = lbind_new(L, sizeof *l, TYPE_LISTENER, 1);
    listener_init(l);
    int err =
        listener_open(l, host, port, (int)backlog, (unsigned)permissions, text);
    return err < 0 ? lbind_fail(L, err, text) : 1;
}

static int lnet_listen(lua_State *L)
{
    return lnet_listen_at(L, (int)lbind_size(L, 2, PORT_MAX), 3);
}

static int lnet_listen_unix(lua_State *L)
{
    return lnet_listen_at(L, SOCK_PATH, 2);
}

static int lnet_take(lua_State *L)
{
    char text[SOCK_TEXT] = "";
    int fd = (int)lbind_size(L, 1, 1 << 20);
    struct listener *l = lbind_new(L, sizeof *l, TYPE_LISTENER, 1);
    listener_init(l);
    int err = listener_take(l, fd, text);
    return err < 0 ? lbind_fail(L, err, text) : 1;
}

static int llistener_drop(lua_State *L)
{
    struct listener *l = lnet_listener(L);
    if (l->fd >= 0)
        lbind_forget(L, l->fd);
    listener_drop(l);
    return 0;
}

/* The listener keeps the conn of the next accept: most find nobody at last. */
static struct conn *lnet_spare_conn(lua_State *L)
{
    if (lua_getiuservalue(L, 1, 1) == LUA_TNIL) { /* conn */
        (void)lnet_new_conn(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, 1);
        lua_replace(L, -2);
    }
    struct conn *c = lua_touserdata(L, -1);
    conn_init(c, -1);
    return c;
}

static int llistener_accept(lua_State *L)
{
    struct listener *l = lnet_listener(L);
    lua_settop(L, 1);
    if (l->fd < 0)
        return lbind_fail(L, ERR_CLOSED, "the listener is closed");
    struct conn *c = lnet_spare_conn(L); /* listener conn */
    int r = sock_accept(l->fd, &c->fd, &c->from, c->text);
    if (r < 0)
        return lbind_fail(L, r, c->text);
    if (r != IO_DONE)
        return lnet_not_yet(L, r);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 1); /* it is spare no more */
    return 1;
}

static int llistener_fd(lua_State *L)
{
    lua_pushinteger(L, lnet_listener(L)->fd);
    return 1;
}

static int llistener_address(lua_State *L)
{
    struct sock_name name;
    int err = sock_local(lnet_listener(L)->fd, &name);
    return lnet_name(L, err, &name);
}

static int llistener_disown(lua_State *L)
{
    struct listener *l = lnet_listener(L);
    if (l->path[0])
        lua_pushstring(L, l->path);
    else
        lua_pushnil(L);
    listener_disown(l);
    return 1;
}

static int llistener_text(lua_State *L)
{
    struct listener *l = lnet_listener(L);
    lua_pushfstring(L, "listener (%s)", l->fd < 0 ? "closed" : "open");
    return 1;
}

static int lnet_numeric(lua_State *L)
{
    lua_pushboolean(L, sock_numeric(lnet_host(L, 1)));
    return 1;
}

static const luaL_Reg conn_methods[] = {
    {"fd", lconn_fd},
    {"connected", lconn_connected},
    {"read", lconn_read},
    {"write", lconn_write},
    {"pending", lconn_pending},
    {"quickack", lconn_quickack},
    {"starttls", lconn_starttls},
    {"handshake", lconn_handshake},
    {"asked", lconn_asked},
    {"choose", lconn_choose},
    {"tls", lconn_tls},
    {"seen", lconn_seen},
    {"binding", lconn_binding},
    {"peer", lconn_peer},
    {"local_address", lconn_local},
    {"shutdown", lconn_shutdown},
    {"close", lconn_drop},
    {"reset", lconn_reset},
    {NULL, NULL},
};

static const luaL_Reg conn_meta[] = {
    {"__tostring", lconn_text},
    {NULL, NULL},
};

static const luaL_Reg listener_methods[] = {
    {"accept", llistener_accept},   {"fd", llistener_fd},
    {"address", llistener_address}, {"disown", llistener_disown},
    {"close", llistener_drop},      {NULL, NULL},
};

static const luaL_Reg listener_meta[] = {
    {"__tostring", llistener_text},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"connect", lnet_connect},
    {"connect_unix", lnet_connect_unix},
    {"adopt", lnet_adopt},
    {"listen", lnet_listen},
    {"listen_unix", lnet_listen_unix},
    {"take", lnet_take},
    {"numeric", lnet_numeric},
    {NULL, NULL},
};

/* What each wait needs. */
static const luaL_Reg exported[] = {
    {"fd", lconn_fd},
    {NULL, NULL},
};

int lbind_open_net(lua_State *L)
{
    lbind_type(L, LBIND_CONN, conn_methods, conn_meta, lconn_drop);
    lbind_type(L, TYPE_LISTENER, listener_methods, listener_meta,
               llistener_drop);
    luaL_newlib(L, functions);
    lbind_open_context(L);
    lbind_export(L, LBIND_CONN, exported);
    return 1;
}
