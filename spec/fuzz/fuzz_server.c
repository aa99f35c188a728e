/*
 * fuzz_server - any octets of a client, in any pieces, give the same events
 *
 * The first octet chooses the settings, the second the size of the pieces.
 * The machine is run whole and in pieces, answered by default but for a few
 * refusals, and what it said and gave is compared. A body must never hold
 * more than its limit, and never be whole after it was broken.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/server.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

struct run {
    struct server server;
    struct buf notes;
    bool broken;
    uint64_t body;
};

static void note(struct run *r, char mark, struct span bytes)
{
    buf_add_char(&r->notes, mark);
    buf_add_span(&r->notes, bytes);
}

static void answer(struct run *r, const struct server_event *ev)
{
    struct server *s = &r->server;
    if (ev->kind == SERVER_COMMAND && ev->cmd.verb == VERB_AUTH &&
        server_ask(s, 334, SPAN("dGVs")) == 0)
        return;
    if (ev->kind == SERVER_LINE && ev->bytes.n % 3 == 0)
        need(server_reply(s, 235, SPAN("2.7.0"), SPAN("in")) == 0);
    else if (ev->kind == SERVER_LINE)
        need(server_reply(s, 535, SPAN("5.7.8"), SPAN("no")) == 0);
    else if (ev->cmd.path.local.n % 7 == 6)
        need(server_reply(s, 550, SPAN("5.1.1"), SPAN("no")) == 0);
    else
        need(server_reply(s, ev->code, ev->enhanced, ev->text) == 0);
}

/* Runs until more is needed; false at the end. */
static bool turn(struct run *r)
{
    struct server_event ev;
    while (server_next(&r->server, &ev) == 0) {
        struct span out = server_out(&r->server);
        switch (ev.kind) {
        case SERVER_MORE:
            note(r, 'S', out);
            server_sent(&r->server, out.n);
            return true;
        case SERVER_BODY:
            need(!r->broken);
            r->body += ev.bytes.n;
            need(r->body <= r->server.config->size_limit);
            buf_add_span(&r->notes, ev.bytes);
            continue;
        case SERVER_BROKEN:
            r->broken = true;
            continue;
        case SERVER_CLOSED:
            return false;
        case SERVER_TLS:
            server_secured(&r->server);
            continue;
        case SERVER_COMMAND:
            if (ev.cmd.verb == VERB_BDAT) {
                r->broken = false;
                r->body = 0;
                need(r->server.due == 0);
            }
            break;
        case SERVER_MESSAGE:
            need(r->broken == (ev.code >= 400));
            break;
        default:
            break;
        }
        if (ev.kind == SERVER_MESSAGE) {
            r->body = 0;
            r->broken = false;
        }
        while (r->server.due)
            answer(r, &ev);
    }
    return false;
}

static void run(struct run *r, const struct server_config *config,
                struct span in, size_t piece)
{
    size_t at = 0;
    bool on;
    memset(r, 0, sizeof *r);
    server_init(&r->server, config);
    buf_init(&r->notes, 64 << 20);
    on = turn(r);
    while (on && at < in.n) {
        size_t room, n = in.n - at < piece ? in.n - at : piece;
        char *p = server_space(&r->server, &room);
        need(p != NULL);
        n = n < room ? n : room;
        memcpy(p, in.p + at, n);
        server_filled(&r->server, n);
        at += n;
        on = turn(r);
    }
    if (on) {
        server_filled(&r->server, 0);
        turn(r);
    }
    note(r, 'S', server_out(&r->server));
}

/* The replies alone: bodies come in pieces that differ. */
static bool same(const struct run *a, const struct run *b)
{
    return a->server.state == b->server.state &&
           a->server.errors == b->server.errors &&
           a->server.unknown == b->server.unknown &&
           a->server.commands == b->server.commands &&
           a->server.mails == b->server.mails &&
           a->server.head.size == b->server.head.size &&
           a->server.mail == b->server.mail &&
           a->server.recipients == b->server.recipients &&
           a->server.dot.size == b->server.dot.size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server_counts counts[2];
    struct server_spare spare = {{0}, {0}};
    struct server_config config = {
        .counts = &counts[0],
        .spare = &spare,
        .hostname = SPAN("mx.test"),
        .mail_parameters = SPAN("SIZE BODY SMTPUTF8 PRDR BODY=BINARYMIME"),
        .line_limit = 512,
        .body_line_limit = 1000,
        .size_limit = 2000,
        .recipient_limit = 5,
        .header_limit = 500,
        .error_limit = 20,
        .unknown_limit = 15,
        .command_limit = 100,
        .mail_limit = 10,
        .auth = true,
    };
    struct run whole, pieces;
    if (size < 2)
        return 0;
    memset(counts, 0, sizeof counts);
    config.bare = (enum dot_policy)(data[0] % 3);
    config.lmtp = data[0] & 4;
    config.auth_cleartext = data[0] & 8;
    config.auth_required = data[0] & 16;
    run(&whole, &config, span_of((const char *)data + 2, size - 2), size);
    config.counts = &counts[1];
    run(&pieces, &config, span_of((const char *)data + 2, size - 2),
        data[1] % 61 + 1u);
    need(same(&whole, &pieces));
    need(memcmp(&counts[0], &counts[1], sizeof counts[0]) == 0);
    server_free(&whole.server);
    server_free(&pieces.server);
    buf_free(&spare.in);
    buf_free(&spare.out);
    buf_free(&whole.notes);
    buf_free(&pieces.notes);
    return 0;
}
