/*
 * fuzz - what the fuzz targets of the codecs share
 *
 * The first octet of an input says how long its pieces are, and the bits
 * of the second choose among ways to work; the rest is what is worked on.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "core/buf.h"

enum { FUZZ_MOST = 1 << 24 }; /* a step of that size is all at once */

static inline void need(bool fact)
{
    if (!fact)
        abort();
}

static inline void same(const struct buf *a, const struct buf *b)
{
    need(span_eq(buf_span(a), buf_span(b)));
}

/* The next piece of in, in memory of its own, so that ASan sees its end;
   to be freed. */
static inline char *piece(struct span *in, size_t step, size_t *n)
{
    char *copy;
    *n = in->n < step ? in->n : step;
    copy = malloc(*n ? *n : 1);
    need(copy != NULL);
    memcpy(copy, in->p, *n);
    *in = span_skip(*in, *n);
    return copy;
}

/* Works on an input with two buffers that are empty. */
typedef void fuzz_run(struct span in, size_t step, unsigned bits, struct buf *a,
                      struct buf *b);

static inline int fuzz(const uint8_t *data, size_t n, fuzz_run *run)
{
    struct buf a, b;
    if (n < 2)
        return 0;
    buf_init(&a, FUZZ_MOST);
    buf_init(&b, FUZZ_MOST);
    run(span_of((const char *)data + 2, n - 2), data[0] % 100 + 1, data[1], &a,
        &b);
    buf_free(&a);
    buf_free(&b);
    return 0;
}

#endif
