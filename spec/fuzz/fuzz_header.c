/*
 * fuzz_header - any octets as a header block, and as each kind of value
 *
 * Fields tile the block, and no line end is left of what is unfolded.
 * Addresses, dates and types are read from the whole input, too; no
 * line end or NUL comes out of them.
 */
#include <stdlib.h>

#include "core/addr.h"
#include "core/ascii.h"
#include "core/date.h"
#include "core/header.h"
#include "core/media.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

static bool inside(struct span outer, struct span s)
{
    return s.n == 0 || (s.p >= outer.p && s.p + s.n <= outer.p + outer.n);
}

static void check_fields(struct span block)
{
    struct header_field f, found;
    struct buf value;
    size_t at = 0, behind = 0;
    buf_init(&value, 1 << 20);
    while (header_next(block, &at, &f)) {
        need(f.at == behind && f.n > 0 && at == f.at + f.n && at <= block.n);
        need(inside(block, f.name) && inside(block, f.value));
        need(f.name.n == 0 || header_find(block, f.name, 0, &found));
        behind = at;
        buf_clear(&value);
        need(header_unfold(&value, f.value) == 0);
        need(!ascii_breaks(buf_span(&value)));
    }
    buf_free(&value);
}

static void check_addresses(struct span value)
{
    struct addr_reader r;
    struct addr a;
    size_t n = 0;
    addr_init(&r, value, 1000);
    while (addr_next(&r, &a) == 1) {
        need(!ascii_breaks(a.address) && !ascii_breaks(a.name));
        need(!ascii_breaks(a.group) && a.local <= a.address.n);
        need((a.name.n + a.address.n > 0 || r.angled) && ++n <= 1000);
    }
    addr_free(&r);
}

static void check_date(struct span value)
{
    struct date d, again;
    struct buf text;
    if (date_parse(value, &d) < 0)
        return;
    need(d.zone > -86400 && d.zone < 86400);
    buf_init(&text, 100);
    if (date_format(&text, &d) == 0) {
        need(date_parse(buf_span(&text), &again) == 0);
        need(again.epoch == d.epoch && again.zone == d.zone);
        need(again.zoned == d.zoned);
    }
    buf_free(&text);
}

static void check_media(struct span value)
{
    struct media m;
    struct span rest, word = media_word(value, &rest);
    need(inside(value, word) && inside(value, rest));
    need(media_split(value, &m) == (m.type.n && m.subtype.n));
    need(inside(value, m.type) && inside(value, m.subtype));
    need(inside(value, m.rest));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct span input = span_of((const char *)data, n);
    if (n > 20000)
        return 0;
    check_fields(input);
    check_addresses(input);
    check_date(input);
    check_media(input);
    return 0;
}
