/*
 * fuzz_dns - the answer of a name server, made of any octets
 *
 * Names are text without control characters that end within their room,
 * records lie within the answer, and there are no more of them than the
 * header says.
 */
#include "core/ascii.h"
#include "core/dns.h"
#include "fuzz.h"

static void sound_name(const char *name)
{
    size_t n = strlen(name);
    need(n < DNS_NAME);
    for (size_t i = 0; i < n; i++)
        need(ascii_is(name[i], ASCII_VISIBLE));
}

static void sound_record(struct span answer, const struct dns_record *r)
{
    sound_name(r->host);
    if (r->data.n == 0)
        return;
    need(r->data.p >= answer.p + DNS_HEADER);
    need(r->data.p + r->data.n <= answer.p + answer.n);
}

static void fuzz_dns(struct span in, size_t step, unsigned bits, struct buf *a,
                     struct buf *b)
{
    struct dns_reader r;
    struct dns_record record;
    size_t n, count = 0;
    int err;
    (void)step;
    (void)bits;
    (void)a;
    (void)b;
    char *copy = piece(&in, FUZZ_MOST, &n);
    struct span answer = span_of(copy, n);
    err = dns_open(&r, answer);
    sound_name(r.name);
    while (err == 0 && (err = dns_next(&r, &record)) > 0) {
        sound_record(answer, &record);
        need(++count <= 1024);
        err = 0;
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_dns);
}
