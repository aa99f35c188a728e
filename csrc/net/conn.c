/*
 * conn - one byte stream, in plain or under TLS; see conn.h
 */
#include <stdio.h>

#include "conn.h"
#include "tls.h"

void conn_init(struct conn *c, int fd)
{
    memset(c, 0, sizeof *c);
    c->fd = fd;
}

void conn_drop(struct conn *c)
{
    tls_free(c->tls);
    c->tls = NULL;
    sock_close(c->fd);
    c->fd = -1;
    c->full = false;
    if (c->err == 0) {
        c->err = ERR_CLOSED;
        snprintf(c->text, sizeof c->text, "the connection was closed here");
    }
}

void conn_reset(struct conn *c)
{
    sock_abandon(c->fd);
    conn_drop(c);
}

static int conn_keep(struct conn *c, int result)
{
    if (result < 0 && c->err == 0) {
        c->err = result;
        if (!c->text[0])
            snprintf(c->text, sizeof c->text, "%s", err_text(result));
    }
    return result;
}

/* One record at a time would be one call at a time for the caller: takes
   what TLS holds, too. A failure behind good bytes is kept for later. */
static int conn_read_tls(struct conn *c, char *p, size_t room, size_t *n,
                         bool await)
{
    int r = tls_read(c->tls, p, room, n, await, c->text);
    c->full = false;
    if (r != IO_DONE)
        return r;
    while (*n < room && tls_pending(c->tls)) {
        size_t more;
        r = tls_read(c->tls, p + *n, room - *n, &more, false, c->text);
        if (r != IO_DONE) {
            c->full = r < 0 || r == IO_EOF;
            (void)conn_keep(c, r);
            return IO_DONE;
        }
        *n += more;
    }
    c->full = tls_pending(c->tls);
    return IO_DONE;
}

int conn_read(struct conn *c, char *p, size_t room, size_t *n)
{
    *n = 0;
    if (c->err)
        return c->err;
    if (c->tls)
        return conn_keep(c, conn_read_tls(c, p, room, n, false));
    int r = sock_read(c->fd, p, room, n, c->text);
    c->full = r == IO_DONE && *n == room;
    return conn_keep(c, r);
}

int conn_write(struct conn *c, struct span bytes, size_t *n)
{
    *n = 0;
    if (c->err)
        return c->err;
    if (bytes.n == 0)
        return IO_DONE;
    return conn_keep(c, c->tls ? tls_write(c->tls, bytes, n, false, c->text)
                               : sock_write(c->fd, bytes, n, c->text));
}

/* Whether the descriptor can wait by itself. */
static bool conn_patient(struct conn *c)
{
    if (c->err)
        return false;
    if (!c->patient)
        c->patient = sock_patient(c->fd, CONN_PATIENCE) == 0;
    return c->patient;
}

int conn_await(struct conn *c, char *p, size_t room, size_t *n)
{
    if (!conn_patient(c))
        return conn_read(c, p, room, n);
    *n = 0;
    if (c->tls)
        return conn_keep(c, conn_read_tls(c, p, room, n, true));
    int r = sock_await(c->fd, p, room, n, c->text);
    c->full = r == IO_DONE && *n == room;
    return conn_keep(c, r);
}

int conn_push(struct conn *c, struct span bytes, size_t *n)
{
    if (bytes.n == 0 || !conn_patient(c))
        return conn_write(c, bytes, n);
    *n = 0;
    return conn_keep(c, c->tls ? tls_write(c->tls, bytes, n, true, c->text)
                               : sock_push(c->fd, bytes, n, c->text));
}

bool conn_pending(const struct conn *c)
{
    return c->full;
}

bool conn_holds(const struct conn *c)
{
    return c->tls && c->full;
}

void conn_quickack(struct conn *c)
{
    if (c->fd >= 0)
        sock_quickack(c->fd);
}

int conn_starttls(struct conn *c, struct tls_context *context, bool server,
                  const char *host)
{
    if (c->err)
        return c->err;
    if (c->tls || tls_context_server(context) != server)
        return ERR_PROTOCOL;
    c->full = false;
    return conn_keep(c, tls_new(&c->tls, context, c->fd, host, c->text));
}

int conn_handshake(struct conn *c)
{
    if (c->err)
        return c->err;
    if (!c->tls)
        return ERR_PROTOCOL;
    int r = conn_keep(c, tls_handshake(c->tls, c->text));
    c->full = r == IO_DONE && tls_pending(c->tls);
    return r;
}

const char *conn_asked(const struct conn *c)
{
    return c->tls ? tls_asked(c->tls) : "";
}

int conn_choose(struct conn *c, const struct tls_context *context)
{
    if (c->err)
        return c->err;
    return c->tls ? conn_keep(c, tls_choose(c->tls, context)) : ERR_PROTOCOL;
}

int conn_shutdown(struct conn *c)
{
    if (c->fd < 0)
        return c->err;
    if (c->tls && c->err == 0) {
        int r = tls_shutdown(c->tls, c->text);
        if (r != IO_DONE)
            return r;
    }
    sock_shutdown(c->fd);
    return IO_DONE;
}
