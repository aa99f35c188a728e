/*
 * compare - what the comparisons of kernels share
 *
 * compare.c calls each comparison, compare_<codec>, for every kernel of this
 * machine and every length of input. A comparison makes its input from
 * work.plain and the random numbers, has the portable code (kernel_scalar)
 * and then the kernel do the work, and says need() of whatever must be the
 * same.
 *
 * Owns: nothing. Fails with: need() ends the program. I/O: prints.
 */
#ifndef KERNEL_COMPARE_H
#define KERNEL_COMPARE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/kernel.h"

enum { MOST = 1 << 16, AROUND = 64, CANARY = 0xa5, ALL_LENGTHS = 320 };

struct work {
    unsigned char plain[MOST + AROUND]; /* random, the same in each run */
    char text[4 * MOST], other[4 * MOST];
    unsigned char expected[4 * MOST];
    unsigned char room[4 * MOST + 5 * AROUND]; /* what a kernel works on */
    uint64_t random;
    bool some; /* one shape of a codec, by chance, is enough */
};

/* A random number from 0 to n - 1. */
size_t below(struct work *w, size_t n);

/* Ends the program when the fact is none: what differs, at which length. */
void need(bool fact, const struct kernel *k, const char *what, size_t n);

/* A place in work.room of that alignment for n octets, with AROUND canaries
   on both sides; it lasts until the next. */
char *place(struct work *w, size_t alignment, size_t n);

/* Whether the canaries around the n octets of a place are untouched. */
bool intact(const char *p, size_t n);

/* What guard.c runs where memory ends: a codec from its first byte to its
   last, in each of its variants. */
struct step {
    const char *name;
    size_t variants;
    bool in_place; /* out may be in.p */

    /* An input of about n octets; it lasts until the next. */
    struct span (*make)(struct work *w, size_t variant, size_t n);

    /* Returns how many octets were written. out has no more. */
    size_t (*run)(const struct kernel *k, size_t variant, struct span in,
                  char *out);
};

extern const struct step base64_encoding, base64_decoding;
extern const struct step qp_encoding, qp_decoding;
extern const struct step text_steps;

/* Every step by that kernel, of each length up to ALL_LENGTHS and then of
   every so manieth up to most. */
void guard(struct work *w, const struct kernel *k, size_t most, size_t every);

/* One length at one alignment; and once for each kernel. */
void compare_base64(struct work *w, const struct kernel *k, size_t n,
                    size_t alignment);
void compare_base64_octets(struct work *w, const struct kernel *k);
void compare_qp(struct work *w, const struct kernel *k, size_t n,
                size_t alignment);
void compare_text(struct work *w, const struct kernel *k, size_t n,
                  size_t alignment);

#endif
