/*
 * speed - the steps of core, buffer to buffer, beside memcpy of their input
 *
 * Usage: speed [kernel], else each kernel of this machine. In each round a
 * step and memcpy do the same octets, one right after the other; the median
 * of the rounds counts. The last column is the share of memcpy's speed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base64.h"

enum { SIZE = 1 << 16, STEP = SIZE / 4, ROUNDS = 21, TIMES = 100 };

struct work {
    const struct kernel *kernel;
    const char *in;
    size_t n;
    char *out;
    unsigned columns;
    size_t step; /* of the input; each goes to out, over the one before */
};

static size_t encode(const struct work *w)
{
    struct base64_encoder e;
    base64_encoder_init(&e, w->columns);
    e.kernel = w->kernel;
    size_t n = 0;
    for (size_t at = 0; at < w->n; at += w->step)
        n = base64_encode(&e, span_of(w->in + at, w->step), w->out);
    return n + base64_encode_finish(&e, w->out + n);
}

static size_t decode(const struct work *w)
{
    struct base64_decoder d;
    size_t n, more;
    base64_decoder_init(&d, false);
    d.kernel = w->kernel;
    if (base64_decode(&d, span_of(w->in, w->n), w->out, &n) < 0 ||
        base64_decode_finish(&d, w->out + n, &more) < 0)
        return 0;
    return n + more;
}

static size_t copy(const struct work *w)
{
    for (size_t at = 0; at < w->n; at += w->step) {
        memcpy(w->out, w->in + at, w->step);
        __asm__ volatile("" : : "r"(w->out) : "memory");
    }
    return w->n;
}

static double seconds(size_t (*step)(const struct work *), struct work *w)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < TIMES; i++)
        step(w);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return ((double)(b.tv_sec - a.tv_sec) +
            (double)(b.tv_nsec - a.tv_nsec) / 1e9) /
           TIMES;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, size_t (*step)(const struct work *),
                   struct work *w)
{
    double speed[ROUNDS], share[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double mine = seconds(step, w), memory = seconds(copy, w);
        speed[i] = (double)w->n / mine / 1e9;
        share[i] = memory / mine;
    }
    qsort(speed, ROUNDS, sizeof *speed, by_size);
    qsort(share, ROUNDS, sizeof *share, by_size);
    printf("%-8s %-28s %8.2f GB/s %8.2f\n", w->kernel->name, name,
           speed[ROUNDS / 2], share[ROUNDS / 2]);
}

static void measure(const struct kernel *k, const char *plain, char *text,
                    char *out)
{
    static const unsigned columns[2] = {0, 76};
    static const char *const encodes[2] = {"base64 encode",
                                           "base64 encode, 76 columns"};
    static const char *const decodes[2] = {"base64 decode",
                                           "base64 decode, 76 columns"};
    static const char *const steps[2] = {"base64 encode, 16 KiB steps",
                                         "the same, 76 columns"};
    for (int i = 0; i < 2; i++) {
        struct work to = {k, plain, SIZE, text, columns[i], SIZE};
        report(encodes[i], encode, &to);
        size_t n = encode(&to);
        struct work from = {k, text, n, out, 0, n};
        report(decodes[i], decode, &from);
        struct work stepped = {k, plain, SIZE, out, columns[i], STEP};
        report(steps[i], encode, &stepped);
    }
}

int main(int argc, char **argv)
{
    char *plain = malloc(SIZE), *text = malloc(2 * SIZE);
    char *out = malloc(2 * SIZE);
    uint32_t state = 12345;
    if (!plain || !text || !out)
        return 1;
    for (size_t i = 0; i < SIZE; i++) {
        state = state * 1103515245 + 12345;
        plain[i] = (char)(state >> 16);
    }
    for (const struct kernel *const *k = kernels; *k; k++)
        if (kernel_here(*k) && (argc < 2 || strcmp(argv[1], (*k)->name) == 0))
            measure(*k, plain, text, out);
    free(out);
    free(text);
    free(plain);
    return 0;
}
