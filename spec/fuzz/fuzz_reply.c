/*
 * fuzz_reply - any octets of a server, in any pieces, give the same events
 *
 * The input is segments, each led by an octet that chooses what the client
 * does before it hears the segment; 0xFF ends one. The machine is run twice,
 * with whole segments and with pieces, and what it did is compared. Replies
 * that were read are also written again, and must be read as they were.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/client.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

static void act(struct client *c, unsigned char choice)
{
    static const char *const commands[] = {
        "EHLO", "LHLO",     "HELO", "MAIL", "RCPT", "RCPT",
        "DATA", "STARTTLS", "QUIT", "RSET", "NOOP", "",
    };
    size_t taken, n = sizeof commands / sizeof commands[0];
    unsigned k = choice % (unsigned)(n + 3);
    if (k < n)
        client_command(c, span_from(commands[k]), SPAN("x"));
    else if (k == n)
        client_body(c, SPAN(".\r\nx\n.\r"), choice & 64, &taken);
    else if (k == n + 1)
        client_starttls(c);
    else
        client_raw(c, SPAN("NOOP\r\n"));
}

/* Writes down a reply, and reads it again from what reply_write makes. */
static void note_reply(struct buf *notes, const struct reply *r)
{
    struct span line, keyword = {NULL, 0}, words;
    size_t at = 0;
    struct buf out;
    struct reply again;
    buf_init(&out, 1 << 20);
    reply_init(&again);
    while (reply_line(r, &at, &line)) {
        words = reply_words(r, line);
        need(words.n <= line.n);
        buf_add_span(notes, line);
        if (!keyword.p)
            keyword = words;
    }
    need(reply_write(&out, r->code, span_from(r->enhanced), keyword) == 0);
    need(reply_read(&again, &out) == 1 && again.code == r->code);
    need(buf_size(&out) == 0);
    need(strcmp(again.enhanced, r->enhanced) == 0 || !r->enhanced[0]);
    reply_free(&again);
    buf_free(&out);
}

static void note_offers(struct buf *notes, const struct client *c)
{
    struct span keyword, words;
    size_t at = 0;
    while (client_offer(c, &at, &keyword, &words)) {
        buf_add_span(notes, keyword);
        buf_add_span(notes, words);
    }
}

static int gather(struct client *c, struct buf *notes)
{
    int event;
    while ((event = client_next(c)) == CLIENT_REPLY) {
        note_reply(notes, &c->reply);
        note_offers(notes, c);
    }
    buf_add_char(notes, (char)('p' + event));
    if (event == CLIENT_MORE)
        buf_cut(notes, buf_size(notes) - 1);
    return event;
}

static void hear(struct client *c, struct span s, size_t step,
                 struct buf *notes)
{
    while (s.n) {
        size_t room, n = s.n < step ? s.n : step;
        char *p = client_space(c, &room);
        if (!p)
            return;
        n = n < room ? n : room;
        memcpy(p, s.p, n);
        client_filled(c, n);
        s = span_skip(s, n);
        if (gather(c, notes) != CLIENT_MORE)
            return;
    }
}

static void run(struct span input, size_t step, struct buf *notes)
{
    struct client c;
    client_init(&c);
    while (input.n) {
        struct span segment = span_cut(&input, '\xff');
        if (segment.n == 0)
            continue;
        act(&c, (unsigned char)segment.p[0]);
        hear(&c, span_skip(segment, 1), step, notes);
    }
    client_end(&c);
    gather(&c, notes);
    buf_add_span(notes, client_out(&c));
    client_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span input = span_of((const char *)data, n);
    struct buf whole, pieces;
    if (n > 20000)
        return 0;
    buf_init(&whole, 1 << 24);
    buf_init(&pieces, 1 << 24);
    run(input, n, &whole);
    run(input, 1, &pieces);
    need(span_eq(buf_span(&whole), buf_span(&pieces)));
    buf_clear(&pieces);
    run(input, 7, &pieces);
    need(span_eq(buf_span(&whole), buf_span(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
