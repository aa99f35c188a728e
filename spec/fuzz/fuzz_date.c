/*
 * fuzz_date - any octets as a date, and any moment written and read again
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/date.h"

static void need(bool fact)
{
    if (!fact)
        abort();
}

/* Written, a date is short, visible ASCII, and reads as itself. */
static bool check_written(const struct date *d)
{
    struct date again;
    struct buf text;
    buf_init(&text, 100);
    bool done = date_format(&text, d) == 0;
    if (done) {
        struct span s = buf_span(&text);
        need(s.n >= 24 && s.n <= 40);
        for (size_t i = 0; i < s.n; i++)
            need(s.p[i] >= ' ' && s.p[i] <= '~');
        need(date_parse(s, &again) == 0);
        need(again.epoch == d->epoch && again.zone == d->zone);
        need(again.zoned == d->zoned);
    }
    buf_free(&text);
    return done;
}

static void check_moment(const unsigned char *data)
{
    struct date d = {0, 0, true};
    int64_t epoch;
    int16_t minutes;
    memcpy(&epoch, data, sizeof epoch);
    memcpy(&minutes, data + sizeof epoch, sizeof minutes);
    d.epoch = epoch % (400000000000);
    d.zone = minutes % (24 * 60) * 60;
    check_written(&d);
    d.epoch = epoch % 4000000000; /* of these years, each must do */
    d.zone = minutes % (14 * 60) * 60;
    need(check_written(&d));
}

/* Behind a comment no date is in the standard form: it reads the same. */
static void check_loose(struct span s)
{
    struct date d, loose;
    struct buf b;
    int err = date_parse(s, &d);
    buf_init(&b, s.n + 3);
    buf_add(&b, "() ", 3);
    buf_add_span(&b, s);
    need(date_parse(buf_span(&b), &loose) == err);
    if (err == 0)
        need(d.epoch == loose.epoch && d.zone == loose.zone &&
             d.zoned == loose.zoned);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct date d;
    if (n >= 10)
        check_moment(data);
    check_loose(span_of((const char *)data, n));
    if (date_parse(span_of((const char *)data, n), &d) < 0)
        return 0;
    need(d.zone > -86400 && d.zone < 86400);
    check_written(&d);
    return 0;
}
