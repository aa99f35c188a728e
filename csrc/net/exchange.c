/*
 * exchange - a client machine over a conn; see exchange.h
 */
#include "exchange.h"

#include "poller.h"

enum { POUR_LEAST = 1 << 14 /* fewer octets are as well copied */ };

/* What has come within so many seconds of the last octets came with them: a
   look at the socket would cost more than it finds. Not so before a dot. */
static const double FRESH = 0.0002;

/* Bodies before which what was read is acknowledged: a peer that speaks out of
   turn does so by habit. */
enum { STRANGER = 2 };

static int write_some(const struct exchange_call *call, struct span bytes,
                      size_t *n)
{
    return call->patient && !call->exact ? conn_push(call->conn, bytes, n)
                                         : conn_write(call->conn, bytes, n);
}

/* IO_DONE when all is sent. */
static int flush(struct client *c, struct exchange_call *call)
{
    int io = IO_DONE;
    while (io == IO_DONE && client_out(c).n) {
        size_t n;
        io = write_some(call, client_out(c), &n);
        if (io == IO_DONE) {
            client_sent(c, n);
            call->wrote = true;
        }
    }
    return io;
}

static int fill(struct exchange *x, struct conn *conn, bool patient)
{
    struct client *c = &x->machine;
    size_t room, n;
    char *p = client_space(c, &room);
    if (!p)
        return c->err;
    int io =
        patient ? conn_await(conn, p, room, &n) : conn_read(conn, p, room, &n);
    if (io == IO_DONE) {
        client_filled(c, n);
        x->heard = poller_now();
    } else if (io == IO_EOF)
        client_end(c);
    return io;
}

/* After a write it reads only when octets are known to be here, so that each
   wait is followed by one read. */
int exchange_turn(struct exchange *x, struct exchange_call *call)
{
    int out = flush(&x->machine, call);
    if (out < 0)
        return out;
    if (out == IO_DONE && call->flushing)
        return EXCHANGE_SENT;
    bool wait = out == IO_DONE && !conn_pending(call->conn);
    if (wait && (call->asked || (call->wrote && !call->patient)))
        return EXCHANGE_READ;
    int in = fill(x, call->conn, wait && call->patient);
    if (in < 0)
        return in;
    if (in == IO_WANT_READ || in == IO_WANT_WRITE)
        return out == IO_WANT_WRITE || in == IO_WANT_WRITE ? EXCHANGE_WRITE
                                                           : EXCHANGE_READ;
    call->asked = true;
    return CLIENT_MORE;
}

int exchange_step(struct exchange *x, struct exchange_call *call)
{
    int result;
    do {
        result = client_next(&x->machine);
        if (result == CLIENT_MORE)
            result = exchange_turn(x, call);
        else
            return result;
    } while (result == CLIENT_MORE);
    return result;
}

int exchange_look(struct exchange *x, struct conn *conn)
{
    struct client *c = &x->machine;
    int result = client_next(c);
    bool body = c->state == CLIENT_BODY;
    if (result != CLIENT_MORE)
        return result;
    if (body && x->bodies < STRANGER) {
        x->bodies++;
        conn_quickack(conn);
    }
    if (!body && poller_now() - x->heard < FRESH && !conn_pending(conn))
        return result;
    int in = fill(x, conn, false);
    return in < 0 ? in : client_next(c);
}

/* The head of what is left that goes out as it is. */
static struct span plain_head(struct client *c, struct span in, size_t plain)
{
    if (plain == 0)
        plain = client_plain(c, in);
    return span_of(in.p, plain < in.n ? plain : in.n);
}

int exchange_pour(struct exchange *x, struct exchange_call *call,
                  struct span *in, size_t plain)
{
    struct client *c = &x->machine;
    int io = flush(c, call);
    while (io == IO_DONE && in->n >= POUR_LEAST) {
        struct span head = plain_head(c, *in, plain);
        size_t n = 0;
        if (head.n < POUR_LEAST)
            break;
        io = write_some(call, head, &n);
        client_passed(c, span_of(head.p, n));
        *in = span_skip(*in, n);
        plain = plain > n ? plain - n : 0;
    }
    return io;
}

int exchange_stuck(struct exchange *x, struct conn *conn)
{
    int in = fill(x, conn, false);
    int result = in < 0 ? in : client_next(&x->machine);
    return result == CLIENT_MORE ? EXCHANGE_WRITE : result;
}

/* Sends some of a part of a body: enum io, or ERR_*. */
static int post_some(struct exchange *x, struct exchange_call *call,
                     struct posting *p, const struct posting_mail *m)
{
    struct client *c = &x->machine;
    int io = IO_DONE;
    if (client_out(c).n >= CLIENT_HIGH)
        io = flush(c, call);
    if (io == IO_DONE && posting_lines(p, m)) {
        struct span in = posting_most(p, m), left = in;
        if (in.n >= POUR_LEAST)
            io = exchange_pour(x, call, &left, posting_plain(p));
        posting_took(p, in.n - left.n);
    }
    if (io == IO_DONE && posting_more(p, m))
        return posting_write(p, c, m);
    return io;
}

/* Sends of a body all but its end, and what waited, unless that is as well sent
   with the dot: enum io, or ERR_*. */
static int post_most(struct exchange *x, struct exchange_call *call,
                     struct posting *p, const struct posting_mail *m)
{
    int io = IO_DONE;
    while (io == IO_DONE && posting_more(p, m))
        io = post_some(x, call, p, m);
    if (io == IO_DONE && client_out(&x->machine).n > POSTING_LONG)
        io = flush(&x->machine, call);
    return io;
}

/* Writes the body to its end, where nothing has come before it: CLIENT_MORE,
   what to wait for, or an event. */
static int post_body(struct exchange *x, struct exchange_call *call,
                     struct posting *p, const struct posting_mail *m)
{
    int io = post_most(x, call, p, m);
    if (io < 0)
        return io;
    if (io == IO_WANT_READ || io == IO_WANT_WRITE)
        return exchange_stuck(x, call->conn);
    int result = exchange_look(x, call->conn);
    if (result != CLIENT_MORE)
        return result;
    result = posting_finish(p, &x->machine, m);
    return result < 0 ? result : CLIENT_MORE;
}

/* Says a message, where nothing came that belongs to nothing. */
static int post_begin(struct exchange *x, struct exchange_call *call,
                      struct posting *p, const struct posting_mail *m,
                      int *told)
{
    if (x->machine.due || x->machine.loose)
        return EXCHANGE_NO;
    *told = exchange_look(x, call->conn);
    if (*told != CLIENT_MORE)
        return EXCHANGE_UNASKED;
    return posting_say(p, &x->machine, m) ? CLIENT_MORE : EXCHANGE_NO;
}

int exchange_post(struct exchange *x, struct exchange_call *call,
                  struct posting *p, const struct posting_mail *m, int *told)
{
    int result = CLIENT_MORE;
    bool flushing = call->flushing;
    p->now = poller_now();
    if (p->since == 0)
        p->since = p->now;
    if (p->stage == POSTING_IDLE) {
        result = post_begin(x, call, p, m, told);
        if (result != CLIENT_MORE)
            (void)posting_behind(p, &x->machine, NULL);
    }
    while (result == CLIENT_MORE) {
        double since = p->since;
        result = posting_next(p, &x->machine);
        if (result == CLIENT_REPLY && p->stage == POSTING_FINAL)
            return EXCHANGE_DONE;
        if (result == CLIENT_MORE && p->stage == POSTING_BODY)
            result = post_body(x, call, p, m);
        if (result != CLIENT_MORE)
            break;
        if (call->patient && p->since > since)
            call->asked = false; /* what is awaited now has time of its own */
        call->flushing = flushing && p->stage == POSTING_FINAL;
        result = exchange_turn(x, call);
        if (result == CLIENT_MORE)
            p->now = x->heard;
    }
    return result;
}
