/*
 * client_body - bodies, as lines, as base64, or in chunks; see client.h
 */
#include "client_parts.h"

#include "base64.h"

enum {
    BODY_STEP = 32768, /* body bytes encoded at once: at most doubled */
    BASE64_COLUMNS = 76,
    BASE64_STEP = 57 * 420 /* octets encoded at once: lines of 57 */
};

static void final_due(struct client *c)
{
    client_due(c, TOPIC_FINAL);
    c->finals = c->lmtp && c->recipients ? c->recipients : 1;
}

int client_body(struct client *c, struct span in, bool done, size_t *taken)
{
    *taken = 0;
    int err = client_ready(c, CLIENT_BODY);
    while (err == 0 && *taken < in.n && buf_size(&c->out) < CLIENT_HIGH) {
        struct span piece = span_skip(in, *taken);
        if (piece.n > BODY_STEP)
            piece.n = BODY_STEP;
        err = dot_encode(&c->dot, piece, &c->out);
        *taken += piece.n;
    }
    if (err == 0 && done && *taken == in.n) {
        err = dot_encode_finish(&c->dot, &c->out);
        final_due(c);
        client_enter(c, CLIENT_COMMAND);
    }
    if (buf_error(&c->out))
        return client_fail(c, buf_error(&c->out), NULL);
    return err;
}

/* One piece, of whole lines but at the end of the part. */
static int base64_piece(struct client *c, struct span piece)
{
    struct base64_encoder e;
    base64_encoder_init(&e, BASE64_COLUMNS);
    e.kernel = c->kernel;
    char *p = buf_space(&c->out, base64_room(piece.n + 2, BASE64_COLUMNS));
    if (!p)
        return client_fail(c, buf_error(&c->out), NULL);
    size_t n = base64_encode(&e, piece, p);
    buf_filled(&c->out, n + base64_encode_finish(&e, p + n));
    return 0;
}

int client_base64(struct client *c, struct span in, size_t *taken)
{
    *taken = 0;
    int err = client_ready(c, CLIENT_BODY);
    if (err == 0 && (c->dot.inside || c->dot.cr))
        err = client_refuse(c, ERR_PROTOCOL, "base64 begins with a line");
    while (err == 0 && *taken < in.n && buf_size(&c->out) < CLIENT_HIGH) {
        struct span piece = span_skip(in, *taken);
        if (piece.n > BASE64_STEP)
            piece.n = BASE64_STEP;
        err = base64_piece(c, piece);
        *taken += piece.n;
    }
    return err;
}

size_t client_plain(struct client *c, struct span in)
{
    const struct kernel *kernel = c->kernel ? c->kernel : &kernel_scalar;
    struct kernel_body seen = {c->dot.inside, false, false, 0, 0};
    if (client_ready(c, CLIENT_BODY) < 0 || c->dot.cr || c->dot.cr_out ||
        buf_size(&c->out))
        return 0;
    return kernel->dot_skim(&seen, in);
}

void client_passed(struct client *c, struct span bytes)
{
    c->sent += bytes.n;
    if (bytes.n == 0)
        return;
    c->dot.inside = bytes.p[bytes.n - 1] != '\n';
    c->dot.cr_out = bytes.p[bytes.n - 1] == '\r';
}

/* Mends the line ends of a chunk, and those between it and the one before. */
static int chunk_mend(struct client *c, struct span *in, bool last)
{
    buf_clear(&c->chunk);
    dot_encode(&c->dot, *in, &c->chunk);
    if (last)
        dot_encode_finish(&c->dot, &c->chunk);
    *in = buf_span(&c->chunk);
    return buf_error(&c->chunk);
}

int client_chunk(struct client *c, struct span in, bool binary, bool last)
{
    int err = client_ready(c, CLIENT_COMMAND);
    if (err == 0)
        err = client_command_fits(c, SPAN("BDAT"), span_of(NULL, 0));
    if (err < 0)
        return err;
    if (in.n > CLIENT_CHUNK || buf_size(&c->out) + 3 * in.n > CLIENT_OUT)
        return client_refuse(c, ERR_LIMIT, "the chunk is too long");
    if (!c->chunking)
        memset(&c->dot, 0, sizeof c->dot);
    c->dot.plain = true;
    c->chunking = !last;
    if (!binary && (err = chunk_mend(c, &in, last)) < 0)
        return client_fail(c, err, NULL);
    buf_add_text(&c->out, "BDAT ");
    buf_add_number(&c->out, in.n);
    buf_add_text(&c->out, last ? " LAST" : "");
    err = client_write(c, span_of(NULL, 0), "\r\n");
    if (err == 0)
        err = client_write(c, in, "");
    if (err < 0)
        return err;
    if (last)
        final_due(c);
    else
        client_due(c, TOPIC_CHUNK);
    return 0;
}
