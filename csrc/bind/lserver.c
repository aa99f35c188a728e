/*
 * lserver - lunapost.core.server: the server's machine as a userdata
 *
 * step() drives the machine over a conn until it has something to say: an
 * event, or "read"/"write" when the descriptor must be waited for. Answers
 * are written when the machine wants more input, so a pipelined group goes
 * out at once. After a wait there is one read, and more where that shows that
 * octets are left (in TLS, or since it was full). After a share of events and
 * reads it is others' turn: a wait that ends at once. Reading is waited for
 * until due, but for so many seconds at most behind an event; where it may,
 * step does so by itself (lbind_again). Without a conn the machine is fed and
 * emptied by hand.
 *
 *   "MAIL"|"RCPT", { address=, localpart=, domain=, parameters=
 *     { KEYWORD = value, an integer for SIZE, or true } }, whose metatable is
 *     core.server.path
 *   any other VERB of core's, argument              "other", verb, argument
 *   "refused", verb, argument, code                 "line", octets
 *   "body", octets, code where the message is whole with them
 *   "chunk"|"message"|"broken", code                "tls"   "closed"
 *   "read"|"write", descriptor, until when reading may be waited for
 *   "failed", kind, text
 *
 * The code is that of the default answer: default() gives all of it, until
 * the next step but those of ask(). reply() gives the code that was sent.
 *
 * Owns: the machine; the config is its user value. Fails with: raises on
 * misuse, nil and kind and text where the world fails. I/O: through conn.
 */
#include "../core/ascii.h"
#include "../core/server.h"
#include "../net/conn.h"
#include "lbind.h"

#define MACHINE "lunapost.server"

enum { OUT_HIGH = 16384 }; /* answers beyond this are written at once */

/* Events and reads between two waits, after which it is others' turn: else a
   peer that always has more would keep all of them waiting. A read of a body,
   which is long, counts as so many events. */
enum { SHARE = 64, READ_COST = 8 };

/* A default answer. */
struct standard {
    int code;
    struct span enhanced, text;
};

struct machine {
    const void *mark; /* tells that this is one: lbind_marked */
    struct server server;
    struct server_event event; /* the last one, for its default answer */
    struct standard asked;     /* the default where a line was asked for */
    struct conn *conn;         /* the last one stepped over; a user value */
    bool held;     /* it was not handed out yet: its answers must leave first */
    bool waited;   /* a read may find bytes */
    bool within;   /* the last read was of a body, whose end did not come */
    bool told;     /* an event was given since the last wait began */
    double due;    /* when that is over */
    unsigned work; /* events and reads since a wait */
};

/* User values of a machine. */
enum { ITS_CONFIG = 1, ITS_CONN, ITS_MAIL, ITS_RCPT };

static const char machine_mark = 'm';

static struct machine *check_machine(lua_State *L)
{
    return lbind_marked(L, &machine_mark, sizeof(struct machine), MACHINE);
}

static int machine_new(lua_State *L)
{
    struct server_config *c = luaL_checkudata(L, 1, LBIND_CONFIG);
    struct machine *m = lbind_new(L, sizeof *m, MACHINE, ITS_RCPT);
    lua_pushvalue(L, 1);                  /* config ... machine config */
    lua_setiuservalue(L, -2, ITS_CONFIG); /* config ... machine */
    m->mark = &machine_mark;
    m->told = true;
    server_init(&m->server, c);
    m->server.kernel = *lbind_kernel(L);
    return 1;
}

static int machine_drop(lua_State *L)
{
    struct machine *m = check_machine(L);
    memset(&m->event, 0, sizeof m->event); /* its text may be the server's */
    server_free(&m->server);
    return 0;
}

static void push_parameter(lua_State *L, struct span keyword, struct span value)
{
    uint64_t size;
    if (span_ieq(keyword, SPAN("SIZE")) &&
        ascii_number(value, LUA_MAXINTEGER, &size))
        lua_pushinteger(L, (lua_Integer)size);
    else
        lbind_push(L, value);
}

static void push_parameters(lua_State *L, struct span rest)
{
    struct span keyword, value;
    bool has;
    lua_newtable(L); /* parameters */
    while (cmd_parameter(&rest, &keyword, &value, &has) > 0) {
        luaL_Buffer b;
        char *p = luaL_buffinitsize(L, &b, keyword.n);
        for (size_t i = 0; i < keyword.n; i++)
            p[i] = ascii_upper(keyword.p[i]);
        luaL_pushresultsize(&b, keyword.n); /* parameters KEYWORD */
        if (has)
            push_parameter(L, keyword, value);
        else
            lua_pushboolean(L, 1);
        lua_rawset(L, -3); /* parameters */
    }
}

static void push_local(lua_State *L, struct span local)
{
    luaL_Buffer b;
    char *p;
    if (local.n == 0 || local.p[0] != '"') {
        lbind_push(L, local);
        return;
    }
    p = luaL_buffinitsize(L, &b, local.n);
    luaL_pushresultsize(&b, path_unquote(local, p));
}

static const char path_key = 'p'; /* of the metatable of paths */

static void push_path(lua_State *L, const struct cmd *cmd)
{
    lua_createtable(L, 0, 4); /* path */
    lbind_push(L, cmd->path.address);
    lua_setfield(L, -2, "address");
    push_local(L, cmd->path.local);
    lua_setfield(L, -2, "localpart");
    lbind_push(L, cmd->path.domain);
    lua_setfield(L, -2, "domain");
    push_parameters(L, cmd->parameters);
    lua_setfield(L, -2, "parameters");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &path_key);
    lua_setmetatable(L, -2);
}

/* default(): code, enhanced, text */
static int machine_default(lua_State *L)
{
    const struct server_event *ev = &check_machine(L)->event;
    lua_pushinteger(L, ev->code);
    lbind_push(L, ev->enhanced);
    lbind_push(L, ev->text);
    return 3;
}

static const char *const kinds[] = {
    [SERVER_REFUSED] = "refused", [SERVER_LINE] = "line",
    [SERVER_BODY] = "body",       [SERVER_BROKEN] = "broken",
    [SERVER_CHUNK] = "chunk",     [SERVER_MESSAGE] = "message",
    [SERVER_TLS] = "tls",         [SERVER_CLOSED] = "closed",
};

static void push_verb(lua_State *L, const struct cmd *cmd)
{
    if (cmd->verb == VERB_OTHER)
        lbind_push(L, cmd->name);
    else
        lua_pushstring(L, verb_row(cmd->verb)->name);
}

static int push_command(lua_State *L, const struct cmd *cmd)
{
    if (cmd->verb == VERB_OTHER)
        lua_pushliteral(L, "other");
    push_verb(L, cmd);
    if (cmd->path.address.p)
        push_path(L, cmd);
    else
        lbind_push(L, cmd->argument);
    return cmd->verb == VERB_OTHER ? 3 : 2;
}

static int next_event(struct machine *m)
{
    int r = server_next(&m->server, &m->event);
    if (m->event.kind == SERVER_MESSAGE)
        m->within = false;
    if (m->event.kind == SERVER_LINE) { /* it answers what still waits */
        m->event.code = m->asked.code;
        m->event.enhanced = m->asked.enhanced;
        m->event.text = m->asked.text;
    }
    return r;
}

/* The octets of a body, and where nothing more of it comes the code of its
   end, which is the next event. */
static int push_body(lua_State *L, struct machine *m)
{
    bool last = m->server.ended;
    lbind_push(L, m->event.bytes);
    if (!last || next_event(m) < 0)
        return 2;
    lua_pushinteger(L, m->event.code);
    return 3;
}

static int push_event(lua_State *L, struct machine *m)
{
    const struct server_event *ev = &m->event;
    if (ev->kind == SERVER_COMMAND)
        return push_command(L, &ev->cmd);
    lua_pushstring(L, kinds[ev->kind]);
    switch (ev->kind) {
    case SERVER_REFUSED:
        push_verb(L, &ev->cmd);
        lbind_push(L, ev->cmd.argument);
        lua_pushinteger(L, ev->code);
        return 4;
    case SERVER_LINE:
        lbind_push(L, ev->bytes);
        return 2;
    case SERVER_BODY:
        return push_body(L, m);
    case SERVER_BROKEN:
    case SERVER_CHUNK:
    case SERVER_MESSAGE:
        lua_pushinteger(L, ev->code);
        return 2;
    default:
        return 1;
    }
}

/* Writes what is out; IO_DONE when all of it went. */
static int flush(struct machine *m, struct conn *c)
{
    while (buf_size(&m->server.out)) {
        size_t n;
        int r = conn_write(c, server_out(&m->server), &n);
        if (r != IO_DONE)
            return r;
        server_sent(&m->server, n);
    }
    return IO_DONE;
}

/* It is time to wait: where TLS holds octets, of which the descriptor tells
   nothing, until it may be written, which is soon. A body that is incomplete
   is acknowledged at once: its sender may be waiting for that (Nagle's
   delay). */
static int stand_back(struct machine *m, struct conn *c)
{
    m->waited = true;
    m->work = 0;
    if (conn_holds(c))
        return IO_WANT_WRITE;
    if (m->within && server_in_body(&m->server))
        conn_quickack(c);
    return IO_WANT_READ;
}

/* One read into the machine, or what it is time to wait for. */
static int take(struct machine *m, struct conn *c)
{
    size_t room, n;
    char *p;
    int r;
    if (!m->waited && !(conn_pending(c) && m->work < SHARE))
        return stand_back(m, c);
    p = server_space(&m->server, &room);
    if (!p)
        return m->server.err;
    r = conn_read(c, p, room, &n);
    m->work += READ_COST;
    m->within = server_in_body(&m->server);
    m->waited = r == IO_WANT_READ || r == IO_WANT_WRITE;
    if (r == IO_DONE)
        server_filled(&m->server, n);
    else if (r == IO_EOF)
        server_filled(&m->server, 0);
    return r == IO_EOF ? IO_DONE : r;
}

static int push_failed(lua_State *L, int err, const char *text)
{
    (void)lbind_fail(L, err, text); /* nil kind text */
    lua_pushliteral(L, "failed");
    lua_replace(L, -4);
    return 3;
}

static int push_io(lua_State *L, int r, struct machine *m, const struct conn *c)
{
    if (r < 0)
        return push_failed(L, r, c && c->text[0] ? c->text : NULL);
    m->work = 0;
    lua_pushstring(L, r == IO_WANT_READ ? "read" : "write");
    if (!c)
        return 1;
    lua_pushinteger(L, c->fd);
    lua_pushnumber(L, m->due);
    return 3;
}

/* Others' turn, while the machine has more: a wait for writing ends at once,
   unless the peer does not read what it is answered. */
static int give_way(struct machine *m, struct conn *c)
{
    int r = flush(m, c);
    return r < 0 ? r : IO_WANT_WRITE;
}

/* What must happen to the bytes before an event may be handed out. */
static int transfer(struct machine *m, struct conn *c)
{
    enum server_kind kind = m->event.kind;
    bool end =
        kind == SERVER_MORE || kind == SERVER_TLS || kind == SERVER_CLOSED;
    int r = IO_DONE;
    if (end || buf_size(&m->server.out) > OUT_HIGH)
        r = flush(m, c);
    return r == IO_DONE && kind == SERVER_MORE ? take(m, c) : r;
}

/* The conn at 2, or NULL. Its type is looked at once: as a user value it
   lives, so that nothing else can have its address. */
static struct conn *check_conn(lua_State *L, struct machine *m)
{
    struct conn *c = lua_touserdata(L, 2);
    if (c && c == m->conn)
        return c;
    if (lua_isnoneornil(L, 2))
        return NULL;
    c = luaL_checkudata(L, 2, LBIND_CONN);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, ITS_CONN);
    m->conn = c;
    return c;
}

/* step([conn, [accepted, [poller, [due, seconds]]]]): where accepted is true,
   the last event is given its default answer first. */
static int machine_step(lua_State *L)
{
    struct machine *m = check_machine(L);
    struct conn *c = check_conn(L, m);
    if (lua_isboolean(L, 3) && lua_toboolean(L, 3)) {
        const struct server_event *ev = &m->event;
        int r = server_reply(&m->server, ev->code, ev->enhanced, ev->text);
        if (r < 0)
            return push_failed(L, r, NULL);
    }
    if (c && m->work++ >= SHARE)
        return push_io(L, give_way(m, c), m, c);
    for (;;) {
        int r = m->held ? 0 : next_event(m);
        if (r < 0)
            return push_failed(L, r, NULL);
        m->held = c != NULL;
        r = c ? transfer(m, c) : IO_DONE;
        if (r == IO_WANT_READ && lbind_again(L, 4, c->fd, &m->told, &m->due))
            continue;
        if (r != IO_DONE)
            return push_io(L, r, m, c);
        m->held = false;
        if (m->event.kind != SERVER_MORE) {
            m->told = true;
            return push_event(L, m);
        }
        if (!c)
            return push_io(L, IO_WANT_READ, m, NULL);
    }
}

/* reply([code, enhanced, text]) -> code; without arguments, the default. */
static int machine_reply(lua_State *L)
{
    struct machine *m = check_machine(L);
    int code = m->event.code;
    struct span enhanced = m->event.enhanced, text = m->event.text;
    int r;
    if (!lua_isnoneornil(L, 2)) {
        lua_Integer n = luaL_checkinteger(L, 2);
        luaL_argcheck(L, n >= 200 && n <= 559, 2,
                      "a reply's code lies within 200..559");
        code = (int)n;
        enhanced = lbind_optional(L, 3);
        text = lbind_optional(L, 4);
    }
    r = server_reply(&m->server, code, enhanced, text);
    if (r == ERR_SYNTAX)
        return luaL_argerror(L, 3, "enhanced status code does not fit");
    if (r == ERR_PROTOCOL)
        return luaL_error(L, "nothing waits for an answer");
    if (r < 0)
        return lbind_fail(L, r, NULL);
    lua_pushinteger(L, code);
    return 1;
}

/* offer(mail, rcpt): the parameters that are open from now on. */
static int machine_offer(lua_State *L)
{
    struct machine *m = check_machine(L);
    struct span mail = lbind_check(L, 2), rcpt = lbind_check(L, 3);
    lua_settop(L, 3);
    lua_setiuservalue(L, 1, ITS_RCPT); /* machine mail: they stay alive */
    lua_setiuservalue(L, 1, ITS_MAIL); /* machine */
    server_offer(&m->server, mail, rcpt);
    return 0;
}

static int machine_ask(lua_State *L)
{
    struct machine *m = check_machine(L);
    lua_Integer code = luaL_checkinteger(L, 2);
    int r;
    luaL_argcheck(L, code >= 300 && code <= 399, 2,
                  "a question's code lies within 300..399");
    r = server_ask(&m->server, (int)code, lbind_optional(L, 3));
    if (r == ERR_PROTOCOL)
        return luaL_error(L, "only AUTH and own commands may ask");
    if (r < 0)
        return lbind_fail(L, r, NULL);
    /* of AUTH, an own verb or a line that answered one: its text is constant,
       where that of a refused line may stand in scratch */
    m->asked =
        (struct standard){m->event.code, m->event.enhanced, m->event.text};
    lua_pushboolean(L, 1);
    return 1;
}

/* restart([refused, [authenticated]]) */
static int machine_restart(lua_State *L)
{
    server_restart(&check_machine(L)->server, lua_toboolean(L, 2),
                   lua_toboolean(L, 3));
    return 0;
}

/* each(text): 353; answers a recipient are due. */
static int machine_each(lua_State *L)
{
    int r = server_each(&check_machine(L)->server, lbind_check(L, 2));
    if (r == ERR_PROTOCOL)
        return luaL_error(L, "no answers one a recipient were asked for");
    if (r < 0)
        return lbind_fail(L, r, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

static int machine_close(lua_State *L)
{
    struct machine *m = check_machine(L);
    int r = server_close(&m->server, (int)lbind_size(L, 2, 559),
                         lbind_optional(L, 3), lbind_optional(L, 4));
    m->held = false; /* no more is read: CLOSED comes next */
    if (r < 0)
        return lbind_fail(L, r, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

static int machine_secured(lua_State *L)
{
    struct machine *m = check_machine(L);
    server_secured(&m->server);
    m->waited = true; /* the handshake may have read the first octets */
    return 0;
}

/* flush(conn): true, or "write" to wait for, or "failed" and kind and text. */
static int machine_flush(lua_State *L)
{
    struct machine *m = check_machine(L);
    luaL_checktype(L, 2, LUA_TUSERDATA);
    struct conn *c = check_conn(L, m);
    int r = flush(m, c);
    if (r != IO_DONE)
        return push_io(L, r, m, c);
    lua_pushboolean(L, 1);
    return 1;
}

/* feed(bytes): how many were taken */
static int machine_feed(lua_State *L)
{
    struct machine *m = check_machine(L);
    struct span in = lbind_check(L, 2);
    size_t done = 0;
    while (done < in.n) {
        size_t room;
        char *p = server_space(&m->server, &room);
        if (!p)
            return lbind_fail(L, m->server.err, NULL);
        if (room > in.n - done)
            room = in.n - done;
        memcpy(p, in.p + done, room);
        server_filled(&m->server, room);
        done += room;
        if (buf_size(&m->server.in) >= OUT_HIGH)
            break;
    }
    lua_pushinteger(L, (lua_Integer)done);
    return 1;
}

static int machine_finish(lua_State *L)
{
    server_filled(&check_machine(L)->server, 0);
    return 0;
}

/* output(): what the machine has to say, taken out of it. */
static int machine_output(lua_State *L)
{
    struct machine *m = check_machine(L);
    struct span out = server_out(&m->server);
    lbind_push(L, out);
    server_sent(&m->server, out.n);
    return 1;
}

static int machine_body(lua_State *L)
{
    const struct server *s = &check_machine(L)->server;
    struct server_body body = server_body(s);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)body.size);
    lua_setfield(L, -2, "size");
    lua_pushboolean(L, body.eight_bit);
    lua_setfield(L, -2, "eight_bit");
    lua_pushboolean(L, body.nul);
    lua_setfield(L, -2, "nul");
    lua_pushinteger(L, (lua_Integer)s->recipients);
    lua_setfield(L, -2, "recipients");
    lua_pushboolean(L, s->prdr);
    lua_setfield(L, -2, "prdr");
    return 1;
}

static const luaL_Reg machine_methods[] = {
    {"step", machine_step},       {"default", machine_default},
    {"reply", machine_reply},     {"ask", machine_ask},
    {"restart", machine_restart}, {"each", machine_each},
    {"close", machine_close},     {"offer", machine_offer},
    {"secured", machine_secured}, {"flush", machine_flush},
    {"feed", machine_feed},       {"finish", machine_finish},
    {"output", machine_output},   {"body", machine_body},
    {"free", machine_drop},       {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", machine_new},
    {NULL, NULL},
};

/* What each command needs. */
static const luaL_Reg exported[] = {
    {"step", machine_step},
    {"reply", machine_reply},
    {NULL, NULL},
};

/* Sets verbs in the table on top: the commands of core's, each with its
   syntax. */
static void set_verbs(lua_State *L)
{
    lua_newtable(L);
    for (int v = VERB_HELO; v < VERB_OTHER; v++) {
        const struct verb_row *row = verb_row((enum verb)v);
        lua_pushstring(L, row->syntax);
        lua_setfield(L, -2, row->name);
    }
    lua_setfield(L, -2, "verbs");
}

int lbind_open_server(lua_State *L)
{
    lbind_type(L, MACHINE, machine_methods, NULL, machine_drop);
    luaL_newlib(L, functions);
    set_verbs(L);
    lbind_open_config(L);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &path_key);
    lua_setfield(L, -2, "path");
    lbind_export(L, MACHINE, exported);
    return 1;
}
