/*
 * fuzz_param - parameters of any octets
 *
 * Names are tokens and values UTF-8; what was encoded decodes to what it
 * was, as one parameter without a fault.
 */
#include "core/ascii.h"
#include "core/charset.h"
#include "core/mime_param.h"
#include "core/param.h"
#include "fuzz.h"

static void decoding(struct span in, struct param_list *list)
{
    need(param_parse(list, in) == 0 && list->n <= PARAM_MOST);
    for (size_t i = 0; i < list->n; i++)
        need(charset_is_utf8(param_value(list, i)) &&
             ascii_all(param_name(list, i), ASCII_TOKEN));
}

/* Where all are plain, each is found as it was read, and nothing else. */
static void check_plain(struct span in, const struct param_list *list)
{
    struct span value;
    if (!mime_param(in, SPAN("charset*"), &value))
        return;
    need(list->faults == 0 && !value.p);
    for (size_t i = 0; i < list->n; i++) {
        need(mime_param(in, param_name(list, i), &value));
        need(value.p && span_eq(value, param_value(list, i)));
    }
}

static void fuzz_param(struct span in, size_t step, unsigned bits,
                       struct buf *a, struct buf *b)
{
    struct param_list list = {0};
    char *copy = malloc(in.n ? in.n : 1);
    struct span own = span_of(copy, in.n);
    (void)step;
    (void)bits;
    (void)b;
    need(copy != NULL);
    memcpy(copy, in.p, in.n);
    decoding(own, &list);
    check_plain(own, &list);
    int err = param_encode(a, SPAN("filename"), own);
    need((err == 0) == (charset_is_utf8(own) && !ascii_breaks(own)));
    if (err == 0) {
        decoding(buf_span(a), &list);
        need(list.n == 1);
        need(list.more ? own.n > PARAM_MOST * 16
                       : span_eq(param_value(&list, 0), own));
        need(list.more || list.faults == 0);
    }
    param_list_free(&list);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz(data, n, fuzz_param);
}
