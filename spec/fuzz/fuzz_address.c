/*
 * fuzz_address - any octets as a list of addresses, and each written again
 *
 * Nothing that is read holds a line end or NUL. What may be written (see
 * compose_address) is written as a mailbox of a To field, within 998 octets
 * a line, and comes back from it: the same address, the same name.
 */
#include <stdlib.h>

#include "core/addr.h"
#include "core/addr_plain.h"
#include "core/ascii.h"
#include "core/charset.h"
#include "core/compose.h"
#include "core/header.h"
#include "core/word.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

/* Reads the one mailbox of a field; its name is left decoded in name. */
static void check_same(struct span value, struct span address,
                       struct span expected)
{
    struct addr_reader r;
    struct addr a;
    struct buf name;
    buf_init(&name, 1 << 22);
    addr_init(&r, value, 10);
    need(addr_next(&r, &a) == 1);
    need(span_eq(a.address, address));
    need(word_decode(&name, a.name, NULL) >= 0);
    need(span_eq(span_trim(buf_span(&name)), span_trim(expected)));
    need(addr_next(&r, &a) == 0);
    buf_free(&name);
    addr_free(&r);
}

/* A mailbox goes out and comes back. A quoted local part that needs no
   quotes comes back without: that is another spelling. */
static void check_written(struct span name, struct span address)
{
    struct compose c = {0};
    struct buf out, flat;
    struct header_field f;
    buf_init(&out, 1 << 22);
    buf_init(&flat, 1 << 22);
    compose_begin(&c, &out, SPAN("To"));
    compose_mailbox(&c, name, address);
    if (compose_end(&c) == 0) {
        need(!ascii_breaks(name) && charset_is_utf8(name));
        need(header_split(buf_span(&out), &f));
        need(header_unfold(&flat, f.value) == 0);
        if (address.p[0] != '"')
            check_same(buf_span(&flat), address, name);
    }
    compose_free(&c);
    buf_free(&out);
    buf_free(&flat);
}

/* Behind a comment nothing is plain: the reader of all forms sees the same. */
static void check_plain(struct span s, const struct addr *plain)
{
    struct addr_reader r;
    struct addr a;
    struct buf b;
    buf_init(&b, s.n + 2);
    buf_add(&b, "()", 2);
    buf_add_span(&b, s);
    addr_init(&r, buf_span(&b), 1);
    need(addr_next(&r, &a) == 1 && r.faults == 0);
    need(span_eq(a.name, plain->name) && span_eq(a.address, plain->address));
    need(a.local == plain->local && !a.grouped);
    addr_free(&r);
    buf_free(&b);
}

static void check_all_plain(struct span input)
{
    struct addr a;
    size_t n;
    while ((n = addr_plain(input, &a)) > 0) {
        need(n <= input.n);
        check_plain(span_of(input.p, n), &a);
        input = span_skip(input, n);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct span input = span_of((const char *)data, n);
    struct addr_reader r;
    struct addr a;
    struct buf name;
    size_t found = 0;
    if (n > 20000)
        return 0;
    check_all_plain(input);
    buf_init(&name, 1 << 22);
    addr_init(&r, input, 1000);
    while (addr_next(&r, &a) == 1) {
        need(!ascii_breaks(a.address) && !ascii_breaks(a.name));
        need(!ascii_breaks(a.group) && a.local <= a.address.n);
        need((a.name.n + a.address.n > 0 || r.angled) && ++found <= 1000);
        buf_clear(&name);
        need(word_decode(&name, a.name, NULL) >= 0);
        if (compose_address(a.address) >= 0)
            check_written(buf_span(&name), a.address);
    }
    addr_free(&r);
    buf_free(&name);
    return 0;
}
